"""Makes the help pages' pictures: what the knobs do, from the core; each node in a graph, from the real ComfyUI.

python -m tests.comfyui.make_help_pictures                  all of them
python -m tests.comfyui.make_help_pictures alpha AdaINApply  only those

Those of nodes are taken with a Chromium: at $CHROMIUM, else /usr/bin/chromium.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from io import BytesIO

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from adain_core import Stylizer, mix
from adain_core.images.color import METHODS, match_color
from adain_core.images.files import load_picture, to_image, to_tensor
from adain_core.images.labelled_grid import labelled_grid
from adain_core.images.resize import scale_short_side
from adain_core.inference.channel_preview import preview_channels
from adain_core.inference.pipeline import apply_style
from adain_core.inference.style_grid import plan_grid, stylized_cells
from adain_core.method import channel_masks
from adain_core.method.channel_clusters import RunningCorrelations
from adain_core.method.style_arithmetic import toward
from adain_core.models.channel_clusters import cluster, load_clusters
from adain_core.models.style_files import load_style, load_thumbnail
from adain_core.models.style_library import LIBRARY
from adain_core.training.evaluation import evaluate
from adain_core.training.fit_style import fit_style
from adain_core.video.smoothing import TemporalSmoother
from benchmarks.channel_clusters import strongest_patches

from .browser import open_browser, open_page
from .expected import EXAMPLES
from .server import ROOT, own_server

DOCS = ROOT / "web" / "docs"
WIDTH = 500  # pixels; the help panel shows half of that
GAP = 4  # pixels between pictures of a row
LABEL = 30  # pixels, height of the line under a row
QUALITY = 78
SIDE = 320  # pixels, of the squares that are stylized
WORKFLOWS = {
    "AdaINEncoderLoader": "02 Stylize step by step",
    "AdaINDecoderLoader": "02 Stylize step by step",
    "AdaINVGGEncode": "02 Stylize step by step",
    "AdaINApply": "22 Style in some channels",
    "AdaINRegions": "25 Styles in regions",
    "AdaINStyleMix": "11 Mix two styles",
    "AdaINStyleArithmetic": "16 Exaggerate a style",
    "AdaINStyleFromImages": "17 One style from a folder",
    "AdaINStyleGrid": "18 Four styles in the corners",
    "AdaINDecode": "02 Stylize step by step",
    "AdaINChannelMask": "22 Style in some channels",
    "AdaINPreviewChannels": "24 Channels by name",
    "AdaINSaveStyle": "12 Save and load a style",
    "AdaINLoadStyle": "12 Save and load a style",
    "AdaINFitStyle": "13 One style from several images",
    "AdaINStyleBank": "19 A bank of styles",
    "AdaINPickStyle": "19 A bank of styles",
    "AdaINMatchColor": "04 Keep the colours",
    "AdaINExampleImage": "02 Stylize step by step",
    "AdaINRefine": "05 Refine the picture",
    "AdaINStylize": "01 Stylize a photo",
    "AdaINStylizeFrames": "31 Frames without flicker",
    "AdaINStylizeVideo": "32 Stylize a video",
    "AdaINTrainDecoder": "41 Train a decoder",
}
MARGIN = 46  # of the graph, around a node: its wires


def main() -> None:
    wanted = sys.argv[1:] or [*KNOBS, *WORKFLOWS]
    knobs = [name for name in wanted if name in KNOBS]
    nodes = [name for name in wanted if name in WORKFLOWS]
    if knobs:
        stylizer = Stylizer.load(device="cpu")
        for name in knobs:
            save(KNOBS[name](stylizer), name)
    if nodes:
        photograph(nodes)


def save(picture: Image.Image, name: str) -> None:
    picture.convert("RGB").save(DOCS / f"{name}.jpg", quality=QUALITY, optimize=True)


def square(name: str, side: int = SIDE) -> Tensor:
    """The central square of an example image, ``[1, 3, side, side]``."""
    pixels = load_picture(EXAMPLES / f"{name}.jpg").pixels
    short = min(pixels.shape[2:])
    y, x = ((size - short) // 2 for size in pixels.shape[2:])
    image = to_image(pixels[0, :, y : y + short, x : x + short]).resize((side, side), Image.LANCZOS)
    return to_tensor(image)


def row(pictures: Sequence[Tensor], labels: Sequence[str] = (), columns: int = 0) -> Image.Image:
    """Pictures side by side, each with its label under it."""
    columns = columns or len(pictures)
    rows = -(-len(pictures) // columns)
    width = WIDTH if columns > 2 else WIDTH * 4 // 5
    side = (width - GAP * (columns - 1)) // columns
    step = side + (LABEL if labels else GAP)
    sheet = Image.new("RGB", (width, step * rows - (0 if labels else GAP)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    for k, picture in enumerate(pictures):
        x, y = (side + GAP) * (k % columns), step * (k // columns)
        sheet.paste(to_image(picture[0]).resize((side, side), Image.LANCZOS), (x, y))
        if labels:
            draw.text((x + side / 2, y + side + LABEL / 2), labels[k], "black", font, anchor="mm")
    return sheet


def alpha(s: Stylizer) -> Image.Image:
    content, style = square("content_coffee"), s.style(square("style_starry_night"))
    values = (0.0, 0.5, 1.0)
    return row([s.stylize(content, style, alpha=value) for value in values], [f"{value:g}" for value in values])


def mask(s: Stylizer) -> Image.Image:
    content, style = square("content_astronaut"), s.style(square("style_starry_night"))
    region = ((torch.arange(float(SIDE)) / SIDE - 0.35) / 0.3).clamp(0, 1).expand(1, SIDE, SIDE)
    return row([content, region.expand(1, 3, -1, -1), s.stylize(content, style, masks=[region])])


def style_mask(s: Stylizer) -> Image.Image:
    """Statistics of the upper and of the lower half of the style image."""
    content, style = square("content_chelsea"), square("style_starry_night")
    upper = (torch.arange(SIDE) < SIDE // 2).float()[:, None].expand(1, SIDE, SIDE)
    results = [s.stylize(content, s.style(style, region)) for region in (upper, 1 - upper)]
    shown = [style * region + (1 - region) for region in (upper, 1 - upper)]
    return row([shown[0], shown[1], *results], columns=2)


def channel_mask(s: Stylizer) -> Image.Image:
    content, style = s.encode(square("content_chelsea")), s.style(square("style_safe_landing"))
    both = content.statistics, style.statistics
    count = s.encoder.feature_channels
    half = count // 2
    masks = {
        f"range 0-{count - 1}": channel_masks.from_range(0, count - 1, count=count),
        "range 0-255": channel_masks.from_range(0, 255, count=count),
        f"differ most {half}": channel_masks.by_difference(*both, half),
        f"differ least {half}": channel_masks.by_difference(*both, half, most=False),
    }
    return row([s.decode(apply_style(content, style, channels=m)) for m in masks.values()], list(masks), columns=2)


def channel_clusters(_: Stylizer) -> Image.Image:
    """The patches of the example images that excite each cluster of VGG-19's channels most, under its name."""
    s, clusters = Stylizer.load(device="cpu", pair="vgg19"), load_clusters()
    paths = [path for kind in ("content", "style") for path in sorted(EXAMPLES.glob(f"{kind}_*.jpg"))]
    images = list(enumerate(load_picture(path).pixels for path in paths))
    seen = [(k, scale_short_side(image, side)) for k, image in images for side in (224, 320, 448)]
    running = RunningCorrelations()
    for _, pixels in seen:
        running.add(s.encode(pixels).tensor)
    rows = strongest_patches(s, seen, running.statistics(), list(clusters.values()), 5)
    side, gap = 48, 16
    width = 5 * (side + 2) - 2
    sheet = Image.new("RGB", (2 * width + gap, len(clusters) // 2 * (side + LABEL)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for k, (name, patches) in enumerate(zip(clusters, rows, strict=True)):
        x, y = k % 2 * (width + gap), k // 2 * (side + LABEL)
        draw.text((x, y + LABEL / 2), name, "black", font, anchor="lm")
        for n, patch in enumerate(patches):
            sheet.paste(to_image(patch.pixels).resize((side, side), Image.LANCZOS), (x + n * (side + 2), y + LABEL))
    return sheet


def preview_of_channels(s: Stylizer) -> Image.Image:
    content, style = s.encode(square("content_chelsea")), s.style(square("style_starry_night"))
    shown = []
    for name in ("rough texture", "sky and water"):
        shown += preview_channels(s.decode, content, style, channel_masks.from_channels(cluster(name)))[:3]
    return row(shown, ["on", "off", "difference"] * 2, columns=3)


def feather(s: Stylizer) -> Image.Image:
    content = square("content_coffee")
    styles = [s.style(square(f"style_{name}")) for name in ("starry_night", "honeywave")]
    left = (torch.arange(SIDE) < SIDE // 2).float().expand(1, SIDE, SIDE)
    widths = (0, 64, 192)
    results = [s.stylize(content, styles, masks=[left, 1 - left], feather=width) for width in widths]
    return row(results, [str(width) for width in widths])


def style_mix(s: Stylizer) -> Image.Image:
    content = square("content_chelsea")
    styles = [s.style(square(f"style_{name}")) for name in ("starry_night", "safe_landing")]
    weights = ((1, 0), (1, 1), (0, 1))
    return row([s.stylize(content, mix(styles, list(w))) for w in weights], [f"{a} : {b}" for a, b in weights])


def match_colors(s: Stylizer) -> Image.Image:
    content = square("content_coffee")
    image = s.stylize(content, square("style_safe_landing"))
    results = [match_color(image, content, method) for method in METHODS]
    return row([image, content, *results], ["image", "reference", *METHODS], columns=3)


def preserve_color(s: Stylizer) -> Image.Image:
    content, style = square("content_coffee"), square("style_starry_night")
    return row([content, *(s.stylize(content, style, preserve_color=keep) for keep in (False, True))])


def style_size(s: Stylizer) -> Image.Image:
    """A part of the results, at their own size."""
    content, style = square("content_coffee", 512), load_picture(EXAMPLES / "style_starry_night.jpg").pixels
    sizes = (128, 256, 512)
    return row([part(s.stylize(content, style, style_size=size)) for size in sizes], [str(size) for size in sizes])


def detail_size(s: Stylizer) -> Image.Image:
    content, style = square("content_coffee", 512), square("style_starry_night", 512)
    sizes = (0, 256, 64)
    return row([part(s.stylize(content, style, detail_size=size)) for size in sizes], [str(size) for size in sizes])


def part(image: Tensor, side: int = 240) -> Tensor:
    """The left part of a picture, amid its height."""
    return image[..., 130 : 130 + side, 60 : 60 + side]


def fitted_style(s: Stylizer) -> Image.Image:
    images = [square(f"style_{name}") for name in ("starry_night", "paint_brushes")]
    content = square("content_chelsea")
    results = [s.stylize(content, fit_style(s.encoder, s.decoder, images, steps)) for steps in (0, 100)]
    return row([*images, *results], ["", "", "0", "100"], columns=4)


def reconstruction(s: Stylizer) -> Image.Image:
    content = square("content_chelsea")
    return row([content, s.decode(s.encode(content))], columns=2)


def examples(s: Stylizer) -> Image.Image:
    """In the order of Example Image's list."""
    paths = [path for kind in ("content", "style") for path in sorted(EXAMPLES.glob(f"{kind}_*.jpg"))]
    return row([square(path.stem) for path in paths], columns=4)


def smoothing(s: Stylizer) -> Image.Image:
    """A frame of a noisy video of one photo, then how much the stylized frame differs from the one before it."""
    photo, style = square("content_coffee"), s.style(square("style_starry_night"))
    noise = torch.Generator().manual_seed(0)
    frames = [(photo + 0.03 * torch.randn(photo.shape, generator=noise)).clamp(0, 1) for _ in range(5)]
    differences = []
    for strength in (0.0, 0.5, 0.8):
        smoother, shown = TemporalSmoother(strength, flow=True), []
        for frame in frames:
            features, cuts = smoother.apply(s.encode(frame), style)
            shown.append(smoother.blend(s.decode(features), frame, cuts))
        differences.append((5 * (shown[-1] - shown[-2]).abs()).clamp(0, 1))
    return row([shown[-1], *differences], ["", "0", "0.5", "0.8"])


def samples(s: Stylizer) -> Image.Image:
    """As Train AdaIN Decoder shows them: content, style, stylized, and content = style."""
    contents = torch.cat([square(f"content_{name}", side=256) for name in ("astronaut", "chelsea")])
    styles = torch.cat([square(f"style_{name}", side=256) for name in ("starry_night", "paint_brushes")])
    found = evaluate(s.encoder, s.decoder, contents, styles)
    rows = zip(contents, styles, found.outputs, found.reconstructions, strict=True)
    return row([picture[None] for pictures in rows for picture in pictures], columns=4)


def style_arithmetic(s: Stylizer) -> Image.Image:
    content = s.encode(square("content_chelsea"))
    style, own = load_style(LIBRARY / "van_gogh_wheat_field.safetensors"), content.style
    amounts = (0.5, 0.0, -0.5, -1.0)
    results = [s.decode(apply_style(content, toward(style, [own], [amount]))) for amount in amounts]
    return row(results, [f"{amount:g}" for amount in amounts], columns=4)


def style_from_images(s: Stylizer) -> Image.Image:
    images = [square(f"style_{name}") for name in ("starry_night", "paint_brushes")]
    return row([*images, s.stylize(square("content_chelsea"), s.pooled_style([(image, None) for image in images]))])


def style_grid(s: Stylizer) -> Image.Image:
    names = ("petrov_vodkin_red_horse", "woodcut", "monet_japanese_bridge", "van_gogh_sunflowers")
    styles, content = [load_style(LIBRARY / f"{name}.safetensors") for name in names], square("content_coffee", 160)
    pictures = list(stylized_cells(s.decode, s.encode(content), styles, plan_grid(4, 5)))
    return to_image(labelled_grid(pictures, [""] * 25, 5, WIDTH // 5)[0])


def style_library(s: Stylizer) -> Image.Image:
    """The thumbnails, each with its file's name."""
    paths = sorted(LIBRARY.glob("*.safetensors"))
    pictures = [to_tensor(load_thumbnail(path)) for path in paths]
    return to_image(labelled_grid(pictures, [path.stem.replace("_", " ") for path in paths], 5)[0])


KNOBS: dict[str, Callable[[Stylizer], Image.Image]] = {
    "alpha": alpha,
    "mask": mask,
    "style_mask": style_mask,
    "channel_mask": channel_mask,
    "channel_clusters": channel_clusters,
    "preview_channels": preview_of_channels,
    "feather": feather,
    "style_mix": style_mix,
    "match_color": match_colors,
    "preserve_color": preserve_color,
    "style_size": style_size,
    "detail_size": detail_size,
    "fit_style": fitted_style,
    "reconstruction": reconstruction,
    "examples": examples,
    "samples": samples,
    "style_arithmetic": style_arithmetic,
    "style_from_images": style_from_images,
    "style_grid": style_grid,
    "style_library": style_library,
    "smoothing": smoothing,
}

# Puts a node so that it fills the window's width, its wires at both sides; answers the height it takes.
FRAME = """
([kind, width, margin]) => {
    const node = app.graph._nodes.find((node) => node.type === kind)
    node.title = node.constructor.title
    const scale = width / (node.size[0] + 2 * margin)
    const title = LiteGraph.NODE_TITLE_HEIGHT
    app.canvas.ds.scale = scale
    app.canvas.ds.offset = [margin - node.pos[0], margin / 2 + title - node.pos[1]]
    app.canvas.setDirty(true, true)
    return scale * (node.size[1] + title + margin)
}
"""


def photograph(names: list[str]) -> None:
    with own_server() as server, open_browser() as browser, open_page(browser, server) as page:
        page.evaluate("app.extensionManager.setting.set('Comfy.NodeBadge.NodeSourceBadgeMode', 'None')")
        for name in names:
            workflow = json.loads((EXAMPLES / f"{WORKFLOWS[name]}.json").read_text())
            page.evaluate("workflow => app.loadGraphData(workflow)", workflow)
            page.wait_for_timeout(1500)
            height = page.evaluate(FRAME, [name, WIDTH, MARGIN])
            page.wait_for_timeout(500)
            canvas = page.locator("#graph-canvas").bounding_box()
            clip = {"x": canvas["x"], "y": canvas["y"], "width": WIDTH, "height": height}
            save(Image.open(BytesIO(page.screenshot(clip=clip))), name)


if __name__ == "__main__":
    main()
