"""What users do in a real ComfyUI beside the examples: switches, model folders, cancel, mistakes."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import torch

from adain_core import Stylizer
from adain_core.images.files import load_picture, to_image
from adain_core.models.bundled import VGG19_DECODER, VGG19_ENCODER

from .server import ROOT, error_of

SIZE = 64


def stylize(frames: int = 1, alpha: float = 1.0, **inputs) -> dict:
    """A small picture, repeated, in a small style; further inputs of AdaIN Stylize."""
    return {
        "1": _node("AdaINExampleImage", name="content_chelsea.jpg"),
        "2": _node("AdaINExampleImage", name="style_starry_night.jpg"),
        "3": _scaled("1"),
        "4": _scaled("2"),
        "5": _node("RepeatImageBatch", image=["3", 0], amount=frames),
        "6": _node("AdaINStylize", content=["5", 0], style=["4", 0], alpha=alpha, **inputs),
        "7": _node("PreviewImage", images=["6", 0]),
    }


def graph(decoder: str = VGG19_DECODER.name, mask_size: int = 0) -> dict:
    """The same as separate nodes, the mask on the style."""
    prompt = stylize()
    prompt["10"] = _node("AdaINEncoderLoader", encoder_name=VGG19_ENCODER.name)
    prompt["11"] = _node("AdaINDecoderLoader", decoder_name=decoder)
    prompt["12"] = _node("AdaINVGGEncode", encoder=["10", 0], image=["3", 0])
    prompt["13"] = _node("AdaINVGGEncode", encoder=["10", 0], image=["4", 0])
    if mask_size:
        prompt["9"] = _node("SolidMask", value=1.0, width=mask_size, height=mask_size)
        prompt["13"]["inputs"]["mask"] = ["9", 0]
    prompt["14"] = _node("AdaINApply", content=["12", 0], style=["13", 0], alpha=1.0)
    prompt["6"] = _node("AdaINDecode", decoder=["11", 0], features=["14", 0])
    return prompt


def _node(kind: str, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs}


def _scaled(image: str) -> dict:
    return _node("ImageScale", image=[image, 0], upscale_method="area", width=SIZE, height=SIZE, crop="center")


@pytest.fixture(scope="module")
def other(start_comfyui, tmp_path_factory):
    """A ComfyUI with switches, and with a model folder named in extra_model_paths.yaml."""
    folder = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(VGG19_DECODER, folder / "decoder_elsewhere.safetensors")
    config = folder / "extra_model_paths.yaml"
    config.write_text(f"mine:\n  adain: {folder}\n")
    switches = ("--fp16-vae", "--disable-smart-memory", "--cache-none")
    server = start_comfyui(*switches, "--extra-model-paths-config", str(config))
    yield server
    server.stop()


def decoders(server) -> list[str]:
    return server.get("/object_info/AdaINDecoderLoader")["AdaINDecoderLoader"]["input"]["required"]["decoder_name"][0]


def test_half_precision_and_extra_model_paths(comfyui, other):
    assert "decoder_elsewhere.safetensors" in decoders(other)
    assert "decoder_elsewhere.safetensors" not in decoders(comfyui)
    half = other.run(graph("decoder_elsewhere.safetensors"))["7"]
    full = comfyui.run(graph())["7"]
    torch.testing.assert_close(half, full, atol=8 / 255, rtol=0)
    assert (half - full).abs().mean() < 1 / 255
    assert not torch.equal(half, full), "half precision shows, if hardly"


def test_a_file_dropped_in_appears_and_works(comfyui):
    folder = comfyui.base / "models/adain/mine"
    folder.mkdir(parents=True)
    before = decoders(comfyui)
    shutil.copy(VGG19_DECODER, folder / "dropped_in.safetensors")
    (new,) = set(decoders(comfyui)) - set(before)
    assert new.endswith("dropped_in.safetensors")
    torch.testing.assert_close(comfyui.run(graph(new))["7"], comfyui.run(graph())["7"])


def test_a_saved_style_can_be_loaded(comfyui):
    prompt = graph()
    prompt["8"] = _node("AdaINSaveStyle", style=["13", 0], name="saved by a test", thumbnail=["4", 0])
    expected = comfyui.run(prompt)["7"]
    assert 4000 < (comfyui.base / "models/adain_styles/saved by a test.safetensors").stat().st_size < 20000
    prompt = graph()
    prompt["13"] = _node("AdaINLoadStyle", name="saved by a test.safetensors")
    torch.testing.assert_close(comfyui.run(prompt)["7"], expected)


def test_models_are_loaded_once(comfyui):
    for alpha in (0.3, 0.6):
        comfyui.run(stylize(alpha=alpha))
    comfyui.run(graph())
    assert comfyui.log.read_text().count("Requested to load VGGEncoder") == 1


def test_the_run_after_a_cancelled_one_is_whole(comfyui):
    run = comfyui.submit(stylize(frames=4000, alpha=0.9))
    end = time.monotonic() + 60
    while not comfyui.get("/queue")["queue_running"] and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(1)
    comfyui.post("/interrupt")
    entry = comfyui.wait(run, seconds=30)
    assert "execution_interrupted" in dict(entry["status"]["messages"])
    frames = comfyui.run(stylize(frames=9, alpha=0.9))["7"]
    assert len(frames) == 9
    torch.testing.assert_close(frames[:1].expand(9, -1, -1, -1), frames, atol=1 / 255 + 1e-6, rtol=0)


def test_what_a_cancel_kept_is_refined_again_what_is_whole_is_not(comfyui):
    prompt = graph()
    prompt["20"] = _node("AdaINRefine", encoder=["10", 0], image=["6", 0], features=["14", 0], style=["13", 0], steps=2)
    prompt["7"] = _node("PreviewImage", images=["20", 0])

    def cached(entry):
        comfyui.images(entry)  # it succeeded
        return dict(entry["status"]["messages"])["execution_cached"]["nodes"]

    assert "20" not in cached(comfyui.wait(comfyui.submit(prompt)))
    assert "20" in cached(comfyui.wait(comfyui.submit(prompt)))
    prompt["20"]["inputs"]["steps"] = 1000
    for _ in range(2):
        run = comfyui.submit(prompt)
        time.sleep(3)
        comfyui.post("/interrupt")
        nodes = cached(comfyui.wait(run))
        assert "6" in nodes
        assert "20" not in nodes


def failure(comfyui, prompt: dict) -> str:
    entry = comfyui.wait(comfyui.submit(prompt))
    assert entry["status"]["status_str"] == "error"
    return error_of(entry)


def test_mistakes_are_told_in_one_sentence(comfyui):
    prompt = stylize(frames=3)
    prompt["8"] = _node("RepeatImageBatch", image=["4", 0], amount=2)
    prompt["6"]["inputs"]["style"] = ["8", 0]
    assert "style: expected a batch of 1 or of 3 like the content, found 2" in failure(comfyui, prompt)


def test_a_missing_file_is_told_with_its_folder(comfyui):
    """Said before anything runs; ComfyUI alone would list the files there are."""
    with pytest.raises(AssertionError, match=r"gone\.safetensors: expected a file in \S*models/adain or "):
        comfyui.submit(graph("gone.safetensors"))
    prompt = graph()
    prompt["13"] = _node("AdaINLoadStyle", name="gone.safetensors")
    with pytest.raises(AssertionError, match=r"gone\.safetensors: expected a file in \S*models/adain_styles or "):
        comfyui.submit(prompt)


def test_a_decoder_of_another_encoder_is_refused(comfyui):
    from adain_core.models.model_files import load_decoder, save_model

    folder = comfyui.base / "models/adain"
    save_model(folder / "foreign.safetensors", load_decoder(VGG19_DECODER), {"encoder": "0123456789abcdef"})
    message = failure(comfyui, graph("foreign.safetensors"))
    assert "0123456789abcdef" in message
    assert "use a decoder trained for it" in message


def test_a_wrong_file_for_a_known_model_is_refused(comfyui):
    prompt = graph()
    offered = comfyui.get("/object_info/AdaINEncoderLoader")["AdaINEncoderLoader"]["input"]["required"]
    entry = next(name for name in offered["encoder_name"][0] if "AdaIN authors" in name)
    folder = comfyui.base / "models/adain"
    folder.mkdir(exist_ok=True)
    # A file brought by hand is looked at before any connection is made, so that this holds with or without one.
    (folder / "vgg_normalised.pth").write_bytes(b"not the file")
    try:
        prompt["10"]["inputs"]["encoder_name"] = entry
        assert "vgg_normalised.pth: expected a file with SHA-256 804ca283" in failure(comfyui, prompt)
    finally:
        (folder / "vgg_normalised.pth").unlink()


def test_masks_of_another_size_fit(comfyui):
    """White everywhere means everywhere, whatever the mask's size."""
    torch.testing.assert_close(comfyui.run(graph(mask_size=17))["7"], comfyui.run(graph())["7"], atol=0.005, rtol=0)


