"""The fine pair: its layers one by one, sizes, halos, files, refining and training with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from adain_core import Stylizer
from adain_core.cli.main import main
from adain_core.errors import AdaINError
from adain_core.images.files import load_picture
from adain_core.images.resize import scale_short_side
from adain_core.inference.pipeline import apply_style
from adain_core.inference.refinement import refinement_goals
from adain_core.method import channel_masks
from adain_core.method.adain import adain
from adain_core.method.losses import style_loss
from adain_core.method.normalization import channel_statistics
from adain_core.method.style import mix
from adain_core.method.style_bank import joined
from adain_core.models.bundled import PAIRS, load_pair
from adain_core.models.channel_clusters import clusters_for
from adain_core.models.fine import FineDecoder, FineEncoder
from adain_core.models.model_files import load_vgg, load_vgg_decoder
from adain_core.training.evaluation import psnr
from adain_core.training.optimization.initialization import new_decoder
from adain_core.video.smoothing import TemporalSmoother
from tests.adain_core.pictures import write_pictures


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu", pair="fine")


@pytest.fixture(scope="module")
def pictures(examples):
    names = "content_astronaut.jpg", "style_tissue.jpg"
    return [scale_short_side(load_picture(examples / name).pixels, 96) for name in names]


def side_by_side(x, factor):
    """Each square of positions as channels: 'of channel c the position (i, j)' is number (c factor + i) factor + j."""
    parts = [x[:, :, i::factor, j::factor] for i in range(factor) for j in range(factor)]
    return torch.stack(parts, 2).flatten(1, 2)


def opponent(x):
    """Brightness, red against blue, green against both."""
    r, g, b = x.unbind(1)
    return torch.stack([(r + g + b) / 3**0.5, (r - b) / 2**0.5, (r - 2 * g + b) / 6**0.5], 1)


def test_features_are_relu4_1_components_and_pixels(stylizer):
    encoder = stylizer.encoder
    images = torch.rand(2, 3, 24, 40)
    taps = load_vgg(PAIRS["vgg19"].encoder).taps(images)
    at_4, at_2 = (torch.einsum("oi,bihw->bohw", encoder.p[k].weight[..., 0, 0], taps[2 - k]) for k in (0, 1))
    expected = [taps[3], side_by_side(at_4, 2), side_by_side(at_2, 4), side_by_side(opponent(images), 8)]
    torch.testing.assert_close(encoder(images), torch.cat(expected, 1), atol=5e-4, rtol=1e-4)


def test_a_grey_style_takes_the_colours_of_the_pixels(stylizer, pictures):
    photo, style = pictures
    grey = style.mean(1, keepdim=True).expand_as(style)
    changed = adain(stylizer.encoder(photo), channel_statistics(stylizer.encoder(grey)))
    _, colors = changed[:, 896:].split([64, 128], 1)
    assert float(opponent(photo)[:, 1:].std()) > 0.05
    assert float(colors.abs().max()) < 0.03


def test_components_of_photos_are_unrelated_and_of_unit_variance(stylizer, examples):
    photos = [load_picture(examples / f"content_{name}.jpg").pixels for name in ("astronaut", "chelsea", "coffee")]
    taps = [stylizer.encoder.taps(scale_short_side(photo, 256)) for photo in photos]
    for component, layer in zip(stylizer.encoder.p[:2], (2, 1), strict=True):
        values = torch.cat([component(each[layer]).flatten(2)[0] for each in taps], 1)
        correlation = torch.corrcoef(values) - torch.eye(len(values))
        assert 0.5 < float(values.std(1).mean()) < 1.5
        assert float(correlation.square().mean().sqrt()) < 0.15


def test_the_decoder_is_its_layers_one_by_one(stylizer):
    decoder = stylizer.decoder
    features = torch.randn(1, 1088, 3, 4)

    def layer(k, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), decoder.c[k].weight, decoder.c[k].bias).relu()

    def larger(x):
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    def apart(first, channels, factor):
        whole = torch.zeros(1, channels, 3 * factor, 4 * factor)
        for n in range(channels * factor**2):
            c, i, j = n // factor**2, n // factor % factor, n % factor
            whole[:, c, i::factor, j::factor] = features[:, first + n]
        return whole

    pixels = apart(896, 3, 8)
    x = larger(layer(0, features[:, :512]))
    x = layer(2, torch.cat([layer(1, x), apart(512, 48, 2)], 1))
    x = larger(layer(4, layer(3, x)))
    x = layer(6, torch.cat([layer(5, x), apart(704, 12, 4), side_by_side(pixels, 2)], 1))
    x = F.pad(layer(7, larger(x)), (1, 1, 1, 1), mode="reflect")
    added = F.conv2d(F.pad(pixels, (1, 1, 1, 1), mode="reflect"), decoder.d.weight)
    expected = F.conv2d(x, decoder.c[8].weight, decoder.c[8].bias) + added
    torch.testing.assert_close(decoder(features), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (9, 8), (13, 21), (31, 17)])
def test_any_size(stylizer, size):
    images = torch.rand(1, 3, *size)
    features = stylizer.encoder(images)
    height, width = -(-size[0] // 8), -(-size[1] // 8)
    assert features.shape == (1, 1088, height, width)
    whole = F.pad(images, (0, 8 * width - size[1], 0, 8 * height - size[0]), mode="replicate")
    torch.testing.assert_close(features[:, 896:], side_by_side(opponent(whole), 8), atol=5e-4, rtol=1e-4)
    assert stylizer.decoder(features, size).shape == images.shape


def test_the_halos_hold_the_receptive_fields():
    encoder, decoder = FineEncoder().double(), FineDecoder().double()
    images = torch.rand(1, 3, 160, 160, dtype=torch.double, requires_grad=True)
    encoder(images)[..., 10, 10].square().sum().backward()
    seen = images.grad.abs().sum((0, 1, 3)).nonzero()
    assert 80 - 8 * encoder.halo <= int(seen.min()) <= 80 - 8 * (encoder.halo - 1)
    assert int(seen.max()) <= 87 + 8 * encoder.halo
    features = torch.randn(1, 1088, 16, 16, dtype=torch.double, requires_grad=True)
    decoder(features)[..., 64:72, 64:72].square().sum().backward()
    seen = features.grad.abs().sum((0, 1, 3)).nonzero()
    assert 8 - decoder.halo <= int(seen.min()) <= int(seen.max()) <= 8 + decoder.halo


def test_the_bundled_files(stylizer):
    assert stylizer.decoder.trained_for == stylizer.encoder.fingerprint
    assert isinstance(load_vgg(PAIRS["fine"].encoder), FineEncoder)
    assert isinstance(load_vgg_decoder(PAIRS["fine"].decoder), FineDecoder)
    assert sum(path.stat().st_size for path in PAIRS["fine"]) <= 15_000_000
    with pytest.raises(AdaINError, match="expected a decoder trained for this encoder"):
        load_pair(PAIRS["fine"].encoder, PAIRS["vgg19"].decoder)
    with pytest.raises(AdaINError, match="expected a decoder trained for this encoder"):
        load_pair(PAIRS["vgg19"].encoder, PAIRS["fine"].decoder)
    with pytest.raises(AdaINError, match=r"features: expected shape \[batch, 1088, height, width\], found \[1, 512"):
        stylizer.decoder(torch.rand(1, 512, 2, 2))


def test_it_keeps_more_of_a_photo(stylizer, pictures):
    """Content in its own style comes back closer than from relu4_1 alone."""
    photo, _ = pictures
    own, other = (each.stylize(photo, photo) for each in (stylizer, Stylizer.load(device="cpu", pair="vgg19")))
    assert float(psnr(own, photo)) > float(psnr(other, photo)) + 1


def test_channels_by_cluster(stylizer, pictures):
    """A cluster's numbers are those of relu4_1, also where other channels are behind them."""
    photo, painting = pictures
    channels = channel_masks.from_list("dark spots", count=1088, clusters=clusters_for(1088))
    content, style = stylizer.encode(photo), stylizer.style(painting)
    changed = (apply_style(content, style, channels=channels).tensor != content.tensor).flatten(2).any(2)[0]
    assert changed.nonzero()[:, 0].tolist() == sorted(clusters_for(512)["dark spots"])


