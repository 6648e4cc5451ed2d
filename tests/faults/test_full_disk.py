"""A disk that fills up during each kind of save: one line that names the file, the old file whole, no other left."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adain_core import AdaINError
from adain_core.cli.main import main
from adain_core.files import write_json
from adain_core.images.files import Picture, save_picture
from adain_core.method.normalization import Statistics
from adain_core.method.style import Style
from adain_core.models import download
from adain_core.models.light import LightDecoder
from adain_core.models.model_files import save_model
from adain_core.models.style_files import save_style
from adain_core.training.config import TrainingConfig
from adain_core.training.run.history import History
from adain_core.training.run.state import TrainingState, save_state
from tests.adain_core.pictures import write_pictures

from .conftest import DISK


def noise(side: int) -> Picture:
    return Picture(torch.rand(1, 3, side, side))


def style(channels: int) -> Style:
    return Style(Statistics(torch.rand(1, channels), torch.ones(1, channels)), "0123456789abcdef")


def checkpoint(folder: Path, size: int) -> Path:
    tensors = {"decoder.weight": torch.rand(size)}
    return save_state(folder, TrainingState(1, TrainingConfig(), "", {}, History(), tensors, {}), keep=3)


# Each writes a small file, and one of the same name that is too large.
SAVES = {
    "PNG": ("out.png", lambda path, large: save_picture(path, noise(600 if large else 8))),
    "JPEG": ("out.jpg", lambda path, large: save_picture(path, noise(900 if large else 8))),
    "style": ("a.safetensors", lambda path, large: save_style(path, style(1 << 16 if large else 8))),
    "JSON": ("a.json", lambda path, large: write_json(path, "x" * (DISK << 11 if large else 8))),
    "checkpoint": ("step-00000001.safetensors", lambda path, large: checkpoint(path.parent, 1 << 18 if large else 8)),
}


@pytest.mark.parametrize("kind", SAVES)
def test_what_was_saved_before_stays(small_disk, kind):
    name, save = SAVES[kind]
    path = small_disk / name
    save(path, large=False)
    before = path.read_bytes()
    with pytest.raises(AdaINError, match=r"this file cannot be written .No space left on device") as caught:
        save(path, large=True)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    assert [each.name for each in small_disk.iterdir()] == [name]


def test_a_model(small_disk):
    with pytest.raises(AdaINError, match=r"a\.safetensors: this file cannot be written .No space left on device"):
        save_model(small_disk / "a.safetensors", LightDecoder(), {})
    assert not list(small_disk.iterdir())


@pytest.mark.parametrize("name", ["out.png", "out.jpg"])
def test_an_image_written_in_parts(small_disk, tmp_path, name):
    pytest.importorskip("pyvips", reason="writes large images")
    from adain_core.images.large_files import LargeResult

    result = LargeResult(small_disk / name, (700, 700), tmp_path)
    for top in range(0, 700, 100):
        result.write(slice(top, top + 100), slice(0, 700), torch.rand(1, 3, 100, 700))
    with pytest.raises(AdaINError, match=rf"{name}: this file cannot be written .No space left on device"):
        result.save()
    assert not list(small_disk.iterdir())


def test_room_for_an_images_pixels_is_asked_for_before(small_disk):
    pytest.importorskip("pyvips", reason="writes large images")
    from adain_core.images.large_files import LargeResult

    with pytest.raises(AdaINError, match="of free disk space for the result's pixels"):
        LargeResult(small_disk / "out.png", (700, 700), small_disk)


def restless(number: int, size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.mark.slow
def test_a_video(small_disk, tmp_path, examples, capsys):
    pytest.importorskip("av", reason="writes videos")
    from tests.adain_core.clips import write_clip

    clip = write_clip(tmp_path / "clip.mp4", 70, (64, 96), show=restless)
    painting = str(examples / "style_tissue.jpg")
    command = ["video", str(clip), painting, "--pair", "light", "--style-size", "64", "--crf", "1", "-o"]
    assert main([*command, str(small_disk / "out.mp4")]) == 2
    output = capsys.readouterr()
    last = output.err.splitlines()[-1]
    assert last.startswith(f"error: {small_disk}")
    assert "this file cannot be written (No space left on device)" in last
    assert "Traceback" not in output.err
    assert not (small_disk / "out.mp4").exists()
    assert not [path for path in small_disk.rglob(".*") if path.is_file()]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_an_animation(small_disk, tmp_path, examples, capsys, ending):
    pytest.importorskip("av", reason="reads videos")
    source = tmp_path / "in.gif"
    first, *others = (Image.fromarray(restless(k, (160, 240))) for k in range(4))
    first.save(source, save_all=True, append_images=others, duration=40)
    out = small_disk / f"out.{ending}"
    out.write_bytes(b"of before")
    command = ["video", str(source), str(examples / "style_tissue.jpg"), "--pair", "light", "--style-size", "32"]
    assert main([*command, "--crf", "0", "-o", str(out)]) == 2
    output = capsys.readouterr()
    last = output.err.splitlines()[-1]
    assert last.startswith(f"error: {small_disk}")
    assert "this file cannot be written (No space left on device)" in last
    assert "Traceback" not in output.err
    assert out.read_bytes() == b"of before"


def test_a_download(small_disk, monkeypatch):
    answer = BytesIO(bytes(4 * DISK << 10))
    answer.headers = {}
    monkeypatch.setattr(download, "_open", lambda url: answer)
    with pytest.raises(AdaINError, match=r"vgg_normalised\.pth: this file cannot be written .No space left on device"):
        download.fetch_model(download.AUTHORS_ENCODER, small_disk)
    assert not list(small_disk.iterdir())


@pytest.mark.slow
def test_a_training(small_disk, tmp_path, capsys):
    photos, paintings = write_pictures(tmp_path / "a", 2), write_pictures(tmp_path / "b", 2, seed=1)
    command = ["train", str(photos), str(paintings), "--steps", "1", "--batch-size", "1", "--crop-size", "16"]
    assert main([*command, "--resize", "16", "16", "--workers", "0", "-o", str(small_disk / "run")]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: {small_disk / 'run/decoder.safetensors'}: this file cannot be written (No space")
    assert [path.name for path in (small_disk / "run").iterdir()] == ["config.json"]


@pytest.mark.slow
def test_a_data_set(small_disk, tmp_path, capsys):
    """What has room is written; what has not is in the report, or the report itself has no room."""
    photos, paintings = tmp_path / "a", write_pictures(tmp_path / "b", 1, seed=1)
    for k in range(3):
        save_picture(photos / f"{k}.png", replace(noise(16), pixels=torch.rand(1, 3, 640, 640)))
    command = ["batch", str(photos), str(paintings), "--pair", "light", "--style-size", "64", "--workers", "1", "-o"]
    main([*command, str(small_disk)])
    output = capsys.readouterr()
    assert "Traceback" not in output.err
    assert "No space left on device" in output.err + "".join(
        path.read_text() for path in small_disk.glob("failures.json")
    )
    assert not list(small_disk.glob(".*"))
