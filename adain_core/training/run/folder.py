"""The folder of a training: what is in it, whose it is, and how it is written."""

from __future__ import annotations

import glob
import json
import logging
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path

from PIL import Image

from ...errors import AdaINError
from ...files import atomic_write, check_folder, remove_leftovers, write_json
from ...locks import FolderLock
from ...models.decoder import Decoder
from ...models.model_files import encoder_fingerprint, save_model
from ...models.tensor_files import read_metadata
from ..config import TrainingConfig, UnsupportedTraining
from ..light_pair import LightPair
from .plots import plot_losses
from .state import TrainingState, is_state, load_state, save_state, saved_states

log = logging.getLogger(__name__)

CONFIG, ENCODER, DECODER, HISTORY, LOSSES, PREVIEW = (
    "config.json",
    "encoder.safetensors",
    "decoder.safetensors",
    "history.json",
    "losses.png",
    "preview.png",
)
CHECKPOINTS, PREVIEWS = "checkpoints", "previews"
_STEP = "step-" + 8 * "[0-9]"
_NAMED = 3  # of the files that do not belong to a run


class RunFolder:
    """One training's folder.

    It holds ``decoder.safetensors`` (from the first moment on, always complete; beside it ``encoder.safetensors`` where
    both are trained), ``checkpoints/`` (the newest few, with
    everything to resume from), ``preview.png`` and ``previews/``, ``losses.png``, ``history.json`` and ``config.json``.
    Every file is whole at any moment. Nothing but these and their temporary files is ever replaced or removed.

    Args:
        path: the folder; made when something is written.
        export: a second file for the decoder, written whenever the first is.

    Raises:
        AdaINError: a path that cannot be written to, a folder with files that are not a run's, or an export that is
            there before the run is.
    """

    def __init__(self, path: str | Path, export: str | Path | None = None) -> None:
        self.path = Path(path)
        self.export = Path(export) if export else None
        self._lock: FolderLock | None = None
        check_folder(self.path)
        self._check_ours()

    @property
    def decoder(self) -> Path:
        return self.path / DECODER

    @property
    def checkpoints(self) -> list[Path]:
        """Oldest first."""
        return saved_states(self.path / CHECKPOINTS)

    def lock(self) -> None:
        """Keeps other processes from writing to it, until `unlock`; AdaINError while one does."""
        self._lock = self._lock or FolderLock(self.path)

    def unlock(self) -> None:
        """Lets them in."""
        if self._lock is not None:
            self._lock.release()
        self._lock = None

    def _check_ours(self) -> None:
        """Refuses to mix a run's files with others: what has the name of one of ours would be overwritten.

        A run's folder has its configuration and checkpoints; other files may lie beside them. A run that ended before
        its first checkpoint has left no more than the configuration and an untrained decoder.
        """
        names = {path.name for path in self.path.iterdir()} if self.path.is_dir() else set()
        # A process that was killed in its first writes leaves their temporary files.
        names = {name for name in names if not fnmatch(name, ".config.*.json")}
        names = {name for name in names if not fnmatch(name, ".[de]*coder.*.safetensors")}
        if not names:
            if self.export is not None and self.export.exists():
                raise AdaINError(f"{self.export}: expected a new file for the decoder of a new run, found one")
            return
        if CONFIG in names:
            run = _is_configuration(self.path / CONFIG) and (bool(self.checkpoints) or self._has_just_begun(names))
        else:
            run = any(map(is_state, self.checkpoints))
        if not run:
            shown = ", ".join(sorted(names)[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
            raise AdaINError(
                f"{self.path}: expected a new folder, or one of a training with {CONFIG} and {CHECKPOINTS}/, found "
                f"other files in it ({shown}); choose another folder"
            )

    def _has_just_begun(self, names: set[str]) -> bool:
        if not names <= {CONFIG, ENCODER, DECODER, CHECKPOINTS}:
            return False
        return DECODER not in names or _is_untrained(self.decoder)

    def newest_state(self, resume: bool, write: bool) -> tuple[TrainingState, Path] | None:
        """Loads the newest readable checkpoint. Unreadable ones are logged, and renamed ``.broken``.

        Args:
            resume: whether there may be checkpoints.
            write: whether this process is the one that writes: only that renames, and removes the temporary files of
                a process that was killed.

        Raises:
            AdaINError: checkpoints without ``resume``, only unreadable ones, or those of a training that is no longer
                supported; or another process trains there.
        """
        paths = self.checkpoints
        if paths and not resume:
            raise AdaINError(
                f"{self.path}: expected a new folder, found a run with checkpoints; resume it or choose another name"
            )
        if write and self.path.is_dir():
            self.lock()  # what another process is writing at the moment looks like a leftover
            self._remove_leftovers()
        broken: list[Path] = []
        for path in reversed(paths):
            try:
                state = load_state(path)
            except UnsupportedTraining:
                raise
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

    def _remove_leftovers(self) -> None:
        remove_leftovers(self.path, (CONFIG, ENCODER, DECODER, HISTORY, LOSSES, PREVIEW))
        remove_leftovers(self.path / CHECKPOINTS, (f"{_STEP}.safetensors",))
        remove_leftovers(self.path / PREVIEWS, (f"{_STEP}.png",))
        if self.export is not None:
            remove_leftovers(self.export.parent, (glob.escape(self.export.name),))

    def save_config(self, config: TrainingConfig) -> None:
        """Writes ``config.json``, before anything else: it marks the folder as a run's."""
        write_json(self.path / CONFIG, asdict(config))

    def save_decoder(self, decoder: Decoder, metadata: dict[str, str]) -> None:
        """Writes the decoder, and its export."""
        for path in filter(None, (self.decoder, self.export)):
            save_model(path, decoder, metadata)

    def save_pair(self, pair: LightPair, metadata: dict[str, str]) -> None:
        """Writes the encoder, then the decoder trained with it, and its export."""
        save_model(self.path / ENCODER, pair.encoder, metadata)
        encoder_id = encoder_fingerprint(pair.encoder)
        for path in filter(None, (self.decoder, self.export)):
            save_model(path, pair.decoder, metadata | {"encoder": encoder_id})

    def save_state(self, state: TrainingState, skipped: dict[str, str]) -> None:
        """Writes a checkpoint, and beside it what people read: losses and files left out."""
        save_state(self.path / CHECKPOINTS, state, state.config.keep)
        curves = state.history.thinned()
        write_json(self.path / HISTORY, curves | {"skipped": skipped})
        shown: dict[str, list[float]] = {name: curves[name] for name in ("content", "style") if name in curves}
        self._write_image(LOSSES, plot_losses(curves["step"], shown or {"total": curves.get("total", [])}))

    def save_preview(self, preview: Image.Image, step: int) -> None:
        """Writes the grid of samples of a step, also as the latest one."""
        self._write_image(f"{PREVIEWS}/step-{step:08d}.png", preview)
        self._write_image(PREVIEW, preview)

    def _write_image(self, name: str, image: Image.Image) -> None:
        with atomic_write(self.path / name) as temporary:
            image.save(temporary)


def _is_untrained(path: Path) -> bool:
    """Whether a file is the decoder that a training writes before its first step."""
    try:
        return read_metadata(path).get("steps") == "0"
    except AdaINError:
        return False


def _is_configuration(path: Path) -> bool:
    """Whether a file is what `RunFolder.save_config` writes, in any version."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and {"steps", "batch_size", "crop_sizes", "style_layers"} <= values.keys()
