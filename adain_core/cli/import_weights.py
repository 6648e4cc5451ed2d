"""``import``: a model of another project becomes a file of this one."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from tqdm import tqdm

from ..errors import AdaINError
from ..files import check_not_read, check_output
from ..images.folders import Images, list_images
from ..models.foreign_weights import import_model
from ..models.model_files import encoder_fingerprint, load_vgg, save_model
from ..models.unit_activations import normalize_activations
from ..models.vgg import VGGEncoder


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("import", help="read another project's weights", description=__doc__)
    parser.add_argument("source", metavar="SOURCE", help="file with the foreign weights")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="file to write, .safetensors")
    parser.add_argument(
        "--normalize", metavar="FOLDER", help="encoders: scale channels to unit mean activation over the images there"
    )
    parser.add_argument("--encoder", metavar="FILE", help="decoders: the (imported) encoder this one was trained for")
    parser.add_argument("--license", default="", help="licence of the weights, kept in the file")
    parser.add_argument("--half", action="store_true", help="write half precision: half the size, the same results")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    if Path(options.output).suffix != ".safetensors":
        raise AdaINError(f"{options.output}: expected a name ending in .safetensors")
    check_output(Path(options.output))
    check_not_read(options.output, [options.source, *([options.encoder] if options.encoder else [])])
    model = import_model(options.source)
    dtype = torch.float16 if options.half else torch.float32
    metadata = {"source": Path(options.source).name}
    if options.license:
        metadata["license"] = options.license
    if isinstance(model, VGGEncoder):
        if options.normalize:
            metadata["normalized_over"] = f"{_normalize(model, options.normalize)} images"
        save_model(options.output, model, metadata, dtype)
        print(f"{options.output}: {model.architecture} encoder, fingerprint {encoder_fingerprint(model)}")
        return
    if not options.encoder:
        raise AdaINError(
            "import: expected --encoder FILE with a decoder, so that it is never used with another encoder"
        )
    encoder = load_vgg(options.encoder)
    if encoder.feature_channels != model.feature_channels:
        raise AdaINError(
            f"{options.encoder}: expected the encoder of this decoder, whose features have {model.feature_channels} "
            f"channels, found one of {encoder.feature_channels}"
        )
    metadata["encoder"] = encoder.fingerprint
    save_model(options.output, model, metadata, dtype)
    print(f"{options.output}: {model.architecture} decoder for the encoder {metadata['encoder']}")


def _normalize(encoder: VGGEncoder, folder: str) -> int:
    """Scales the encoder's channels over the images of a folder; returns how many there were."""
    images = Images(list_images(folder), min_side=1, name=folder)
    images.read(0)  # raises when none is usable
    pixels = (image[None] for image in tqdm(images.usable(), desc="normalize", total=len(images)))
    used = normalize_activations(encoder, pixels)
    for path, reason in images.skipped.items():
        tqdm.write(f"skipped {path}: {reason}")
    return used
