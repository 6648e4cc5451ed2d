"""The nodes without ComfyUI: contract, semantics, errors."""

from __future__ import annotations

import sys

import pytest
import torch

from adain_core import Stylizer
from adain_core.images.files import load_picture, to_image
from adain_core.method.normalization import adaptive_instance_norm
from adain_core.method.spatial_masks import to_feature_grid

# The contract that users' saved workflows rely on: inputs in order (a workflow holds values by place), then outputs.
CONTRACT = {
    "AdaINEncoderLoader": (["encoder_name"], [], ["ADAIN_ENCODER"]),
    "AdaINDecoderLoader": (["decoder_name"], [], ["ADAIN_DECODER"]),
    "AdaINVGGEncode": (["encoder", "image"], ["mask", "tile_size", "statistics_size"], ["ADAIN_FEATURES"]),
    "AdaINApply": (["content", "style", "alpha"], ["mask", "channels"], ["ADAIN_FEATURES"]),
    "AdaINRegions": (
        ["content", "style_1", "alpha", "feather"],
        ["mask_1", "style_2", "mask_2", "style_3", "mask_3", "style_4", "mask_4", "channels"],
        ["ADAIN_FEATURES"],
    ),
    "AdaINStyleMix": (
        ["style_1", "weight_1"],
        ["style_2", "weight_2", "style_3", "weight_3", "style_4", "weight_4"],
        ["ADAIN_STYLE"],
    ),
    "AdaINStyleArithmetic": (["style", "style_1", "amount_1"], ["style_2", "amount_2"], ["ADAIN_STYLE"]),
    "AdaINStyleFromImages": (["encoder", "style_folder", "style_size"], ["images", "style_path"], ["ADAIN_STYLE"]),
    "AdaINStyleGrid": (
        ["decoder", "content", "style_1", "steps", "alpha", "cell"],
        ["style_2", "style_3", "style_4"],
        ["IMAGE", "IMAGE"],
    ),
    "AdaINDecode": (["decoder", "features"], ["tile_size"], ["IMAGE"]),
    "AdaINChannelMask": (
        ["choose_by", "amount"],
        [
            *("first", "last", "list", "count", "others", "content", "style", "combine_with", "combine"),
            *("cluster", "seed", "invert", "blend"),
        ],
        ["ADAIN_CHANNELS"],
    ),
    "AdaINPreviewChannels": (["decoder", "content", "style", "channels"], [], ["IMAGE", "IMAGE", "IMAGE"]),
    "AdaINSaveStyle": (["style", "name"], ["author", "license", "thumbnail"], ["ADAIN_STYLE"]),
    "AdaINLoadStyle": (["name"], [], ["ADAIN_STYLE"]),
    "AdaINFitStyle": (["encoder", "decoder", "images", "steps"], ["content", "bank"], ["ADAIN_STYLE"]),
    "AdaINStyleBank": (["style_1"], ["style_2", "style_3", "style_4"], ["ADAIN_STYLE"]),
    "AdaINPickStyle": (["styles", "number"], ["weights"], ["ADAIN_STYLE"]),
    "AdaINMatchColor": (["image", "reference", "method"], ["strength"], ["IMAGE"]),
    "AdaINExampleImage": (["name"], [], ["IMAGE"]),
    "AdaINRefine": (
        ["encoder", "image", "features", "style", "steps"],
        ["alpha", "mask", "style_weight", "tile_size", "decoder", "channels"],
        ["IMAGE"],
    ),
    "AdaINStylize": (
        ["content", "style", "alpha"],
        ["mask", "preserve_color", "pair", "refine", "style_size", "detail_size"],
        ["IMAGE"],
    ),
    "AdaINStylizeFrames": (
        ["content", "style", "alpha", "smoothing", "flow"],
        ["mask", "preserve_color", "pair", "refine", "style_size", "detail_size"],
        ["IMAGE"],
    ),
    "AdaINStylizeVideo": (
        ["content", "style", "alpha", "smoothing", "flow"],
        ["keys", "crf", "pair", "refine", "style_size", "detail_size", "mask", "preserve_color"],
        ["VIDEO"],
    ),
    "AdaINTrainDecoder": (
        [
            *("encoder", "content_folder", "style_folder", "checkpoint_name", "steps", "batch_size", "crop_size"),
            *("learning_rate", "content_weight", "style_weight", "seed"),
        ],
        [
            *("decoder", "resume", "save_every", "preview_every", "style_loss", "normalization"),
            *("guards", "augment_styles", "content_path", "style_path"),
        ],
        ["ADAIN_DECODER", "IMAGE", "LOSS_MAP"],
    ),
}
# Values of combos; what is on disk comes beside them.
VALUES = {
    ("AdaINEncoderLoader", "encoder_name"): [
        *("fine_encoder.safetensors", "light_encoder.safetensors", "vgg19_relu4_1.safetensors"),
        "vgg_normalised of the AdaIN authors (downloads 80 MB once)",
        "VGG-19 of torchvision (downloads 548 MB once)",
    ],
    ("AdaINDecoderLoader", "decoder_name"): [
        *("fine_decoder.safetensors", "decoder_vgg19.safetensors", "light_decoder.safetensors"),
        "decoder of the AdaIN authors (downloads 14 MB once, and its encoder)",
    ],
    ("AdaINChannelMask", "choose_by"): ["range", "list", "differ most", "differ least", "cluster", "random"],
    ("AdaINChannelMask", "combine"): ["multiply", "maximum", "minimum", "add", "blend"],
    ("AdaINChannelMask", "cluster"): [
        *("figures", "small shapes", "rough texture", "crowded detail", "horizontal edges", "plain surfaces"),
        *("sky and water", "walls and windows", "flat shapes", "vertical edges", "rising diagonals"),
        *("strands and folds", "strong contrast", "V shapes", "dark spots", "falling diagonals"),
    ],
    ("AdaINLoadStyle", "name"): ["starry_night.safetensors"],
    ("AdaINMatchColor", "method"): ["mean-covariance", "luminance", "histogram"],
    ("AdaINExampleImage", "name"): [
        *("content_astronaut.jpg", "content_chelsea.jpg", "content_coffee.jpg", "style_honeywave.jpg"),
        *("style_paint_brushes.jpg", "style_safe_landing.jpg", "style_starry_night.jpg", "style_tissue.jpg"),
    ],
    ("AdaINStylize", "pair"): ["vgg19", "fine", "light"],
    ("AdaINStylizeFrames", "pair"): ["vgg19", "fine", "light"],
    ("AdaINStylizeVideo", "pair"): ["vgg19", "fine", "light"],
    ("AdaINStyleFromImages", "style_folder"): ["no folder", "examples of this pack"],
    ("AdaINTrainDecoder", "content_folder"): ["examples of this pack"],
    ("AdaINTrainDecoder", "style_folder"): ["examples of this pack"],
    ("AdaINTrainDecoder", "style_loss"): ["mean-std", "gram"],
    ("AdaINTrainDecoder", "normalization"): ["none", "instance", "batch"],
}


