"""Makes weights/fine_encoder.safetensors, and a fine decoder to begin a training with.

    python -m benchmarks.make_fine_pair PHOTOS -o FOLDER

The encoder is the bundled VGG-19 with principal components of relu3_1 and relu2_1 over 150 of the photos; other photos
give other components, so another fingerprint. The decoder is the bundled one; what is new in it is 0, so that it paints
what the bundled one does. It is for that encoder: ``train --encoder FOLDER/fine_encoder.safetensors --decoder
FOLDER/fine_decoder.safetensors``.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from adain_core.images.files import load_picture
from adain_core.images.folders import list_images
from adain_core.models.bundled import VGG19_DECODER, VGG19_ENCODER
from adain_core.models.fine import OPPONENT_COLORS, FineDecoder, FineEncoder
from adain_core.models.model_files import encoder_fingerprint, load_vgg, load_vgg_decoder, save_model
from adain_core.models.tensor_files import read_metadata

PHOTOS = 150
SIDE = 256  # pixels, of their middle
_KEPT = ("license", "source")  # of VGG-19's metadata


@torch.inference_mode()
def principal_components(maps: Iterable[Tensor], count: int) -> Tensor:
    """The components of largest variance over all positions, each scaled to a variance of 1.

    Args:
        maps: ``[1, C, H, W]`` each.
        count: how many.

    Returns:
        ``[count, C]`` float32; the sum of each row's weights is above 0.
    """
    total, squares, positions = torch.zeros(()), torch.zeros(()), 0
    for x in maps:
        x = x[0].flatten(1).double()
        total, squares, positions = total + x.sum(1), squares + x @ x.T, positions + x.shape[1]
    mean = total / positions
    variances, directions = torch.linalg.eigh(squares / positions - torch.outer(mean, mean))
    rows = (directions[:, -count:] / variances[-count:].sqrt()).T.flip(0)
    return (rows * rows.sum(1, keepdim=True).sign()).float()


def fine_encoder(photos: list[Tensor]) -> FineEncoder:
    """The bundled VGG-19 with components over photos ``[1, 3, H, W]``."""
    encoder, vgg = FineEncoder(), load_vgg(VGG19_ENCODER)
    encoder.load_state_dict(encoder.state_dict() | vgg.state_dict())
    for component, layer in zip(encoder.p[:2], (2, 1), strict=True):
        maps = (vgg.taps(photo)[layer] for photo in tqdm(photos, f"relu{layer + 1}_1"))
        rows = principal_components(maps, component.out_channels)
        component.weight.data.copy_(rows[..., None, None])
    encoder.p[2].weight.data.copy_(OPPONENT_COLORS[..., None, None])
    return encoder.requires_grad_(False).eval()


@torch.inference_mode(False)
def first_decoder() -> FineDecoder:
    """The bundled decoder as a fine one, whose new weights are 0."""
    decoder = FineDecoder().requires_grad_(False).eval()
    known = load_vgg_decoder(VGG19_DECODER).state_dict()
    for name, weight in decoder.named_parameters():
        weight.zero_()
        if name in known:
            weight[tuple(map(slice, known[name].shape))] = known[name]
    return decoder


def _middle(x: Tensor) -> Tensor:
    top, left = (max(side - SIDE, 0) // 2 for side in x.shape[2:])
    return x[..., top : top + SIDE, left : left + SIDE]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", metavar="PHOTOS")
    parser.add_argument("-o", "--output", metavar="FOLDER", type=Path, required=True)
    options = parser.parse_args()
    paths = list_images(options.photos)
    random.Random(0).shuffle(paths)
    encoder = fine_encoder([_middle(load_picture(path).pixels) for path in paths[:PHOTOS]])
    vgg = {name: text for name, text in read_metadata(VGG19_ENCODER).items() if name in _KEPT}
    save_model(options.output / "fine_encoder.safetensors", encoder, vgg, torch.float16)
    text = {"encoder": encoder_fingerprint(encoder), "license": "MIT"}
    save_model(options.output / "fine_decoder.safetensors", first_decoder(), text, torch.float16)


if __name__ == "__main__":
    main()
