"""The models the pack ships."""

from __future__ import annotations

from pathlib import Path

from .decoder import Decoder
from .model_files import load_decoder, load_encoder
from .vgg import VGGEncoder

_CORE = Path(__file__).resolve().parent.parent
# Inside the package where it is installed, beside it in a checkout.
WEIGHTS = _CORE / "weights" if (_CORE / "weights").is_dir() else _CORE.parent / "weights"
DEFAULT_ENCODER = WEIGHTS / "vgg19_relu4_1.safetensors"
DEFAULT_DECODER = WEIGHTS / "decoder_vgg19.safetensors"


def load_pair(encoder: str | Path | None = None, decoder: str | Path | None = None) -> tuple[VGGEncoder, Decoder]:
    """Encoder and decoder from safetensors files; None: the bundled ones.

    Raises:
        AdaINError: as `load_encoder` and `load_decoder`; the decoder must be trained for this encoder.
    """
    loaded = load_encoder(encoder or DEFAULT_ENCODER)
    return loaded, load_decoder(decoder or DEFAULT_DECODER, loaded.fingerprint)
