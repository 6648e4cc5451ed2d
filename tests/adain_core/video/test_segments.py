"""The folder of segments: only what is ours is used, replaced or removed."""

from __future__ import annotations

import json

import pytest
import torch

from adain_core import AdaINError

pytest.importorskip("av")

from adain_core.video.segments import SegmentFolder
from tests.adain_core.pictures import files_of

SETTINGS = {"source": [1, 2], "encoder": "a", "decoder": "b", "frames per segment": 48, "alpha": 1.0}


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out[1].mp4"


@pytest.fixture
def parts(output):
    folder = output.with_name(f"{output.name}.parts")
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", ["diary.txt", ".env", ".git/config", "000000.nut", "000000.safetensors", "joined.mp4"])
def test_a_folder_of_others_is_refused(name, output, parts):
    (parts / name).parent.mkdir(exist_ok=True)
    (parts / name).write_text("mine")
    with pytest.raises(AdaINError, match=f"found {name.split('/')[0]}; move it away or choose another output"):
        SegmentFolder(output, SETTINGS)
    assert files_of(parts) == {name: b"mine"}


@pytest.mark.parametrize("text", ["{}", "[1]", "not JSON", '{"source": "a shop", "encoder": "?"}'])
def test_settings_of_others_are_never_replaced(text, output, parts):
    (parts / "settings.json").write_text(text)
    with pytest.raises(AdaINError, match=r"settings\.json: expected the settings of a video, found another file"):
        SegmentFolder(output, SETTINGS)
    assert files_of(parts) == {"settings.json": text.encode()}


def test_settings_count_once_there_is_a_segment(output, parts):
    SegmentFolder(output, SETTINGS)
    segments = SegmentFolder(output, SETTINGS | {"alpha": 0.5})
    assert json.loads((parts / "settings.json").read_text())["alpha"] == 0.5
    segments.path(0).write_bytes(b"a segment")
    with pytest.raises(AdaINError, match="found other values of alpha; go on with those, or remove the folder"):
        SegmentFolder(output, SETTINGS)
    assert SegmentFolder(output, SETTINGS | {"alpha": 0.5}).segments() == [segments.path(0)]


def test_segments_end_at_the_first_gap(output):
    segments = SegmentFolder(output, SETTINGS)
    for number in (0, 1, 3):
        segments.path(number).write_bytes(b"a segment")
    assert segments.segments() == [segments.path(0), segments.path(1)]


def test_a_run_killed_at_its_very_start_leaves_no_obstacle(output, parts):
    (parts / ".settings.0123abcd.json").write_text("{")
    SegmentFolder(output, SETTINGS)
    assert list(files_of(parts)) == ["settings.json"]


def test_the_last_two_states_are_kept(output):
    segments = SegmentFolder(output, SETTINGS)
    for number in range(4):
        segments.save_state(number, {"mean": torch.full((2, 3), float(number)).T})
    assert [bool(segments.load_state(number)) for number in range(5)] == [False, False, True, True, False]
    assert torch.equal(segments.load_state(2)["mean"], torch.full((3, 2), 2.0))


def test_the_end_removes_all_that_was_made(output, parts):
    segments = SegmentFolder(output, SETTINGS)
    for number in range(3):
        segments.save_state(number, {"mean": torch.zeros(1)})
        segments.path(number).write_bytes(b"a segment")
    segments.joined.write_bytes(b"the video")
    for name in (".000002.0123abcd.nut", ".000002.0123abcd.safetensors", ".joined.0123abcd.mp4"):
        (parts / name).write_bytes(b"half")  # left by runs that were killed
    segments.finish(output)
    assert output.read_bytes() == b"the video"
    assert list(output.parent.iterdir()) == [output]
