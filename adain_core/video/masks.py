"""Where each frame of a video is stylized: one mask for all frames, or one for each."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import closing
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import AdaINError, check_finite
from ..images.files import Picture, brightness
from .reader import FrameReader, VideoFrame

_OFF = 0.1  # of the frames: some formats only say about how many there are
_OPAQUE = 255


class MaskTrack:
    """The mask of each frame. Where there are fewer masks than frames the last one stays.

    Args:
        masks: ``[1 or B, h, w]`` 0..1, one for all frames or one for each; or the reader of a video whose frames are
            masks: their brightness times their opacity.
        total: about how many frames there are; None: unknown.

    Raises:
        AdaINError: another number of masks, or values that are not finite.
    """

    def __init__(self, masks: Tensor | FrameReader, total: int | None) -> None:
        count = len(masks) if isinstance(masks, Tensor) else masks.info.frames
        if isinstance(masks, Tensor):
            check_finite("mask", masks)
        if count not in (1, None) and total is not None and abs(count - total) > max(1, _OFF * total):
            raise AdaINError(f"mask: expected one, or one for each of {total} frames, found {count}")
        self._masks = masks

    def since(self, first: int) -> Generator[Tensor, None, None]:
        """The masks ``[1, h, w]`` 0..1 of the frames from that one on, without an end."""
        if isinstance(self._masks, Tensor):
            last = len(self._masks) - 1
            yield from (self._masks[k : k + 1] for k in range(first, last))
            yield from repeat(self._masks[-1:])
        else:
            frame: VideoFrame | None = None
            with closing(self._masks.frames()) as frames:
                for number, frame in enumerate(frames):
                    if number >= first:
                        yield _brightness(frame)
            assert frame is not None  # a reader without frames raises
            yield from repeat(_brightness(frame))

    def settings(self) -> Any:
        """What tells these masks from others, as JSON has it."""
        if not isinstance(self._masks, Tensor):
            file = self._masks.path.stat()
            return [file.st_size, file.st_mtime_ns]
        digest = hashlib.sha256(repr(tuple(self._masks.shape)).encode())
        for mask in self._masks:
            digest.update(mask.float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def _brightness(frame: VideoFrame) -> Tensor:
    levels = torch.from_numpy(frame.levels.astype(np.float32) / np.iinfo(frame.levels.dtype).max)
    opacity = None if frame.opacity is None else torch.from_numpy(frame.opacity).float() / _OPAQUE
    return brightness(Picture(levels.permute(2, 0, 1)[None], opacity))
