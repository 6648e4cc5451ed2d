"""Many prompts in a row through a real ComfyUI: is every image right, do memory and open files stay?

python -m tests.comfyui.load [--prompts 1000] [-o curve.csv]

Sizes and nodes change from prompt to prompt. Images are compared with the core's. Prints, and writes to the file, the
server's resident memory and its open files after each prompt, and fails when images differ.
"""

from __future__ import annotations

import argparse
import csv
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

from .server import ROOT, Server, own_server

SIZES = ((64, 64), (96, 72), (160, 120), (200, 256), (37, 91))  # height and width of the photos
STYLES = ("starry_night", "paint_brushes", "honeywave")
SETTLED = 50  # prompts until all that is kept has been made
TOLERANCE = 1.5 / 255  # rounding to 8 bits, and the order of sums
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, metavar="CSV")
    options = parser.parse_args()
    with own_server() as server:
        photos, paintings = inputs(server)
        rows = run(server, photos, paintings, options.prompts)
    if options.output:
        with options.output.open("w", newline="") as file:
            csv.writer(file).writerows([("prompt", "kind", "MiB", "open files", "largest difference"), *rows])
    settled = rows[min(SETTLED, len(rows) - 1) :]
    for title, column in (("MiB", 2), ("open files", 3)):
        values = [row[column] for row in settled]
        print(
            f"{title}: {values[0]:.0f} after {SETTLED} prompts, {values[-1]:.0f} at the end, at most {max(values):.0f}"
        )
    worst = max(row[4] for row in rows)
    print(f"{len(rows)} prompts; largest difference to the core {worst:.4f} (of 0..1)")
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


Kind = Callable[[random.Random, str, list[str]], tuple[dict, Callable[[Stylizer, Tensor, list[Tensor]], Tensor]]]


def stylized(draw: random.Random, photo: str, paintings: list[str]):
    """AdaIN Stylize."""
    alpha = draw.choice((0.4, 1.0))
    node = ("AdaINStylize", {"content": ["photo", 0], "style": ["painting 0", 0], "alpha": alpha})
    return {"result": node}, lambda s, x, y: s.stylize(x, y[0], alpha)


def mixed(draw: random.Random, photo: str, paintings: list[str]):
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

    return graph, expected


def in_channels(draw: random.Random, photo: str, paintings: list[str]):
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

    return graph, expected


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


KINDS: tuple[Kind, ...] = (stylized, mixed, in_channels)


def run(server: Server, photos: dict[str, Tensor], paintings: dict[str, Tensor], count: int) -> list[tuple]:
    """Prompt number, kind, MiB, open files and the largest difference to the core's image, of each prompt."""
    stylizer = Stylizer.load(device="cpu")
    process = psutil.Process(server.pid)
    draw = random.Random(SEED)
    known: dict[str, Tensor] = {}
    rows = []
    for k in range(count):
        kind = draw.choice(KINDS)
        photo, chosen = draw.choice(list(photos)), draw.sample(list(paintings), 2)
        graph, expected = kind(draw, photo, chosen)
        graph |= {"photo": ("LoadImage", {"image": photo})}
        graph |= {f"painting {i}": ("LoadImage", {"image": name}) for i, name in enumerate(chosen)}
        graph["shown"] = ("PreviewImage", {"images": ["result", 0]})
        prompt = {name: {"class_type": node, "inputs": values} for name, (node, values) in graph.items()}
        (found,) = server.run(prompt).values()
        key = repr(prompt)
        if key not in known:
            with torch.inference_mode():
                known[key] = expected(stylizer, photos[photo], [paintings[name] for name in chosen]).movedim(1, -1)
        memory = process.memory_info().rss / 2**20
        difference = float((found - known[key]).abs().max())
        rows.append((k, kind.__name__, round(memory), process.num_fds(), round(difference, 5)))
        if k % 50 == 0:
            print(*rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    main()
