"""Names of files that users type."""

from __future__ import annotations

import re

from ..adain_core.errors import AdaINError

_NAME = re.compile(r"\w[\w .()-]*")


def file_name(field: str, name: str) -> str:
    """The name without ``.safetensors``; AdaINError when it could lead out of its folder or is no file name."""
    name = name.strip().removesuffix(".safetensors")
    if not _NAME.fullmatch(name):
        raise AdaINError(f"{field}: expected letters, digits, spaces and . ( ) - only, found {name!r}")
    return name