@pytest.fixture(scope="module")
def nodes(pack):
    return pack.NODE_CLASS_MAPPINGS


@pytest.fixture(scope="module")
def models(nodes):
    encoder = run(nodes["AdaINEncoderLoader"], encoder_name="vgg19_relu4_1.safetensors")
    decoder = run(nodes["AdaINDecoderLoader"], decoder_name="decoder_vgg19.safetensors")
    return encoder, decoder


@pytest.fixture
def photo(examples):
    pixels = load_picture(examples / "content_chelsea.jpg").pixels[..., :101, :131]
    return pixels.movedim(1, 3)


@pytest.fixture
def painting(examples):
    pixels = load_picture(examples / "style_starry_night.jpg").pixels[..., 200:296, 200:328]
    return pixels.movedim(1, 3)


def run(node, **inputs):
    outputs = getattr(node(), node.FUNCTION)(**inputs)
    assert len(outputs) == len(node.RETURN_TYPES)
    return outputs[0]


@pytest.mark.parametrize("node_id", CONTRACT)
def test_contract(nodes, node_id):
    required, optional, outputs = CONTRACT[node_id]
    inputs = nodes[node_id].INPUT_TYPES()
    assert list(inputs["required"]) == required
    assert list(inputs.get("optional", {})) == optional
    assert list(nodes[node_id].RETURN_TYPES) == outputs


