"""AdaIN Stylize Video: what the command makes, where the file goes, progress, cancel and going on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adain_core import Stylizer
from adain_core.images.files import load_picture
from adain_core.images.transparency import fill, mean_color
from adain_core.video import job as core_job

pytest.importorskip("av")

import av

from adain_core.video.job import VideoJob
from tests.adain_core.clips import coarse_chroma, levels_of, sound_of, write_clip

FRAMES = 12


@pytest.fixture
def node(pack):
    return pack.NODE_CLASS_MAPPINGS["AdaINStylizeVideo"]


@pytest.fixture
def module(pack, node, tmp_path, monkeypatch):
    """The node's module, its output in a temporary folder, its segments short."""
    module = __import__(node.__module__, fromlist=["StylizeVideo"])
    monkeypatch.setattr(module.host, "output_folder", lambda: tmp_path / "output")
    for job in (__import__(f"{pack.__name__}.adain_core.video.job", fromlist=["job"]), core_job, module):
        monkeypatch.setattr(job, "SEGMENT_FRAMES", 5)
    return module


@pytest.fixture
def said(module, monkeypatch):
    lines = []
    monkeypatch.setattr(module.host, "show_text", lambda node_id, *more: lines.extend(more))
    return lines


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mp4", FRAMES)


@pytest.fixture
def styles(examples):
    """Two of the same size, as IMAGE."""
    pixels = [load_picture(examples / f"style_{n}.jpg").pixels[..., 100:164, 100:164] for n in ("tissue", "honeywave")]
    return [x.movedim(1, 3) for x in pixels]


def stylize(node, content, style, smoothing=0.0, flow=False, **options):
    (result,) = node().stylize(content, style, 1.0, smoothing, flow, **options)
    return result


@pytest.mark.parametrize("pair", ["vgg19", "light"])
def test_equals_the_command(node, module, clip, styles, tmp_path, pair):
    result = stylize(node, clip, styles[0], 0.6, pair=pair)
    expected = tmp_path / "expected.mp4"
    VideoJob(Stylizer.load(device="cpu", pair=pair), clip, expected, [styles[0].movedim(3, 1)], smooth=0.6).run()
    assert abs(levels_of(result).astype(int) - levels_of(expected)).max() <= 2
    assert sound_of(result) == sound_of(clip)
    assert result.parent == tmp_path / "output/adain_video"
    assert [path.name for path in result.parent.iterdir()] == [result.name]


@pytest.mark.slow
def test_styles_of_a_batch_are_mixed_or_follow_each_other(node, module, clip, styles, tmp_path):
    both = torch.cat(styles)
    pixels = [x.movedim(3, 1) for x in styles]
    for keys in (None, [2, 8]):
        result = stylize(node, clip, both, keys="" if keys is None else " 2, 8 ", crf=4.0)
        expected = tmp_path / f"{keys}.mp4"
        VideoJob(Stylizer.load(device="cpu"), clip, expected, pixels, keys, crf=4).run()
        assert abs(levels_of(result).astype(int) - levels_of(expected)).max() <= 2


def test_what_is_transparent_in_a_style_image_plays_no_part(node, module, clip, styles):
    visible = styles[0][:, :, :40]
    painting = torch.cat([visible, styles[1][:, :, :24]], 2)
    opacity = (torch.arange(64) < 40).float().expand(1, 64, 64)[..., None]
    stylizer = Stylizer.load(device="cpu", pair="light")
    pixels, weights = painting.movedim(3, 1), opacity.movedim(3, 1)
    wanted = stylizer.style(fill(pixels, weights, mean_color(pixels, weights)), opacity[..., 0])
    core = __import__(f"{module.__name__.rsplit('.', 2)[0]}.adain_core.method.style", fromlist=["Style"])
    wanted = core.Style(wanted.statistics, wanted.encoder_id)
    found, expected, opaque = (
        levels_of(stylize(node, clip, style, pair="light")).astype(int)
        for style in (torch.cat([painting, opacity], 3), wanted, painting)
    )
    assert abs(found - expected).mean() < 1 < 5 < abs(opaque - expected).mean()


