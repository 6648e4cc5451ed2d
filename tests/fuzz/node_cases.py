"""What reaches nodes through a workflow: masks and images of any kind, numbers out of range, values of wrong types."""

from __future__ import annotations

import functools
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from tests.conftest import load_pack

from .outcome import result_or_line

_SIDE = st.one_of(st.integers(1, 40), st.sampled_from([0, 1, 64, 150]))
_VALUES = st.sampled_from([0.0, 1.0, 0.5, -1.0, 2.0, 1e30, float("nan"), float("inf"), float("-inf"), 1e-40])
_DTYPES = st.sampled_from([torch.float32, torch.float32, torch.float16, torch.float64, torch.uint8, torch.bool])
# What another pack's node may hand over where it says that it gives any type.
_ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.just(object()),
    st.just(b"bytes"),
    st.builds(lambda: torch.rand(2, 3)),
)
_NUMBERS = st.one_of(st.integers(-3, 70), st.floats(), st.sampled_from([2**31, 2**63, -(2**63), 10**30]))


@st.composite
def tensors(draw: st.DrawFn, kind: str) -> Tensor:
    """An IMAGE or MASK: most of the right rank, some with values or a size that no image has."""
    sides = [draw(st.integers(0, 2)) if draw(st.integers(0, 9)) == 0 else 1, draw(_SIDE), draw(_SIDE)]
    if kind == "IMAGE":
        sides.append(draw(st.sampled_from([3, 3, 3, 4, 1, 2, 0, 5])))
    if draw(st.integers(0, 9)) == 0:
        sides = draw(st.lists(st.integers(0, 5), max_size=6))
    values = torch.rand(sides, generator=torch.Generator().manual_seed(draw(st.integers(0, 99))))
    if values.numel():
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, values.numel() - 1))
            values.view(-1)[at] = draw(_VALUES)
        if draw(st.integers(0, 4)) == 0:
            values.fill_(draw(_VALUES))
    return values.to(draw(_DTYPES)) if draw(st.integers(0, 3)) == 0 else values


@functools.cache
def right_inputs() -> dict[str, Any]:
    """A right value for every type of connection."""
    nodes = load_pack().NODE_CLASS_MAPPINGS
    encoder = nodes["AdaINEncoderLoader"]().load("light_encoder.safetensors")[0]
    decoder = nodes["AdaINDecoderLoader"]().load("light_decoder.safetensors")[0]
    image = torch.rand(1, 20, 28, 3)
    features = nodes["AdaINVGGEncode"]().encode(encoder, image)[0]
    style = nodes["AdaINStyleMix"]().mix(features, 1.0)[0]
    channels = nodes["AdaINChannelMask"]().choose(choose_by="range", amount=1.0)[0]
    return {
        "ADAIN_ENCODER": encoder,
        "ADAIN_DECODER": decoder,
        "ADAIN_FEATURES": features,
        "ADAIN_STYLE": style,
        "ADAIN_FEATURES,ADAIN_STYLE": style,
        "ADAIN_CHANNELS": channels,
        "IMAGE": image,
        "MASK": torch.rand(1, 20, 28),
    }


def _inputs(node: type) -> dict[str, tuple[Any, dict[str, Any]]]:
    kinds = node.INPUT_TYPES()
    specs = {**kinds["required"], **kinds.get("optional", {})}
    return {name: (kind, options[0] if options else {}) for name, (kind, *options) in specs.items()}


def _right(kind: Any, options: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that ComfyUI gives for an input, within the widget's range; a number of steps small."""
    if isinstance(kind, list):
        return st.sampled_from(kind[:1])
    if kind == "BOOLEAN":
        return st.booleans()
    if kind == "STRING":
        return st.one_of(st.just(options.get("default", "")), st.text(max_size=12))
    if kind == "INT":
        return st.integers(options["min"], max(options["min"], 3))
    if kind == "FLOAT":
        return st.one_of(st.just(options["default"]), st.floats(options["min"], options["max"]))
    return st.just(kind).map(lambda kind: right_inputs()[kind])


# Those that neither download nor train nor write, and take models of any pair.
NODES = [
    *("AdaINVGGEncode", "AdaINApply", "AdaINStyleMix", "AdaINDecode", "AdaINChannelMask", "AdaINMatchColor"),
    *("AdaINRefine", "AdaINStylize", "AdaINStylizeFrames", "AdaINFitStyle", "AdaINExampleImage", "AdaINSaveStyle"),
]


@st.composite
def calls(draw: st.DrawFn, wrong: bool) -> tuple[str, dict[str, Any]]:
    """A node and its inputs: all right but for masks and images of any kind, or some of any type at all."""
    name = draw(st.sampled_from(NODES))
    specs = _inputs(load_pack().NODE_CLASS_MAPPINGS[name])
    given = {}
    for key, (kind, options) in specs.items():
        if key == "pair":
            given[key] = "light"
        elif kind in ("IMAGE", "MASK"):
            given[key] = draw(st.one_of(_right(kind, options), tensors(kind)))
        else:
            given[key] = draw(_right(kind, options))
    if wrong:
        for key in draw(st.sets(st.sampled_from(sorted(specs)), min_size=1, max_size=3)):
            given[key] = draw(_NUMBERS if specs[key][0] in ("INT", "FLOAT") and draw(st.booleans()) else _ANYTHING)
    return name, given


STRANGE_TENSORS = st.deferred(lambda: calls(wrong=False))
WRONG_TYPES = st.deferred(lambda: calls(wrong=True))


def check_call(case: tuple[str, dict[str, Any]]) -> None:
    """The node gives images of its first image's size, whose values are numbers, or a line."""
    name, given = case
    node = load_pack().NODE_CLASS_MAPPINGS[name]
    before = {key: value.clone() for key, value in given.items() if isinstance(value, Tensor)}
    outputs = result_or_line("", lambda: getattr(node(), node.FUNCTION)(**given))
    for key, value in before.items():
        assert torch.equal(given[key].nan_to_num(), value.nan_to_num()), f"{key} was changed"
    for kind, value in zip(node.RETURN_TYPES, outputs or (), strict=False):
        if kind == "IMAGE":
            assert value.ndim == 4
            assert bool(value.isfinite().all())
            source = given.get("content", given.get("image"))
            if isinstance(source, Tensor):
                assert value.shape[:3] == source.shape[:3]
        elif kind == "ADAIN_FEATURES":
            assert bool(value.tensor.isfinite().all())
        elif kind == "ADAIN_STYLE" and not hasattr(value, "tensor"):
            assert all(bool(each.isfinite().all()) for each in value.statistics)
