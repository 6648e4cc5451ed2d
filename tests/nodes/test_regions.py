"""AdaIN Regions and the channel nodes against the core."""

from __future__ import annotations

import pytest
import torch

from adain_core import Stylizer
from adain_core.images.files import load_picture
from adain_core.method.spatial_masks import feathered
from adain_core.models.channel_clusters import load_clusters


@pytest.fixture(scope="module")
def nodes(pack):
    return pack.NODE_CLASS_MAPPINGS


@pytest.fixture(scope="module")
def graph(nodes, examples):
    """Encoded content and styles, and a decoder."""
    encoder = run(nodes["AdaINEncoderLoader"], encoder_name="vgg19_relu4_1.safetensors")
    images = [
        load_picture(examples / f"{name}.jpg").pixels[..., 60:133, 100:188].movedim(1, 3)
        for name in ("content_chelsea", "style_starry_night", "style_honeywave")
    ]
    encoded = [run(nodes["AdaINVGGEncode"], encoder=encoder, image=image) for image in images]
    return (*encoded, run(nodes["AdaINDecoderLoader"], decoder_name="decoder_vgg19.safetensors"), images)


def run(node, **inputs):
    return getattr(node(), node.FUNCTION)(**inputs)[0]


@pytest.fixture
def left():
    mask = torch.zeros(1, 73, 88)
    mask[..., :44] = 1
    return mask


def test_regions_equal_the_core(nodes, graph, left):
    content, one, other, decoder, images = graph
    given = {"content": content, "style_1": one, "style_2": other, "alpha": 1.0}
    features = run(nodes["AdaINRegions"], **given, feather=40, mask_2=left)
    found = run(nodes["AdaINDecode"], decoder=decoder, features=features).movedim(3, 1)
    pictures = [image.movedim(3, 1) for image in images]
    soft = feathered(left, (73, 88), 40)
    expected = Stylizer.load(device="cpu", pair="vgg19").stylize(pictures[0], pictures[1:], masks=[1 - soft, soft])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_a_mask_on_the_other_style_is_the_same(nodes, graph, left):
    content, one, other, *_ = graph
    given = {"content": content, "alpha": 0.8, "feather": 32}
    first = run(nodes["AdaINRegions"], **given, style_1=one, mask_1=left, style_3=other)
    again = run(nodes["AdaINRegions"], **given, style_1=other, style_4=one, mask_4=left)
    torch.testing.assert_close(first.tensor, again.tensor, atol=1e-3, rtol=1e-4)


def test_one_style_without_a_mask_is_adain(nodes, graph):
    content, one, *_ = graph
    found = run(nodes["AdaINRegions"], content=content, style_1=one, alpha=0.7, feather=64)
    expected = run(nodes["AdaINApply"], content=content, style=one, alpha=0.7)
    torch.testing.assert_close(found.tensor, expected.tensor, atol=1e-3, rtol=1e-4)


def test_what_does_not_fit(nodes, graph, left):
    content, one, other, *_ = graph
    given = {"content": content, "style_1": one, "alpha": 1.0, "feather": 0}
    with pytest.raises(ValueError, match="masks: expected one for all styles but one, found 0 for 2 styles"):
        run(nodes["AdaINRegions"], **given, style_2=other, mask_1=torch.zeros(1, 64, 64))
    with pytest.raises(ValueError, match="mask_3: expected a style_3 beside it, found none"):
        run(nodes["AdaINRegions"], **given, mask_3=left)


def test_channels_by_cluster_at_random_inverted_and_blended(nodes, graph):
    node, clusters = nodes["AdaINChannelMask"], load_clusters()
    chosen = run(node, choose_by="cluster", amount=0.8, others=0.1, cluster="dark spots")
    expected = torch.full((512,), 0.1)
    expected[list(clusters["dark spots"])] = 0.8
    assert torch.equal(chosen, expected)
    listed = run(node, choose_by="list", amount=1.0, list="dark spots:0.5, 0-9")
    assert listed.sum() == 10 + 0.5 * len(set(clusters["dark spots"]) - set(range(10)))
    drawn = run(node, choose_by="random", amount=1.0, count=100, seed=7)
    rest = run(node, choose_by="random", amount=1.0, count=100, seed=7, invert=True)
    assert drawn.sum() == 100
    assert torch.equal(drawn + rest, torch.ones(512))
    assert not torch.equal(drawn, run(node, choose_by="random", amount=1.0, count=100, seed=8))
    blended = run(
        node, choose_by="cluster", amount=1.0, cluster="figures", combine_with=drawn, combine="blend", blend=1
    )
    assert torch.equal(blended, drawn)


@pytest.mark.parametrize("one", [1, 3])
def test_masks_of_numbers_that_do_not_fit(nodes, graph, left, one):
    content, style, another, *_ = graph
    three = content._replace(tensor=content.tensor.repeat(3, 1, 1, 1))
    given = {f"style_{k}": s for k, s in enumerate((style, style, another), 1)}  # the first two are one region
    given |= {"content": three, "alpha": 1.0, "feather": 0}
    with pytest.raises(ValueError, match=r"^mask_2: expected a batch of 1 or of 3 like the content, found 2$"):
        run(nodes["AdaINRegions"], **given, mask_1=left.repeat(one, 1, 1), mask_2=left.repeat(2, 1, 1))


def test_clusters_are_of_vgg(nodes, graph):
    content = graph[0]._replace(tensor=torch.rand(1, 192, 4, 4))
    with pytest.raises(ValueError, match="cluster: expected a VGG encoder, whose 512 channels the clusters are of"):
        run(nodes["AdaINChannelMask"], choose_by="cluster", amount=1.0, cluster="figures", content=content)
    drawn = run(nodes["AdaINChannelMask"], choose_by="random", amount=1.0, count=50, content=content)
    assert (drawn.shape, drawn.sum()) == ((192,), 50)


def test_preview_of_channels(nodes, graph):
    content, style, _, decoder, _ = graph
    channels = run(nodes["AdaINChannelMask"], choose_by="cluster", amount=1.0, cluster="rough texture")
    given = {"decoder": decoder, "content": content, "style": style, "channels": channels}
    on, off, difference = nodes["AdaINPreviewChannels"]().preview(**given)
    features = run(nodes["AdaINApply"], content=content, style=style, alpha=1.0, channels=channels)
    torch.testing.assert_close(on, run(nodes["AdaINDecode"], decoder=decoder, features=features))
    torch.testing.assert_close(off, run(nodes["AdaINDecode"], decoder=decoder, features=content))
    assert 0.05 < (difference - 0.5).abs().mean() < 0.4
    both = torch.stack([(on - off).flatten(), difference.flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.98  # but for what is cut off