@pytest.mark.parametrize("frames", [1, FRAMES])
def test_outside_the_mask_and_its_colours_as_the_command(node, module, said, clip, styles, tmp_path, frames):
    mask = torch.zeros(frames, 32, 48)
    mask[:, :, 20:] = torch.linspace(0.2, 1, frames)[:, None, None]
    result = stylize(node, clip, styles[0], crf=0.0, mask=mask, preserve_color=True)
    expected = tmp_path / "expected.mp4"
    pixels = [styles[0].movedim(3, 1)]
    VideoJob(Stylizer.load(device="cpu"), clip, expected, pixels, crf=0, mask=mask, preserve_color=True).run()
    assert abs(levels_of(result).astype(int) - levels_of(expected)).max() <= 2
    change = abs(levels_of(result).astype(int) - levels_of(clip))
    assert change[:, :, :14].mean() < 1  # H.264 keeps one colour for four pixels
    assert change[:, :, 22:].mean() > 5
    assert len(said) == 1


def test_an_empty_mask_counts_as_none_and_the_node_says_so(node, module, said, clip, styles):
    result = stylize(node, clip, styles[0])
    assert stylize(node, clip, styles[0], mask=torch.zeros(1, 64, 64), node_id="7") == result
    assert said[1] == "The mask is empty and counts as none: everything is stylized."


def test_saved_styles_follow_each_other_as_their_images_do(node, module, clip, styles):
    """A bank of encoded styles, as of Fit Style or Load Style."""
    stylizer = Stylizer.load(device="cpu")
    core = __import__(f"{module.__name__.rsplit('.', 2)[0]}.adain_core.method.style", fromlist=["Style"])
    known = stylizer.style(torch.cat(styles).movedim(3, 1))
    bank = core.Style(known.statistics, known.encoder_id)
    for keys in ("", "2 8"):
        found, expected = (levels_of(stylize(node, clip, given, keys=keys)) for given in (bank, torch.cat(styles)))
        # Other kernels may be the faster ones in the other run, and H.264 makes more of what they differ in.
        assert abs(found.astype(int) - expected).mean() < 0.5
    with pytest.raises(ValueError, match="preserve_color: expected style images, found an encoded style"):
        stylize(node, clip, bank, preserve_color=True)
    with pytest.raises(ValueError, match="style: expected images or a style, found a value of type str"):
        node().stylize(content=clip, style="bank", alpha=1.0, smoothing=0.0, flow=False)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("0 soon", "keys: expected frame numbers such as 0 120, found '0 soon'"),
        ("0", "keys: expected one frame for each of 2 styles, found 1"),
        ("9 3", "keys: expected frames that increase from 0 or later, found 9, 3"),
    ],
)
def test_keys_that_do_not_fit(node, module, clip, styles, keys, message):
    with pytest.raises(ValueError, match=message):
        stylize(node, clip, torch.cat(styles), keys=keys)


@pytest.mark.slow
def test_a_cancelled_run_goes_on_and_makes_the_same_video(node, module, said, clip, styles, monkeypatch):
    class CancelledError(BaseException):
        pass

    def cancelling(total):
        def bar(done, total, preview=None):
            if done == 8:
                raise CancelledError

        return bar

    with monkeypatch.context() as patch:
        patch.setattr(module.host, "CANCELLED", (CancelledError,))
        patch.setattr(module.host, "progress_bar", cancelling)
        with pytest.raises(CancelledError):
            stylize(node, clip, styles[0], 0.6, node_id="7")
    assert said == [f"Cancelled. Frames kept: 5 of {FRAMES}.", "To go on, queue again without changes."]
    del said[:]
    result = stylize(node, clip, styles[0], 0.6, node_id="7")
    assert said == ["Goes on from frame 5.", f"The video is in output/adain_video: {result.name}"]
    gone_on = result.read_bytes()
    result.unlink()
    assert stylize(node, clip, styles[0], 0.6).read_bytes() == gone_on
    assert list(result.parent.iterdir()) == [result]