def test_contract_is_of_every_node_and_combo(nodes):
    assert set(CONTRACT) == set(nodes)
    combos = {}
    for node_id, node in nodes.items():
        inputs = node.INPUT_TYPES()
        specs = {**inputs["required"], **inputs.get("optional", {})}
        combos |= {(node_id, name): spec[0] for name, spec in specs.items() if isinstance(spec[0], list)}
    assert set(combos) == set(VALUES)
    for place, values in VALUES.items():
        assert [value for value in combos[place] if value in values] == values, place


RARE = {
    "AdaINVGGEncode": {"tile_size", "statistics_size"},
    "AdaINDecode": {"tile_size"},
    "AdaINRefine": {"style_weight", "tile_size"},
    "AdaINSaveStyle": {"author", "license"},
    "AdaINStyleFromImages": {"style_path"},
    "AdaINStylize": {"detail_size"},
    "AdaINStylizeFrames": {"detail_size"},
    "AdaINStylizeVideo": {"keys", "crf", "detail_size"},
    "AdaINTrainDecoder": {
        *("learning_rate", "seed", "resume", "save_every", "preview_every", "style_loss", "normalization"),
        *("guards", "augment_styles", "content_path", "style_path"),
    },
}


def test_rare_inputs_are_advanced_and_need_no_value(nodes):
    for node_id, node in nodes.items():
        inputs = node.INPUT_TYPES()
        specs = {**inputs["required"], **inputs.get("optional", {})}
        advanced = {name: spec for name, spec in specs.items() if spec[1].get("advanced")}
        assert set(advanced) == RARE.get(node_id, set()), node_id
        assert all("default" in spec[1] or isinstance(spec[0], list) for spec in advanced.values())


def test_every_node_explains_itself(pack):
    for node_id, node in pack.NODE_CLASS_MAPPINGS.items():
        assert node_id.startswith("AdaIN")
        assert pack.NODE_DISPLAY_NAME_MAPPINGS[node_id]
        assert node.DESCRIPTION
        assert node.SEARCH_ALIASES
        assert len(node.OUTPUT_TOOLTIPS) == len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
        inputs = node.INPUT_TYPES()
        for group in ("required", "optional"):
            for name, spec in inputs.get(group, {}).items():
                assert len(spec[1]["tooltip"]) > 10, f"{node_id}.{name}"


def test_loading_the_pack_leaves_top_level_modules_alone(pack):
    assert getattr(sys.modules.get("nodes"), "__file__", None) != f"{pack.__path__[0]}/nodes/__init__.py"


def test_graph_equals_core(nodes, models, photo, painting):
    encoder, decoder = models
    content = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photo)
    style = run(nodes["AdaINVGGEncode"], encoder=encoder, image=painting)
    features = run(nodes["AdaINApply"], content=content, style=style, alpha=0.7)
    image = run(nodes["AdaINDecode"], decoder=decoder, features=features)
    expected = Stylizer.load(device="cpu", pair="vgg19").stylize(photo.movedim(3, 1), painting.movedim(3, 1), 0.7)
    assert image.shape == photo.shape
    torch.testing.assert_close(image.movedim(3, 1), expected, atol=1e-5, rtol=0)
    one_node = run(nodes["AdaINStylize"], content=photo, style=painting, alpha=0.7, pair="vgg19")
    torch.testing.assert_close(one_node, image, atol=1e-5, rtol=0)


def test_tiles_change_nothing(nodes, models, photo):
    encoder, decoder = models
    whole = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photo)
    tiled = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photo, tile_size=64)
    torch.testing.assert_close(whole.tensor, tiled.tensor, atol=1e-4, rtol=0)
    image = run(nodes["AdaINDecode"], decoder=decoder, features=whole)
    torch.testing.assert_close(
        image, run(nodes["AdaINDecode"], decoder=decoder, features=whole, tile_size=64), atol=1e-4, rtol=0
    )


