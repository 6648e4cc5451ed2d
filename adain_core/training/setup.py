"""What a training begins with: arguments that fit together, images, the state it resumes from, the first decoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from ..errors import AdaINError
from ..method.adain import adain
from ..method.normalization import channel_statistics
from ..method.style import check_same_encoder
from ..models.decoder import Decoder
from ..models.model_files import decoder_of_architecture, encoder_fingerprint, fingerprint
from ..models.vgg import VGGEncoder
from .config import TrainingConfig, training_precision
from .data.image_sets import FolderOrFiles, TrainingImages
from .data.samples import Pairs
from .distributed import Processes
from .evaluation import in_float32
from .light_pair import LightPair
from .optimization.initialization import new_decoder, new_light_pair, scale_light_pair, scale_to_unit_variance
from .run.folder import RunFolder
from .run.state import TrainingState

M = TypeVar("M", bound=nn.Module)

FEW_STEPS = 5000  # from new weights, fewer than these leave grey pictures
_IMAGES_FOR_WEIGHTS = 8  # at most: new weights are scaled on the first of the training


@dataclass(frozen=True)
class Setup:
    """A training that can begin.

    Attributes:
        config: with the precision it will have on the device.
        encoder: on the device, frozen: what the decoder is for, or the judge of the light pair.
        encoder_id: its fingerprint.
        images: to train on, and held out.
        inputs: fingerprints of what the run was started with: ``content``, ``style``, ``decoder``, ``anchor``.
        network: to train, on the device, in training mode. Its weights are those to start from, or new ones, or, with
            ``resumed``, still to be restored.
        anchor: for the anchor loss, on the device, frozen; None without that loss.
        resumed: the state to go on from and its file; None: from step 0.
        warnings: sentences the user should read before the training begins.
    """

    config: TrainingConfig
    encoder: VGGEncoder
    encoder_id: str
    images: TrainingImages
    inputs: dict[str, str]
    network: Decoder | LightPair
    anchor: Decoder | None
    resumed: tuple[TrainingState, Path] | None
    warnings: list[str]


def prepare(
    encoder: VGGEncoder,
    config: TrainingConfig,
    content: FolderOrFiles,
    style: FolderOrFiles,
    folder: RunFolder,
    start: Decoder | LightPair | None,
    anchor: Decoder | None,
    resume: bool,
    processes: Processes,
) -> Setup:
    """Checks everything that can be known before the first step.

    Args and Raises: as of `trainer.Trainer`.
    """
    device = processes.device
    config = replace(config, precision=training_precision(config.precision, device))
    encoder_id = encoder.fingerprint or encoder_fingerprint(encoder)
    check_arguments(config, encoder_id, start, anchor, processes.world)
    images = TrainingImages.read(content, style, config)
    check_apart(folder.path, content, style)
    target = (anchor or start) if config.anchor_weight > 0 else None
    inputs = images.fingerprints | {
        name: fingerprint(network.state_dict(), network.architecture)
        for name, network in (("decoder", start), ("anchor", target))
        if network is not None
    }
    warnings: list[str] = []
    resumed = folder.newest_state(resume, write=processes.first)
    if resumed is not None:
        state, _ = resumed
        config.check_resumable(state.config)
        check_same_encoder(encoder_id, state.encoder_id)
        warnings += check_inputs(inputs, state.inputs, folder.path)
        inputs = state.inputs
    step = resumed[0].step if resumed is not None else None
    if not processes.equal(-1 if step is None else step):
        raise AdaINError(
            f"{folder.path}: expected every process to find the same checkpoint there, found different ones; "
            "the folder must be on a disk that all machines share"
        )
    encoder = _on_device(in_float32(encoder), device).eval().requires_grad_(False)
    network: Decoder | LightPair
    if config.light:
        network = new_light_pair(config.seed)
    else:
        network = new_decoder(encoder.architecture, config.normalization, config.seed)
        network.trained_for = encoder_id
    if start is not None:
        network.load_state_dict(start.state_dict())
    # Before optimizers and DistributedDataParallel see the weights.
    network = _on_device(network, device).train()
    if start is None and step is None:
        _scale_new_weights(network, encoder, images.pairs)
    if start is None and not step and config.style_weight > 0 and config.steps < FEW_STEPS:
        warnings.append(
            f"{config.steps} steps from new weights will leave grey pictures: expect colours after some "
            f"{FEW_STEPS}, good ones after 20 times that, or start from a trained decoder"
        )
    frozen = _frozen_copy(target, device) if isinstance(target, Decoder) else None
    return Setup(config, encoder, encoder_id, images, inputs, network, frozen, resumed, warnings)


def check_arguments(
    config: TrainingConfig, encoder_id: str, start: Decoder | LightPair | None, anchor: Decoder | None, world: int
) -> None:
    """Raises AdaINError unless the networks fit the encoder and the configuration, and the batch the processes."""
    if config.batch_size % world:
        raise AdaINError(
            f"batch_size: expected a multiple of the {world} processes that share it, found {config.batch_size}"
        )
    if config.anchor_weight > 0 and anchor is None and start is None:
        raise AdaINError("anchor_weight: expected an anchor decoder, or a decoder to start from, with it")
    if start is not None and isinstance(start, LightPair) != config.light:
        kinds = ("the light pair", "a decoder")
        expected, found = kinds if config.light else kinds[::-1]
        raise AdaINError(f"start: expected {expected} to start from, found {found}")
    for decoder in (start, anchor):
        if isinstance(decoder, Decoder):
            check_same_encoder(encoder_id, decoder.trained_for)
    if isinstance(start, Decoder) and start.normalization != config.normalization:
        raise AdaINError(
            f"decoder: expected normalization {config.normalization} as configured, found {start.normalization}"
        )


def check_apart(run: Path, content: FolderOrFiles, style: FolderOrFiles) -> None:
    """Raises AdaINError if a run's previews and curves would be among the images that a resumed run trains on."""
    for source in (content, style):
        if isinstance(source, (str, Path)) and run.resolve().is_relative_to(Path(source).resolve()):
            raise AdaINError(
                f"{run}: expected a folder outside {source}, whose images are trained on, found one inside; move it or "
                "choose another"
            )


