"""Load VGG Encoder, Load AdaIN Decoder."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ..adain_core.checkpoint import load_decoder, load_encoder, read_metadata
from ..adain_core.errors import AdaINError
from ..adain_core.pretrained import DEFAULT_DECODER, DEFAULT_ENCODER
from . import host
from .types import CATEGORY, DECODER, ENCODER

_KEPT = 8  # models in memory; a pair is 28 MB


@lru_cache(maxsize=_KEPT)
def _load(kind: str, path: Path, changed: int) -> host.ManagedModel:
    """One model for all nodes and runs; a file that changed on disk is another one."""
    return host.ManagedModel(load_encoder(path) if kind == "encoder" else load_decoder(path))


def shared_model(kind: str, path: Path) -> host.ManagedModel:
    """The encoder or decoder of a file, loaded once."""
    return _load(kind, path, path.stat().st_mtime_ns)


def names_of(kind: str, first: str) -> list[str]:
    """Files that hold an encoder (or a decoder), the bundled one first."""
    names = [name for name in host.model_files() if _holds(name, kind)]
    return sorted(names, key=lambda name: (name != first, name))


def _holds(name: str, kind: str) -> bool:
    try:
        return read_metadata(host.model_path(name)).get("kind") == kind
    except AdaINError:
        return False


class LoadEncoder:
    """Load VGG Encoder."""

    DESCRIPTION = "Loads a VGG encoder. The pack brings VGG-19; put others into models/adain."
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["vgg", "vgg19", "adain encoder", "style transfer"]
    RETURN_TYPES = (ENCODER,)
    RETURN_NAMES = ("encoder",)
    OUTPUT_TOOLTIPS = ("The encoder, for VGG Encode and Train AdaIN Decoder.",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls):
        tooltip = "Encoder files (.safetensors) in models/adain and in the pack's weights folder."
        return {"required": {"encoder_name": (names_of("encoder", DEFAULT_ENCODER.name), {"tooltip": tooltip})}}

    @classmethod
    def IS_CHANGED(cls, encoder_name):
        return host.model_path(encoder_name).stat().st_mtime_ns

    def load(self, encoder_name):
        return (shared_model("encoder", host.model_path(encoder_name)),)


class LoadDecoder:
    """Load AdaIN Decoder."""

    DESCRIPTION = "Loads a decoder. It must have been trained for the encoder in use; AdaIN Decode checks that."
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["adain decoder", "style transfer"]
    RETURN_TYPES = (DECODER,)
    RETURN_NAMES = ("decoder",)
    OUTPUT_TOOLTIPS = ("The decoder, for AdaIN Decode, or to start Train AdaIN Decoder from.",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls):
        tooltip = "Decoder files (.safetensors) in models/adain and in the pack's weights folder."
        return {"required": {"decoder_name": (names_of("decoder", DEFAULT_DECODER.name), {"tooltip": tooltip})}}

    @classmethod
    def IS_CHANGED(cls, decoder_name):
        return host.model_path(decoder_name).stat().st_mtime_ns

    def load(self, decoder_name):
        return (shared_model("decoder", host.model_path(decoder_name)),)