def test_style_mix_of_connected_styles_only(nodes, models, photo, painting):
    encoder, _ = models
    one = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photo)
    two = run(nodes["AdaINVGGEncode"], encoder=encoder, image=painting)
    mixed = run(nodes["AdaINStyleMix"], style_1=one, weight_1=1.0, weight_2=5.0, style_3=two, weight_3=3.0)
    expected = 0.25 * one.statistics.mean + 0.75 * two.statistics.mean
    torch.testing.assert_close(mixed.statistics.mean, expected)
    with pytest.raises(ValueError, match="found all at 0"):
        run(nodes["AdaINStyleMix"], style_1=one, weight_1=0.0)


def test_style_mix_names_the_input_whose_batch_does_not_fit(nodes, models, painting):
    one, two, three = (
        run(nodes["AdaINVGGEncode"], encoder=models[0], image=painting.repeat(n, 1, 1, 1)) for n in (1, 2, 3)
    )
    with pytest.raises(ValueError, match="style_3: expected a batch of 1 or of 3 like another style, found 2"):
        run(nodes["AdaINStyleMix"], style_1=one, weight_1=1.0, style_3=two, style_4=three)


def test_style_arithmetic_goes_toward_and_away(nodes, models, photo, painting):
    encoder, decoder = models
    content, style = (run(nodes["AdaINVGGEncode"], encoder=encoder, image=image) for image in (photo, painting))

    def distance(amount):
        moved = run(nodes["AdaINStyleArithmetic"], style=style, style_1=content, amount_1=amount)
        target = run(nodes["AdaINApply"], content=content, style=moved, alpha=1.0)
        return (run(nodes["AdaINDecode"], decoder=decoder, features=target) - photo).abs().mean()

    assert distance(-0.5) > 1.1 * distance(0.0) > 1.2 * distance(0.8)
    given = {"style": style, "style_1": content, "amount_1": 0.0}
    still = run(nodes["AdaINStyleArithmetic"], **given)
    torch.testing.assert_close(tuple(still.statistics), tuple(style.statistics))
    two, three = (run(nodes["AdaINVGGEncode"], encoder=encoder, image=painting.repeat(n, 1, 1, 1)) for n in (2, 3))
    with pytest.raises(ValueError, match="style_2: expected a batch of 1 or of 3 like another style, found 2"):
        run(nodes["AdaINStyleArithmetic"], style=style, style_1=three, amount_1=1.0, style_2=two)


def test_a_style_from_connected_images_and_a_folder(pack, nodes, models, painting, tmp_path, monkeypatch):
    host = sys.modules[f"{pack.__name__}.nodes.host"]
    monkeypatch.setattr(host, "input_folder", lambda: tmp_path)
    (tmp_path / "night").mkdir()
    for k, part in enumerate((painting[0, :, :64], painting[0, :, 64:])):
        to_image(part.movedim(2, 0)).save(tmp_path / "night" / f"{k}.png")
    node = nodes["AdaINStyleFromImages"]
    assert "night" in node.INPUT_TYPES()["required"]["style_folder"][0]
    read = torch.cat([load_picture(tmp_path / "night" / f"{k}.png").pixels.movedim(1, 3) for k in range(2)])
    connected = run(node, encoder=models[0], style_folder="no folder", style_size=0, images=read)
    folder = run(node, encoder=models[0], style_folder="night", style_size=0)
    for found, expected in zip(folder.layers(), connected.layers(), strict=True):
        torch.testing.assert_close(tuple(found), tuple(expected))
    (tmp_path / "night" / "1b.png").write_text("no picture")
    said = []
    monkeypatch.setattr(host, "show_text", lambda _, *lines: said.append(lines))
    with_broken = run(node, encoder=models[0], style_folder="night", style_size=0)
    torch.testing.assert_close(tuple(with_broken.statistics), tuple(folder.statistics))
    assert said == [("images left out: 1 (1b.png)",)]
    both = run(node, encoder=models[0], style_folder="night", style_size=0, images=read)
    torch.testing.assert_close(tuple(both.statistics), tuple(folder.statistics), atol=1e-5, rtol=1e-5)
    half = torch.ones(1, *painting.shape[1:3], 1)
    half[:, :, 64:] = 0
    visible = run(
        node, encoder=models[0], style_folder="no folder", style_size=0, images=torch.cat([painting, half], 3)
    )
    plain = run(node, encoder=models[0], style_folder="no folder", style_size=0, images=painting)
    alone = run(node, encoder=models[0], style_folder="no folder", style_size=0, images=painting[:, :, :64])
    apart = [(style.statistics.mean - alone.statistics.mean).norm() for style in (visible, plain)]
    assert apart[0] < 0.5 * apart[1], "what is transparent does not count"
    before = node.IS_CHANGED(style_folder="night")
    to_image(painting[0].movedim(2, 0)).save(tmp_path / "night" / "2.png")
    assert node.IS_CHANGED(style_folder="night") != before
    with pytest.raises(ValueError, match="images: expected images or a folder of them, found neither"):
        run(node, encoder=models[0], style_folder="no folder", style_size=0)