def check_inputs(found: dict[str, str], saved: dict[str, str], folder: Path) -> list[str]:
    """Compares what a run is resumed with to what it was started with, both as fingerprints by name.

    Returns:
        A warning for each list of images that is another: with it a run can go on, but not to the bit.

    Raises:
        AdaINError: another decoder or anchor.
    """
    # Runs of older versions do not name their anchor where it is the decoder.
    known = {"decoder": saved.get("decoder"), "anchor": saved.get("anchor", saved.get("decoder"))}
    for name, advice in (("decoder", "leave it out"), ("anchor", "give that one")):
        if name in found and found[name] != known[name]:
            raise AdaINError(
                f"{name}: expected the one that the run in {folder} was started with, found another; "
                f"train under another name, or {advice} to go on"
            )
    changed = [name for name in ("content", "style") if found[name] != saved[name]]
    return [f"the {name} images are others than when the run was started" for name in changed]


def _scale_new_weights(network: Decoder | LightPair, encoder: VGGEncoder, pairs: Pairs) -> None:
    """Fits new weights to the first samples."""
    device = next(network.parameters()).device
    batch = pairs.collate([pairs[n] for n in range(min(pairs.config.batch_size, _IMAGES_FOR_WEIGHTS))])
    content, style = batch.content.to(device), batch.style.to(device)
    if isinstance(network, LightPair):
        scale_light_pair(network, content, style)
        return
    with torch.no_grad():
        scale_to_unit_variance(network, adain(encoder(content), channel_statistics(encoder(style))))


def _on_device(model: M, device: torch.device) -> M:
    return model.to(device).to(memory_format=torch.channels_last)  # the layout in which convolutions are fast


def _frozen_copy(decoder: Decoder, device: torch.device) -> Decoder:
    copy = decoder_of_architecture(decoder.architecture, decoder.normalization)
    copy.load_state_dict(decoder.state_dict())
    return _on_device(copy, device).eval().requires_grad_(False)