def test_progress_and_previews(node, module, clip, styles, monkeypatch):
    told = []
    monkeypatch.setattr(module, "_PREVIEW_SECONDS", 0.0)
    monkeypatch.setattr(module.host, "progress_bar", lambda total: lambda *state: told.append(state))
    result = stylize(node, clip, styles[0], crf=0.0)
    assert [state[:2] for state in told] == [(done, FRAMES) for done in range(FRAMES + 1)]
    assert told[0][2] is None
    last = coarse_chroma(np.asarray(told[-1][2]))
    assert abs(last - levels_of(result)[-1]).mean() < 2


@pytest.mark.slow
def test_the_same_again_is_not_made_again_what_differs_is(node, module, clip, styles, monkeypatch):
    first = stylize(node, clip, styles[0])
    with monkeypatch.context() as patch:
        patch.setattr(module.VideoJob, "run", lambda *_: pytest.fail("made again"))
        assert stylize(node, clip, styles[0]) == first
    others = [stylize(node, clip, styles[1]), stylize(node, clip, styles[0], crf=30.0)]
    write_clip(clip, 3)
    others.append(stylize(node, clip, styles[0]))
    assert len({first, *others}) == 4
    assert len(levels_of(others[-1])) == 3


def test_a_video_that_was_deleted_is_made_again(node, module, clip, styles):
    """As ComfyUI asks before each run: another value, and what it keeps of the node does not count."""
    before = node.IS_CHANGED(node_id="41", alpha=1.0)
    first, second = (stylize(node, clip, styles[0], crf=crf, pair="light", node_id="41") for crf in (30.0, 40.0))
    assert node.IS_CHANGED(node_id="41", alpha=1.0) == before
    first.unlink()
    changed = node.IS_CHANGED(node_id="41", alpha=1.0)
    assert changed != before
    assert node.IS_CHANGED(node_id="41", alpha=1.0) == changed
    assert stylize(node, clip, styles[0], crf=30.0, pair="light", node_id="41") == first
    assert first.is_file()
    assert second.is_file()


def test_sound_that_mp4_does_not_take(node, module, styles, tmp_path):
    source = write_clip(tmp_path / "clip.mkv", 3, sound="pcm_s16le")
    result = stylize(node, source, styles[0])
    assert result.suffix == ".mkv"
    assert sound_of(result) == sound_of(source)


def test_frames_of_odd_sides(node, module, styles, tmp_path, monkeypatch):
    """A video made of images is written to a file by ComfyUI, which cannot always."""

    class Made:
        def save_to(self, path):
            with av.open(path, "w") as container:
                stream = container.add_stream("h264", rate=10, width=45, height=33, pix_fmt="yuv420p")
                stream.encode(av.VideoFrame(45, 33, "yuv420p"))

    monkeypatch.setattr(module.host, "is_video", lambda value: True)
    monkeypatch.setattr(module.host, "file_of_video", lambda video: None)
    monkeypatch.setattr(module.host, "temp_folder", lambda: tmp_path)
    with pytest.raises(ValueError, match=r"^content: expected a video that ComfyUI can write to a file, found .*even "):
        stylize(node, Made(), styles[0])
    assert list((tmp_path / "adain_video").iterdir()) == []


def test_no_video(node, module, styles, tmp_path):
    (tmp_path / "notes.mp4").write_text("nothing")
    with pytest.raises(ValueError, match=r"notes\.mp4: expected a video file, found one that cannot be read"):
        stylize(node, tmp_path / "notes.mp4", styles[0])
