"""Train AdaIN Decoder."""

from __future__ import annotations

import torch

from ..adain_core.errors import AdaINError
from ..adain_core.method.features import STRIDE
from ..adain_core.models.model_files import vgg_of_architecture
from ..adain_core.models.vgg import VGGEncoder
from ..adain_core.training.config import CHOICES, RANGES, TrainingConfig, with_regularizers
from ..adain_core.training.optimization.schedule import SMALLEST_CROP
from ..adain_core.training.run.history import smooth
from ..adain_core.training.run.progress import TrainingProgress
from ..adain_core.training.trainer import Trainer
from . import host
from .convert import to_comfy
from .examples import CONTENT, STYLE
from .gradients import advice_when_out_of_memory, memory_of
from .loaders import shared_model
from .names import file_name
from .training_folders import changes, folders, left_out, source
from .types import CATEGORY, DECODER, ENCODER

RUNS = "adain_training"  # folder in ComfyUI's output directory
_SMOOTHING = 0.9  # from batch to batch the loss differs more than in a hundred steps of training
_LARGEST_SIDE = 512  # images are scaled to a short side of at most this before cropping, as in the paper


class TrainDecoder:
    """Train AdaIN Decoder."""

    DESCRIPTION = (
        "Trains a decoder on two folders of images. Shows samples meanwhile; when you cancel, what was learned is "
        "kept, and the next run goes on from there. The decoder appears in Load AdaIN Decoder."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["train style transfer", "adain training", "fine-tune decoder"]
    RETURN_TYPES = (DECODER, "IMAGE", "LOSS_MAP")
    RETURN_NAMES = ("decoder", "samples", "loss")
    OUTPUT_TOOLTIPS = (
        "The trained decoder, for AdaIN Decode or another Train AdaIN Decoder.",
        "Pairs from the two folders, stylized; from 40 images in a folder on, ones that are not trained on.",
        "The loss at every step, smoothed, for Plot Loss Graph.",
    )
    FUNCTION = "train"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        names = folders()
        return {
            "required": {
                "encoder": (ENCODER, {"tooltip": "The encoder the decoder will belong to."}),
                "content_folder": (names, {"tooltip": "Photographs: a folder in ComfyUI's input directory."}),
                "style_folder": (names, {"tooltip": "Style images: a folder in ComfyUI's input directory."}),
                "checkpoint_name": (
                    "STRING",
                    {
                        "default": "my decoder",
                        "tooltip": "Name of the decoder in models/adain and of the run in output/adain_training.",
                    },
                ),
                "steps": (
                    "INT",
                    {
                        "default": 2000,
                        **_limits("steps", most=10_000_000),
                        "tooltip": "Steps in all, those of earlier runs of this name included. From the bundled "
                        "decoder hundreds make a difference; from new weights it takes tens of thousands.",
                    },
                ),
                "batch_size": (
                    "INT",
                    {"default": 8, **_limits("batch_size", most=256), "tooltip": "Image pairs per step."},
                ),
                "crop_size": (
                    "INT",
                    {
                        "default": 256,
                        "min": SMALLEST_CROP,
                        "max": 1024,
                        "step": STRIDE,
                        "tooltip": "Side of the training crops in pixels. Start small, chain another training with "
                        "larger crops.",
                    },
                ),
                "learning_rate": (
                    "FLOAT",
                    {
                        "advanced": True,
                        "default": 1e-4,
                        **_limits("learning_rate", least=1e-8, most=1.0),
                        "step": 1e-6,
                        "round": 1e-8,
                        "tooltip": "Adam's, at the start; it falls as 1 / (1 + 0.00005 x step).",
                    },
                ),
                "content_weight": (
                    "FLOAT",
                    {
                        "default": 1.0,
                        **_limits("content_weight", most=1000.0),
                        "step": 0.1,
                        "tooltip": "Of the content loss.",
                    },
                ),
                "style_weight": (
                    "FLOAT",
                    {
                        "default": 10.0,
                        **_limits("style_weight", most=1000.0),
                        "step": 0.1,
                        "tooltip": "Of the style loss.",
                    },
                ),
                "seed": (
                    "INT",
                    {
                        "advanced": True,
                        "default": 0,
                        **_limits("seed"),
                        "control_after_generate": False,  # another seed with each run could never resume
                        "tooltip": "Decides new weights, the order of the images and the crops. Keep it fixed to "
                        "resume.",
                    },
                ),
            },
            "optional": {
                "decoder": (DECODER, {"tooltip": "Decoder to start from; without one, new weights."}),
                "resume": (
                    "BOOLEAN",
                    {
                        "advanced": True,
                        "default": True,
                        "tooltip": "Go on with the run of this name, if there is one. Off: a run of this name is an "
                        "error, nothing is overwritten.",
                    },
                ),
                "save_every": (
                    "INT",
                    {
                        "advanced": True,
                        "default": 100,
                        **_limits("save_every", most=100_000),
                        "tooltip": "Steps between checkpoints; 0: only the last.",
                    },
                ),
                "preview_every": (
                    "INT",
                    {
                        "advanced": True,
                        "default": 25,
                        **_limits("preview_every", most=100_000),
                        "tooltip": "Steps between previews; 0: at the end.",
                    },
                ),
                "style_loss": (
                    list(CHOICES["style_loss"]),
                    {
                        "advanced": True,
                        "tooltip": "mean-std: the paper's, on the features' statistics; gram: on their Gram matrices.",
                    },
                ),
                "normalization": (
                    list(CHOICES["normalization"]),
                    {
                        "advanced": True,
                        "tooltip": "Normalization layers in the decoder; the paper shows why none is best.",
                    },
                ),
                "guards": (
                    "FLOAT",
                    {
                        "advanced": True,
                        "default": 1.0,
                        "min": 0.0,
                        "max": 10.0,
                        "step": 0.1,
                        "tooltip": "Holds colours and photographs while the decoder is far from done: a quarter of the "
                        "samples must come back unchanged, values stay in range, colours follow the style. 0: the "
                        "paper's losses alone.",
                    },
                ),
                "augment_styles": (
                    "BOOLEAN",
                    {
                        "advanced": True,
                        "default": False,
                        "tooltip": "For few style images: also photographs as styles, shuffled and inverted colours.",
                    },
                ),
                "content_path": (
                    "STRING",
                    {
                        "default": "",
                        "advanced": True,
                        "tooltip": "A folder anywhere on this machine, in place of content_folder.",
                    },
                ),
                "style_path": (
                    "STRING",
                    {
                        "default": "",
                        "advanced": True,
                        "tooltip": "A folder anywhere on this machine, in place of style_folder.",
                    },
                ),
            },
            "hidden": {"node_id": "UNIQUE_ID"},
        }

    @classmethod
    def IS_CHANGED(cls, content_folder, style_folder, content_path="", style_path="", **_):
        if None in (content_folder, style_folder, content_path, style_path):
            return 0  # what comes by a wire is known when the node runs
        try:
            content = changes(CONTENT, content_folder, content_path)
            return f"{content},{changes(STYLE, style_folder, style_path)}"
        except AdaINError as error:
            return str(error)  # said again, as an error, when the node runs

    def train(
        self,
        encoder,
        content_folder,
        style_folder,
        checkpoint_name,
        steps,
        batch_size,
        crop_size,
        learning_rate,
        content_weight,
        style_weight,
        seed,
        decoder=None,
        resume=True,
        save_every=100,
        preview_every=25,
        style_loss="mean-std",
        normalization="none",
        guards=1.0,
        augment_styles=False,
        content_path="",
        style_path="",
        node_id=None,
    ):
        name = file_name("checkpoint_name", checkpoint_name)
        config = TrainingConfig(
            steps=steps,
            batch_size=batch_size,
            crop_sizes=((0, crop_size),),
            resize=(max(_LARGEST_SIDE // 2, crop_size), max(_LARGEST_SIDE, crop_size)),
            augment_styles=augment_styles,
            content_weight=content_weight,
            style_weight=style_weight,
            style_loss=style_loss,
            learning_rate=learning_rate,
            normalization=normalization,
            seed=seed,
            save_every=save_every,
            preview_every=preview_every,
        )
        run = host.output_folder() / RUNS / name
        export = host.save_folder(host.MODEL_FOLDER) / f"{name}.safetensors"
        # The pack's own models count: a file of their name in models/adain would be loaded in place of them.
        if (export.exists() or host.find_model(export.name)) and not run.exists():
            raise AdaINError(
                f"checkpoint_name: expected a new name, found {name!r}, a file that no run here has written"
            )
        sources = (source(CONTENT, content_folder, content_path), source(STYLE, style_folder, style_path))
        advice = (
            f"lower batch_size ({batch_size}) or crop_size ({crop_size}) and choose another checkpoint_name, since a "
            f"run keeps its settings; its last checkpoint stays in {run}"
        )
        # ComfyUI runs nodes in inference mode, whose tensors can never have gradients.
        with torch.inference_mode(False), torch.enable_grad(), advice_when_out_of_memory(advice):
            host.make_room(memory_of(batch_size * crop_size * crop_size))
            trainer = Trainer(
                _own_encoder(encoder),
                with_regularizers(config, guards),
                *sources,
                run,
                start=None if decoder is None else decoder.model,
                resume=resume,
                export=export,
            )
            try:
                trainer.train(_Report(node_id, trainer))
            except host.CANCELLED:
                host.show_text(node_id, *_kept(name, trainer))
                raise
        assert trainer.evaluation is not None  # it ends with one
        samples = to_comfy(trainer.evaluation.outputs)
        return (shared_model("decoder", export), samples, {"loss": _curve(trainer)})


def _limits(name: str, most: float | None = None, least: float | None = None) -> dict[str, float]:
    """Smallest and largest value of a widget: those of the setting, but for what the widget narrows."""
    allowed = RANGES[name]
    return {"min": allowed.low if least is None else least, "max": allowed.high if most is None else most}


class _Report:
    """Shows progress, previews and text on the node. A cancelled run ends in the progress bar's call."""

    def __init__(self, node_id: str | None, trainer: Trainer) -> None:
        self.node_id = node_id
        self.bar = host.progress_bar(trainer.config.steps)
        self.trainer = trainer
        self.reconstruction: list[str] = []
        host.show_text(self.node_id, *self._notes())  # the first step may take its time

    def __call__(self, progress: TrainingProgress) -> None:
        if progress.evaluation is not None:
            self.reconstruction = [f"content = style: {progress.evaluation.psnr:.1f} dB"]
        host.show_text(self.node_id, *progress.parts, *self.reconstruction, *self._notes())
        self.bar(progress.step, progress.steps, progress.preview)

    def _notes(self) -> list[str]:
        """The training's warnings, and the images left out so far: shown with every report."""
        return [*self.trainer.warnings, *left_out(self.trainer.skipped)]


def _kept(name: str, trainer: Trainer) -> list[str]:
    """What a cancelled run leaves, and how it goes on."""
    return [
        f"Cancelled at step {trainer.step} of {trainer.config.steps}; nothing is lost.",
        f"The decoder is in models/{host.MODEL_FOLDER}: {name}",
        f"The checkpoint is in output/{RUNS}/{name}",
        "To go on, queue again without changes.",
    ]


def _own_encoder(managed: host.ManagedModel) -> VGGEncoder:
    """A copy of the encoder to train with.

    ComfyUI's own may have been made in inference mode or in half precision, and may be moved at any time.
    """
    model = managed.model
    if not isinstance(model, VGGEncoder):
        raise AdaINError(f"encoder: expected a VGG encoder to train a decoder for, found the {model.architecture} one")
    encoder = vgg_of_architecture(model.architecture)
    encoder.load_state_dict(model.state_dict())
    encoder.fingerprint = model.fingerprint
    return encoder.to(host.compute_device())


def _curve(trainer: Trainer) -> list[float]:
    """The total loss per step, smoothed.

    ComfyUI's Plot Loss Graph divides by the range of the values, so a flat curve gets another value at its end.
    """
    curve = smooth(trainer.history.column("total"), _SMOOTHING)
    return curve if len(set(curve)) > 1 else [*curve, curve[-1] + 1e-6]
