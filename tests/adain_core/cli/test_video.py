"""`video` on the command line: killed and started again, and mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from adain_core import Stylizer
from adain_core.cli.main import main
from adain_core.images.color import match_color
from adain_core.images.files import load_picture, scaled
from adain_core.models.style_library import read_style
from adain_core.video import job as video_job
from tests.conftest import ROOT

av = pytest.importorskip("av")

from adain_core.video.animation import AnimationReader  # noqa: E402
from adain_core.video.reader import VideoReader  # noqa: E402
from tests.adain_core.clips import add_tone, coarse_chroma, levels_of, picture, seconds, write_clip  # noqa: E402

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.mark.slow
def test_a_killed_run_goes_on_and_equals_an_uninterrupted_one(examples, tmp_path, monkeypatch):
    monkeypatch.setattr(video_job, "SEGMENT_FRAMES", 4)
    source = write_clip(tmp_path / "clip.mp4", 24)
    style = examples / "style_starry_night.jpg"
    arguments = ["video", source, style, "--style-size", "32", "--device", "cpu", "-o"]
    assert main([str(a) for a in [*arguments, tmp_path / "whole.mp4"]]) == 0
    code = (
        "import sys, adain_core.video.job as v; from adain_core.cli.main import main;"
        "v.SEGMENT_FRAMES = 4; main(sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments, tmp_path / "out.mp4"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    parts = tmp_path / "out.mp4.parts"
    try:
        while process.poll() is None and not (parts / "000001.nut").exists():
            time.sleep(0.002)
    finally:
        process.kill()
        assert process.wait() == -9
    assert not (tmp_path / "out.mp4").exists()
    finished = len(list(parts.glob("[0-9]*.nut")))
    assert 2 <= finished < 6
    stamps = {path: path.stat().st_mtime_ns for path in parts.glob("[0-9]*.nut")}

    def joined(path, segments, *rest):
        assert stamps.items() <= {path: path.stat().st_mtime_ns for path in segments}.items()
        join(path, segments, *rest)

    join = video_job.join
    monkeypatch.setattr(video_job, "join", joined)
    assert main([str(a) for a in [*arguments, tmp_path / "out.mp4"]]) == 0
    assert not parts.exists()
    whole, resumed = VideoReader(tmp_path / "whole.mp4"), VideoReader(tmp_path / "out.mp4")
    assert seconds(whole, whole.frames()) == seconds(resumed, resumed.frames())
    assert np.array_equal(levels_of(whole.path), levels_of(resumed.path))
    assert len(levels_of(whole.path)) == 24


@pytest.mark.slow
def test_the_light_pair(examples, tmp_path):
    """Its first frame is what the pair makes of it, but for H.264."""
    source, style = write_clip(tmp_path / "clip.mp4", 3), examples / "style_starry_night.jpg"
    arguments = ["video", source, style, "--style-size", "64", "--smooth", "0.5", "--crf", "1", "--device", "cpu"]
    assert main([str(a) for a in [*arguments, "--pair", "light", "-o", tmp_path / "out.mp4"]]) == 0
    frame, found = (
        torch.from_numpy(levels_of(path)[0]).movedim(2, 0)[None] / 255 for path in (source, tmp_path / "out.mp4")
    )
    painting = scaled(load_picture(style), 64).pixels
    light, vgg = (Stylizer.load(device="cpu", pair=pair).stylize(frame, painting) for pair in ("light", "vgg19"))
    assert (found - light).abs().mean() < 0.03
    assert (found - vgg).abs().mean() > 2 * (found - light).abs().mean()


@pytest.mark.parametrize("more", [[], ["--preserve-color"]])
def test_what_is_transparent_in_a_style_plays_no_part(examples, tmp_path, more):
    source, out, style = tmp_path / "in.webp", tmp_path / "out.webp", tmp_path / "style.png"
    with Image.open(examples / "style_starry_night.jpg") as image:
        painting = image.convert("RGBA").resize((64, 64))
    painting.putalpha(Image.fromarray(np.uint8([[255, 0, 0, 0]]).repeat(64, 0).repeat(16, 1)))
    painting.save(style)
    frames = [Image.fromarray(picture(k, (32, 48))) for k in range(2)]
    frames[0].save(source, save_all=True, append_images=frames[1:], lossless=True)
    command = ["video", *map(str, [source, style, "-o", out]), "--crf", "0", "--pair", "light", "--device", "cpu"]
    assert main(command + more) == 0
    stylizer, visible = Stylizer.load(device="cpu", pair="light"), scaled(load_picture(style), 512)
    for before, after in zip(AnimationReader(source).frames(), AnimationReader(out).frames(), strict=True):
        frame = torch.from_numpy(before.levels).movedim(2, 0)[None] / 255
        pixels, weights = visible.filled, visible.weights
        if more:
            pixels = match_color(pixels, frame, weights=weights[None])
        expected = stylizer.stylize(frame, stylizer.style(pixels, weights))[0].movedim(0, 2).numpy() * 255
        assert abs(after.levels - expected).max() < 1


def test_styles_of_files_follow_each_other_within_a_moving_mask(examples, tmp_path):
    """A style of the library, then one of a bank; a GIF of two masks: the left half, then the right one."""
    source, out = write_clip(tmp_path / "clip.mp4", 2), tmp_path / "out.mkv"
    bank = examples / "styles/bank_of_three.safetensors"
    halves = [Image.fromarray(np.repeat(row, 32, axis=0)) for row in np.uint8([[[255, 0]], [[0, 255]]]).repeat(24, 2)]
    halves[0].save(tmp_path / "mask.gif", save_all=True, append_images=halves[1:], duration=40)
    styles = ["munch_scream.safetensors", f"{bank}:2"]
    arguments = [source, *styles, "--keys", "0", "1", "--mask", tmp_path / "mask.gif", "--crf", "0", "--device", "cpu"]
    assert main(["video", *map(str, arguments), "-o", str(out)]) == 0
    stylizer, given = Stylizer.load(device="cpu"), map(read_style, styles)
    for k, (before, after, style) in enumerate(zip(levels_of(source), levels_of(out), given, strict=True)):
        mask = torch.zeros(1, 32, 48)
        mask[..., k * 24 : k * 24 + 24] = 1
        frame = torch.from_numpy(before).movedim(2, 0)[None] / 255
        expected = stylizer.stylize(frame, style, masks=[mask])[0].movedim(0, 2).numpy() * 255
        assert abs(after - coarse_chroma(expected)).mean() < 3
        assert abs(after - before.astype(float)).mean() > 10


@pytest.mark.parametrize("option", ["style.webp", "mask.gif"])
def test_what_a_video_is_made_of_is_not_written_over(option, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pictures = [Image.fromarray(picture(k, (32, 48))) for k in range(2)]
    pictures[0].save("style.webp")
    for name in ("in.gif", "mask.gif"):
        pictures[0].save(name, save_all=True, append_images=pictures[1:])
    before = (tmp_path / option).read_bytes()
    assert main(["video", "in.gif", "style.webp", "--mask", "mask.gif", "--pair", "light", "-o", option]) == 2
    assert f"error: {option}: expected another file than those it is made of" in capsys.readouterr().err
    assert (tmp_path / option).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.mp4", "style.png"], "none.mp4: expected a video file, found nothing"),
        (["text.mp4", "style.png"], "text.mp4: expected a video file, found one that cannot be read"),
        (["sound.m4a", "style.png"], "sound.m4a: expected a video, found a file without pictures"),
        (["clip.mkv", "style.png", "--alpha", "2"], "alpha: expected a number from 0"),
        (["clip.mkv", "style.png", "--crf", "60"], "crf: expected a number from 0 (best) to 51, found 60"),
        (["clip.mkv", "style.png", "--keys", "0", "9"], "keys: expected one frame for each of 1 styles, found 2"),
        (["clip.mkv", "style.png", "style.png", "--keys", "9", "9"], "keys: expected frames that increase from 0"),
        (["clip.mkv", "style.png", "--smooth", "2"], "smoothing: expected a number from 0 (none) to 1, found 2"),
        (["clip.mkv", "style.png", "--precision", "int8"], "precision: expected one of auto, float32"),
        (["clip.mkv", "style.png", "--flow"], "flow: expected smoothing above 0 with it, found 0"),
        (["clip.mkv", "style.png", "--style-size", "-1"], "style size: expected 0 or a number"),
        (["clip.mkv", "style.png", "--mask", "none.png"], "none.png: expected an image file, found nothing"),
        (["clip.mkv", "style.png", "--mask", "text.mp4"], "text.mp4: expected an image file, found one that cannot be"),
        (["clip.mkv", "none.safetensors"], "none.safetensors: expected a style file or the name of one of the library"),
        (["clip.mkv", "munch_scream.safetensors:1"], "munch_scream.safetensors: number: expected one from 0 to 0"),
        (["clip.mkv", "munch_scream.safetensors", "--preserve-color"], "preserve_color: expected style images, found"),
        (["clip.mkv", "style.png", "-o", "out.avi"], "out.avi: expected a name ending in .mp4, .mov, .mkv"),
        (["clip.mkv", "style.png", "-o", "clip.mkv"], "clip.mkv: expected another file than the source"),
        (["clip.mkv", "style.png", "-o", "out.mp4"], "expected a format that holds the source's pictures and sound"),
        (
            ["clip.mkv", "style.png", "-o", "text.mp4/out.mkv"],
            "out.mkv.parts: this folder cannot be made (Not a directory)",
        ),
    ],
)
def test_mistakes_are_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mkv", 2, sound="tta")
    (tmp_path / "text.mp4").write_text("not a video")
    with av.open("sound.m4a", "w") as container:
        add_tone(container, container.add_stream("aac", rate=16000))
    Image.linear_gradient("L").resize((40, 32)).save("style.png")
    before = sorted(tmp_path.rglob("*"))
    arguments = arguments if "-o" in arguments else [*arguments, "-o", "out.mkv"]
    assert main(["video", *arguments, "--device", "cpu"]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert "\n" not in error
    assert message in error
    assert sorted(tmp_path.rglob("*")) == before


def test_compiling_on_a_processor_says_that_it_takes_its_time(examples, tmp_path, monkeypatch, capsys):
    compiled = []
    monkeypatch.setattr(video_job, "compile_from_now_on", compiled.append)
    source = write_clip(tmp_path / "clip.mp4", 2)
    arguments = ["video", source, "munch_scream", "--device", "cpu", "-o", tmp_path / "out.mp4"]
    for more, said in ((["--compile"], 1), ([], 0)):
        assert main([*map(str, arguments), *more]) == 0
        assert capsys.readouterr().err.count("warning: --compile: ") == said
    assert len(compiled) == 2


def test_a_sound_track_of_an_unknown_kind_is_left_out(examples, tmp_path, capsys):
    """Two tracks, the second one's codec renamed to one that nobody knows."""
    source = write_clip(tmp_path / "clip.mp4", 3, sound=None)
    with av.open(str(source)) as pictures, av.open(str(tmp_path / "two.mp4"), "w") as container:
        video = container.add_stream_from_template(pictures.streams.video[0])
        tracks = [container.add_stream("aac", rate=16000) for _ in range(2)]
        for packet in pictures.demux(video=0):
            if packet.size:
                packet.stream = video
                container.mux(packet)
        for track in tracks:
            add_tone(container, track)
    data = (tmp_path / "two.mp4").read_bytes()
    for name in (b"mp4a", b"esds"):  # the codec's, and its details'
        start = data.rindex(name)
        data = data[:start] + b"zzzz" + data[start + 4 :]
    (tmp_path / "two.mp4").write_bytes(data)
    with Image.open(examples / "style_tissue.jpg") as image:
        image.resize((32, 32)).save(tmp_path / "style.png")
    out = tmp_path / "out.mp4"
    arguments = ["video", tmp_path / "two.mp4", tmp_path / "style.png", "--style-size", "0", "--device", "cpu"]
    assert main([str(a) for a in [*arguments, "-o", out]]) == 0
    assert "sound tracks of an unknown kind, left out: 1" in capsys.readouterr().err
    with av.open(str(out)) as result:
        assert len(result.streams.audio) == 1
        assert sum(packet.size > 0 for packet in result.demux(audio=0)) > 10
