"""Safetensors files: tensors by name, and text beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import safe_open
from torch import Tensor

from ..errors import AdaINError, reason

T = TypeVar("T")

FORMAT = "adain-1"  # in the metadata of this pack's files
_LARGEST = 2 << 30  # bytes of a file; our largest, checkpoints of a training, have a tenth of that


def read_metadata(path: str | Path) -> dict[str, str]:
    """A safetensors file's metadata alone; AdaINError as `read_safetensors`."""
    return _open(path, _metadata)


def read_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A safetensors file's tensors in their stored types, and its metadata.

    Raises:
        AdaINError: there is no such file, it is larger than any of ours, it is not safetensors, or it is cut short.
    """
    return _open(path, lambda file: (_tensors(file), _metadata(file)))


def storable(texts: Mapping[str, str]) -> dict[str, str]:
    """Metadata as safetensors takes it, in UTF-8: names of files may hold bytes that are not, which become ``?``."""
    return {key: text.encode("utf-8", "replace").decode("utf-8") for key, text in texts.items()}


def check_state(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: str | Path) -> None:
    """Raises AdaINError naming missing keys, unexpected keys, wrong shapes and weights that are not finite."""
    problems = []
    if missing := sorted(expected.keys() - state.keys()):
        problems.append(f"missing {', '.join(missing)}")
    if unexpected := sorted(state.keys() - expected.keys()):
        problems.append(f"unexpected {', '.join(unexpected)}")
    for key in sorted(expected.keys() & state.keys()):
        if state[key].shape != expected[key].shape:
            problems.append(f"{key} of shape {list(state[key].shape)} instead of {list(expected[key].shape)}")
        elif not bool(state[key].to(expected[key].dtype).isfinite().all()):
            problems.append(f"{key} with values that are not finite")
    if problems:
        raise AdaINError(f"{path}: expected the weights of this architecture, found {'; '.join(problems)}")


def _open(path: str | Path, read: Callable[[Any], T]) -> T:
    path = Path(path)
    if not path.is_file():
        raise AdaINError(f"{path}: expected a safetensors file, found {'a folder' if path.is_dir() else 'nothing'}")
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise AdaINError(f"{path}: expected a file of at most {_LARGEST >> 30} GiB, found one of {size} bytes")
        with safe_open(path, framework="pt") as file:
            return read(file)
    except (AdaINError, MemoryError):
        raise
    except Exception as error:  # the library's own, the system's, and PyTorch's for types and shapes it has not
        raise AdaINError(
            f"{path}: expected a complete safetensors file, found one that cannot be read ({reason(error)}); "
            "other formats are read by 'python -m adain_core import'"
        ) from None


def _metadata(file: Any) -> dict[str, str]:
    return dict(file.metadata() or {})


def _tensors(file: Any) -> dict[str, Tensor]:
    # Copies: the library's tensors are the file, mapped into memory. Written over while in use, it would change them,
    # and cut short end the process.
    return {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118  # it is no dictionary
