"""Train AdaIN Decoder without ComfyUI: which folders it takes, what it gives, and inference mode."""

from __future__ import annotations

import sys

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.models.bundled import PAIRS, VGG19_DECODER, VGG19_ENCODER
from adain_core.models.model_files import load_decoder
from adain_core.training.config import CHOICES, RANGES, TrainingConfig
from adain_core.training.run.state import load_state, saved_states
from tests.adain_core.pictures import files_of, write_pictures
from tests.conftest import PACK

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture
def module(pack):
    return sys.modules[f"{PACK}.nodes.train"]


@pytest.fixture
def home(module, tmp_path, monkeypatch):
    """Folders as inside ComfyUI."""
    write_pictures(tmp_path / "input/photos", 4)
    write_pictures(tmp_path / "input/art/paintings", 3, seed=1)
    monkeypatch.setattr(module.host, "input_folder", lambda: tmp_path / "input")
    monkeypatch.setattr(module.host, "output_folder", lambda: tmp_path / "output")
    monkeypatch.setattr(module.host, "save_folder", lambda kind: tmp_path / "models" / kind)
    return tmp_path


def train(module, home, encoder_file=VGG19_ENCODER, **values):
    loaders = sys.modules[f"{PACK}.nodes.loaders"]
    inputs = {
        "content_folder": "photos",
        "style_folder": "art/paintings",
        "checkpoint_name": "mine",
        "steps": 2,
        "batch_size": 2,
        "crop_size": 32,
        "learning_rate": 1e-4,
        "content_weight": 1.0,
        "style_weight": 10.0,
        "seed": 1,
    }
    with torch.inference_mode():  # as ComfyUI runs nodes
        encoder = loaders.shared_model("encoder", encoder_file)
        return module.TrainDecoder().train(encoder, **inputs | values)


@pytest.mark.slow
def test_trains_inside_inference_mode_and_chains(module, home):
    bundled = sys.modules[f"{PACK}.nodes.loaders"].shared_model("decoder", VGG19_DECODER)
    decoder, samples, loss = train(module, home, decoder=bundled)
    assert samples.shape == (4, 32, 32, 3)
    assert 0 <= samples.min() <= samples.max() <= 1
    assert len(loss["loss"]) == 2
    saved = load_decoder(home / "models/adain/mine.safetensors").state_dict()
    assert all(torch.equal(saved[key].cpu(), value.cpu()) for key, value in decoder.model.state_dict().items())
    assert not torch.equal(saved["c.0.weight"], bundled.model.state_dict()["c.0.weight"].cpu())

    second, _, _ = train(module, home, decoder=decoder, checkpoint_name="second", crop_size=40, guards=0.0)
    assert not torch.equal(second.model.state_dict()["c.0.weight"].cpu(), saved["c.0.weight"])


@pytest.mark.slow
def test_a_decoder_for_the_fine_encoder(module, home):
    loaders = sys.modules[f"{PACK}.nodes.loaders"]
    fine, vgg19 = (loaders.shared_pair(name) for name in ("fine", "vgg19"))
    decoder, samples, _ = train(module, home, PAIRS["fine"].encoder, decoder=fine[1], steps=1)
    assert samples.shape == (4, 32, 32, 3)
    read = load_decoder(home / "models/adain/mine.safetensors", fine[0].model.fingerprint)
    assert read.architecture == decoder.model.architecture == "fine"
    with pytest.raises(ValueError, match="found both the fine one and the VGG-19 in it"):
        train(module, home, PAIRS["fine"].encoder, decoder=vgg19[1], checkpoint_name="other")
    with pytest.raises(ValueError, match="normalization: expected none with the fine encoder, found instance"):
        train(module, home, PAIRS["fine"].encoder, normalization="instance", checkpoint_name="other")
    assert not (home / "models/adain/other.safetensors").exists()
    assert not (home / "output/adain_training/other").exists()


@pytest.mark.slow
def test_a_second_run_of_the_name_resumes_or_is_refused(module, home):
    train(module, home)
    _, _, loss = train(module, home, steps=3)
    assert len(loss["loss"]) == 3
    with pytest.raises(ValueError, match="expected a new folder, found a run with checkpoints"):
        train(module, home, resume=False)
    with pytest.raises(ValueError, match=r"started with \(seed 1\), found seed 2"):
        train(module, home, seed=2)


def test_decoders_of_other_origin_are_not_overwritten(module, home):
    mine = home / "models/adain/mine.safetensors"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(VGG19_DECODER.read_bytes())
    with pytest.raises(ValueError, match="expected a new name, found 'mine'"):
        train(module, home)
    assert mine.read_bytes() == VGG19_DECODER.read_bytes()


def test_a_training_does_not_take_the_name_of_a_model_of_the_pack(module, home):
    for path in (VGG19_DECODER, VGG19_ENCODER):
        with pytest.raises(ValueError, match=f"checkpoint_name: expected a new name, found '{path.stem}'"):
            train(module, home, checkpoint_name=path.stem)
    assert not (home / "models").exists()


