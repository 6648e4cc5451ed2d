"""Videos as ComfyUI has them: the file a VIDEO is in, and the file a new one goes to."""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..adain_core import __version__
from ..adain_core.errors import AdaINError, reason
from ..adain_core.files import sha256_of
from ..adain_core.video.animation import open_video
from ..adain_core.video.reader import FrameReader
from ..adain_core.video.writer import container_for
from . import host

FOLDER = "adain_video"  # in ComfyUI's output and temporary directories
_DIGITS = 12  # of a digest in a file's name
_LONGEST_STEM = 40  # characters of the source's name, at most four bytes each


def reader_of(video: Any) -> FrameReader:
    """The frames of a VIDEO, within its trim. One that is only in memory is written to a temporary file first.

    Raises:
        AdaINError: as `open_video`, or ComfyUI cannot write it.
    """
    source = host.file_of_video(video)
    path = source if isinstance(source, str) else _temporary(video, source)
    return open_video(path, *host.trim_of_video(video))


def result_path(reader: FrameReader, settings: Mapping[str, Any]) -> Path:
    """Where the video made of these frames with these settings goes: the same ones have the same file.

    Raises:
        AdaINError: no format takes the source's sound.
    """
    made_of = {"settings": settings, "version": __version__}
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:_DIGITS]
    ending = container_for(reader.path, reader.info)
    return host.output_folder() / FOLDER / f"{reader.path.stem[:_LONGEST_STEM]}-{digest}{ending}"


def _temporary(video: Any, data: io.BytesIO | None) -> Path:
    """A file with those bytes or, without any, with the images the video is made of.

    It is named by its content, and its time is always the same: so an unfinished result of it is found again.
    """
    folder = host.temp_folder() / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(".mp4", dir=folder)
    os.close(handle)
    path = Path(name)
    try:
        if data is not None:
            path.write_bytes(data.getbuffer())
        else:
            # ComfyUI's own encoding loses much; since 0.33 it can be told to lose nothing but chroma.
            lossless = {"crf": 0} if "crf" in inspect.signature(video.save_to).parameters else {}
            try:
                video.save_to(str(path), **lossless)
            except Exception as error:  # whatever ComfyUI and FFmpeg raise
                raise AdaINError(
                    f"content: expected a video that ComfyUI can write to a file, found one that it cannot "
                    f"({reason(error)}); it takes frames of even width and height only: crop or scale them, or use "
                    "AdaIN Stylize Frames"
                ) from error
        os.utime(path, (0, 0))
        return path.replace(folder / f"{sha256_of(path)}.mp4")
    finally:
        path.unlink(missing_ok=True)
