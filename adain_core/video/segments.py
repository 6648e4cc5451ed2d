"""The finished segments of a video in the making, kept beside it so that an interrupted run goes on from there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import AdaINError
from ..files import atomic_write, check_settings
from .writer import SEGMENT_SUFFIX


class SegmentFolder:
    """The folder ``OUT.parts``.

    Args:
        output: the video it is for.
        settings: all that the result depends on, as JSON has it; kept in the folder.

    Raises:
        AdaINError: the folder is not one of these, or holds segments made with other settings, which are named.
    """

    def __init__(self, output: Path, settings: Mapping[str, Any]) -> None:
        self.folder = output.with_name(f"{output.name}.parts")
        # The joined video, until it is moved to its place.
        self.joined = self.folder / output.name
        file = self.folder / "settings.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AdaINError(f"{self.folder}: expected a folder that can be made, found {error.strerror}") from None
        if not file.is_file() and any(not path.name.startswith(".") for path in self.folder.iterdir()):
            raise AdaINError(f"{self.folder}: expected a folder of segments, found one without settings.json")
        if not self.segments():
            file.unlink(missing_ok=True)  # nothing was made with those settings yet
        check_settings(file, settings, "go on with those, or remove the folder to begin anew")

    def segments(self) -> list[Path]:
        """The finished segments in order."""
        return sorted(self.folder.glob(f"[0-9]*{SEGMENT_SUFFIX}"))

    def path(self, number: int) -> Path:
        """Where a segment goes, counted from 0."""
        return self.folder / f"{number:06d}{SEGMENT_SUFFIX}"

    def save_state(self, number: int, state: Mapping[str, Tensor]) -> None:
        """Keeps what the frames after a segment need to know of those before; the segment before it may still count."""
        with atomic_write(self._state(number)) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in state.items()}, temporary)
        self._state(number - 2).unlink(missing_ok=True)

    def load_state(self, number: int) -> dict[str, Tensor]:
        """What `save_state` kept; nothing for the last segment, if it is shorter than the others."""
        path = self._state(number)
        return load_file(path) if path.is_file() else {}

    def _state(self, number: int) -> Path:
        return self.path(number).with_suffix(".safetensors")

    def finish(self, output: Path) -> None:
        """Moves the joined video to its place and removes the folder."""
        self.joined.replace(output)
        shutil.rmtree(self.folder)