def test_a_style_grid_encodes_nothing(pack, nodes, models, photo, painting, monkeypatch):
    encoder, decoder = models
    content, style = (run(nodes["AdaINVGGEncode"], encoder=encoder, image=image) for image in (photo, painting))
    execution = sys.modules[f"{pack.__name__}.nodes.execution"]
    monkeypatch.setattr(execution, "encode", lambda *_, **__: pytest.fail("encoded again"))
    node = nodes["AdaINStyleGrid"]()
    images, picture = node.make(decoder, content, style, 3, 1.0, 64)
    assert images.shape == (3, *photo.shape[1:])
    assert picture.shape[2] == 3 * 64 + 2 * 6
    for image, alpha in zip(images, (0.0, 0.5, 1.0), strict=True):
        target = run(nodes["AdaINApply"], content=content, style=style, alpha=alpha)
        torch.testing.assert_close(image, run(nodes["AdaINDecode"], decoder=decoder, features=target)[0])
    images, _ = node.make(decoder, content, style, 2, 1.0, 64, content)
    assert images.shape[0] == 2
    for others in ((None, style), (style, style), (None, None, style)):
        with pytest.raises(ValueError, match="styles: expected style_1 alone, style_1 and style_2, or all four, found"):
            node.make(decoder, content, style, 2, 1.0, 64, *others)


def test_channel_mask_modes(nodes, models, photo, painting):
    encoder, _ = models
    node = nodes["AdaINChannelMask"]
    chosen = run(node, choose_by="range", amount=0.5, first=10, last=19, others=0.1)
    assert chosen[10:20].tolist() == [0.5] * 10
    assert chosen[20:].unique().tolist() == pytest.approx([0.1])
    listed = run(node, choose_by="list", amount=1.0, list="0-63:1, 64-127:0.5")
    assert listed.sum() == 64 + 32
    content = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photo)
    style = run(nodes["AdaINVGGEncode"], encoder=encoder, image=painting)
    most = run(node, choose_by="differ most", amount=1.0, count=100, content=content, style=style)
    least = run(node, choose_by="differ least", amount=1.0, count=412, content=content, style=style)
    assert most.sum() == 100
    torch.testing.assert_close(most + least, torch.ones(512))
    both = run(node, choose_by="range", amount=1.0, first=0, last=63, combine_with=listed, combine="multiply")
    assert both.sum() == 64
    with pytest.raises(ValueError, match="expected first to last within 0-511, found '600-1087'"):
        run(node, choose_by="range", amount=1.0, first=600, last=1087)
    with pytest.raises(ValueError, match="expected content and style connected"):
        run(node, choose_by="differ most", amount=1.0)
    with pytest.raises(ValueError, match="expected everything to come from one encoder"):
        run(node, choose_by="differ most", amount=1.0, content=content, style=style._replace(encoder_id="another"))


def test_channels_that_differ_are_those_that_adain_changes(nodes, models, photo, painting):
    """Of a content measured at another size, too, where AdaIN normalizes by other statistics than its own."""
    encoder, _ = models
    content = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photo, statistics_size=24)
    style = run(nodes["AdaINVGGEncode"], encoder=encoder, image=painting)
    chosen = run(nodes["AdaINChannelMask"], choose_by="differ most", amount=1.0, content=content, style=style)
    features = run(nodes["AdaINApply"], content=content, style=style, alpha=1.0)
    change = (features.tensor - content.tensor).square().mean(dim=(0, 2, 3)) / content.statistics.std[0].square()
    assert chosen[change.topk(256).indices].mean() > 0.88


