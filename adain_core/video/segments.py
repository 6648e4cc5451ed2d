"""The finished segments of a video in the making, kept beside it so that an interrupted run goes on from there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from ..errors import AdaINError
from ..files import atomic_write, check_settings, remove_leftovers
from ..locks import FolderLock
from ..models.tensor_files import read_safetensors
from .writer import SEGMENT_SUFFIX

_SETTINGS = "settings.json"
_OURS = {"source", "encoder", "decoder", "frames per segment"}  # settings that tell our file from others of its name
_STATE_SUFFIX = ".safetensors"
_NUMBERED = re.compile(rf"\d{{6}}({re.escape(SEGMENT_SUFFIX)}|{re.escape(_STATE_SUFFIX)})")


class SegmentFolder:
    """The folder ``OUT.parts``.

    Only files whose names are made here are replaced or removed, and only in a folder that holds our settings.

    Args:
        output: the video it is for.
        settings: all that the result depends on, as JSON has it; kept in the folder.

    Raises:
        AdaINError: the folder cannot be made, another process works in it, it is not one of these, or it holds segments
            made with other settings, which are named.
    """

    def __init__(self, output: Path, settings: Mapping[str, Any]) -> None:
        self.folder = output.with_name(f"{output.name}.parts")
        # The joined video, until it is moved to its place.
        self.joined = self.folder / f"joined{output.suffix}"
        self._temporary = (_SETTINGS, f"*{SEGMENT_SUFFIX}", f"*{_STATE_SUFFIX}", self.joined.name)
        file = self.folder / _SETTINGS
        try:
            self._lock = FolderLock(self.folder)
        except OSError as error:
            raise AdaINError(f"{self.folder}: this folder cannot be made ({error.strerror})") from None
        self._check_ours(file)
        if not self.segments():
            file.unlink(missing_ok=True)  # nothing was made with those settings yet
        check_settings(file, settings, "go on with those, or remove the folder to begin anew")

    def segments(self) -> list[Path]:
        """The finished segments in order."""
        return list(takewhile(Path.is_file, map(self.path, count())))

    def path(self, number: int) -> Path:
        """Where a segment goes, counted from 0."""
        return self.folder / f"{number:06d}{SEGMENT_SUFFIX}"

    def save_state(self, number: int, state: Mapping[str, Tensor]) -> None:
        """Keeps the smoother's state after a segment.

        The state before the last one stays: until this segment is finished, a run goes on from the segment before it.
        """
        with atomic_write(self._state(number)) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in state.items()}, temporary)
        self._state(number - 2).unlink(missing_ok=True)

    def load_state(self, number: int) -> dict[str, Tensor]:
        """What `save_state` kept; nothing for the last segment, if it is shorter than the others.

        Raises:
            AdaINError: the file is damaged.
        """
        path = self._state(number)
        return read_safetensors(path)[0] if path.is_file() else {}

    def finish(self, output: Path) -> None:
        """Moves the joined video to its place, removes our files, and the folder unless it holds others."""
        self.joined.replace(output)
        # The first segment goes first: a run that is killed here begins anew rather than with a part of them.
        for path in sorted(self.folder.iterdir()):
            if _NUMBERED.fullmatch(path.name) and path.is_file():
                path.unlink()
        remove_leftovers(self.folder, self._temporary)
        (self.folder / _SETTINGS).unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            self.folder.rmdir()

    def release(self) -> None:
        """Lets other processes in. A folder in which nothing was finished goes, as that of a run cancelled early."""
        with suppress(OSError):  # it is gone
            remove_leftovers(self.folder, self._temporary)
            if [path.name for path in self.folder.iterdir()] == [_SETTINGS]:
                (self.folder / _SETTINGS).unlink()
                self.folder.rmdir()
        self._lock.release()

    def _state(self, number: int) -> Path:
        return self.path(number).with_suffix(_STATE_SUFFIX)

    def _check_ours(self, file: Path) -> None:
        """Raises AdaINError unless the folder is empty or holds our settings. Temporary settings do not count."""
        if file.exists():
            try:
                ours = json.loads(file.read_text(encoding="utf-8")).keys() >= _OURS
            except (OSError, ValueError, AttributeError):
                ours = False
            if not ours:
                raise AdaINError(
                    f"{file}: expected the settings of a video, found another file; move it away or choose another "
                    "output"
                )
            return
        remove_leftovers(self.folder, (_SETTINGS,))  # of a run that was killed at its very start
        other = next(self.folder.iterdir(), None)
        if other is not None:
            raise AdaINError(
                f"{self.folder}: expected an empty folder or one with the settings of a video, found {other.name}; "
                "move it away or choose another output"
            )
