"""Pixels in half precision, as ComfyUI gives them with --fp16-intermediates, and pixels that are not finite."""

from __future__ import annotations

import sys

import pytest
import torch

from adain_core.images.files import load_picture
from tests.conftest import PACK

PICTURES = ("IMAGE", "MASK")
HALF = [torch.float16, torch.bfloat16]


@pytest.fixture
def nodes(pack):
    return pack.NODE_CLASS_MAPPINGS


@pytest.fixture
def inputs(nodes, examples, tmp_path, monkeypatch):
    """Inputs of every node that takes pictures."""
    monkeypatch.setattr(sys.modules[f"{PACK}.nodes.host"], "save_folder", lambda kind: tmp_path)
    photo = load_picture(examples / "content_chelsea.jpg").pixels[..., 60:100, 90:146].movedim(1, 3)
    painting = load_picture(examples / "style_starry_night.jpg").pixels[..., 200:248, 200:248].movedim(1, 3)
    mask = torch.linspace(0, 1, 56).expand(1, 40, 56)
    (encoder,) = nodes["AdaINEncoderLoader"]().load("vgg19_relu4_1.safetensors")
    (decoder,) = nodes["AdaINDecoderLoader"]().load("decoder_vgg19.safetensors")
    features, style = (nodes["AdaINVGGEncode"]().encode(encoder, image)[0] for image in (photo, painting))
    stylize = {"content": photo.repeat(3, 1, 1, 1), "style": painting, "alpha": 0.8, "mask": mask}
    return {
        "AdaINVGGEncode": [
            {"encoder": encoder, "image": photo, "mask": mask, "statistics_size": size} for size in (0, 32)
        ],
        "AdaINApply": [{"content": features, "style": style, "alpha": 0.8, "mask": mask}],
        "AdaINSaveStyle": [{"style": style, "name": "mine", "thumbnail": painting}],
        "AdaINFitStyle": [
            {"encoder": encoder, "decoder": decoder, "images": painting, "steps": steps, "content": photo}
            for steps in (0, 1)
        ],
        "AdaINMatchColor": [
            {"image": photo, "reference": painting, "method": method} for method in ("mean-covariance", "luminance")
        ],
        "AdaINRefine": [
            {"encoder": encoder, "image": photo, "features": features, "style": style, "steps": 1, "mask": mask}
        ],
        "AdaINRegions": [
            {"content": features, "alpha": 0.8, "feather": 8}
            | {f"style_{k}": style for k in range(1, 5)}
            | {f"mask_{k}": mask / k for k in range(1, 5)}
        ],
        "AdaINStyleFromImages": [
            {"encoder": encoder, "style_folder": "no folder", "style_size": 0, "images": painting.repeat(2, 1, 1, 1)}
        ],
        "AdaINStylize": [
            *({**stylize, "preserve_color": keep} for keep in (False, True)),
            {**stylize, "style_size": 32, "detail_size": 32},
        ],
        "AdaINStylizeFrames": [
            {**stylize, "smoothing": 0.5, "flow": flow, "preserve_color": True} for flow in (False, True)
        ],
    }


def pictures_of(node) -> list[str]:
    """Names of the inputs that take pictures."""
    inputs = node.INPUT_TYPES()
    specs = {**inputs["required"], **inputs.get("optional", {})}
    return [name for name, spec in specs.items() if spec[0] in PICTURES]


def run(node, given):
    return getattr(node(), node.FUNCTION)(**given)[0]


def numbers(result) -> list[torch.Tensor]:
    """The tensors that say what a node made."""
    if isinstance(result, torch.Tensor):
        return [result]
    return [result.tensor] if hasattr(result, "tensor") else list(result.statistics)


def test_every_node_with_pictures_is_tried(nodes, inputs):
    tried = {node_id for node_id, node in nodes.items() if pictures_of(node)}
    assert tried - {"AdaINStylizeVideo"} == set(inputs)  # that one makes a file, of frames that are no IMAGE


@pytest.mark.slow
@pytest.mark.parametrize("dtype", HALF, ids=str)
def test_half_precision_goes_in_everywhere(nodes, inputs, dtype):
    for node_id, variants in inputs.items():
        for given in variants:
            half = given | {name: given[name].to(dtype) for name in pictures_of(nodes[node_id])}
            widened = given | {name: half[name].float() for name in pictures_of(nodes[node_id])}
            for found, expected in zip(*(numbers(run(nodes[node_id], g)) for g in (half, widened)), strict=True):
                assert found.dtype == torch.float32
                # The same numbers but for colours matched before encoding, which are rounded to the image's type.
                torch.testing.assert_close(found, expected, atol=0.05, rtol=0.05)
                assert (found - expected).abs().mean() < 0.01, node_id


def test_pictures_come_out_in_comfyuis_type(nodes, inputs, monkeypatch):
    monkeypatch.setattr(sys.modules[f"{PACK}.nodes.host"], "output_dtype", lambda: torch.float16)
    given = inputs["AdaINStylize"][0]
    content = given["content"].half()
    result = run(nodes["AdaINStylize"], given | {"content": content, "mask": given["mask"] > 0.5})
    assert result.dtype == torch.float16
    assert torch.equal(result[:, :, :20], content[:, :, :20]), "the photo's own pixels"
    (example,) = nodes["AdaINExampleImage"]().load("content_coffee.jpg")
    assert example.dtype == torch.float16


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_pixels_that_are_not_finite_are_said_with_the_inputs_name(nodes, inputs, bad):
    for node_id, variants in inputs.items():
        for name in pictures_of(nodes[node_id]):
            broken = variants[0][name].clone()
            broken[-1, 3, 5] = bad
            with pytest.raises(
                ValueError, match=f"^{name}: expected finite values, found NaN or infinity; look at .*$"
            ):
                run(nodes[node_id], variants[0] | {name: broken})


def test_a_style_that_is_not_finite_is_not_saved(nodes, inputs, tmp_path):
    style = inputs["AdaINSaveStyle"][0]["style"].style
    style.statistics.mean[0, 3] = float("nan")
    with pytest.raises(ValueError, match="expected finite values, found NaN or infinity"):
        nodes["AdaINSaveStyle"]().save(style, "mine")
    assert list(tmp_path.iterdir()) == []
