"""AdaIN Stylize Video in a real ComfyUI: what it keeps, its memory, cancel and going on, trims, images as a video."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from pathlib import Path

import psutil
import pytest

av = pytest.importorskip("av")

from adain_core.video.job import SEGMENT_FRAMES  # noqa: E402
from adain_core.video.reader import VideoReader  # noqa: E402
from tests.adain_core.clips import levels_of, real_clip, seconds, sound_of, write_clip  # noqa: E402

from .expected import EXAMPLES  # noqa: E402
from .server import error_of  # noqa: E402
from .workflows import films, to_api  # noqa: E402

SIZE = (64, 96)
SECONDS = 600


@pytest.fixture(scope="module")
def clip(comfyui):
    """A real clip, made smaller, with a second of sound, in ComfyUI's input folder; as long as asked for."""

    def of(frames: int, name: str, size: tuple[int, int] = SIZE) -> Path:
        path = comfyui.base / "input" / name
        decoded = VideoReader(real_clip("vtest.avi")).frames()
        small = (
            av.VideoFrame.from_ndarray(frame.levels, format="rgb24").reformat(size[1], size[0]).to_ndarray()
            for frame in itertools.islice(decoded, frames)
        )
        return write_clip(path, frames, size, show=lambda *_: next(small))

    return of


def prompt_for(comfyui, name: str, **inputs) -> dict:
    """The example workflow with that video."""
    path = next(path for path in EXAMPLES.glob("*.json") if films(path))
    prompt = to_api(json.loads(path.read_text()), comfyui.get("/object_info"))
    for node in prompt.values():
        if node["class_type"] == "LoadVideo":
            node["inputs"]["file"] = name
        if node["class_type"] == "AdaINStylizeVideo":
            node["inputs"] |= {"flow": False} | inputs
    return prompt


def of_type(prompt: dict, kind: str) -> str:
    return next(key for key, node in prompt.items() if node["class_type"] == kind)


def run(comfyui, prompt: dict) -> Path:
    """Runs it; the file that the node made."""
    before = files_of(comfyui)
    entry = comfyui.wait(comfyui.submit(prompt), SECONDS)
    assert entry["status"]["status_str"] == "success", error_of(entry)
    (new,) = files_of(comfyui) - before
    return new


def files_of(comfyui) -> set[Path]:
    return set((comfyui.base / "output/adain_video").glob("*.*"))


def peak_of(comfyui, prompt: dict) -> int:
    """The most bytes of memory the server had while it ran that."""
    process = psutil.Process(comfyui.pid)
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # starts the peak anew
    run(comfyui, prompt)
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def test_what_it_keeps(comfyui, clip):
    source = clip(SEGMENT_FRAMES + 5, "clip.mp4")
    result = run(comfyui, prompt_for(comfyui, source.name))
    (saved,) = (comfyui.base / "output/video").glob("stylized*.mp4")
    before = VideoReader(source)
    for path in (result, saved):
        after = VideoReader(path)
        assert seconds(after, after.frames()) == seconds(before, before.frames())
        assert sound_of(path) == sound_of(source)
    first, stylized = (next(VideoReader(path).frames()).levels.astype(float) for path in (source, result))
    assert abs(stylized - first).mean() > 10


def test_memory_does_not_grow_with_length(comfyui, clip):
    """At alpha 0, which leaves out the models alone: what they take is the same for each frame."""
    size, frames = (240, 320), 180
    peaks = []
    for count in (frames, frames, 4 * frames):  # the first run brings what later ones have
        name = clip(count, f"{len(peaks)}.mp4", size).name
        peaks.append(peak_of(comfyui, prompt_for(comfyui, name, alpha=0.0)))
    as_images = 3 * frames * size[0] * size[1] * 3 * 4  # bytes
    assert peaks[2] - peaks[1] < as_images / 8, peaks


