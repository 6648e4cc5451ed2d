"""Styles as files: a few kilobytes of safetensors, perhaps with a thumbnail."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file

from ..errors import AdaINError, check_finite
from ..files import atomic_write
from ..method.normalization import Statistics
from ..method.style import Style
from .tensor_files import FORMAT, read_metadata, read_safetensors

THUMBNAIL_SIZE = 96  # pixels, the longer side
_INFO = ("name", "author", "license")


def save_style(path: str | Path, style: Style, thumbnail: Image.Image | None = None) -> None:
    """Writes a style, atomically: statistics in float32, the encoder's fingerprint, name, author, licence, thumbnail.

    Args:
        path: the file; its folder is made when missing.
        style: statistics ``[B, C]``.
        thumbnail: a picture of the style; it is scaled down to 96 pixels.

    Raises:
        AdaINError: statistics that are not finite, which no one could read again.

    Example:
        >>> style = Style(Statistics(torch.zeros(1, 512), torch.ones(1, 512)), "an encoder", {"name": "Plain"})
        >>> save_style("plain.safetensors", style)
        >>> load_style("plain.safetensors").info
        {'name': 'Plain'}
    """
    for values in style.statistics:
        check_finite("style", values)
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
        AdaINError: there is no such file, it is no complete safetensors file, it holds no style, or the statistics
            have another shape, are not finite, or have a deviation of 0 or less.
    """
    tensors, metadata = read_safetensors(path)
    if metadata.get("kind") != "style":
        raise AdaINError(
            f"{path}: expected a style file, found one that holds {metadata.get('kind', 'something else')}"
        )
    if set(tensors) != set(Statistics._fields):
        raise AdaINError(f"{path}: expected the tensors mean and std, found {', '.join(sorted(tensors)) or 'none'}")
    statistics = Statistics(**tensors)
    mean, std = statistics
    if mean.ndim != 2 or 0 in mean.shape or std.shape != mean.shape:
        raise AdaINError(
            f"{path}: expected mean and std of shape [batch, channels], found {list(mean.shape)} and {list(std.shape)}"
        )
    if not bool(mean.isfinite().all() and std.isfinite().all() and (std > 0).all()):
        raise AdaINError(f"{path}: expected finite statistics with deviations above 0, found others")
    return Style(statistics, metadata.get("encoder", ""), {key: metadata[key] for key in _INFO if key in metadata})


def load_thumbnail(path: str | Path) -> Image.Image | None:
    """The RGB picture kept with a style; None when there is none or it cannot be read."""
    text = read_metadata(path).get("thumbnail")
    if not text:
        return None
    try:
        return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")
    except Exception:  # whatever the decoders raise: without its picture the style is still of use
        return None


def _to_text(picture: Image.Image) -> str:
    picture = picture.convert("RGB")
    picture.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return base64.b64encode(buffer.getvalue()).decode()
