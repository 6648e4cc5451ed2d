"""Encoders and decoders as safetensors files, and the fingerprint that ties a decoder to its encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import AdaINError
from ..files import atomic_write
from .decoder import Decoder
from .tensor_files import FORMAT, check_state, read_safetensors
from .vgg import VGGEncoder

M = TypeVar("M", bound=nn.Module)

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


def encoder_fingerprint(encoder: VGGEncoder) -> str:
    """`fingerprint` of an encoder's weights as they are now."""
    return fingerprint(encoder.state_dict(), encoder.architecture)


def save_model(
    path: str | Path, model: VGGEncoder | Decoder, metadata: Mapping[str, str], dtype: torch.dtype = torch.float32
) -> None:
    """Writes a model as safetensors, atomically.

    Args:
        path: the file; its folder is made when missing.
        model: a `VGGEncoder` or a `Decoder`.
        metadata: text beside the weights, such as the licence. A decoder's needs ``encoder``, the fingerprint of the
            encoder it was trained for.
        dtype: precision on disk.
    """
    state = {key: value.detach().to("cpu", dtype).contiguous() for key, value in model.state_dict().items()}
    text = {"format": FORMAT, "kind": _kind(model), "architecture": model.architecture, **metadata}
    if isinstance(model, VGGEncoder):
        text |= {"fingerprint": encoder_fingerprint(model), "preprocessing": PREPROCESSING}
    else:
        text["normalization"] = model.normalization
    with atomic_write(path) as temporary:
        save_file(state, temporary, text)


def load_encoder(path: str | Path) -> VGGEncoder:
    """Reads an encoder, float32, in evaluation mode, without gradients.

    Raises:
        AdaINError: there is no such file, it is no complete safetensors file, it holds no encoder, or keys, shapes or
            values do not fit.
    """
    state, metadata = read_safetensors(path)
    _check_kind(path, metadata, "encoder")
    encoder = _fill(VGGEncoder(metadata.get("architecture", "vgg19")), state, path)
    encoder.fingerprint = encoder_fingerprint(encoder)
    return encoder


def load_decoder(path: str | Path, encoder_id: str | None = None) -> Decoder:
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
    decoder = Decoder(metadata.get("architecture", "vgg19"), metadata.get("normalization", "none"))
    _fill(decoder, state, path)
    decoder.trained_for = trained_for
    return decoder


def _kind(model: nn.Module) -> str:
    return "encoder" if isinstance(model, VGGEncoder) else "decoder"


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
