"""Load VGG Encoder, Load AdaIN Decoder, and the pack's own pairs."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from ..adain_core.errors import AdaINError
from ..adain_core.models.bundled import DEFAULT_PAIR, PAIRS, bundled_pair
from ..adain_core.models.download import AUTHORS_DECODER, AUTHORS_ENCODER, KnownModel, fetch_model, torchvision_encoder
from ..adain_core.models.model_files import load_decoder, load_encoder
from ..adain_core.models.tensor_files import read_metadata
from . import host
from .types import CATEGORY, DECODER, ENCODER

_KEPT = 8  # models in memory; the fine pair is 29 MB
_FIRST = PAIRS[DEFAULT_PAIR]  # in the lists, which makes them what a new node has
# Saved workflows contain these names, so they never change.
FETCHED: dict[str, dict[str, KnownModel]] = {
    "encoder": {
        "vgg_normalised of the AdaIN authors (downloads 80 MB once)": AUTHORS_ENCODER,
        "VGG-19 of torchvision (downloads 548 MB once)": torchvision_encoder(),
    },
    "decoder": {"decoder of the AdaIN authors (downloads 14 MB once, and its encoder)": AUTHORS_DECODER},
}


@lru_cache(maxsize=_KEPT)
@torch.inference_mode(False)  # parameters made in inference mode have no version, which `inference.fast` needs
def _load(kind: str, path: Path, changed: int) -> host.ManagedModel:
    """The model of a file, cached for all nodes and runs; ``changed``, the file's time, makes a new file load anew."""
    return host.ManagedModel(load_encoder(path) if kind == "encoder" else load_decoder(path))


def shared_model(kind: str, path: Path) -> host.ManagedModel:
    """The encoder or decoder of a file, loaded once; AdaINError names the folder when the file is missing."""
    if not path.is_file():
        raise AdaINError(
            f"{path.name}: expected a file in {path.parent}, found none; put it there, or install the pack again"
        )
    return _load(kind, path, path.stat().st_mtime_ns)


def shared_pair(name: str) -> tuple[host.ManagedModel, host.ManagedModel]:
    """Encoder and decoder of a bundled pair, as `shared_model`; AdaINError if there is none of that name."""
    encoder, decoder = bundled_pair(name)
    return shared_model("encoder", encoder), shared_model("decoder", decoder)


def names_of(kind: str, first: str) -> list[str]:
    """The list of a loader: files that hold an encoder (or a decoder), ``first`` first, then models to download."""
    names = [name for name in host.model_files() if _holds(name, kind)]
    return [*sorted(names, key=lambda name: (name != first, name)), *FETCHED[kind]]


def _path(kind: str, name: str) -> Path:
    """The file of a name in the list, downloaded first if need be."""
    if name not in FETCHED[kind]:
        return host.model_path(name)
    return fetch_model(FETCHED[kind][name], host.save_folder(host.MODEL_FOLDER), host.progress_bar(1))


def _changed(kind: str, name: str | None) -> int:
    """For IS_CHANGED: the time the file changed; 0 for a model to download, which never changes."""
    return 0 if name in FETCHED[kind] else host.time_changed(name)


def _validated(kind: str, name: str | None) -> bool | str:
    """For VALIDATE_INPUTS: True, or an error that names the folder; ComfyUI's own would only list the known files."""
    return True if name in [*FETCHED[kind]] else host.validated(name)


def _holds(name: str, kind: str) -> bool:
    try:
        return read_metadata(host.model_path(name)).get("kind") == kind
    except AdaINError:
        return False


class LoadEncoder:
    """Load VGG Encoder."""

    DESCRIPTION = (
        "Loads an encoder. The pack brings three: fine_encoder, the default, vgg19_relu4_1, the paper's, and "
        "light_encoder, the fastest. Put other VGG encoders into models/adain, or let them be fetched."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["vgg", "vgg19", "adain encoder", "style transfer"]
    RETURN_TYPES = (ENCODER,)
    RETURN_NAMES = ("encoder",)
    OUTPUT_TOOLTIPS = ("The encoder, for VGG Encode and other nodes that take one.",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls):
        tooltip = (
            "Encoder files (.safetensors) in models/adain and in the pack's weights folder. The last entries are "
            "downloaded into models/adain when they run for the first time."
        )
        return {"required": {"encoder_name": (names_of("encoder", _FIRST.encoder.name), {"tooltip": tooltip})}}

    @classmethod
    def IS_CHANGED(cls, encoder_name=None):
        return _changed("encoder", encoder_name)

    @classmethod
    def VALIDATE_INPUTS(cls, encoder_name=None):
        return _validated("encoder", encoder_name)

    def load(self, encoder_name):
        return (shared_model("encoder", _path("encoder", encoder_name)),)


class LoadDecoder:
    """Load AdaIN Decoder."""

    DESCRIPTION = (
        "Loads a decoder. It must have been trained for the encoder in use, which AdaIN Decode checks: fine_decoder "
        "for fine_encoder, decoder_vgg19 for vgg19_relu4_1, light_decoder for light_encoder."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["adain decoder", "style transfer"]
    RETURN_TYPES = (DECODER,)
    RETURN_NAMES = ("decoder",)
    OUTPUT_TOOLTIPS = ("The decoder, for AdaIN Decode, or to start Train AdaIN Decoder from.",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls):
        tooltip = (
            "Decoder files (.safetensors) in models/adain and in the pack's weights folder. The last entry is "
            "downloaded into models/adain when it runs for the first time; it needs the same authors' encoder."
        )
        return {"required": {"decoder_name": (names_of("decoder", _FIRST.decoder.name), {"tooltip": tooltip})}}

    @classmethod
    def IS_CHANGED(cls, decoder_name=None):
        return _changed("decoder", decoder_name)

    @classmethod
    def VALIDATE_INPUTS(cls, decoder_name=None):
        return _validated("decoder", decoder_name)

    def load(self, decoder_name):
        return (shared_model("decoder", _path("decoder", decoder_name)),)