def test_a_cancelled_run_goes_on_and_makes_the_same_video(comfyui, clip):
    source = clip(2 * SEGMENT_FRAMES + 7, "cancelled.mp4")
    # Without losses: else x264 makes one of several streams of so few rows.
    prompt = prompt_for(comfyui, source.name, crf=0.0)
    run_id = comfyui.submit(prompt)
    wait_for_segments(comfyui, 1)
    comfyui.post("/interrupt")
    entry = comfyui.wait(run_id)
    assert dict(entry["status"]["messages"])["execution_interrupted"]["node_type"] == "AdaINStylizeVideo"
    (parts,) = (comfyui.base / "output/adain_video").glob("cancelled*.parts")
    kept = levels_of(parts / "000000.nut")
    assert len(kept) == SEGMENT_FRAMES

    entry = comfyui.wait(comfyui.submit(prompt), SECONDS)
    assert entry["status"]["status_str"] == "success", error_of(entry)
    assert not parts.exists()
    gone_on = parts.with_suffix("")
    assert (levels_of(gone_on)[:SEGMENT_FRAMES] == kept).all()
    shutil.copy2(source, source.with_name("whole.mp4"))
    whole = run(comfyui, prompt_for(comfyui, "whole.mp4", crf=0.0))
    assert whole.name.removeprefix("whole") == gone_on.name.removeprefix("cancelled")
    assert sound_of(whole) == sound_of(gone_on)
    assert (levels_of(whole) == levels_of(gone_on)).all()


def wait_for_segments(comfyui, count: int) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if len(list((comfyui.base / "output/adain_video").glob("*.parts/[0-9]*.nut"))) >= count:
            return
        time.sleep(0.02)
    raise AssertionError(comfyui.log.read_text()[-3000:])


@pytest.mark.since("0.33")
def test_a_trim_is_kept_to(comfyui, clip):
    source = clip(40, "trimmed.mp4")
    prompt = prompt_for(comfyui, source.name)
    prompt["slice"] = {
        "class_type": "Video Slice",
        "inputs": {"video": [of_type(prompt, "LoadVideo"), 0], "start_time": 0.4, "duration": 0.6},
    }
    prompt["slice"]["inputs"]["strict_duration"] = False
    prompt[of_type(prompt, "AdaINStylizeVideo")]["inputs"]["content"] = ["slice", 0]
    result = VideoReader(run(comfyui, prompt))
    shown = seconds(result, result.frames())
    assert [float(second) for second in shown] == pytest.approx([k / 25 for k in range(15)])
    sound = [packet for second, packet in sound_of(source) if 0.4 <= second < 1.0]
    assert [packet for _, packet in sound_of(result.path)] == sound


def test_a_video_made_of_images(comfyui):
    prompt = prompt_for(comfyui, "none.mp4")
    del prompt[of_type(prompt, "LoadVideo")]
    node = of_type(prompt, "AdaINStylizeVideo")
    prompt |= {
        "image": {"class_type": "AdaINExampleImage", "inputs": {"name": "content_chelsea.jpg"}},
        "small": {
            "class_type": "ImageScale",
            "inputs": {"image": ["image", 0], "upscale_method": "area", "width": 96, "height": 64, "crop": "disabled"},
        },
        "frames": {"class_type": "RepeatImageBatch", "inputs": {"image": ["small", 0], "amount": 5}},
        "made": {"class_type": "CreateVideo", "inputs": {"images": ["frames", 0], "fps": 10.0}},
    }
    prompt[node]["inputs"]["content"] = ["made", 0]
    first = run(comfyui, prompt)
    reader = VideoReader(first)
    assert [float(second) for second in seconds(reader, reader.frames())] == pytest.approx([k / 10 for k in range(5)])
    assert reader.info.size == (64, 96)
    # After ComfyUI has forgotten it, the same images are known again by the file they make.
    comfyui.post("/free", {"free_memory": True})
    prompt[node]["inputs"]["keys"] = " "
    before = first.stat().st_mtime_ns
    entry = comfyui.wait(comfyui.submit(prompt), SECONDS)
    assert entry["status"]["status_str"] == "success", error_of(entry)
    assert first.stat().st_mtime_ns == before