def test_warnings_and_skipped_files_stay_with_every_report(module, home, monkeypatch):
    said = []
    monkeypatch.setattr(module.host, "show_text", lambda node_id, *lines: said.append(lines))
    (home / "input/photos/broken.png").write_bytes(b"")
    train(module, home)  # from new weights, in two steps
    assert len(said) == 3
    assert all(any("will leave grey pictures" in line for line in lines) for lines in said)
    assert all("images left out: 1 (broken.png)" in lines for lines in said)
    assert said[-1][0] == "step 2/2"


def test_out_of_memory_says_what_to_lower_and_keeps_the_run(module, home, monkeypatch):
    step_on = module.Trainer.step_on

    def full(trainer, batch):
        if trainer.step == 2:
            raise torch.OutOfMemoryError("simulated")
        return step_on(trainer, batch)

    monkeypatch.setattr(module.Trainer, "step_on", full)
    with pytest.raises(ValueError, match=r"memory: expected enough on .*; lower batch_size \(2\) or crop_size \(32\)"):
        train(module, home, steps=4, save_every=1)
    (*_, last) = saved_states(home / "output/adain_training/mine/checkpoints")
    assert load_state(last).step == 2


class CancelledError(BaseException):
    """Not an Exception, like ComfyUI's since 0.33."""


@pytest.mark.slow
def test_after_a_cancel_the_node_says_what_was_kept_and_goes_on_from_there(module, home, monkeypatch):
    said = []
    monkeypatch.setattr(module.host, "show_text", lambda node_id, *lines: said.append(lines))
    monkeypatch.setattr(module.host, "CANCELLED", (CancelledError,))

    def bar(done, total, preview=None):
        if done == 2:
            raise CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(module.host, "progress_bar", lambda total: bar)
        with pytest.raises(CancelledError):
            train(module, home, steps=4, save_every=0)
    first, *others = said[-1]
    assert first == "Cancelled at step 2 of 4; nothing is lost."
    assert others[-1] == "To go on, queue again without changes."
    assert (home / "models/adain/mine.safetensors").is_file()
    assert any("models/adain: mine" in line for line in others)
    assert any("output/adain_training/mine" in line for line in others)
    (*_, last) = saved_states(home / "output/adain_training/mine/checkpoints")
    assert load_state(last).step == 2
    _, _, loss = train(module, home, steps=4, save_every=0)
    assert len(loss["loss"]) == 4


def test_other_errors_do_not_speak_of_a_cancel(module, home, monkeypatch):
    said = []
    monkeypatch.setattr(module.host, "show_text", lambda node_id, *lines: said.extend(lines))
    with pytest.raises(ValueError, match="expected a folder of images"):
        train(module, home, content_path=str(home / "output"))
    assert not any("Cancelled" in line for line in said)


@pytest.mark.parametrize("name", ["../mine", "a/b", "", ".hidden"])
def test_names_stay_in_their_folder(module, home, name):
    with pytest.raises(ValueError, match="checkpoint_name: expected letters"):
        train(module, home, checkpoint_name=name)


def test_widgets_stay_within_what_the_training_takes(module):
    inputs = module.TrainDecoder.INPUT_TYPES()
    widgets = {name: options for part in ("required", "optional") for name, options in inputs[part].items()}
    checked = {name for name in RANGES if name in widgets}
    assert checked >= {"steps", "batch_size", "learning_rate", "content_weight", "style_weight", "seed", "save_every"}
    for name in checked:
        options = widgets[name][1]
        for value in (options["min"], options["default"], options["max"]):
            assert value in RANGES[name], name
    for name in ("style_loss", "normalization"):
        assert tuple(widgets[name][0]) == CHOICES[name]
    crop = widgets["crop_size"][1]
    for size in (crop["min"], crop["min"] + crop["step"], crop["max"]):
        assert TrainingConfig(crop_sizes=((0, size),)).largest_crop == size
    with pytest.raises(AdaINError):
        TrainingConfig(crop_sizes=((0, crop["min"] - crop["step"]),))


def test_a_folder_of_somebody_else_is_refused_untouched(module, home):
    project = home / "output/adain_training/mine"
    (project / "checkpoints").mkdir(parents=True)
    (project / ".env").write_text("S=1\n")
    (project / "checkpoints/.keep").touch()
    (project / "config.json").write_text("{}\n")
    before = files_of(project)
    with pytest.raises(ValueError, match="mine: expected a new folder, or one of a training with config"):
        train(module, home)
    assert files_of(project) == before
    assert not (home / "models").exists()


def test_is_changed_follows_the_files(module, home):
    def changed(**values):
        return module.TrainDecoder.IS_CHANGED(
            **{"content_folder": "photos", "style_folder": "art", "steps": 5} | values
        )

    first = changed()
    assert changed() == first
    assert first is not True
    assert changed(content_path=str(home / "nowhere")) != first
    write_pictures(home / "input/photos", 6)
    assert changed() != first
    for wired in ("content_folder", "style_folder", "content_path", "style_path"):
        assert changed(**{wired: None}) == changed(**{wired: None})


def test_a_flat_loss_still_has_a_range(module, home):
    class Flat:
        class history:
            @staticmethod
            def column(_):
                return [2.0]

    curve = module._curve(Flat)
    assert len(curve) == 2
    assert max(curve) > min(curve)