def test_a_mask_of_vggs_channels(stylizer, pictures):
    """The finer channels behind them take the mask's mean weight."""
    photo, painting = pictures
    content, style = stylizer.encode(photo), stylizer.style(painting)
    mask = channel_masks.from_range(0, 127, 0.5, 0.1)
    whole = torch.cat([mask, torch.full((576,), 0.2)])
    found, expected = (apply_style(content, style, channels=each).tensor for each in (mask, whole))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("alpha", [1.0, 0.6])
def test_refining(stylizer, pictures, alpha):
    """The style loss at VGG's four layers falls, through the decoder and on pixels, in tiles as at once."""
    photo, painting = pictures
    content, style = stylizer.encode(photo), stylizer.style(painting, layers=True)
    target = apply_style(content, style, alpha)
    picture = stylizer.decode(target)
    goals = refinement_goals(target, [(style, None)], alpha)

    def loss(image):
        return float(style_loss(stylizer.encoder.taps(image), goals[0].layers))

    for through_decoder in (True, False):
        refined = stylizer.refine(picture, target, goals, 5, through_decoder=through_decoder)
        assert loss(refined) < 0.8 * loss(picture)
    once, tiled = (stylizer.refine(picture, target, goals, 1, tile_size=tile) for tile in (0, 64))
    torch.testing.assert_close(once, tiled, atol=1e-4, rtol=0)
    assert [layer.mean.shape[1] for layer in goals[0].layers] == [64, 128, 256, 512]


