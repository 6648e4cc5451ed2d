"""Masks that are empty: in the whole batch they count as none, for some images those stay as they are."""

from __future__ import annotations

import sys

import pytest
import torch

from adain_core.images.files import load_picture
from tests.conftest import PACK

SIZE = (40, 56)
# What Load Image gives for pictures without transparency.
EMPTY = {
    "JPEG": torch.zeros(1, 64, 64),
    "GIF of three frames, ComfyUI 0.3.64": torch.zeros(3, 64, 64),
    "GIF of three frames, ComfyUI 0.33": torch.full((3, *SIZE), 3 / 65535),  # opacity in 16 bits
    "another GIF, ComfyUI 0.33": torch.full((3, *SIZE), 255 / 65535),
    "another GIF, --fp16-intermediates": torch.full((3, *SIZE), 255 / 65535, dtype=torch.float16),
    "opaque RGBA": torch.zeros(1, *SIZE),
    "opaque RGBA, --fp16-intermediates": torch.zeros(1, *SIZE, dtype=torch.float16),
    "frames of a video": torch.zeros(5, 64, 64),  # more than there are images
    "without batch": torch.zeros(64, 64),
}


@pytest.fixture
def nodes(pack):
    return pack.NODE_CLASS_MAPPINGS


@pytest.fixture
def encoder(nodes):
    return nodes["AdaINEncoderLoader"]().load("vgg19_relu4_1.safetensors")[0]


@pytest.fixture
def said(pack, monkeypatch):
    """What the nodes showed."""
    lines = []
    host = sys.modules[f"{PACK}.nodes.host"]
    monkeypatch.setattr(host, "show_text", lambda node_id, *texts: lines.extend((node_id, text) for text in texts))
    return lines


@pytest.fixture
def photos(examples):
    """Three of a moving camera, as IMAGE."""
    photo = load_picture(examples / "content_chelsea.jpg").pixels
    height, width = SIZE
    return torch.cat([photo[..., 90 : 90 + height, 20 * k : 20 * k + width] for k in range(1, 4)]).movedim(1, 3)


@pytest.fixture
def painting(examples):
    return load_picture(examples / "style_starry_night.jpg").pixels[..., 200:248, 200:248].movedim(1, 3)


def run(node, **inputs):
    return getattr(node(), node.FUNCTION)(**inputs)[0]


def refine_inputs(nodes, encoder, photos, painting):
    given = apply_inputs(nodes, encoder, photos, painting)
    features = run(nodes["AdaINApply"], **given)
    return {"encoder": encoder, "image": photos, "features": features, "style": given["style"], "steps": 1}


def apply_inputs(nodes, encoder, photos, painting):
    return {
        "content": run(nodes["AdaINVGGEncode"], encoder=encoder, image=photos),
        "style": run(nodes["AdaINVGGEncode"], encoder=encoder, image=painting),
        "alpha": 1.0,
    }


@pytest.mark.parametrize("kind", EMPTY)
def test_an_empty_mask_counts_as_none_in_every_node(nodes, encoder, photos, painting, said, kind):
    images = {"content": photos, "style": painting, "alpha": 1.0}
    inputs = {
        "AdaINVGGEncode": {"encoder": encoder, "image": photos},
        "AdaINApply": apply_inputs(nodes, encoder, photos, painting),
        "AdaINRefine": refine_inputs(nodes, encoder, photos, painting),
        "AdaINStylize": images,
        "AdaINStylizeFrames": {**images, "smoothing": 0.5, "flow": False},
    }
    masked = {id for id, node in nodes.items() if "mask" in node.INPUT_TYPES().get("optional", {})}
    assert masked == {*inputs, "AdaINStylizeVideo"}  # which test_stylize_video.py tries with a file
    for node_id, given in inputs.items():
        plain = run(nodes[node_id], **given, node_id="4")
        assert said == []
        result = run(nodes[node_id], **given, mask=EMPTY[kind], node_id="4")
        ((shown_on, text),) = said
        said.clear()
        assert shown_on == "4"
        assert text.startswith("The mask is empty and counts as none: ")
        if node_id == "AdaINVGGEncode":
            assert torch.equal(result.statistics.mean, plain.statistics.mean)
        assert torch.equal(getattr(result, "tensor", result), getattr(plain, "tensor", plain)), node_id


def test_a_node_asks_comfyui_for_its_id_where_it_has_something_to_say(nodes):
    for node_id in ("AdaINVGGEncode", "AdaINApply", "AdaINStylize", "AdaINStylizeFrames", "AdaINTrainDecoder"):
        assert nodes[node_id].INPUT_TYPES()["hidden"] == {"node_id": "UNIQUE_ID"}


@pytest.fixture
def for_the_second():
    """Empty for the first and the third image, as Load Image would give where GIF frames are opaque."""
    mask = torch.full((3, *SIZE), 255 / 65535)
    mask[1, :, :30] = 1
    return mask


@pytest.mark.parametrize("node_id", ["AdaINStylize", "AdaINStylizeFrames"])
def test_images_with_an_empty_mask_stay_as_they_are(nodes, photos, painting, said, for_the_second, node_id):
    given = {"content": photos, "style": painting, "alpha": 1.0, "mask": for_the_second}
    if node_id == "AdaINStylizeFrames":
        given |= {"smoothing": 0.0, "flow": False}
    result = run(nodes[node_id], **given, node_id="4")
    assert torch.equal(result[[0, 2]], photos[[0, 2]])
    assert torch.equal(result[1, :, 30:], photos[1, :, 30:]), "the photo's own pixels outside the mask"
    assert (result[1, :, :30] - photos[1, :, :30]).abs().mean() > 0.05
    assert said == []


def test_features_with_an_empty_mask_stay_as_they_are(nodes, encoder, photos, painting, for_the_second):
    given = apply_inputs(nodes, encoder, photos, painting)
    result = run(nodes["AdaINApply"], **given, mask=for_the_second)
    content = given["content"]
    assert torch.equal(result.tensor[[0, 2]], content.tensor[[0, 2]])
    assert not torch.allclose(result.tensor[1], content.tensor[1])


def test_vgg_encode_takes_statistics_everywhere_where_the_mask_is_empty(nodes, encoder, photos, said, for_the_second):
    plain = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photos)
    alone = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photos[1:2], mask=for_the_second[1:2])
    result = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photos, mask=for_the_second, node_id="4")
    for k, expected in enumerate((plain, alone, plain)):
        row = 0 if expected is alone else k
        for found, value in zip(result.statistics, expected.statistics, strict=True):
            torch.testing.assert_close(found[k], value[row], atol=1e-4, rtol=1e-4)
    assert said == [("4", "The mask is empty for image 1, 3: statistics are taken everywhere there.")]


def test_a_faint_mask_is_one(nodes, photos, painting, said):
    """A single step of 8 bits is a weight that somebody chose."""
    mask = torch.full((1, *SIZE), 1 / 255)
    result = run(nodes["AdaINStylize"], content=photos, style=painting, alpha=1.0, mask=mask)
    assert said == []
    assert 0 < (result - photos).abs().max() < 0.01