def test_channel_mask_limits_the_style(nodes, models, photo, painting):
    encoder, _ = models
    content = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photo)
    style = run(nodes["AdaINVGGEncode"], encoder=encoder, image=painting)
    channels = run(nodes["AdaINChannelMask"], choose_by="range", amount=1.0, first=0, last=255)
    features = run(nodes["AdaINApply"], content=content, style=style, alpha=1.0, channels=channels)
    assert torch.equal(features.tensor[:, 256:], content.tensor[:, 256:])
    assert not torch.allclose(features.tensor[:, :256], content.tensor[:, :256])


def test_a_mask_of_the_statistics_ends_at_the_next_adain(nodes, models, photo, painting):
    """Which statistics a chain of nodes uses is what saved workflows mean: 1.0.0's rules, in closed form."""
    encoder, _ = models
    height, width = photo.shape[1:3]
    left, right = torch.zeros(2, 1, height, width)
    left[..., : width // 2] = 1
    right[..., width // 2 :] = 1
    style = run(nodes["AdaINVGGEncode"], encoder=encoder, image=painting)
    content = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photo, mask=left)
    x = content.tensor
    everywhere = run(nodes["AdaINApply"], content=content, style=style, alpha=1.0)
    grids = {name: to_feature_grid(mask, (height, width)) for name, mask in (("left", left), ("right", right))}
    expected = adaptive_instance_norm(x, style.statistics, grids["left"])
    torch.testing.assert_close(everywhere.tensor, expected, atol=1e-3, rtol=1e-4)
    again = run(nodes["AdaINApply"], content=everywhere, style=style, alpha=1.0)
    expected = adaptive_instance_norm(everywhere.tensor, style.statistics)
    torch.testing.assert_close(again.tensor, expected, atol=1e-3, rtol=1e-4)
    inside = run(nodes["AdaINApply"], content=content, style=style, alpha=1.0, mask=right)
    stylized = adaptive_instance_norm(x, style.statistics, grids["right"])
    expected = x + grids["right"][:, None] * (stylized - x)
    torch.testing.assert_close(inside.tensor, expected, atol=1e-3, rtol=1e-4)


def test_masks(nodes, models, photo, painting):
    encoder, _ = models
    content = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photo)
    style = run(nodes["AdaINVGGEncode"], encoder=encoder, image=painting)
    half = torch.zeros(1, 50, 40)  # another size than the image: stretched
    half[..., :20] = 1
    masked = run(nodes["AdaINApply"], content=content, style=style, alpha=1.0, mask=half)
    assert torch.equal(masked.tensor[..., 10:], content.tensor[..., 10:])
    assert not torch.allclose(masked.tensor[..., :7], content.tensor[..., :7])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": float("nan")}, "alpha: expected a number from 0"),
        ({"mask": torch.ones(3, 8, 8)}, "expected a batch of 1 or of 2 like the content, found 3"),
        ({"style_batch": 3}, "expected a batch of 1 or of 2 like the content, found 3"),
        ({"mask": torch.full((1, 8, 8), float("nan"))}, "mask: expected finite"),
    ],
)
def test_errors_read_like_advice(nodes, models, photo, painting, change, message):
    encoder, _ = models
    inputs = {"alpha": 1.0, **change}
    paintings = painting.expand(inputs.pop("style_batch", 1), -1, -1, -1)
    content = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photo.expand(2, -1, -1, -1))
    style = run(nodes["AdaINVGGEncode"], encoder=encoder, image=paintings)
    with pytest.raises(ValueError, match=message):
        run(nodes["AdaINApply"], content=content, style=style, **inputs)


def test_unknown_model_names_the_folder(nodes):
    with pytest.raises(ValueError, match=r"nothing\.safetensors: expected a file in .*weights"):
        run(nodes["AdaINDecoderLoader"], decoder_name="nothing.safetensors")


