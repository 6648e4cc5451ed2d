"""Styles as files: a few kilobytes of safetensors, perhaps with a thumbnail.

``mean`` and ``std`` are the statistics at relu4_1, all there is in files of 1.0.0; ``relu1_1.mean`` and so on those of
the layers before, in files of styles that know them.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file

from ..errors import AdaINError, check_finite
from ..files import atomic_write
from ..method.features import TAP_CHANNELS, TAPS
from ..method.normalization import Statistics
from ..method.style import ShallowStatistics, Style
from .tensor_files import FORMAT, read_metadata, read_safetensors, storable

THUMBNAIL_SIZE = 96  # pixels, the longer side
_LARGEST_THUMBNAIL = 1 << 20  # pixels; other programs may write larger ones, but not as a trap
_THUMBNAIL_FORMATS = ("JPEG", "PNG")
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
    layers = [style.statistics] if style.shallow is None else style.layers()
    tensors = {
        _name(tap, field): value
        for tap, layer in zip(reversed(TAPS), reversed(layers), strict=False)
        for field, value in layer._asdict().items()
    }
    for values in tensors.values():
        check_finite("style", values)
    metadata = {"format": FORMAT, "kind": "style", "encoder": style.encoder_id}
    metadata |= {key: style.info[key] for key in _INFO if style.info.get(key)}
    if thumbnail is not None:
        metadata["thumbnail"] = _to_text(thumbnail)
    tensors = {name: value.detach().to("cpu", torch.float32).contiguous() for name, value in tensors.items()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, storable(metadata))


def load_style(path: str | Path) -> Style:
    """Reads a style.

    Raises:
        AdaINError: there is no such file, it is no complete safetensors file, it holds no style, or the statistics
            have another shape, are not finite, or have a deviation of 0 or less.
    """
    tensors, metadata = read_safetensors(path)
    if metadata.get("kind") != "style":
        raise AdaINError(
            f"{path}: expected a style file, found one of another kind ({metadata.get('kind', 'unknown')})"
        )
    found = {_name(tap, field): tap for tap in TAPS for field in Statistics._fields}
    if set(tensors) not in (set(found), {_name(TAPS[-1], field) for field in Statistics._fields}):
        raise AdaINError(f"{path}: expected the tensors mean and std, found {', '.join(sorted(tensors)) or 'none'}")
    tensors = {name: values.float() for name, values in tensors.items()}
    layers = [
        # How many channels the features have depends on the encoder; with layers before them it is a VGG.
        _checked(path, Statistics(*(tensors[_name(tap, field)] for field in Statistics._fields)), channels)
        for tap, channels in zip(TAPS, [*TAP_CHANNELS[:-1], None], strict=True)
        if _name(tap, "mean") in tensors
    ]
    shallow = ShallowStatistics(layers[:-1]) if len(layers) > 1 else None
    info = {key: metadata[key] for key in _INFO if key in metadata}
    return Style(layers[-1], metadata.get("encoder", ""), info, shallow)


def _name(tap: str, field: str) -> str:
    """Of a tensor in the file; relu4_1's have no prefix, as in files of 1.0.0, which hold no others."""
    return field if tap == TAPS[-1] else f"{tap}.{field}"


def _checked(path: str | Path, statistics: Statistics, channels: int | None) -> Statistics:
    mean, std = statistics
    wanted = "channels" if channels is None else channels
    if mean.ndim != 2 or 0 in mean.shape or std.shape != mean.shape or mean.shape[1] != (channels or mean.shape[1]):
        raise AdaINError(
            f"{path}: expected mean and std of shape [batch, {wanted}], found {list(mean.shape)} and {list(std.shape)}"
        )
    if not bool(mean.isfinite().all() and std.isfinite().all() and (std > 0).all()):
        raise AdaINError(f"{path}: expected finite statistics with deviations above 0, found others")
    return statistics


def load_thumbnail(path: str | Path) -> Image.Image | None:
    """The RGB picture kept with a style; None when there is none or it cannot be read."""
    text = read_metadata(path).get("thumbnail")
    if not text:
        return None
    try:
        with Image.open(io.BytesIO(base64.b64decode(text)), formats=_THUMBNAIL_FORMATS) as picture:
            return picture.convert("RGB") if picture.width * picture.height <= _LARGEST_THUMBNAIL else None
    except Exception:  # whatever the decoders raise: without its picture the style is still of use
        return None


def _to_text(picture: Image.Image) -> str:
    picture = picture.convert("RGB")
    picture.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return base64.b64encode(buffer.getvalue()).decode()
