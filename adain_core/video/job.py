"""Stylizes a video in segments: memory is constant, and an interrupted run can go on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain, count, islice, repeat
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import AdaINError, check_batch
from ..images.resize import scale_short_side
from ..images.transparency import fill, mean_color
from ..inference.fast.forward import compile_from_now_on
from ..inference.frames import Models, stylize_frames
from ..inference.gpu_copies import from_device, to_device
from ..inference.refinement import check_refinement
from ..method.adain import check_alpha
from ..method.spatial_masks import to_size
from ..method.style import Style, check_style_size
from ..models.model_files import AnyDecoder, AnyEncoder, fingerprint
from ..threads import prefetch
from .animation import open_video
from .animation_writer import check_animation, is_animation, write_animation
from .masks import MaskTrack
from .pyav import import_av
from .reader import FrameReader, VideoFrame
from .segments import SegmentFolder
from .smoothing import TemporalSmoother
from .style_keyframes import StyleTrack, check_keys
from .writer import MAX_CRF, check_container, join, segment_end, sound_tracks, write_segment

SEGMENT_FRAMES = 48  # lost at most when a run is killed; each segment begins with a key frame
_OPAQUE = 255
_AHEAD = 2  # frames that wait between two threads


class VideoModels(Models, Protocol):
    """The pair a video is stylized with: `Stylizer`, or what ComfyUI manages."""

    @property
    def encoder(self) -> AnyEncoder: ...

    @property
    def decoder(self) -> AnyDecoder: ...

    @property
    def device(self) -> torch.device:
        """Where frames are brought to and results are taken from."""


class VideoJob:
    """One video to stylize.

    Time stamps, frame rate, sound, colour space and range, pixel aspect and rotation stay the source's, except that
    high dynamic range and wide gamut become BT.709. Decoding, stylizing and encoding overlap. Finished segments are
    kept in ``OUTPUT.parts`` until the video is complete; the next run with the same settings goes on from them and
    makes the same video as one without interruption.

    Args:
        models: the pair.
        source: anything FFmpeg reads or an animation, or its reader.
        output: ``.mp4``, ``.mov`` or ``.mkv``, in H.264; or ``.gif`` or ``.webp``, an animation without sound, shown
            as often as the source and transparent where that is. Replaced when it exists.
        styles: style images ``[1, 3, h, w]`` RGB 0..1, each encoded once, or encoded styles of batch 1.
        keys: the frame at which each style is reached, see `style_keyframes`; None: their even mix throughout.
        alpha: content-style trade-off, 0..1.
        crf: quality, 0 (best, large) .. 51; a GIF has none.
        smooth: how much each frame keeps of those before it, 0..1, see `smoothing`; 0: none.
        flow: with smooth: blend outputs along the optical flow too.
        compile: compile the models for the frames' size, see `inference.fast.compiled`.
        refine: steps of `inference.refinement` for each frame.
        style_size, detail_size: as in `inference.frames.stylize_frames`; style_size is that of style images.
        mask: where to stylize, see `MaskTrack`; elsewhere the source's own pixels stay. None: everywhere.
        preserve_color: give the style images each frame's colours first. They are then encoded for each frame.
        style_masks: how much the pixels of each style image count, as in `inference.frames.stylize_frames`.

    Attributes:
        done: frames finished so far, those of an earlier run included.
        total: frames in the source, None when it does not say; an estimate in some formats.
        latest: the frame finished last in this run.

    Raises:
        AdaINError: a source that is no video, an output that cannot be written, a value outside its range, a style of
            another encoder, or segments left by a run with other settings.
    """

    def __init__(
        self,
        models: VideoModels,
        source: str | Path | FrameReader,
        output: str | Path,
        styles: Sequence[Tensor | Style],
        keys: Sequence[int] | None = None,
        alpha: float = 1.0,
        crf: float = 18,
        smooth: float = 0.0,
        flow: bool = False,
        compile: bool = False,
        refine: int = 0,
        style_size: int = 0,
        detail_size: int = 0,
        mask: Tensor | FrameReader | None = None,
        preserve_color: bool = False,
        style_masks: Sequence[Tensor | None] = (),
    ) -> None:
        check_refinement(refine, models.encoder)
        check_style_size(style_size)
        check_style_size(detail_size, "detail size")
        self.refine, self.detail_size = refine, detail_size
        self.models, self.alpha, self.crf = models, check_alpha(alpha), crf
        if not 0 <= crf <= MAX_CRF:
            raise AdaINError(f"crf: expected a number from 0 (best) to {MAX_CRF}, found {crf}")
        check_keys(len(styles), keys)
        _check_encoded(styles, models, refine, preserve_color)
        self.preserve_color = preserve_color
        if flow and smooth == 0:
            raise AdaINError("flow: expected smoothing above 0 with it, found 0")
        self.smoother = TemporalSmoother(smooth, flow) if smooth else None
        self.reader = open_video(source) if isinstance(source, (str, Path)) else source
        self.source, self.output = self.reader.path, Path(output)
        if self.output.is_dir():
            raise AdaINError(f"{output}: expected a file to write, found a folder")
        if self.output.exists() and self.output.samefile(self.source):
            raise AdaINError(f"{output}: expected another file than the source, found the same")
        self.animated = is_animation(self.output)
        if self.animated:
            check_animation(self.output, self.reader.info)
        else:
            check_container(self.output, self.source, self.reader.info)
        controls = {"alpha": alpha, "crf": crf, "smooth": smooth, "flow": flow, "compile": compile, "refine": refine}
        controls |= {"style_size": style_size, "detail_size": detail_size, "preserve_color": preserve_color}
        self.masks = None if mask is None else MaskTrack(mask, self.reader.info.frames)
        settings = video_settings(models, self.reader, styles, keys, mask, style_masks, **controls)
        self.segments = SegmentFolder(self.output, settings)
        counted = list(zip(styles, style_masks or [None] * len(styles), strict=True))
        self.track = StyleTrack([self._prepared(style, seen, style_size) for style, seen in counted], keys)
        if compile:  # not before: each style image may have a size of its own
            compile_from_now_on(models.encoder)
            compile_from_now_on(models.decoder)
        self.latest: VideoFrame | None = None
        self.done = 0
        self._last: int | None = None  # time stamp of the last finished frame
        for segment in self.segments.segments():
            frames, self._last = segment_end(segment, self.reader.info)
            self.done += frames
        self._states: dict[int, dict[str, Tensor]] = {}  # the smoother's after each segment

    def _prepared(self, style: Tensor | Style, seen: Tensor | None, size: int) -> tuple[Tensor | Style, Tensor | None]:
        """A style as it is needed for each frame, and how much its pixels count, where they are still needed."""
        if isinstance(style, Style):
            return style.to(self.models.device), None
        image = scale_short_side(style, size)
        seen = None if seen is None else to_size(seen, (image.shape[2], image.shape[3]))
        if self.preserve_color:
            return image.to(self.models.device), seen
        return self.models.encode(image, seen).style, None

    @property
    def total(self) -> int | None:
        return self.reader.info.frames

    @property
    def damaged(self) -> int:
        """Packets of the source that could not be decoded in this run; they are left out."""
        return self.reader.damaged

    @property
    def sound_left_out(self) -> int:
        """Sound tracks of the source that are left out: those of an unknown kind, or in an animation all."""
        return sound_tracks(self.source, self.reader.info, unknown=not self.animated)

    def run(self, progress: Callable[[int, int | None], None] | None = None) -> None:
        """Makes the video.

        Args:
            progress: called with `done` and `total` after each frame.
        """
        try:
            self._run(progress)
        finally:
            self.segments.release()

    def _run(self, progress: Callable[[int, int | None], None] | None) -> None:
        info, first = self.reader.info, len(self.segments.segments())
        if first and self.smoother is not None:
            self.smoother.restore(self.segments.load_state(first - 1))
        decoded = prefetch(self.reader.frames(self._last), _AHEAD)
        with closing(prefetch(self._stylized(decoded, self.done), _AHEAD)) as stylized:
            counted = self._counted(stylized, progress)
            for number in count(first):
                frames = self._segment(number, counted)
                start = next(frames, None)
                if start is None:
                    break
                path, crf = self.segments.path(number), None if self.animated else self.crf
                write_segment(path, chain([start], frames), info, crf)
        segments, last = self.segments.segments(), self.reader.last_duration
        if self.animated:
            write_animation(self.segments.joined, segments, info, self.crf, last)
        else:
            join(self.segments.joined, segments, self.source, info, self.crf, last)
        self.segments.finish(self.output)

    def _stylized(self, decoded: Generator[VideoFrame, None, None], start: int) -> Generator[VideoFrame, None, None]:
        with closing(decoded):
            for frame, levels in from_device(self._levels(decoded, start), self.models.device, torch.device("cpu")):
                yield replace(frame, levels=levels.numpy().astype(frame.levels.dtype))

    def _levels(
        self, decoded: Generator[VideoFrame, None, None], start: int
    ) -> Generator[tuple[VideoFrame, Tensor], None, None]:
        """Frames with their stylized levels, ``[H, W, 3]`` on the device."""
        shown = (frame if self.animated else frame.on_white for frame in decoded)
        frames = ((frame, torch.from_numpy(frame.levels).permute(2, 0, 1)[None]) for frame in shown)
        inputs = to_device(frames, self.models.device, torch.float32)
        masks = repeat(None) if self.masks is None else self.masks.since(start)
        for number, (frame, levels), mask in zip(count(start), inputs, masks, strict=False):
            largest = np.iinfo(frame.levels.dtype).max
            pixels, opacity = levels / largest, _opacity(frame, levels.device)
            if opacity is not None:
                pixels = fill(pixels, opacity, mean_color(pixels, opacity))
            styles, weights = self.track.at(number)
            result = stylize_frames(
                self.models,
                pixels,
                [style for style, _ in styles],
                self.alpha,
                weights,
                masks=[] if mask is None else [mask],
                preserve_color=self.preserve_color,
                smoother=self.smoother,
                opacity=None if opacity is None else opacity[0],
                refine=self.refine,
                detail_size=self.detail_size,
                style_masks=[seen for _, seen in styles],
            )
            if self.smoother is not None and (number + 1) % SEGMENT_FRAMES == 0:
                self._states[number // SEGMENT_FRAMES] = self.smoother.state()
            rounded = (result[0].permute(1, 2, 0) * largest).round()
            yield frame, rounded.to(torch.uint8 if largest == np.iinfo(np.uint8).max else torch.int32)

    def _segment(self, number: int, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        """The next segment's frames. Before the segment is complete, the smoother's state after them is saved."""
        yield from islice(frames, SEGMENT_FRAMES)
        if number in self._states:
            self.segments.save_state(number, self._states.pop(number))

    def _counted(
        self, frames: Iterator[VideoFrame], progress: Callable[[int, int | None], None] | None
    ) -> Iterator[VideoFrame]:
        for frame in frames:
            yield frame
            self.done, self.latest = self.done + 1, frame
            if progress is not None:
                progress(self.done, self.total)


def _opacity(frame: VideoFrame, device: torch.device) -> Tensor | None:
    """A frame's opacity ``[1, 1, H, W]`` 0..1; None: all counts the same."""
    if frame.opacity is None or not frame.opacity.any():
        return None
    return torch.from_numpy(frame.opacity).to(device)[None, None].float() / _OPAQUE


