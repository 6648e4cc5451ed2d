"""Trains a decoder: the loop, its checkpoints, and what it shows meanwhile."""

from __future__ import annotations

import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from .checkpoint import encoder_fingerprint, fingerprint, save_model
from .dataset import Batch, Images, Pairs, center_crop, hold_out, list_images, names_fingerprint, stream
from .decoder import Decoder
from .devices import cpu_capabilities
from .errors import AdaINError
from .evaluation import Evaluation, evaluate
from .files import atomic_write, check_folder
from .history import History
from .initialization import new_decoder, scale_to_unit_variance
from .muon import Muon
from .normalization import channel_statistics
from .objective import Objective, decoder_input
from .plotting import plot_losses, sample_grid
from .processes import Processes
from .schedule import learning_rate
from .style import check_same_encoder
from .training_config import TrainingConfig
from .training_state import TrainingState, capture, load_state, remove_leftovers, save_state, saved_states
from .vgg import VGGEncoder

log = logging.getLogger(__name__)

Source = str | Path | Sequence[Path]

PREVIEW_PAIRS = 4
FEW_STEPS = 5000  # from new weights, fewer than these leave grey pictures
# Under Muon, Adam's learning rate for biases and the last layer, and its betas: found by trial with Muon's at 0.001.
_BESIDE_MUON, _BETAS_BESIDE_MUON = 0.3, (0.9, 0.99)
_CUDA_REPORT_EVERY = 10  # reading losses makes the host wait for the GPU
_RATE_WINDOW = 20