def test_models_are_loaded_once(nodes, models):
    assert run(nodes["AdaINEncoderLoader"], encoder_name="vgg19_relu4_1.safetensors") is models[0]


@pytest.mark.parametrize("failures", [1, 2, 4])
def test_out_of_memory_falls_back_to_tiles(pack, nodes, models, photo, monkeypatch, failures):
    """An encoder that runs out of memory on anything larger than its last attempt still gives the same features."""
    encoder, _ = models
    expected = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photo.expand(2, -1, -1, -1))
    pipeline = sys.modules[f"{pack.__name__}.adain_core.inference.pipeline"]
    forward, seen = pipeline.fast(encoder.model), []

    def sometimes_full(images):
        seen.append(tuple(images.shape))
        if len(seen) <= failures:
            raise torch.OutOfMemoryError("simulated")
        return forward(images)

    monkeypatch.setattr(pipeline, "fast", lambda model: sometimes_full)
    features = run(nodes["AdaINVGGEncode"], encoder=encoder, image=photo.expand(2, -1, -1, -1))
    torch.testing.assert_close(features.tensor, expected.tensor, atol=1e-4, rtol=0)
    assert seen[failures][0] == 1, "one image at a time after an error"


def test_out_of_memory_for_good_is_told(pack, nodes, models, photo, monkeypatch):
    encoder, _ = models

    def full(images):
        raise torch.OutOfMemoryError("simulated")

    monkeypatch.setattr(sys.modules[f"{pack.__name__}.adain_core.inference.pipeline"], "fast", lambda model: full)
    with pytest.raises(torch.OutOfMemoryError):
        run(nodes["AdaINVGGEncode"], encoder=encoder, image=photo)


def test_an_example_image_that_is_none(nodes):
    for name in ("SOURCES.md", "../content_coffee.jpg", "banner.jpg"):
        with pytest.raises(ValueError, match="expected one of the pack's example images"):
            run(nodes["AdaINExampleImage"], name=name)


def test_fit_style_loads_both_models_at_once_and_tells_what_to_do_without_memory(
    pack, nodes, models, painting, monkeypatch
):
    module = sys.modules[f"{pack.__name__}.nodes.fit_style"]
    loaded = []
    monkeypatch.setattr(module.host, "load_together", lambda models, memory: loaded.append(models))
    inputs = {"encoder": models[0], "decoder": models[1], "images": painting}
    run(nodes["AdaINFitStyle"], **inputs, steps=0)
    assert loaded == [list(models)]

    def full(*_):
        raise torch.OutOfMemoryError("simulated")

    monkeypatch.setattr(module, "fit_style", full)
    with pytest.raises(ValueError, match=r"memory: expected enough on .*; scale the images down"):
        run(nodes["AdaINFitStyle"], **inputs, steps=1)


def test_match_color_of_another_size(nodes, photo, painting):
    result = run(nodes["AdaINMatchColor"], image=photo, reference=painting, method="luminance")
    assert result.shape == photo.shape
    matched = run(nodes["AdaINMatchColor"], image=photo, reference=painting, method="mean-covariance")
    torch.testing.assert_close(matched.mean((1, 2)), painting.mean((1, 2)), atol=0.05, rtol=0)


def test_match_color_by_histogram_and_strength(nodes, photo, painting):
    """Sorted levels of each colour are nearer the reference's than with mean and covariance, half the way with half."""
    given = {"image": photo, "reference": painting[:, :90, :120]}

    def distance(image):
        quantiles = torch.linspace(0, 1, 101)
        levels = [x[..., c].flatten().quantile(quantiles) for x in (image, given["reference"]) for c in range(3)]
        return sum((levels[c] - levels[c + 3]).abs().mean() for c in range(3))

    plain, whole = (run(nodes["AdaINMatchColor"], **given, method=m) for m in ("mean-covariance", "histogram"))
    assert distance(whole) < 0.7 * distance(plain) < 0.5 * distance(photo)
    half = run(nodes["AdaINMatchColor"], **given, method="histogram", strength=0.5)
    torch.testing.assert_close(half, (photo + whole) / 2)
