"""Names of files that users type."""

from __future__ import annotations

import re

from ..adain_core.errors import AdaINError

_NAME = re.compile(r"\w[\w .()-]*")


def file_name(field: str, name: str) -> str:
    """The name without ``.safetensors``; AdaINError if it is no plain file name, such as one that leaves its folder."""
    name = name.strip().removesuffix(".safetensors")
    if not _NAME.fullmatch(name):
        raise AdaINError(f"{field}: expected letters, digits, spaces and . ( ) - only, found {name!r}")
    return name