def _check_encoded(styles: Sequence[Tensor | Style], models: VideoModels, refine: int, preserve_color: bool) -> None:
    """Raises AdaINError where an encoded style is of no use, before the work."""
    for style in styles:
        if not isinstance(style, Style):
            continue
        check_batch("style", style.batch, 1, "the video")
        style.seen_by(models.encoder.fingerprint, models.encoder.feature_channels)
        if preserve_color:
            raise AdaINError("preserve_color: expected style images, found an encoded style")
        if refine:
            style.layers()


def video_settings(
    models: VideoModels,
    reader: FrameReader,
    styles: Sequence[Tensor | Style],
    keys: Sequence[int] | None,
    mask: Tensor | FrameReader | None = None,
    style_masks: Sequence[Tensor | None] = (),
    **controls: float,
) -> dict[str, Any]:
    """All that a stylized video depends on, as JSON has it.

    Args:
        models, styles, keys, mask, style_masks: as in `VideoJob`.
        reader: of the source, which is known by its size and the time it changed.
        controls: the other settings of `VideoJob`.
    """
    file, info = reader.path.stat(), reader.info
    digest = hashlib.sha256()
    for style in (*styles, *(seen for seen in style_masks if seen is not None)):
        known = style.layers() if isinstance(style, Style) and controls.get("refine") else []
        tensors = [style] if isinstance(style, Tensor) else chain(style.statistics, *known)
        for tensor in tensors:
            digest.update(repr(tuple(tensor.shape)).encode() + tensor.cpu().contiguous().numpy().tobytes())
    return {
        "source": [file.st_size, file.st_mtime_ns],
        **({"part": info.part} if info.start or info.end else {}),
        "encoder": models.encoder.fingerprint,
        "decoder": fingerprint(models.decoder.state_dict(), models.decoder.architecture),
        "precision": str(next(models.decoder.parameters()).dtype),
        "styles": digest.hexdigest(),
        "keys": None if keys is None else list(keys),
        **({} if mask is None else {"mask": MaskTrack(mask, None).settings()}),
        **controls,
        "frames per segment": SEGMENT_FRAMES,
        "libavcodec": list(import_av().library_versions["libavcodec"]),
    }
