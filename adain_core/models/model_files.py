"""Encoders and decoders as safetensors files, and the fingerprint that ties a decoder to its encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import AdaINError, about
from ..files import atomic_write
from .decoder import Decoder
from .fine import FINE, FineDecoder, FineEncoder
from .light import LIGHT, LightDecoder, LightEncoder
from .tensor_files import FORMAT, check_state, read_safetensors, storable
from .vgg import VGGEncoder

M = TypeVar("M", bound=nn.Module)
AnyEncoder: TypeAlias = VGGEncoder | LightEncoder
AnyDecoder: TypeAlias = Decoder | LightDecoder

PREPROCESSING = "RGB 0..1; the network's own preprocessing is folded into the first convolution"


def fingerprint(state: Mapping[str, Tensor], architecture: str) -> str:
    """Identifies an encoder by what it computes: 16 hexadecimal digits.

    SHA-256 of the architecture and of the weights rounded to half precision, so that one encoder's files in half and
    in full precision agree.
    """
    digest = hashlib.sha256(architecture.encode())
    for key in sorted(state):
        digest.update(key.encode())
        digest.update(state[key].detach().to("cpu", torch.float16).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def encoder_fingerprint(encoder: AnyEncoder) -> str:
    """`fingerprint` of an encoder's weights as they are now.

    Of a fine one with that of the VGG-19 in it behind it, ``fine/vgg``: its styles are that one's, too.
    """
    own = fingerprint(encoder.state_dict(), encoder.architecture)
    if not isinstance(encoder, FineEncoder):
        return own
    vgg = {name: weight for name, weight in encoder.state_dict().items() if name.startswith("c.")}
    return f"{own}/{fingerprint(vgg, 'vgg19')}"


def save_model(
    path: str | Path, model: AnyEncoder | AnyDecoder, metadata: Mapping[str, str], dtype: torch.dtype = torch.float32
) -> None:
    """Writes a model as safetensors, atomically.

    Args:
        path: the file; its folder is made when missing.
        model: an encoder or a decoder.
        metadata: text beside the weights, such as the licence. A decoder's needs ``encoder``, the fingerprint of the
            encoder it was trained for.
        dtype: precision on disk.
    """
    state = {key: value.detach().to("cpu", dtype).contiguous() for key, value in model.state_dict().items()}
    text = {"format": FORMAT, "kind": _kind(model), "architecture": model.architecture, **metadata}
    if isinstance(model, (VGGEncoder, LightEncoder)):
        text["fingerprint"] = encoder_fingerprint(model)
        if isinstance(model, VGGEncoder):
            text["preprocessing"] = PREPROCESSING
    else:
        text["normalization"] = model.normalization
    with atomic_write(path) as temporary:
        save_file(state, temporary, storable(text))


def load_encoder(path: str | Path) -> AnyEncoder:
    """Reads an encoder, float32, in evaluation mode, without gradients.

    Raises:
        AdaINError: there is no such file, it is no complete safetensors file, it holds no encoder, or keys, shapes or
            values do not fit.
    """
    state, metadata = read_safetensors(path)
    _check_kind(path, metadata, "encoder")
    architecture = metadata.get("architecture", "vgg19")
    with about(path):
        encoder: AnyEncoder = LightEncoder() if architecture == LIGHT else vgg_of_architecture(architecture)
    _fill(encoder, state, path)
    encoder.fingerprint = encoder_fingerprint(encoder)
    return encoder


def load_vgg(path: str | Path) -> VGGEncoder:
    """`load_encoder` where VGG's layers are needed, as by the losses; AdaINError for another encoder."""
    encoder = load_encoder(path)
    if not isinstance(encoder, VGGEncoder):
        raise AdaINError(f"{path}: expected a VGG encoder, found the {encoder.architecture} one")
    return encoder


def load_vgg_decoder(path: str | Path, encoder_id: str | None = None) -> Decoder:
    """`load_decoder` for a VGG encoder; AdaINError for another one's decoder."""
    decoder = load_decoder(path, encoder_id)
    if not isinstance(decoder, Decoder):
        raise AdaINError(f"{path}: expected a decoder of VGG's features, found the {decoder.architecture} one")
    return decoder


def load_decoder(path: str | Path, encoder_id: str | None = None) -> AnyDecoder:
    """Reads a decoder, float32, in evaluation mode, without gradients.

    Args:
        path: the file.
        encoder_id: fingerprint of the encoder in use; None skips the check.

    Raises:
        AdaINError: as `load_encoder`; or the decoder was trained for another encoder (both fingerprints are quoted).
    """
    state, metadata = read_safetensors(path)
    _check_kind(path, metadata, "decoder")
    trained_for = metadata.get("encoder", "")
    if encoder_id is not None and trained_for != encoder_id:
        raise AdaINError(
            f"{path}: expected a decoder trained for this encoder ({encoder_id}), "
            f"found one trained for {trained_for or 'an encoder it does not name'}"
        )
    if metadata.get("conditioning", "adain") != "adain":  # as version 1.0.0 could train one
        raise AdaINError(
            f"{path}: expected a decoder of AdaIN's output, found one of content and style features side by side"
        )
    architecture = metadata.get("architecture", "vgg19")
    normalization = metadata.get("normalization", "none")
    with about(path):
        decoder: AnyDecoder = (
            LightDecoder() if architecture == LIGHT else decoder_of_architecture(architecture, normalization)
        )
    _fill(decoder, state, path)
    decoder.trained_for = trained_for
    return decoder


def vgg_of_architecture(architecture: str) -> VGGEncoder:
    """A VGG encoder of that architecture with weights to be filled in; AdaINError if there is none."""
    return FineEncoder() if architecture == FINE else VGGEncoder(architecture)


def decoder_of_architecture(architecture: str, normalization: str = "none") -> Decoder:
    """A decoder for that VGG encoder, with weights to be filled in; AdaINError if there is none."""
    if architecture != FINE:
        return Decoder(architecture, normalization)
    if normalization != "none":
        raise AdaINError(f"normalization: expected none with the fine encoder, found {normalization}")
    return FineDecoder()


def _kind(model: nn.Module) -> str:
    return "encoder" if isinstance(model, (VGGEncoder, LightEncoder)) else "decoder"


def _check_kind(path: str | Path, metadata: Mapping[str, str], kind: str) -> None:
    found = metadata.get("kind")
    if found != kind:
        what = f"one that holds {_article(found)} {found}" if found else "one without this pack's metadata"
        raise AdaINError(f"{path}: expected {_article(kind)} {kind} file, found {what}")


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _fill(model: M, state: dict[str, Tensor], path: str | Path) -> M:
    check_state(state, model.state_dict(), path)
    model.load_state_dict(state)  # into float32, whatever the file's precision
    return model.eval().requires_grad_(False)
