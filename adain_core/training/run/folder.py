"""The folder of a training: what is in it, and how it is written."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from PIL import Image

from ...errors import AdaINError
from ...files import atomic_write, check_folder
from ...models.decoder import Decoder
from ...models.model_files import save_model
from .plots import plot_losses
from .state import TrainingState, load_state, remove_leftovers, save_state, saved_states

log = logging.getLogger(__name__)


class RunFolder:
    """One training's folder.

    It holds ``decoder.safetensors`` (from the first moment on, always complete), ``checkpoints/`` (the newest few, with
    everything to resume from), ``preview.png`` and ``previews/``, ``losses.png``, ``history.json`` and ``config.json``.
    Every file is whole at any moment.

    Args:
        path: the folder; made when something is written.
        export: a second file for the decoder, written whenever the first is.

    Raises:
        AdaINError: a path that cannot be written to.
    """

    def __init__(self, path: str | Path, export: str | Path | None = None) -> None:
        self.path = Path(path)
        self.export = Path(export) if export else None
        check_folder(self.path)

    @property
    def decoder(self) -> Path:
        return self.path / "decoder.safetensors"

    @property
    def checkpoints(self) -> list[Path]:
        """Oldest first."""
        return saved_states(self.path / "checkpoints")

    def newest_state(self, resume: bool, write: bool) -> tuple[TrainingState, Path] | None:
        """The newest checkpoint that can be read; one that cannot is passed over, said so, and renamed.

        Args:
            resume: whether there may be any.
            write: whether this process is the one that writes: it also removes what a killed one left half written.

        Raises:
            AdaINError: checkpoints without ``resume``, or none that can be read.
        """
        paths = self.checkpoints
        if paths and not resume:
            raise AdaINError(
                f"{self.path}: expected a new folder, found a run with checkpoints; resume it or choose another name"
            )
        if write:
            remove_leftovers(self.path, self.export)
        broken: list[Path] = []
        for path in reversed(paths):
            try:
                state = load_state(path)
            except AdaINError as error:
                log.warning("%s; trying the one before", error)
                broken.append(path)
                continue
            for unreadable in broken if write else ():
                unreadable.replace(unreadable.with_suffix(".broken"))  # or it would count among those to keep
            return state, path
        if paths:
            raise AdaINError(
                f"{paths[0].parent}: expected a checkpoint that can be read, found {len(paths)} that cannot"
            )
        return None

    def save_decoder(self, decoder: Decoder, metadata: dict[str, str]) -> None:
        for path in filter(None, (self.decoder, self.export)):
            save_model(path, decoder, metadata)

    def save_state(self, state: TrainingState, skipped: dict[str, str]) -> None:
        """Writes a checkpoint, and beside it what people read: configuration, losses and files left out."""
        save_state(self.path / "checkpoints", state, state.config.keep)
        curves = state.history.thinned()
        self._write_text("config.json", state.config.to_json())
        self._write_text("history.json", json.dumps(curves | {"skipped": skipped}, indent=1))
        shown: dict[str, list[float]] = {name: curves[name] for name in ("content", "style") if name in curves}
        self._write_image("losses.png", plot_losses(curves["step"], shown or {"total": curves.get("total", [])}))

    def save_preview(self, preview: Image.Image, step: int) -> None:
        self._write_image(f"previews/step-{step:08d}.png", preview)
        self._write_image("preview.png", preview)

    def _write_text(self, name: str, text: str) -> None:
        with atomic_write(self.path / name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def _write_image(self, name: str, image: Image.Image) -> None:
        with atomic_write(self.path / name) as temporary:
            image.save(temporary)