def write_opaque(folder: Path) -> list[str]:
    """A picture without transparency in formats for which Load Image gives different empty masks."""
    photo = to_image(load_picture(ROOT / "examples/content_chelsea.jpg").pixels[0]).crop((90, 60, 170, 120))
    turned = [photo.rotate(90 * k, expand=False) for k in range(3)]
    photo.save(folder / "photo.jpg")
    photo.convert("P").save(folder / "palette.png")
    photo.convert("RGBA").save(folder / "opaque_rgba.png")
    turned[0].save(folder / "frames.gif", save_all=True, append_images=turned[1:])
    turned[0].save(folder / "frames.webp", save_all=True, append_images=turned[1:])
    return ["photo.jpg", "palette.png", "opaque_rgba.png", "frames.gif", "frames.webp"]


def test_pictures_without_transparency_are_stylized_whatever_mask_load_image_gives(comfyui):
    prompt = {"2": _node("AdaINExampleImage", name="style_starry_night.jpg"), "4": _scaled("2")}
    names = write_opaque(comfyui.base / "input")
    for k, name in enumerate(names):
        load, plain, masked = (f"{letter}{k}" for letter in "lpm")
        prompt[load] = _node("LoadImage", image=name)
        given = {"content": [load, 0], "style": ["4", 0], "alpha": 1.0}
        prompt[plain] = _node("AdaINStylize", **given)
        prompt[masked] = _node("AdaINStylize", **given, mask=[load, 1])
        prompt |= {f"show_{node}": _node("PreviewImage", images=[node, 0]) for node in (plain, masked)}
        prompt[f"show_{load}"] = _node("PreviewImage", images=[load, 0])
    shown = comfyui.run(prompt)
    for k, name in enumerate(names):
        assert torch.equal(shown[f"show_m{k}"], shown[f"show_p{k}"]), name
        assert (shown[f"show_m{k}"] - shown[f"show_l{k}"]).abs().mean() > 0.05, name


