"""Training in a real ComfyUI: cancel, resume, decode, plot, and what is cached."""

from __future__ import annotations

import json
import time

import pytest
import torch

from adain_core import Stylizer
from adain_core.images.files import load_picture
from adain_core.training.run.state import load_state, saved_states
from tests.adain_core.pictures import write_pictures

from .expected import EXAMPLES
from .server import error_of
from .workflows import to_api

STEPS = 20


@pytest.fixture(scope="module")
def folders(comfyui):
    for k, name in enumerate(("train photos", "train styles")):
        write_pictures(comfyui.base / "input" / name, 5, seed=k, size=(80, 90))


def workflow(comfyui, stem, **values):
    """An example workflow with other widget values in its training nodes."""
    prompt = to_api(json.loads((EXAMPLES / f"{stem}.json").read_text()), comfyui.get("/object_info"))
    for node in prompt.values():
        if node["class_type"] == "AdaINTrainDecoder":
            node["inputs"] |= {"batch_size": 2, "crop_size": 64, "save_every": 2, "preview_every": 5} | values
    return prompt


def of_type(prompt, kind):
    return next(node for node, content in prompt.items() if content["class_type"] == kind)


def checkpoints(comfyui, name):
    return saved_states(comfyui.base / "output/adain_training" / name / "checkpoints")


def wait_for_step(comfyui, name, step):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        paths = checkpoints(comfyui, name)
        if paths and int(paths[-1].stem.split("-")[1]) >= step:
            return
        time.sleep(0.02)
    raise AssertionError(comfyui.log.read_text()[-3000:])


def cached(entry):
    return dict(entry["status"]["messages"])["execution_cached"]["nodes"]


def test_cancel_resume_decode(comfyui, folders):
    mine = {"content_folder": "train photos", "style_folder": "train styles", "checkpoint_name": "mine"}
    prompt = workflow(comfyui, "41 Train a decoder", **mine, steps=STEPS)
    train, decode = of_type(prompt, "AdaINTrainDecoder"), of_type(prompt, "AdaINDecode")

    run = comfyui.submit(prompt)
    wait_for_step(comfyui, "mine", 4)
    comfyui.post("/interrupt")
    entry = comfyui.wait(run)
    assert dict(entry["status"]["messages"])["execution_interrupted"]["node_type"] == "AdaINTrainDecoder"
    kept = load_state(checkpoints(comfyui, "mine")[-1])
    assert 4 <= kept.step < STEPS
    listed = comfyui.get("/object_info/AdaINDecoderLoader")["AdaINDecoderLoader"]["input"]["required"]["decoder_name"]
    assert "mine.safetensors" in listed[0]

    entry = comfyui.wait(comfyui.submit(prompt))
    assert entry["status"]["status_str"] == "success", error_of(entry)
    state = load_state(checkpoints(comfyui, "mine")[-1])
    assert state.step == STEPS
    assert state.history.rows[: kept.step] == kept.history.rows
    kinds = {prompt[node]["class_type"] for node in entry["outputs"]}
    assert kinds >= {"PreviewImage", "LossGraphNode"}

    images = comfyui.run(prompt)
    stylized = next(images[node] for node in images if prompt[node]["inputs"].get("images", [""])[0] == decode)
    core = Stylizer.load(decoder=comfyui.base / "models/adain/mine.safetensors", device="cpu")
    photo, painting = (load_picture(EXAMPLES / f"{n}.jpg").pixels for n in ("content_chelsea", "style_starry_night"))
    expected = (core.stylize(photo, painting).movedim(1, 3) * 255).floor() / 255
    torch.testing.assert_close(stylized, expected, atol=1 / 255 + 1e-6, rtol=0)

    # The same again is not trained again, until an image is added.
    assert train in cached(comfyui.wait(comfyui.submit(prompt)))
    write_pictures(comfyui.base / "input/train photos", 6, seed=9, size=(80, 90))
    assert train not in cached(comfyui.wait(comfyui.submit(prompt)))


def test_two_trainings_in_a_chain(comfyui, folders):
    prompt = workflow(comfyui, "42 Train in two stages", steps=3)
    entry = comfyui.wait(comfyui.submit(prompt))
    assert entry["status"]["status_str"] == "success", error_of(entry)
    first, second = (load_state(checkpoints(comfyui, name)[-1]) for name in ("small crops", "larger crops"))
    assert first.step == second.step == 3
    # The second began where the first ended: its first loss is one of a trained decoder.
    assert second.history.column("style")[0] < 20


def test_mistakes_are_said_on_the_node(comfyui, folders):
    prompt = workflow(comfyui, "41 Train a decoder", content_path="/no/such/folder", checkpoint_name="none")
    message = error_of(comfyui.wait(comfyui.submit(prompt)))
    assert "/no/such/folder: expected a folder of images, found nothing" in message
