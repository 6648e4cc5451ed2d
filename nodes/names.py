"""Names of files that users type."""

from __future__ import annotations

import re

from ..adain_core.errors import AdaINError

_NAME = re.compile(r"\w[\w .()-]*")
_DEVICE = re.compile(r"CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³]", re.IGNORECASE)  # on Windows, whatever the ending
_LONGEST = 200  # bytes; endings and names of temporary files are longer


def file_name(field: str, name: str) -> str:
    """The name without ``.safetensors``.

    Raises:
        AdaINError: it is no plain file name, such as one that leaves its folder or is a device's on Windows.
    """
    name = name.strip().removesuffix(".safetensors")
    if not _NAME.fullmatch(name):
        raise AdaINError(f"{field}: expected letters, digits, spaces and . ( ) - only, found {name!r}")
    if _DEVICE.fullmatch(name.split(".")[0].strip()) or name.endswith((" ", ".")):
        raise AdaINError(f"{field}: expected a name that every system takes for a file's, found {name!r}")
    if len(name.encode()) > _LONGEST:
        raise AdaINError(f"{field}: expected at most {_LONGEST} bytes, found {len(name.encode())}")
    return name