@pytest.mark.since("0.33")  # the switch
def test_half_precision_between_nodes(start_comfyui):
    server = start_comfyui("--fp16-intermediates")
    write_opaque(server.base / "input")
    prompt = graph(mask_size=17) | {"20": _node("LoadImage", image="frames.gif")}
    prompt["21"] = _node("AdaINStylize", content=["20", 0], style=["4", 0], alpha=1.0, mask=["20", 1])
    prompt["22"] = _node("AdaINStylizeFrames", content=["20", 0], style=["4", 0], alpha=1.0, smoothing=0.5, flow=True)
    prompt["22"]["inputs"] |= {"mask": ["20", 1], "preserve_color": True}
    for k, method in enumerate(("mean-covariance", "luminance")):
        prompt[f"3{k}"] = _node("AdaINMatchColor", image=["21", 0], reference=["20", 0], method=method)
    prompt["41"] = _node("AdaINFitStyle", encoder=["10", 0], decoder=["11", 0], images=["4", 0], steps=1)
    prompt["42"] = _node("AdaINSaveStyle", style=["41", 0], name="half", thumbnail=["4", 0])
    prompt |= {f"show_{node}": _node("PreviewImage", images=[node, 0]) for node in ("21", "22", "30", "31")}
    shown = server.run(prompt)
    server.stop()
    for node in ("7", "show_21", "show_22", "show_30", "show_31"):
        assert shown[node].std() > 0.05, node
        assert shown[node].isfinite().all(), node


def test_stylize_equals_the_core(comfyui):
    content = load_picture(ROOT / "examples/content_coffee.jpg").pixels
    style = load_picture(ROOT / "examples/style_tissue.jpg").pixels
    prompt = {
        "1": _node("AdaINExampleImage", name="content_coffee.jpg"),
        "2": _node("AdaINExampleImage", name="style_tissue.jpg"),
        "6": _node("AdaINStylize", content=["1", 0], style=["2", 0], alpha=0.5, preserve_color=True),
        "7": _node("PreviewImage", images=["6", 0]),
    }
    expected = Stylizer.load(device="cpu").stylize(content, style, alpha=0.5, preserve_color=True)
    torch.testing.assert_close(
        comfyui.run(prompt)["7"], (expected.movedim(1, 3) * 255).floor() / 255, atol=1 / 255 + 1e-6, rtol=0
    )