class TrainingDiverged(AdaINError):
    """A loss or a weight became infinite or not a number."""


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        step, steps: done and wanted.
        losses: smoothed, by name.
        steps_per_second: lately.
        seconds_left: at that rate.
        preview: the newest grid of samples, only when it is new.
        evaluation: its figures, likewise.
    """

    step: int
    steps: int
    losses: dict[str, float]
    steps_per_second: float
    seconds_left: float
    preview: Image.Image | None = None
    evaluation: Evaluation | None = None

    def __str__(self) -> str:
        left = time.strftime("%H:%M:%S", time.gmtime(self.seconds_left))
        days = int(self.seconds_left // 86400)
        losses = "  ".join(f"{name} {self.losses[name]:.3f}" for name in ("content", "style") if name in self.losses)
        return (
            f"step {self.step}/{self.steps}  {losses or 'loss {:.4f}'.format(self.losses.get('total', math.nan))}  "
            f"{self.steps_per_second:.2f} steps/s  {f'{days} d ' if days else ''}{left} left"
        )


class Trainer:
    """One training in one folder.

    The folder holds ``decoder.safetensors`` (from the first moment on, always complete), ``checkpoints/`` (the newest
    few, with everything to resume from), ``preview.png`` and ``previews/``, ``losses.png``, ``history.json`` and
    ``config.json``.

    Args:
        encoder: what to train a decoder for; moved to the device and frozen.
        config: everything that decides the result.
        content, style: folders of images, or lists of files.
        folder: of the run.
        start: decoder to start from; None: new weights.
        anchor: decoder for the anchor loss; None: ``start``.
        resume: go on from the folder's newest checkpoint, if there is one.
        processes: this process among several; None: alone on the best device.
        workers: processes that read images; 0: threads, for hosts that must not be forked.
        export: a second file for the decoder, written whenever the first is.
        info: text for the decoder's metadata, such as its licence.

    Attributes:
        step: optimizer steps done.
        history: the losses so far.
        skipped: image files left out so far, and why.
        warnings: sentences the user should read before the training begins.
        evaluation: of the latest preview.

    Raises:
        AdaINError: folders without usable images, decoders of another kind or encoder, a folder that holds another
            run or is a file, a run to resume that was started from other decoders or that not all processes see at the
            same step, or a batch that the processes cannot share evenly.
    """

    def __init__(
        self,
        encoder: VGGEncoder,
        config: TrainingConfig,
        content: Source,
        style: Source,
        folder: str | Path,
        start: Decoder | None = None,
        anchor: Decoder | None = None,
        resume: bool = False,
        processes: Processes | None = None,
        workers: int = 0,
        export: str | Path | None = None,
        info: dict[str, str] | None = None,
    ) -> None:
        self.processes = processes or Processes(0, 1, next(encoder.parameters()).device)
        self.device = self.processes.device
        self.config = replace(config, precision=resolve_precision(config.precision, self.device))
        self.folder = Path(folder)
        self.workers = workers
        self.export = Path(export) if export else None
        self.info = dict(info or {})
        self.step = 0
        self.history = History()
        self.skipped: dict[str, str] = {}
        self.evaluation: Evaluation | None = None
        self.fingerprint = encoder.fingerprint or encoder_fingerprint(encoder)
        self._stop = False
        self._saved_step: int | None = None
        self._previewed_step: int | None = None
        self._check(start, anchor)
        check_folder(self.folder)

        self.encoder = encoder.to(self.device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self.warnings: list[str] = []
        self._read_folders(content, style)
        self._objective = Objective(self.encoder, self.config, self._frozen(anchor or start))
        self._inputs |= {
            name: fingerprint(decoder.state_dict(), decoder.architecture)
            for name, decoder in (("decoder", start), ("anchor", anchor))
            if decoder is not None
        }
        found = self._find_state(resume)
        if not self.processes.equal(found[0].step if found else -1):
            raise AdaINError(
                f"{self.folder}: expected every process to find the same checkpoint there, found different ones; "
                "the folder must be on a disk that all machines share"
            )
        self.decoder = self._first_decoder(encoder.architecture, start, new=start is None and found is None)
        self._ddp = self.processes.wrap(self.decoder)
        self.optimizers = make_optimizers(self.decoder, self.config)
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self.config.precision == "float16")
        if found is not None:
            self._restore(*found)
        self.warnings += self._warn(start)
        self.processes.wait()  # nobody writes before everybody has read

    @property
    def done(self) -> bool:
        return self.step >= self.config.steps

    @property
    def decoder_path(self) -> Path:
        return self.folder / "decoder.safetensors"

    def request_stop(self) -> None:
        """Makes `train` save and return after the step it is in, on CUDA within ten. Safe in a signal handler."""
        self._stop = True

    def train(self, report: Callable[[Progress], None] | None = None) -> Decoder:
        """Trains to the end, or until asked to stop.

        Args:
            report: called after each step (on CUDA after every tenth). Whatever it raises stops the training, which
                saves a checkpoint and raises it again.

        Returns:
            The decoder, in evaluation mode.

        Raises:
            TrainingDiverged: naming the step and the last good checkpoint.
        """
        every = _CUDA_REPORT_EVERY if self.device.type == "cuda" else 1
        pending: list[dict[str, Tensor]] = []
        times: deque[tuple[int, float]] = deque([(self.step, time.monotonic())], maxlen=_RATE_WINDOW)
        if self._saved_step is None:
            self.save()
        pin = self.device.type == "cuda"
        steps = range(self.step, self.config.steps)
        p = self.processes
        with closing(stream(self._pairs, steps, self.workers, p.rank, p.world, pin)) as batches:
            for batch in batches:
                pending.append(self.step_on(batch))
                self.step += 1
                save = self._due(self.config.save_every)
                preview = self._due(self.config.preview_every)
                if not (save or preview or self.step % every == 0):
                    continue
                stop = p.any(self._stop)
                self._note(pending)
                if preview:
                    self.preview()
                if save:
                    self.save()
                times.append((self.step, time.monotonic()))
                if report and p.first:
                    self._report(report, times, preview)
                if stop:
                    break
        self.finish()
        return self.decoder.eval()

    def finish(self) -> None:
        """Brings checkpoint, preview and the figures in the decoder's file up to the present step."""
        self.save()  # first: whoever interrupts may not wait for a preview
        if self.preview() is not None:
            self._save_decoder()

    def save(self) -> None:
        """Writes a checkpoint and the decoder, unless that is done for this step already."""
        if self._saved_step == self.step or not self.processes.first:
            return
        self._check_weights()
        # Before the checkpoint: a decoder newer than the step that a killed run resumes from does no harm.
        self._save_decoder()
        state = TrainingState(
            self.step,
            self.config,
            self.fingerprint,
            self._inputs,
            self.history,
            capture(self.decoder, self.optimizers),
            self._scaler.state_dict(),
        )
        save_state(self._checkpoints, state, self.config.keep)
        self._saved_step = self.step
        curves = self.history.thinned()
        self._write_text("config.json", self.config.to_json())
        self._write_text("history.json", json.dumps(curves | {"skipped": self.skipped}, indent=1))
        shown: dict[str, list[float]] = {name: curves[name] for name in ("content", "style") if name in curves}
        self._write_image("losses.png", plot_losses(curves["step"], shown or {"total": curves.get("total", [])}))

    def _save_decoder(self) -> None:
        for path in filter(None, (self.decoder_path, self.export)):
            save_model(path, self.decoder, self._metadata())

    def preview(self) -> Image.Image | None:
        """Decodes the held-out pairs, writes the grid, and measures it; None on processes that do not write."""
        if not self.processes.first or self._previewed_step == self.step:
            return None
        content, style = self._held_out
        self.evaluation = evaluate(self.encoder, self.decoder, content, style)
        self._previewed_step = self.step
        self._preview = sample_grid(
            {
                "content": content,
                "style": style,
                "stylized": self.evaluation.outputs,
                "content = style": self.evaluation.reconstructions,
            }
        )
        self._write_image(f"previews/step-{self.step:08d}.png", self._preview)
        self._write_image("preview.png", self._preview)
        log.info("step %d, held-out pairs: %s", self.step, json.dumps(self.evaluation.figures()))
        return self._preview

    @property
    def _checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def _check(self, start: Decoder | None, anchor: Decoder | None) -> None:
        config, world = self.config, self.processes.world
        if config.batch_size % world:
            raise AdaINError(
                f"batch_size: expected a multiple of the {world} processes that share it, found {config.batch_size}"
            )
        if config.anchor_weight > 0 and anchor is None and start is None:
            raise AdaINError("anchor_weight: expected an anchor decoder, or a decoder to start from, with it")
        for decoder in filter(None, (start, anchor)):
            check_same_encoder(self.fingerprint, decoder.trained_for)
        anchored = (anchor or start) if config.anchor_weight > 0 else anchor
        if anchored is not None and anchored.conditioning != "adain":
            raise AdaINError("anchor: expected a decoder of AdaIN's output, found one of concatenated features")
        if start is not None and (start.normalization, start.conditioning) != (
            config.normalization,
            config.conditioning,
        ):
            raise AdaINError(
                f"decoder: expected normalization {config.normalization} and conditioning {config.conditioning} as "
                f"configured, found {start.normalization} and {start.conditioning}"
            )

    def _read_folders(self, content: Source, style: Source) -> None:
        self._inputs: dict[str, str] = {}
        sides, crop = [], self.config.largest_crop
        files: list[list[Path]] = []
        for role, source in (("content", content), ("style", style)):
            listed = isinstance(source, (str, Path))
            found = list_images(source) if isinstance(source, (str, Path)) else list(source)
            paths, held = hold_out(found, PREVIEW_PAIRS)
            # Reading finds out now, and not hours later, that a folder has nothing to train on.
            images = Images(paths, crop // 2, str(source) if listed else None)
            first = images.read(0)
            kept = Images(held, crop // 2)
            pixels = [center_crop(x, crop) for x in kept.usable()] or [center_crop(first, crop)]
            sides.append(torch.stack((pixels * PREVIEW_PAIRS)[:PREVIEW_PAIRS]))
            self.skipped |= images.skipped | kept.skipped
            self._inputs[role] = names_fingerprint(found)
            files.append(paths)
        self._held_out = (sides[0], sides[1])
        self._pairs = Pairs(files[0], files[1], self.config)

    def _find_state(self, resume: bool) -> tuple[TrainingState, Path] | None:
        """The newest checkpoint that can be read; one that cannot is passed over, said so, and renamed."""
        folder = self._checkpoints
        paths = saved_states(folder) if folder.is_dir() else []
        if paths and not resume:
            raise AdaINError(
                f"{self.folder}: expected a new folder, found a run with checkpoints; resume it or choose another name"
            )
        if self.processes.first:
            remove_leftovers(self.folder, self.export)
        broken: list[Path] = []
        for path in reversed(paths):
            try:
                state = load_state(path)
            except AdaINError as error:
                log.warning("%s; trying the one before", error)
                broken.append(path)
                continue
            self.config.check_resumable(state.config)
            check_same_encoder(self.fingerprint, state.encoder)
            self._check_inputs(state.inputs)
            for unreadable in broken if self.processes.first else ():
                unreadable.replace(unreadable.with_suffix(".broken"))  # or it would count among those to keep
            return state, path
        if paths:
            raise AdaINError(f"{folder}: expected a checkpoint that can be read, found {len(paths)} that cannot")
        return None

    def _check_inputs(self, saved: dict[str, str]) -> None:
        """A run goes on from what it was started with; with other images it may, but not to the bit."""
        for name in ("decoder", "anchor"):
            if name in self._inputs and self._inputs[name] != saved.get(name):
                raise AdaINError(
                    f"{name}: expected the one that the run in {self.folder} was started with, found another; "
                    "train under another name, or leave it out to go on"
                )
        for name in ("content", "style"):
            if self._inputs[name] != saved[name]:
                self.warnings.append(f"the {name} images are others than when the run was started")
        self._inputs = saved

    def _first_decoder(self, architecture: str, start: Decoder | None, new: bool) -> Decoder:
        config = self.config
        decoder = new_decoder(architecture, config.normalization, config.conditioning, config.seed)
        if start is not None:
            decoder.load_state_dict(start.state_dict())
        decoder.trained_for = self.fingerprint
        # Kernels in the layout the convolutions want, before optimizers and DistributedDataParallel see them.
        decoder = decoder.to(self.device).to(memory_format=torch.channels_last).train()
        if new:
            batch = self._pairs.collate([self._pairs[n] for n in range(min(config.batch_size, 8))])
            with torch.no_grad():
                content, style = (self.encoder(x.to(self.device)) for x in (batch.content, batch.style))
                both = style if config.conditioning == "concatenation" else None
                scale_to_unit_variance(decoder, decoder_input(content, channel_statistics(style), both)[0])
        return decoder

    def _frozen(self, decoder: Decoder | None) -> Decoder | None:
        if decoder is None or self.config.anchor_weight == 0:
            return None
        copy = Decoder(decoder.architecture, decoder.normalization, decoder.conditioning)
        copy.load_state_dict(decoder.state_dict())
        return copy.to(self.device).to(memory_format=torch.channels_last).eval().requires_grad_(False)

    def _restore(self, state: TrainingState, path: Path) -> None:
        state.restore(self.decoder, self.optimizers, path)
        if state.scaler:
            self._scaler.load_state_dict(state.scaler)
        self.step = state.step
        self.history = state.history
        log.info("resumed from %s at step %d", path, state.step)

    def _warn(self, start: Decoder | None):
        config = self.config
        if start is None and self.step == 0 and config.style_weight > 0 and config.steps < FEW_STEPS:
            yield (
                f"{config.steps} steps from new weights will leave grey pictures: expect colours after some "
                f"{FEW_STEPS}, good ones after 20 times that, or start from a trained decoder"
            )

    def batch(self, step: int) -> Batch:
        """What this process trains on at a step."""
        return next(iter(stream(self._pairs, range(step, step + 1), 0, self.processes.rank, self.processes.world)))

    def step_on(self, batch: Batch) -> dict[str, Tensor]:
        """One optimizer step on a batch. Returns the losses, still on the device."""
        config = self.config
        self.skipped |= batch.skipped
        content, style = (
            images.to(self.device, memory_format=torch.channels_last, non_blocking=True)
            for images in (batch.content, batch.style)
        )
        batch = replace(batch, content=content, style=style)
        rate = learning_rate(
            self.step, config.learning_rate, config.schedule, config.steps, config.warmup, config.decay, config.final
        )
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]
        self._ddp.train()
        total, terms = self._objective(self._ddp, batch)
        self._scaler.scale(total).backward()
        if config.clip > 0:
            for optimizer in self.optimizers:
                self._scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), config.clip)
        for optimizer in self.optimizers:
            self._scaler.step(optimizer)
        self._scaler.update()
        return terms

    def _note(self, pending: list[dict[str, Tensor]]) -> None:
        """Moves losses from the device into the history, in one transfer, and checks them."""
        if not pending:
            return
        names = list(pending[0])
        values = self.processes.mean(torch.stack([torch.stack(list(terms.values())) for terms in pending])).tolist()
        first = self.step - len(pending)
        pending.clear()
        for k, row in enumerate(values):
            if not all(map(math.isfinite, row)):
                raise self._diverged(first + k + 1, dict(zip(names, row, strict=True)))
            self.history.append(dict(zip(names, row, strict=True)))

    def _check_weights(self) -> None:
        totals = [weight.detach().abs().sum() for weight in self.decoder.parameters()]
        if not bool(torch.stack(totals).isfinite().all()):
            raise self._diverged(self.step, {})

    def _diverged(self, step: int, losses: dict[str, float]) -> TrainingDiverged:
        bad = ", ".join(name for name, value in losses.items() if not math.isfinite(value)) or "a weight"
        paths = saved_states(self._checkpoints)
        last = f"the last good checkpoint is {paths[-1]}" if paths else "there is no checkpoint yet"
        return TrainingDiverged(
            f"training: expected finite losses, found {bad} not finite at step {step}; {last}; "
            "a lower learning rate or gradient clipping helps"
        )

    def _due(self, every: int) -> bool:
        return self.done or bool(every and self.step % every == 0)

    def _report(self, report: Callable[[Progress], None], times: deque[tuple[int, float]], preview: bool) -> None:
        (first, begun), (last, now) = times[0], times[-1]
        rate = (last - first) / max(now - begun, 1e-9)
        left = (self.config.steps - self.step) / rate if rate else 0.0
        shown = (self._preview, self.evaluation) if preview else (None, None)
        progress = Progress(self.step, self.config.steps, self.history.latest(), rate, left, *shown)
        try:
            report(progress)
        except BaseException:
            self.save()
            raise

    def _metadata(self) -> dict[str, str]:
        text = {"encoder": self.fingerprint, "steps": str(self.step), "training": self.config.to_json()}
        if self.history.rows:
            text["losses"] = json.dumps({name: round(value, 4) for name, value in self.history.latest().items()})
        if self.evaluation is not None and self._previewed_step == self.step:
            text["held_out"] = json.dumps(self.evaluation.figures())
        return text | self.info

    def _write_text(self, name: str, text: str) -> None:
        with atomic_write(self.folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def _write_image(self, name: str, image: Image.Image) -> None:
        with atomic_write(self.folder / name) as temporary:
            image.save(temporary)


def make_optimizers(decoder: Decoder, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """Adam alone, or Muon for the kernels and Adam for the last layer and everything that is no kernel.

    Each group has a ``share``: its learning rate relative to the configured one.
    """
    if config.optimizer == "adam":
        return [torch.optim.Adam([{"params": list(decoder.parameters()), "share": 1.0}], lr=config.learning_rate)]
    kernels = [convolution.weight for convolution in list(decoder.c)[:-1]]
    chosen = {id(weight) for weight in kernels}
    others = [weight for weight in decoder.parameters() if id(weight) not in chosen]
    return [
        Muon([{"params": kernels, "share": 1.0}], lr=config.learning_rate),
        torch.optim.Adam(
            [{"params": others, "share": _BESIDE_MUON}], lr=config.learning_rate, betas=_BETAS_BESIDE_MUON
        ),
    ]


def resolve_precision(precision: str, device: torch.device) -> str:
    """What ``auto`` means on a device: float16 on CUDA, bfloat16 on CPUs that compute in it, else float32.

    Raises:
        AdaINError: float16 elsewhere than on CUDA.
    """
    if precision == "float16" and device.type != "cuda":
        raise AdaINError(f"precision: expected float32 or bfloat16 on {device.type}, found float16")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "float16"
    known = cpu_capabilities()
    return "bfloat16" if device.type == "cpu" and (known.get("avx512_bf16") or known.get("amx_bf16")) else "float32"
