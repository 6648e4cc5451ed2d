"""Many prompts in a row through a real ComfyUI: is every image right, do memory and open files stay?

python -m tests.comfyui.load [--prompts 1000] [-o NAME]

Sizes, nodes and pairs change from prompt to prompt. Images are compared with the core's. Prints the server's resident
memory and its open files, writes them to NAME.csv and NAME.png, and fails when images differ.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path

import psutil
import torch
from torch import Tensor

from adain_core import Stylizer, mix
from adain_core.images.files import Picture, load_picture, save_picture
from adain_core.images.resize import scale
from adain_core.inference.pipeline import apply_style
from adain_core.method import channel_masks
from tests.load.use_curve import Use, report, save, use_of

from .server import ROOT, Server, own_server

SIZES = ((64, 64), (96, 72), (160, 120), (200, 256), (37, 91))  # height and width of the photos
STYLES = ("starry_night", "paint_brushes", "honeywave")
SETTLED = 50  # prompts until all that is kept has been made
TOLERANCE = 1.5 / 255  # rounding to 8 bits, and the order of sums
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, metavar="NAME")
    options = parser.parse_args()
    with own_server() as server:
        photos, paintings = inputs(server)
        uses, worst = run(server, photos, paintings, options.prompts)
    if options.output:
        save(options.output, uses, "prompts")
    print(report(uses, min(SETTLED, options.prompts), "prompts"))
    print(f"{options.prompts} prompts; largest difference to the core {worst:.4f} (of 0..1)")
    if worst > TOLERANCE:
        raise SystemExit("images differ")


def inputs(server: Server) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Photos of all sizes and style images, in the server's input folder and as it reads them."""
    original = load_picture(ROOT / "examples" / "content_chelsea.jpg").pixels
    photos = {f"photo_{h}x{w}.png": original[..., :h, 100 : 100 + w] for h, w in SIZES}
    styles = {f"{name}.png": load_picture(ROOT / "examples" / f"style_{name}.jpg").pixels for name in STYLES}
    paintings = {name: scale(pixels, 0.25) for name, pixels in styles.items()}
    for name, pixels in (photos | paintings).items():
        save_picture(server.base / "input" / name, Picture(pixels))
    read = {name: load_picture(server.base / "input" / name).pixels for name in photos | paintings}
    return {name: read[name] for name in photos}, {name: read[name] for name in paintings}


# Draws a graph; with it comes the pair, and what that is to make of a photo and of style images.
Kind = Callable[[random.Random], tuple[dict, str, Callable[[Stylizer, Tensor, list[Tensor]], Tensor]]]


def light(draw: random.Random):
    """AdaIN Stylize with the light pair; sometimes the photo keeps its colours, or the style is scaled."""
    alpha, keep, size = draw.choice((0.4, 1.0)), draw.choice((False, True)), draw.choice((0, 48))
    inputs = {"content": ["photo", 0], "style": ["painting 0", 0], "alpha": alpha, "pair": "light"}
    node = ("AdaINStylize", {**inputs, "preserve_color": keep, "style_size": size})

    def expected(s: Stylizer, x: Tensor, y: list[Tensor]) -> Tensor:
        return s.stylize(x, y[0], alpha, preserve_color=keep, style_size=size)

    return {"result": node}, "light", expected


def stylized(draw: random.Random):
    """AdaIN Stylize."""
    alpha = draw.choice((0.4, 1.0))
    inputs = {"content": ["photo", 0], "style": ["painting 0", 0], "alpha": alpha, "pair": "vgg19"}
    return {"result": ("AdaINStylize", inputs)}, "vgg19", lambda s, x, y: s.stylize(x, y[0], alpha)


def mixed(draw: random.Random):
    """Encoders, Style Mix, AdaIN, the decoder."""
    weights = draw.choice(((1.0, 1.0), (0.2, 0.8)))
    graph = models() | encoded()
    graph["mix"] = (
        "AdaINStyleMix",
        {"style_1": ["style 0", 0], "weight_1": weights[0], "style_2": ["style 1", 0], "weight_2": weights[1]},
    )
    graph["adain"] = ("AdaINApply", {"content": ["features", 0], "style": ["mix", 0], "alpha": 1.0})
    graph["result"] = ("AdaINDecode", {"decoder": ["decoder", 0], "features": ["adain", 0]})

    def expected(s: Stylizer, x: Tensor, y: list[Tensor]) -> Tensor:
        return s.stylize(x, mix([s.style(each) for each in y], weights))

    return graph, "vgg19", expected


def in_channels(draw: random.Random):
    """AdaIN in a range of channels."""
    last = draw.choice((100, 511))
    graph = models() | encoded()
    graph["channels"] = ("AdaINChannelMask", {"choose_by": "range", "first": 0, "last": last, "amount": 1.0})
    graph["adain"] = (
        "AdaINApply",
        {"content": ["features", 0], "style": ["style 0", 0], "alpha": 0.9, "channels": ["channels", 0]},
    )
    graph["result"] = ("AdaINDecode", {"decoder": ["decoder", 0], "features": ["adain", 0]})

    def expected(s: Stylizer, x: Tensor, y: list[Tensor]) -> Tensor:
        mask = channel_masks.from_range(0, last)
        return s.decode(apply_style(s.encode(x), s.style(y[0]), 0.9, mask))

    return graph, "vgg19", expected


def models() -> dict:
    return {
        "encoder": ("AdaINEncoderLoader", {"encoder_name": "vgg19_relu4_1.safetensors"}),
        "decoder": ("AdaINDecoderLoader", {"decoder_name": "decoder_vgg19.safetensors"}),
    }


def encoded() -> dict:
    encoding = {"features": "photo", "style 0": "painting 0", "style 1": "painting 1"}
    return {
        name: ("AdaINVGGEncode", {"encoder": ["encoder", 0], "image": [image, 0]}) for name, image in encoding.items()
    }


KINDS: tuple[Kind, ...] = (light, stylized, mixed, in_channels)
WEIGHTS = (9, 1, 1, 1)  # how often: the light pair is several times as fast


def run(server: Server, photos: dict[str, Tensor], paintings: dict[str, Tensor], count: int) -> tuple[list[Use], float]:
    """What the server occupies after each prompt, and the largest difference to the core's images, of 0..1."""
    stylizers = {pair: Stylizer.load(device="cpu", pair=pair) for pair in ("vgg19", "light")}
    process = psutil.Process(server.pid)
    draw = random.Random(SEED)
    known: dict[str, Tensor] = {}
    uses, worst = [], 0.0
    for k in range(1, count + 1):
        (kind,) = draw.choices(KINDS, WEIGHTS)
        photo, chosen = draw.choice(list(photos)), draw.sample(list(paintings), 2)
        graph, pair, expected = kind(draw)
        graph |= {"photo": ("LoadImage", {"image": photo})}
        graph |= {f"painting {i}": ("LoadImage", {"image": name}) for i, name in enumerate(chosen)}
        graph["shown"] = ("PreviewImage", {"images": ["result", 0]})
        prompt = {name: {"class_type": node, "inputs": values} for name, (node, values) in graph.items()}
        (found,) = server.run(prompt).values()
        key = repr(prompt)
        if key not in known:
            with torch.inference_mode():
                images = [paintings[name] for name in chosen]
                known[key] = expected(stylizers[pair], photos[photo], images).movedim(1, -1)
        worst = max(worst, float((found - known[key]).abs().max()))
        uses.append(use_of(process, k))
        if k % 50 == 0:
            print(kind.__name__, uses[-1], f"{worst:.5f}", flush=True)
    return uses, worst


if __name__ == "__main__":
    main()