def test_training(tmp_path, stylizer, examples):
    """From the bundled decoder, and from new weights."""
    folders = [str(write_pictures(tmp_path / name, 4, size=(48, 40))) for name in ("content", "style")]
    options = ["--pair", "fine", "--steps", "2", "--batch-size", "2", "--crop-size", "32", "--device", "cpu"]
    options += ["--resize", "40", "40", "--workers", "0"]
    for name, start in (("from", ["--decoder", str(PAIRS["fine"].decoder)]), ("new", [])):
        run = tmp_path / name
        assert main(["train", *folders, "-o", str(run), *options, *start]) == 0
        trained = load_vgg_decoder(run / "decoder.safetensors", stylizer.encoder.fingerprint)
        assert isinstance(trained, FineDecoder)
        pairs = zip(trained.parameters(), stylizer.decoder.parameters(), strict=True)
        change = [float((a - b).abs().max()) for a, b in pairs]
        assert all(change)
        assert (max(change) < 0.05) == (name == "from")


def test_a_style_is_vgg_19s_too(stylizer, pictures):
    """Statistics of relu4_1 are the same, alone, mixed with one of VGG-19, and in a bank."""
    photo, painting = pictures
    vgg = Stylizer.load(device="cpu", pair="vgg19")
    fine, plain = stylizer.style(painting, layers=True), vgg.style(painting, layers=True)
    torch.testing.assert_close(vgg.stylize(photo, fine), vgg.stylize(photo, plain), atol=1e-4, rtol=0)
    for both in (mix([fine, plain], [1, 3]), joined([fine, plain])):
        assert both.encoder_id == vgg.encoder.fingerprint
        assert both.statistics.mean.shape[1] == 512
    told = "expected everything to come from one encoder, found both the fine one and the VGG-19 in it"
    for wrong in (
        lambda: stylizer.stylize(photo, plain),
        lambda: stylizer.stylize(photo, [fine, plain]),
        lambda: stylizer.decode(vgg.encode(photo)),
        lambda: vgg.decode(stylizer.encode(photo)),
    ):
        with pytest.raises(AdaINError, match=told):
            wrong()


def test_an_encoder_alone_brings_its_decoder_and_a_decoder_its_encoder():
    for files in PAIRS.values():
        both = [load_pair(encoder=files.encoder), load_pair(decoder=files.decoder)]
        assert len({(encoder.fingerprint, decoder.trained_for) for encoder, decoder in both}) == 1
        assert both[0][0].architecture == both[0][1].architecture
    with pytest.raises(AdaINError, match="expected a decoder trained for this encoder"):
        load_pair(PAIRS["light"].encoder, PAIRS["fine"].decoder)


@pytest.mark.parametrize("normalization", ["instance", "batch"])
def test_ablations_of_normalization_are_of_vgg_19s_decoder(normalization):
    with pytest.raises(AdaINError, match=f"normalization: expected none with the fine encoder, found {normalization}"):
        new_decoder("fine", normalization, 0)


def test_channel_masks_combine_with_those_of_vggs_channels(stylizer, pictures):
    """As AdaIN takes them: the channels behind VGG's get the mask's mean."""
    short, whole = channel_masks.from_range(0, 127), torch.rand(1088)
    expected = torch.minimum(torch.cat([short, torch.full((576,), 0.25)]), whole)
    for each in ((short, whole), (whole, short)):
        assert torch.equal(channel_masks.combine(*each, "minimum"), expected)


def test_refining_toward_a_style_of_another_encoder(stylizer, pictures):
    """Its layers would have the same shapes."""
    photo, painting = pictures
    style = stylizer.style(painting, layers=True)
    target = apply_style(stylizer.encode(photo), style)
    assert refinement_goals(target, [(style.seen_by(style.encoder_id.split("/")[1], 512), None)])
    with pytest.raises(AdaINError, match="expected everything to come from one encoder"):
        refinement_goals(target, [(replace(style, encoder_id="another"), None)])


def test_scene_cuts_are_those_that_vgg_19_sees(stylizer, pictures):
    """The finer channels follow the light: where it changes they would tell of cuts."""
    seen = []
    for each in (stylizer, Stylizer.load(device="cpu", pair="vgg19")):
        style, smoother = each.style(pictures[1]), TemporalSmoother()
        smoother.apply(each.encode(pictures[0]), style)
        smoother.apply(each.encode(pictures[0] * 0.7), style)
        seen.append(smoother.state())
    for name in ("cuts.thumbnail", "cuts.typical"):
        torch.testing.assert_close(seen[0][name], seen[1][name], atol=1e-3, rtol=1e-3)


def test_statistics_are_those_of_all_channels(stylizer, pictures):
    _, painting = pictures
    expected = channel_statistics(stylizer.encoder(painting))
    torch.testing.assert_close(stylizer.style(painting).statistics.mean, expected.mean, atol=1e-3, rtol=1e-3)
