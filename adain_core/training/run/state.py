"""Checkpoints of a training: everything to go on from, in one safetensors file each."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ...errors import AdaINError, about, reason
from ...files import atomic_write
from ...models.tensor_files import check_state, read_metadata, read_safetensors
from ..config import TrainingConfig
from .history import History

KIND = "training"
_NAME = re.compile(r"step-(\d{8,})\.safetensors")


@dataclass(frozen=True)
class TrainingState:
    """What a checkpoint holds.

    Attributes:
        step: optimizer steps done.
        config: the run's configuration.
        encoder_id: fingerprint of the encoder.
        inputs: fingerprints of what else the run was started with: the decoder, the anchor, the lists of images.
        history: the losses so far.
        tensors: decoder, its mean, optimizers and random states, by prefixed name.
        scaler: the gradient scaler's state, float16 only.
    """

    step: int
    config: TrainingConfig
    encoder_id: str
    inputs: dict[str, str]
    history: History
    tensors: dict[str, Tensor]
    scaler: dict[str, Any]

    def restore(
        self, decoder: nn.Module, mean: nn.Module | None, optimizers: Sequence[torch.optim.Optimizer], path: Path
    ) -> None:
        """Puts everything back where `capture` took it from; AdaINError when it does not fit."""
        for prefix, network in (("decoder.", decoder), ("mean.", mean)):
            if network is not None:
                weights = self._part(prefix)
                check_state(weights, network.state_dict(), path)
                network.load_state_dict(weights)
        try:
            self._restore_optimizers(optimizers)
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            raise AdaINError(
                f"{path}: expected a whole checkpoint, found one that does not fit ({reason(error)})"
            ) from None

    def _restore_optimizers(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """Also the random state."""
        for k, optimizer in enumerate(optimizers):
            empty = optimizer.state_dict()
            state: dict[int, dict[str, Tensor]] = {}
            for name, tensor in self._part(f"optimizer.{k}.").items():
                index, key = name.split(".", 1)
                state.setdefault(int(index), {})[key] = tensor
            optimizer.load_state_dict({"state": state, "param_groups": empty["param_groups"]})
        random = self._part("random.")
        torch.set_rng_state(random["cpu"])
        if "cuda" in random and torch.cuda.is_available():
            torch.cuda.set_rng_state(random["cuda"])

    def _part(self, prefix: str) -> dict[str, Tensor]:
        return {key.removeprefix(prefix): tensor for key, tensor in self.tensors.items() if key.startswith(prefix)}


def capture(
    decoder: nn.Module, mean: nn.Module | None, optimizers: Sequence[torch.optim.Optimizer]
) -> dict[str, Tensor]:
    """A training's tensors, prefixed ``decoder.``, ``mean.``, ``optimizer.{k}.{parameter}.``, ``random.``."""
    tensors = {f"decoder.{key}": value for key, value in decoder.state_dict().items()}
    if mean is not None:
        tensors |= {f"mean.{key}": value for key, value in mean.state_dict().items()}
    for k, optimizer in enumerate(optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{k}.{index}.{key}": value for key, value in state.items()}
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    # Copies, since safetensors wants each tensor whole and on the CPU.
    return {key: tensor.detach().to("cpu", copy=True).contiguous() for key, tensor in tensors.items()}


def save_state(folder: Path, state: TrainingState, keep: int) -> Path:
    """Writes ``step-NNNNNNNN.safetensors`` atomically, then removes all but the newest ``keep``."""
    path = folder / f"step-{state.step:08d}.safetensors"
    text = {
        "kind": KIND,
        "step": str(state.step),
        "config": state.config.to_json(),
        "encoder": state.encoder_id,
        "inputs": json.dumps(state.inputs),
        "losses": json.dumps(state.history.names),
        "scaler": json.dumps(state.scaler),
    }
    with atomic_write(path) as temporary:
        save_file(state.tensors | {"history": state.history.as_tensor()}, temporary, text)
    for old in saved_states(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def load_state(path: Path) -> TrainingState:
    """Reads a checkpoint; AdaINError when it is cut short or something else."""
    tensors, text = read_safetensors(path)
    if text.get("kind") != KIND or "history" not in tensors or "inputs" not in text:
        raise AdaINError(f"{path}: expected a checkpoint of a training, found another safetensors file")
    try:
        with about(path):
            config = TrainingConfig.from_json(text["config"])
        losses, inputs, scaler = (json.loads(text[name]) for name in ("losses", "inputs", "scaler"))
        step, rows = int(text["step"]), tensors.pop("history").double()
        if rows.shape != (step, len(losses)) or [*map(type, (losses, inputs, scaler))] != [list, dict, dict]:
            raise ValueError(f"{list(rows.shape)} losses of {step} steps")
        return TrainingState(step, config, text["encoder"], inputs, History.from_tensor(losses, rows), tensors, scaler)
    except AdaINError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise AdaINError(
            f"{path}: expected a whole checkpoint, found one that cannot be read ({reason(error)})"
        ) from None


def is_state(path: Path) -> bool:
    """Whether a file is a checkpoint of a training, by its metadata alone."""
    try:
        return read_metadata(path).get("kind") == KIND
    except AdaINError:
        return False


def saved_states(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first: files with the names that `save_state` gives, and no others."""
    steps = {path: _NAME.fullmatch(path.name) for path in folder.glob("step-*")}
    return sorted((path for path, found in steps.items() if found), key=lambda path: int(path.stem.split("-")[1]))
