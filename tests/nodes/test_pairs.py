"""Other pairs in the nodes: the same graph with other models, and the pair input of the nodes that do it all."""

from __future__ import annotations

import sys

import pytest
import torch

from adain_core import Stylizer
from adain_core.images.files import load_picture


@pytest.fixture(scope="module")
def nodes(pack):
    return pack.NODE_CLASS_MAPPINGS


@pytest.fixture(scope="module")
def photo(examples):
    return load_picture(examples / "content_chelsea.jpg").pixels[..., 60:121, 100:175].movedim(1, 3)


@pytest.fixture(scope="module")
def painting(examples):
    return load_picture(examples / "style_starry_night.jpg").pixels[..., 200:264, 200:280].movedim(1, 3)


@pytest.fixture(scope="module")
def expected(photo, painting):
    stylizer = Stylizer.load(device="cpu", pair="light")
    return stylizer.stylize(photo.movedim(3, 1), painting.movedim(3, 1), 0.8).movedim(1, 3)


def run(node, **inputs):
    return getattr(node(), node.FUNCTION)(**inputs)[0]


@pytest.fixture(scope="module")
def encoder(nodes):
    return run(nodes["AdaINEncoderLoader"], encoder_name="light_encoder.safetensors")


def test_the_graph(nodes, encoder, photo, painting, expected):
    decoder = run(nodes["AdaINDecoderLoader"], decoder_name="light_decoder.safetensors")
    content, style = (run(nodes["AdaINVGGEncode"], encoder=encoder, image=image) for image in (photo, painting))
    features = run(nodes["AdaINApply"], content=content, style=style, alpha=0.8)
    torch.testing.assert_close(run(nodes["AdaINDecode"], decoder=decoder, features=features), expected)
    other = run(nodes["AdaINDecoderLoader"], decoder_name="decoder_vgg19.safetensors")
    with pytest.raises(ValueError, match="expected everything to come from one encoder"):
        run(nodes["AdaINDecode"], decoder=other, features=features)


@pytest.mark.parametrize(
    ("node_id", "more"), [("AdaINStylize", {}), ("AdaINStylizeFrames", {"smoothing": 0.5, "flow": False})]
)
def test_the_pair_input(nodes, photo, painting, expected, node_id, more):
    inputs = {"content": photo, "style": painting, "alpha": 0.8, **more}
    found = run(nodes[node_id], **inputs, pair="light")
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert torch.equal(run(nodes[node_id], **inputs), run(nodes[node_id], **inputs, pair="fine"))
    with pytest.raises(ValueError, match="pair: expected one of vgg19, fine, light, found 'other'"):
        run(nodes[node_id], **inputs, pair="other")


def test_channel_masks_have_the_encoders_channels(nodes, encoder, photo, painting):
    content, style = (run(nodes["AdaINVGGEncode"], encoder=encoder, image=image) for image in (photo, painting))
    node = nodes["AdaINChannelMask"]
    rest = run(node, choose_by="range", amount=1.0, first=64, content=content)  # last is 1087 by itself
    assert rest.tolist() == [0.0] * 64 + [1.0] * 128
    listed = run(node, choose_by="list", amount=1.0, list="3:0.5, 191", style=style)
    assert (len(listed), listed[3], listed[191]) == (192, 0.5, 1)
    both = run(node, choose_by="range", amount=1.0, first=190, combine_with=listed, combine="add")
    assert torch.equal(both, (rest.new_zeros(192).index_fill(0, torch.tensor([190, 191]), 1) + listed).clamp(max=1))
    most = run(node, choose_by="differ most", amount=1.0, count=50, content=content, style=style)
    assert (len(most), most.sum()) == (192, 50)
    features = run(nodes["AdaINApply"], content=content, style=style, alpha=1.0, channels=rest)
    assert torch.equal(features.tensor[:, :64], content.tensor[:, :64])
    assert not torch.allclose(features.tensor[:, 64:], content.tensor[:, 64:])


@pytest.fixture(scope="module")
def fine(nodes, photo, painting):
    """Content and style of the fine encoder."""
    encoder = run(nodes["AdaINEncoderLoader"], encoder_name="fine_encoder.safetensors")
    return [run(nodes["AdaINVGGEncode"], encoder=encoder, image=image) for image in (photo, painting)]


def test_all_channels_of_the_fine_encoder_can_be_chosen(nodes, fine):
    content, style = fine
    node = nodes["AdaINChannelMask"]
    offered = node.INPUT_TYPES()["optional"]
    assert [offered[name][1]["max"] for name in ("first", "last", "count")] == [1087, 1087, 1088]
    assert run(node, choose_by="range", amount=1.0, content=content).tolist() == [1.0] * 1088
    assert run(node, choose_by="range", amount=1.0).tolist() == [1.0] * 512
    most = run(node, choose_by="differ most", amount=1.0, count=600, content=content, style=style)
    assert (len(most), most.sum()) == (1088, 600)
    finer = run(node, choose_by="range", amount=1.0, first=512, style=style)
    features = run(nodes["AdaINApply"], content=content, style=style, alpha=1.0, channels=finer)
    assert torch.equal(features.tensor[:, :512], content.tensor[:, :512])
    assert not torch.allclose(features.tensor[:, 512:], content.tensor[:, 512:])


def test_a_mask_of_vggs_channels_combines_with_one_of_the_fine_encoders(nodes, fine):
    """As AdaIN takes it: its mean in the finer channels."""
    content, style = fine
    node = nodes["AdaINChannelMask"]
    vgg = run(node, choose_by="range", amount=1.0, last=127)
    nothing = {"choose_by": "range", "amount": 0.0, "combine": "maximum"}
    both = run(node, **nothing, content=content, combine_with=vgg)
    assert both.tolist() == [1.0] * 128 + [0.0] * 384 + [0.25] * 576
    given = {"content": content, "style": style, "alpha": 1.0}
    expected = run(nodes["AdaINApply"], **given, channels=vgg).tensor
    assert torch.equal(run(nodes["AdaINApply"], **given, channels=both).tensor, expected)


@pytest.mark.parametrize(
    ("connected", "said"),
    [(False, "64 of 512 channels, and the mask's mean, 0.12, in the 576 finer ones."), (True, "64 of 1088 channels.")],
)
def test_the_preview_says_what_the_finer_channels_take(pack, nodes, fine, monkeypatch, connected, said):
    content, style = fine
    lines = []
    host = sys.modules[f"{pack.__name__}.nodes.host"]
    monkeypatch.setattr(host, "show_text", lambda node_id, *texts: lines.extend(texts))
    known = {"content": content} if connected else {}
    channels = run(nodes["AdaINChannelMask"], choose_by="range", amount=1.0, last=63, **known)
    decoder = run(nodes["AdaINDecoderLoader"], decoder_name="fine_decoder.safetensors")
    run(nodes["AdaINPreviewChannels"], decoder=decoder, content=content, style=style, channels=channels)
    assert lines[0].startswith(f"{said} The difference is shown ")


def test_a_decoder_is_not_trained_for_the_light_encoder_alone(pack, nodes, encoder, tmp_path, monkeypatch):
    host = sys.modules[f"{pack.__name__}.nodes.host"]
    monkeypatch.setattr(host, "save_folder", lambda kind: tmp_path)
    monkeypatch.setattr(host, "output_folder", lambda: tmp_path)
    with pytest.raises(ValueError, match=r"encoder: expected a VGG encoder .*, found the light one"):
        nodes["AdaINTrainDecoder"]().train(
            *(encoder, "examples of this pack", "examples of this pack", "light test", 1, 1, 64, 1e-4, 1.0, 10.0, 0)
        )
