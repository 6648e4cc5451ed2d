"""A training in one call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from ..devices import parse_device
from ..errors import AdaINError
from ..models.bundled import VGG19_ENCODER
from ..models.decoder import Decoder
from ..models.model_files import load_vgg
from ..models.vgg import VGGEncoder
from .config import TrainingConfig
from .data.image_sets import FolderOrFiles
from .run.progress import TrainingProgress
from .trainer import Trainer

log = logging.getLogger(__name__)


def train(
    content: FolderOrFiles,
    style: FolderOrFiles,
    folder: str | Path,
    config: TrainingConfig | None = None,
    encoder: VGGEncoder | None = None,
    start: Decoder | None = None,
    resume: bool = False,
    report: Callable[[TrainingProgress], None] | None = None,
) -> Decoder:
    """Trains a decoder in this process, on the encoder's device.

    Args:
        content, style: folders of images, or lists of files.
        folder: of the run: the decoder, checkpoints, previews and loss curves, see `run.folder.RunFolder`.
        config: everything that decides the result; None: the paper's settings.
        encoder: what to train for, moved and frozen, or in half precision copied; None: the bundled VGG-19, on the best
            device.
        start: decoder to start from; None: new weights.
        resume: go on from the folder's newest checkpoint, if there is one.
        report: called after each step (on CUDA after every tenth). Whatever it raises stops the training, which saves
            a checkpoint and raises it again.

    Returns:
        The decoder, in evaluation mode.

    Raises:
        AdaINError: what `Trainer` refuses, or a training that diverged.
    """
    if encoder is None:
        encoder = load_vgg(VGG19_ENCODER).to(parse_device(None))
    if config is not None and config.light:
        raise AdaINError("config: expected a decoder to train, found the light pair, which the command train trains")
    trainer = Trainer(
        encoder, TrainingConfig() if config is None else config, content, style, folder, start, resume=resume
    )
    for warning in trainer.warnings:
        log.warning("%s", warning)
    decoder = trainer.train(report)
    assert isinstance(decoder, Decoder)
    return decoder
