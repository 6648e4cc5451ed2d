"""What the example workflows shall give, computed with the core alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from adain_core import Style, Stylizer
from adain_core.images.color import match_color
from adain_core.images.files import load_picture
from adain_core.images.labelled_grid import labelled_grid
from adain_core.images.resize import scale_short_side
from adain_core.inference.applications import plan_regions
from adain_core.inference.channel_preview import preview_channels
from adain_core.inference.frames import applied
from adain_core.inference.pipeline import apply_style
from adain_core.inference.style_grid import plan_grid, stylized_cells
from adain_core.method import channel_masks
from adain_core.method.spatial_masks import feathered
from adain_core.method.style_arithmetic import toward
from adain_core.method.style_bank import mixed
from adain_core.models.channel_clusters import cluster
from adain_core.models.style_files import load_style
from adain_core.models.style_library import LIBRARY
from adain_core.training.fit_style import fit_style
from adain_core.video.smoothing import TemporalSmoother

from .server import EXAMPLE_INPUT, ROOT, find_comfyuis

EXAMPLES = ROOT / "examples"


def _image(name: str) -> Tensor:
    return load_picture(EXAMPLES / f"{name}.jpg").pixels


def _stylize(s: Stylizer) -> list[Tensor]:
    return [s.stylize(_image("content_astronaut"), _image("style_starry_night"))]


def _refine(s: Stylizer) -> list[Tensor]:
    given = _image("content_astronaut"), _image("style_starry_night")
    return [s.stylize(*given), s.stylize(*given, refine=10)]


def _mix(s: Stylizer) -> list[Tensor]:
    styles = [_image("style_starry_night"), _image("style_paint_brushes")]
    return [s.stylize(_image("content_chelsea"), styles, weights=[0.5, 0.5])]


def _app(s: Stylizer) -> list[Tensor]:
    example = load_picture(find_comfyuis()[0].folder / "input" / EXAMPLE_INPUT).pixels  # the same in every ComfyUI
    return [s.stylize(example, example)]


def _alpha(s: Stylizer) -> list[Tensor]:
    style = s.style(_image("style_safe_landing"))
    return [s.stylize(_image("content_coffee"), style, alpha=alpha) for alpha in (0.3, 0.6, 1.0)]


def _channels(s: Stylizer) -> list[Tensor]:
    content, style = s.encode(_image("content_chelsea")), s.style(_image("style_safe_landing"))
    chosen = channel_masks.by_difference(content.statistics, style.statistics, 544)
    return [s.decode(apply_style(content, style, channels=chosen))]


def _regions(s: Stylizer) -> list[Tensor]:
    right = (torch.arange(512.0) + 1).div(400).clamp(max=1).expand(1, 512, 512)  # FeatherMask, 400 pixels at the left
    first = apply_style(s.encode(_image("content_astronaut")), s.style(_image("style_starry_night")))
    return [s.decode(apply_style(first, s.style(_image("style_honeywave")), mask=right))]


def _bank(s: Stylizer) -> list[Tensor]:
    bank = load_style(EXAMPLES / "styles/bank_of_three.safetensors")
    styles = _library("klimt_kiss"), mixed(bank, [0, 1, 1])
    return [s.stylize(_image("content_chelsea"), style) for style in styles]


def _sizes(s: Stylizer) -> list[Tensor]:
    given = _image("content_coffee"), _image("style_safe_landing")
    sizes = ((128, 0), (512, 0), (512, 96))
    return [s.stylize(*given, style_size=strokes, detail_size=detail) for strokes, detail in sizes]


def _transparent(s: Stylizer) -> list[Tensor]:
    ramp = (torch.arange(512.0) + 1).div(320).clamp(max=1)  # FeatherMask
    opacity = ramp * ramp[:, None]
    result = s.stylize(_image("content_astronaut"), _image("style_paint_brushes"), opacity=opacity)
    return [torch.cat([result, opacity[None, None]], dim=1)]


def _clusters(s: Stylizer) -> list[Tensor]:
    content, style = s.encode(_image("content_chelsea")), s.style(_image("style_starry_night"))
    chosen = channel_masks.from_channels(cluster("rough texture"))
    return list(preview_channels(s.decode, content, style, chosen)[:3])


def _three_regions(s: Stylizer) -> list[Tensor]:
    size = 400, 600
    left, top = torch.ones(2, 1, *size)  # MaskComposite: less a mask of ones that begins in the middle
    left[..., 300:], top[:, 200:] = 0, 0
    styles = [load_style(EXAMPLES / "styles/starry_night.safetensors")]
    styles += [s.style(_image(f"style_{name}")) for name in ("safe_landing", "honeywave")]
    regions = plan_regions(styles, [None, *(feathered(mask, size, 64) for mask in (left, top))], size)
    return [s.decode(applied(s.encode(_image("content_coffee")), regions))]


def _colors(s: Stylizer) -> list[Tensor]:
    content = _image("content_coffee")
    result = s.stylize(content, _image("style_paint_brushes"), preserve_color=True)
    return [result, match_color(result, content, "luminance")]


def _histograms(s: Stylizer) -> list[Tensor]:
    content = _image("content_chelsea")
    result = s.stylize(content, _image("style_safe_landing"))
    return [result, *(match_color(result, content, "histogram", strength=strength) for strength in (1.0, 0.5))]


def _library(name: str) -> Style:
    return load_style(LIBRARY / f"{name}.safetensors")


def _from_library(s: Stylizer) -> list[Tensor]:
    return [s.stylize(_image("content_chelsea"), _library("marbling"))]


def _exaggerate(s: Stylizer) -> list[Tensor]:
    content, style = s.encode(_image("content_chelsea")), _library("van_gogh_wheat_field")
    moved = toward(style, [content.style], [-0.5])
    return [s.decode(apply_style(content, each)) for each in (style, moved)]


def _folder(s: Stylizer) -> list[Tensor]:
    paths = sorted(EXAMPLES.glob("style_*.jpg"))
    style = s.pooled_style([(scale_short_side(load_picture(path).pixels, 256), None) for path in paths])
    return [s.stylize(_image("content_chelsea"), style)]


def _corners(s: Stylizer) -> list[Tensor]:
    names = ("woodcut", "petrov_vodkin_red_horse", "monet_japanese_bridge", "van_gogh_sunflowers")
    cells, content = plan_grid(4, 3), s.encode(_image("content_chelsea"))
    pictures = list(stylized_cells(s.decode, content, [_library(name) for name in names], cells))
    return [labelled_grid(pictures, [cell.label for cell in cells], 3, 192)]


def _load(s: Stylizer) -> list[Tensor]:
    return [s.stylize(_image("content_chelsea"), load_style(EXAMPLES / "styles/starry_night.safetensors"))]


def _fit(s: Stylizer) -> list[Tensor]:
    first, second = _image("style_starry_night"), _image("style_paint_brushes")
    style = fit_style(s.encoder, s.decoder, [first, _like_image_batch(second, first)], steps=8)
    return [s.stylize(_image("content_chelsea"), style)]


def _frames(s: Stylizer) -> list[Tensor]:
    photo, style = _image("content_chelsea").movedim(1, 3), s.style(_image("style_starry_night"))
    noise = torch.randn((4, *photo.shape[1:]), generator=torch.Generator().manual_seed(0))  # ImageAddNoise
    frames = (photo + 0.05 * noise).clamp(0, 1).movedim(3, 1)
    smoother = TemporalSmoother(flow=True)
    features, cuts = smoother.apply(s.encode(frames), style)
    return [smoother.blend(s.decode(features), frames, cuts), s.stylize(frames, style)]


def _like_image_batch(image: Tensor, first: Tensor) -> Tensor:
    """ComfyUI's ImageBatch: the centre at the first image's aspect, scaled to its size."""
    height, width = image.shape[2:]
    aspect = first.shape[3] / first.shape[2]
    x = max(round((width - width * (aspect / (width / height))) / 2), 0) if width / height > aspect else 0
    y = max(round((height - height * ((width / height) / aspect)) / 2), 0) if width / height < aspect else 0
    return F.interpolate(image[..., y : height - y, x : width - x], first.shape[2:], mode="bilinear")


EXPECTED: dict[str, Callable[[Stylizer], list[Tensor]]] = {
    "01 Stylize a photo": _stylize,
    "02 Stylize step by step": _stylize,
    "03 Style strength in steps": _alpha,
    "04 Keep the colours": _colors,
    "05 Refine the picture": _refine,
    "06 Stylize your photo.app": _app,
    "07 Match histograms": _histograms,
    "11 Mix two styles": _mix,
    "12 Save and load a style": _load,
    "13 One style from several images": _fit,
    "14 Size of the strokes": _sizes,
    "15 Take a style from the library": _from_library,
    "16 Exaggerate a style": _exaggerate,
    "17 One style from a folder": _folder,
    "18 Four styles in the corners": _corners,
    "19 A bank of styles": _bank,
    "21 Two styles by mask": _regions,
    "22 Style in some channels": _channels,
    "23 A transparent picture": _transparent,
    "24 Channels by name": _clusters,
    "25 Styles in regions": _three_regions,
    "31 Frames without flicker": _frames,
}
