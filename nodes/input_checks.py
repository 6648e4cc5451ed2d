"""What a node is given, looked at before it works on it: other packs' nodes hand over anything where they say so."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from torch import Tensor

from ..adain_core.errors import AdaINError
from ..adain_core.method.features import Features
from ..adain_core.method.style import Style
from ..adain_core.models.decoder import Decoder
from ..adain_core.models.light import LightDecoder, LightEncoder
from ..adain_core.models.vgg import VGGEncoder
from . import host
from .types import CHANNELS, DECODER, ENCODER, FEATURES, FEATURES_OR_STYLE, IMAGE_OR_STYLE, STYLE

_WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN")


def check_inputs_of(nodes: Mapping[str, Any]) -> None:
    """Has each of these nodes refuse inputs of another type, shape or range than its INPUT_TYPES say.

    The node then raises an AdaINError that names the input. Types of connections that are not known here pass.
    """
    for node in nodes.values():
        setattr(node, node.FUNCTION, _checked(getattr(node, node.FUNCTION)))


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(self, *args, **inputs):
        kinds = type(self).INPUT_TYPES()
        required, optional = kinds.get("required", {}), kinds.get("optional", {})
        for name, (kind, *options) in (required | optional).items():
            missing = inputs.get(name) is None and name in optional and not _is_widget(kind)  # not connected
            if name in inputs and not missing:
                _check(name, inputs[name], kind, options[0] if options else {})
        return function(self, *args, **inputs)

    return run


def _is_widget(kind: str | list[str]) -> bool:
    return isinstance(kind, list) or kind in _WIDGETS


def _check(name: str, value: Any, kind: str | list[str], options: Mapping[str, Any]) -> None:
    known = "COMBO" if isinstance(kind, list) else kind
    expected, is_right = _KINDS.get(known, ("", _anything))
    if not is_right(value):
        raise AdaINError(f"{name}: expected {expected}, found {_what(value)}")
    low, high = options.get("min"), options.get("max")
    if known in ("INT", "FLOAT") and not ((low is None or low <= value) and (high is None or value <= high)):
        raise AdaINError(f"{name}: expected a number from {low} to {high}, found {value}")
    if known == "FLOAT" and not math.isfinite(value):
        raise AdaINError(f"{name}: expected a finite number, found {value}")


def _what(value: Any) -> str:
    if isinstance(value, Tensor):
        kind = "" if value.is_floating_point() else f" of {str(value.dtype).removeprefix('torch.')}"
        return f"a tensor of shape {list(value.shape)}{kind}"
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def _anything(value: Any) -> bool:
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_encoder(value: Any) -> bool:
    return isinstance(value, host.ManagedModel) and isinstance(value.model, (VGGEncoder, LightEncoder))


def _is_decoder(value: Any) -> bool:
    return isinstance(value, host.ManagedModel) and isinstance(value.model, (Decoder, LightDecoder))


def _is_image(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 4 and value.is_floating_point() and value.numel() > 0


def _is_mask(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim in (2, 3) and not value.is_complex() and value.numel() > 0


# By the type of an input: what it has to be, in words, and whether a value is.
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "COMBO": ("text", lambda value: isinstance(value, str)),
    "STRING": ("text", lambda value: isinstance(value, str)),
    "BOOLEAN": ("true or false", lambda value: isinstance(value, bool)),
    "INT": ("a whole number", lambda value: isinstance(value, Integral) and _is_number(value)),
    "FLOAT": ("a number", _is_number),
    "IMAGE": ("images, [batch, height, width, channels] of floats", _is_image),
    "MASK": ("masks, [batch, height, width]", _is_mask),
    "VIDEO": ("a video, as Load Video gives it", lambda value: host.is_video(value)),
    ENCODER: ("an encoder", _is_encoder),
    DECODER: ("a decoder", _is_decoder),
    FEATURES: ("features", lambda value: isinstance(value, Features)),
    STYLE: ("a style", lambda value: isinstance(value, Style)),
    FEATURES_OR_STYLE: ("features or a style", lambda value: isinstance(value, (Features, Style))),
    IMAGE_OR_STYLE: ("images or a style", lambda value: _is_image(value) or isinstance(value, Style)),
    CHANNELS: ("a channel mask", lambda value: isinstance(value, Tensor) and value.ndim == 1),
}
