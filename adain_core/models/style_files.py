"""Styles as files: a few kilobytes of safetensors."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file

from ..errors import AdaINError
from ..files import atomic_write
from ..method.features import FEATURE_CHANNELS
from ..method.normalization import Statistics
from ..method.style import Style
from .tensor_files import FORMAT, read_safetensors

THUMBNAIL_SIZE = 96  # pixels, the longer side
_INFO = ("name", "author", "license")


def save_style(path: str | Path, style: Style, thumbnail: Image.Image | None = None) -> None:
    """Writes a style, atomically: statistics in float32, the encoder's fingerprint, name, author, licence, thumbnail.

    Args:
        path: the file; its folder is made when missing.
        style: statistics ``[B, 512]``.
        thumbnail: a picture of it, scaled down here.

    Example:
        >>> style = Style(Statistics(torch.zeros(1, 512), torch.ones(1, 512)), "an encoder", {"name": "Plain"})
        >>> save_style("plain.safetensors", style)
        >>> load_style("plain.safetensors").info
        {'name': 'Plain'}
    """
    metadata = {"format": FORMAT, "kind": "style", "encoder": style.encoder_id}
    metadata |= {key: style.info[key] for key in _INFO if style.info.get(key)}
    if thumbnail is not None:
        metadata["thumbnail"] = _to_text(thumbnail)
    tensors = {
        name: value.detach().to("cpu", torch.float32).contiguous() for name, value in style.statistics._asdict().items()
    }
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, metadata)


def load_style(path: str | Path) -> Style:
    """Reads a style.

    Raises:
        AdaINError: no such file, not safetensors, not a style, or statistics of another shape or not finite.
    """
    tensors, metadata = read_safetensors(path)
    if metadata.get("kind") != "style" or set(tensors) != set(Statistics._fields):
        raise AdaINError(
            f"{path}: expected a style file, found one that holds {metadata.get('kind', 'something else')}"
        )
    statistics = Statistics(**tensors)
    mean, std = statistics
    if mean.ndim != 2 or mean.shape[1] != FEATURE_CHANNELS or std.shape != mean.shape:
        raise AdaINError(
            f"{path}: expected mean and std of shape [batch, {FEATURE_CHANNELS}], "
            f"found {list(mean.shape)} and {list(std.shape)}"
        )
    if not bool(mean.isfinite().all() and std.isfinite().all() and (std > 0).all()):
        raise AdaINError(f"{path}: expected finite statistics with deviations above 0, found others")
    return Style(statistics, metadata.get("encoder", ""), {key: metadata[key] for key in _INFO if key in metadata})


def load_thumbnail(path: str | Path) -> Image.Image | None:
    """The picture kept with a style, None when there is none."""
    text = read_safetensors(path)[1].get("thumbnail")
    return Image.open(io.BytesIO(base64.b64decode(text))) if text else None


def _to_text(picture: Image.Image) -> str:
    picture = picture.convert("RGB")
    picture.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return base64.b64encode(buffer.getvalue()).decode()
