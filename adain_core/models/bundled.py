"""The models the pack ships: pairs of an encoder and its decoder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import check_known
from .model_files import AnyDecoder, AnyEncoder, load_decoder, load_encoder, load_vgg
from .tensor_files import read_metadata
from .vgg import VGGEncoder

_CORE = Path(__file__).resolve().parent.parent
# Inside the package where it is installed, beside it in a checkout.
WEIGHTS = _CORE / "weights" if (_CORE / "weights").is_dir() else _CORE.parent / "weights"


class Pair(NamedTuple):
    """The files of an encoder and of a decoder trained for it."""

    encoder: Path
    decoder: Path


PAIRS = {
    "vgg19": Pair(WEIGHTS / "vgg19_relu4_1.safetensors", WEIGHTS / "decoder_vgg19.safetensors"),
    "fine": Pair(WEIGHTS / "fine_encoder.safetensors", WEIGHTS / "fine_decoder.safetensors"),
    "light": Pair(WEIGHTS / "light_encoder.safetensors", WEIGHTS / "light_decoder.safetensors"),
}
DEFAULT_PAIR = "fine"
VGG19_ENCODER, VGG19_DECODER = PAIRS["vgg19"]  # the paper's; its encoder is the VGG of losses, too


def bundled_pair(name: str) -> Pair:
    """One of `PAIRS`; AdaINError if there is none of that name."""
    check_known("pair", name, tuple(PAIRS))
    return PAIRS[name]


def load_pair(
    encoder: str | Path | None = None, decoder: str | Path | None = None, pair: str = DEFAULT_PAIR
) -> tuple[AnyEncoder, AnyDecoder]:
    """Encoder and decoder from safetensors files.

    Args:
        encoder: None: the bundled one that the decoder was trained for, or the pair's.
        decoder: None: the bundled one of the encoder, or the pair's.
        pair: the name of a bundled pair.

    Raises:
        AdaINError: no pair of that name; as `load_encoder` and `load_decoder`; the decoder must be trained for this
            encoder.
    """
    files = bundled_pair(pair)
    if decoder is not None and encoder is None:
        encoder = _pair_of(read_metadata(decoder).get("encoder", ""), files).encoder
    loaded = load_encoder(encoder or files.encoder)
    return loaded, load_decoder(decoder or _pair_of(loaded.fingerprint, files).decoder, loaded.fingerprint)


def _pair_of(encoder_id: str, otherwise: Pair) -> Pair:
    """The bundled pair of that encoder; the other one where there is none."""
    return next((pair for pair in PAIRS.values() if _trained_for(pair) == encoder_id), otherwise)


def _trained_for(pair: Pair) -> str:
    """The fingerprint of a pair's encoder."""
    return read_metadata(pair.decoder).get("encoder", "")


def pairs_for_styles_of(encoder_id: str) -> list[str]:
    """The names of the bundled pairs that take styles of that encoder, see `Style.seen_by`."""
    return [name for name, pair in PAIRS.items() if f"/{encoder_id}".endswith(f"/{_trained_for(pair)}")]


def vgg_of(encoder: AnyEncoder) -> VGGEncoder:
    """The VGG whose layers measure what a pair makes: the encoder itself, or for another kind the bundled one.

    The bundled one is in float32, on the encoder's device.
    """
    if isinstance(encoder, VGGEncoder):
        return encoder
    return load_vgg(VGG19_ENCODER).to(next(encoder.parameters()).device)
