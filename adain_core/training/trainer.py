"""Trains a decoder, or the light pair: the loop, its checkpoints, and what it shows meanwhile."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..errors import AdaINError, reason
from ..models.decoder import Decoder
from ..models.vgg import VGGEncoder
from .config import TrainingConfig
from .data.batches import stream, worker_died
from .data.image_sets import FolderOrFiles
from .data.samples import Batch
from .distributed import Processes
from .evaluation import Evaluation, evaluate
from .light_pair import LightObjective, LightPair
from .objective import Objective
from .optimization.averaging import average_weights, averaged_copy
from .optimization.optimizers import make_optimizers, set_learning_rate
from .optimization.schedule import learning_rate
from .run.folder import RunFolder
from .run.history import History
from .run.plots import sample_grid
from .run.progress import Pace, TrainingProgress
from .run.state import TrainingState, capture
from .setup import prepare

log = logging.getLogger(__name__)

_CUDA_REPORT_EVERY = 10  # reading losses makes the host wait for the GPU


class StopWaiting(BaseException):
    """Raised by a signal handler while a training is `waiting`: it ends as after `Trainer.request_stop`."""


class TrainingDiverged(AdaINError):
    """A loss or a weight became infinite or not a number."""


class Trainer:
    """One training in one folder.

    Args:
        encoder: what to train a decoder for, or the judge of the light pair; moved to the device and frozen, or in half
            precision copied.
        config: everything that decides the result.
        content, style: folders of images, or lists of files.
        folder: of the run, see `folder.RunFolder`.
        start: decoder, or light pair, to start from; None: new weights.
        anchor: decoder for the anchor loss; None: ``start``.
        resume: go on from the folder's newest checkpoint, if there is one.
        processes: this process among several; None: alone on the best device.
        workers: processes that read images; 0: threads, for hosts that must not be forked.
        export: a second file for the decoder, written whenever the first is.
        info: text for the decoder's metadata, such as its licence.

    Attributes:
        folder: the run's files.
        step: optimizer steps done.
        history: the losses so far.
        skipped: image files left out so far, and why.
        warnings: sentences the user should read before the training begins.
        evaluation: of the latest preview.
        waiting: whether it waits for a batch, in the thread that trains; see `StopWaiting`.

    Raises:
        AdaINError: folders without usable images, decoders of another normalization or encoder, a run's folder that
            cannot be written to, holds another run or other files or lies in one of the images' folders, a run to
            resume that was started from other decoders or that not all processes see at the same step, or a batch that
            the processes cannot share evenly.
    """

    def __init__(
        self,
        encoder: VGGEncoder,
        config: TrainingConfig,
        content: FolderOrFiles,
        style: FolderOrFiles,
        folder: str | Path,
        start: Decoder | LightPair | None = None,
        anchor: Decoder | None = None,
        resume: bool = False,
        processes: Processes | None = None,
        workers: int = 0,
        export: str | Path | None = None,
        info: dict[str, str] | None = None,
    ) -> None:
        self.processes = processes or Processes(0, 1, next(encoder.parameters()).device)
        self.device = self.processes.device
        self.folder = RunFolder(folder, export)
        setup = prepare(encoder, config, content, style, self.folder, start, anchor, resume, self.processes)
        self.config = setup.config
        self.encoder = setup.encoder
        self.encoder_id = setup.encoder_id
        self.warnings = setup.warnings
        self.workers = workers
        self.info = dict(info or {})
        self._inputs = setup.inputs
        self._pairs, self._held_out = setup.images.pairs, setup.images.held_out
        self.skipped = setup.images.skipped
        self._objective: Objective | LightObjective = (
            LightObjective(self.encoder, self.config)
            if self.config.light
            else Objective(self.encoder, self.config, setup.anchor)
        )
        self.network = setup.network
        self._wrapped = self.processes.wrap(self.network)
        self._mean = averaged_copy(self.network) if self.config.average > 0 else None
        self.optimizers = make_optimizers(self.network, self.config.optimizer)
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self.config.precision == "float16")
        self.step = 0
        self.history = History()
        if setup.resumed is not None:
            self._restore(*setup.resumed)
        self.evaluation: Evaluation | None = None
        self._stop = False
        self.waiting = False
        self._saved_step: int | None = None
        self._previewed_step: int | None = None
        self._preview: Image.Image | None = None
        self.processes.wait()  # nobody writes before everybody has read

    @property
    def result(self) -> Decoder | LightPair:
        """The network as it is saved: the one in training, or the mean of its weights."""
        return self.network if self._mean is None else self._mean

    @property
    def done(self) -> bool:
        return self.step >= self.config.steps

    def request_stop(self) -> None:
        """Makes `train` save and return after the step it is in, on CUDA within ten. Safe in a signal handler."""
        self._stop = True

    def train(self, report: Callable[[TrainingProgress], None] | None = None) -> Decoder | LightPair:
        """Trains to the end, or until asked to stop.

        Args:
            report: called after each step (on CUDA after every tenth). Whatever it raises stops the training, which
                saves a checkpoint and raises it again.

        Returns:
            The decoder, or the light pair, in evaluation mode.

        Raises:
            AdaINError: another process trains in the folder, or a worker process has died.
            TrainingDiverged: naming the step and the last good checkpoint.
        """
        if self.processes.first:
            self.folder.lock()
        try:
            self._train(report)
        except RuntimeError as error:
            if not worker_died(error):
                raise
            raise AdaINError(
                f"workers: a process that reads images has ended ({reason(error)}); what {self.folder.path} has is "
                "whole: resume from it, with fewer workers if memory was short"
            ) from None
        finally:
            self.folder.unlock()
        return self.result.eval()

    def _train(self, report: Callable[[TrainingProgress], None] | None) -> None:
        cuda = self.device.type == "cuda"
        every = _CUDA_REPORT_EVERY if cuda else 1
        pending: list[dict[str, Tensor]] = []  # losses that are still on the device
        pace = Pace(self.step)
        if self._saved_step is None:
            self.save()
        steps = range(self.step, self.config.steps)
        p = self.processes
        data = stream(self._pairs, steps, self.workers, p.rank, p.world, pin=cuda)
        with closing(data) as batches, suppress(StopWaiting):
            for batch in self._waited_for(batches):
                pending.append(self.step_on(batch))
                self.step += 1
                save = self._due(self.config.save_every)
                preview = self._due(self.config.preview_every)
                if not (save or preview or self.step % every == 0):
                    continue
                stop = p.any(self._stop)
                self._record(pending)
                if preview:
                    self.preview()
                if save:
                    self.save()
                rate = pace.at(self.step)
                if report and p.first:
                    self._report(report, rate, preview)
                if stop:
                    break
        self._record(pending)
        self.finish()

    def _waited_for(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        while True:
            self.waiting = self.processes.world == 1  # others would wait for this process
            try:
                batch = next(batches, None)
            finally:
                self.waiting = False
            if batch is None:
                return
            yield batch

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
        set_learning_rate(self.optimizers, rate)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        self._wrapped.train()
        total, terms = self._objective(self._wrapped, batch)
        torch.autograd.backward(self._scaler.scale(total))
        if config.clip > 0:
            for optimizer in self.optimizers:
                self._scaler.unscale_(optimizer)
            if self._scaler.is_enabled():
                self._without_overflow()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), config.clip)
        for optimizer in self.optimizers:
            self._scaler.step(optimizer)
        self._scaler.update()
        if self._mean is not None:
            average_weights(self._mean, self.network, config.average, self.step)
        return terms

    def _without_overflow(self) -> None:
        """Sets what overflowed in half precision to 0. Only the optimizer that has it leaves out the step, but the norm
        to clip by is of all gradients, and would take it to the others."""
        for weight in self.network.parameters():
            if weight.grad is not None:
                weight.grad.nan_to_num_(0.0, 0.0, 0.0)

    def batch(self, step: int) -> Batch:
        """What this process trains on at a step."""
        return next(stream(self._pairs, range(step, step + 1), 0, self.processes.rank, self.processes.world))

    def _record(self, pending: list[dict[str, Tensor]]) -> None:
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
        totals = [weight.detach().abs().sum() for weight in self.network.parameters()]
        if not bool(torch.stack(totals).isfinite().all()):
            raise self._diverged(self.step, {})

    def _diverged(self, step: int, losses: dict[str, float]) -> TrainingDiverged:
        bad = ", ".join(name for name, value in losses.items() if not math.isfinite(value)) or "a weight"
        paths = self.folder.checkpoints
        last = f"the last good checkpoint is {paths[-1]}" if paths else "there is no checkpoint yet"
        return TrainingDiverged(
            f"training: expected finite losses, found {bad} not finite at step {step}; {last}; "
            "a lower learning rate or gradient clipping helps"
        )

    def _due(self, every: int) -> bool:
        return self.done or bool(every and self.step % every == 0)

    def _report(self, report: Callable[[TrainingProgress], None], rate: float, preview: bool) -> None:
        left = (self.config.steps - self.step) / rate if rate else 0.0
        shown = (self._preview, self.evaluation) if preview else (None, None)
        progress = TrainingProgress(self.step, self.config.steps, self.history.latest(), rate, left, *shown)
        try:
            report(progress)
        except BaseException:
            self.save()
            raise

    def finish(self) -> None:
        """Brings checkpoint, preview and the figures in the decoder's file up to the present step."""
        self.save()  # first: whoever interrupts may not wait for a preview
        if self.preview() is not None:
            self._save_result()

    def save(self) -> None:
        """Writes a checkpoint and the decoder, unless that is done for this step already."""
        if self._saved_step == self.step or not self.processes.first:
            return
        self._check_weights()
        self.folder.save_config(self.config)
        # Before the checkpoint: a decoder newer than the step that a killed run resumes from does no harm.
        self._save_result()
        state = TrainingState(
            self.step,
            self.config,
            self.encoder_id,
            self._inputs,
            self.history,
            capture(self.network, self._mean, self.optimizers),
            self._scaler.state_dict(),
        )
        self.folder.save_state(state, self.skipped)
        self._saved_step = self.step

    def preview(self) -> Image.Image | None:
        """Decodes the held-out pairs, writes the grid, and measures it; None on processes that do not write."""
        if not self.processes.first or self._previewed_step == self.step:
            return None
        content, style = self._held_out
        result = self.result
        if isinstance(result, LightPair):
            self.evaluation = evaluate(result.encoder, result.decoder, content, style, self.encoder)
        else:
            self.evaluation = evaluate(self.encoder, result, content, style)
        self._previewed_step = self.step
        self._preview = sample_grid(
            {
                "content": content,
                "style": style,
                "stylized": self.evaluation.outputs,
                "content = style": self.evaluation.reconstructions,
            }
        )
        self.folder.save_preview(self._preview, self.step)
        log.info("step %d, held-out pairs: %s", self.step, json.dumps(self.evaluation.figures()))
        return self._preview

    def _save_result(self) -> None:
        if isinstance(self.result, LightPair):
            self.folder.save_pair(self.result, self._metadata())
        else:
            self.folder.save_decoder(self.result, self._metadata() | {"encoder": self.encoder_id})

    def _metadata(self) -> dict[str, str]:
        text = {"steps": str(self.step), "training": self.config.to_json()}
        if self.history.rows:
            text["losses"] = json.dumps({name: round(value, 4) for name, value in self.history.latest().items()})
        if self.evaluation is not None and self._previewed_step == self.step:
            text["held_out"] = json.dumps(self.evaluation.figures())
        return text | self.info

    def _restore(self, state: TrainingState, path: Path) -> None:
        state.restore(self.network, self._mean, self.optimizers, path)
        if state.scaler:
            self._scaler.load_state_dict(state.scaler)
        self.step = state.step
        self.history = state.history
        log.info("resumed from %s at step %d", path, state.step)
