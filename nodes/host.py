"""Everything the nodes need of ComfyUI, and the only file that imports it.

Outside ComfyUI (plain tests, scripts) each function does the plain thing: models stay where they are, progress goes
nowhere, models are looked for in the pack's own folder.
"""

from __future__ import annotations

import io
import ipaddress
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from ..adain_core.devices import best_device
from ..adain_core.errors import AdaINError
from ..adain_core.memory import budget
from ..adain_core.memory import is_out_of_memory as is_exhausted
from ..adain_core.method import float64
from ..adain_core.models.bundled import WEIGHTS
from ..adain_core.models.style_library import LIBRARY
from .examples import STYLES

try:
    import comfy.model_management as management
    import comfy.model_patcher
    import comfy.utils
    import folder_paths
    from comfy.cli_args import args
    from comfy_api.input_impl import VideoFromFile
except ImportError:
    management = None
if hasattr(management, "supports_fp64"):
    float64.ask(management.supports_fp64)

M = TypeVar("M", bound=nn.Module)

MODEL_FOLDER = "adain"
STYLE_FOLDER = "adain_styles"
# What the pack brings; all there is without ComfyUI.
_BUNDLED = {MODEL_FOLDER: [WEIGHTS], STYLE_FOLDER: [STYLES, LIBRARY]}
ENDINGS = {".safetensors"}
# What `progress_bar` raises when the user cancels the run; not an Exception in ComfyUI 0.33.
CANCELLED: tuple[type[BaseException], ...] = () if management is None else (management.InterruptProcessingException,)
_SHARE = 0.7  # of the free memory; the rest is for whatever else runs
_LINE = 36  # characters that fit across a node
_with_text: set[str] = set()  # nodes that show some


class ManagedModel(Generic[M]):
    """An encoder or decoder that ComfyUI may move between devices.

    Attributes:
        model: the module; where it is now is ComfyUI's business, `load` brings it to the compute device.
    """

    def __init__(self, model: M) -> None:
        self.model: M = model.to(memory_format=torch.channels_last)
        self._patcher = None
        if management is not None:
            device = management.get_torch_device()
            # Like a VAE, these models go between images and features, and follow its switches (--fp16-vae, ...).
            self.model.to(management.vae_dtype(device, [torch.float16]))
            self._patcher = comfy.model_patcher.ModelPatcher(self.model, device, management.vae_offload_device())

    def load(self, memory_required: int = 0) -> M:
        """The module on the compute device, after making room for it and for that many bytes of work."""
        load_together([self], memory_required)
        return self.model

    def available_memory(self) -> int:
        """Bytes that a computation with it may use on the compute device."""
        device = compute_device()
        if management is None or management.is_device_cpu(device):
            return budget(device)
        # Since ComfyUI 0.33 the patcher counts what models of others would give back as free.
        free = getattr(self._patcher, "get_free_memory", management.get_free_memory)
        return int(free(device) * _SHARE)


@torch.inference_mode(False)  # parameters moved in inference mode have no version, which `inference.fast` needs
def load_together(models: Sequence[ManagedModel], memory_required: int = 0) -> None:
    """Brings models to the compute device, after making room for all of them and for that many bytes of work.

    In one request: ComfyUI may answer a second one by unloading what the first had loaded.
    """
    if management is not None:
        patchers = [managed._patcher for managed in models]
        management.load_models_gpu(patchers, memory_required=memory_required, force_full_load=True)
    for managed in models:
        # ComfyUI leaves plain torch modules behind when it offloads weights (--novram). These are 14 MB: move them.
        managed.model.to(compute_device())


def compute_device() -> torch.device:
    """Where models compute."""
    return best_device() if management is None else management.get_torch_device()


def output_device() -> torch.device:
    """Where results of nodes are kept."""
    return torch.device("cpu") if management is None else management.intermediate_device()


def output_dtype() -> torch.dtype:
    """The type of the images that nodes give: half precision with --fp16-intermediates."""
    # ComfyUI 0.3.64 has no such switch.
    return management.intermediate_dtype() if hasattr(management, "intermediate_dtype") else torch.float32


def is_out_of_memory(error: Exception) -> bool:
    """Whether an exception means that the compute device's memory is used up."""
    if management is None or management.OOM_EXCEPTION is Exception:  # the latter: without CUDA ComfyUI cannot tell
        return is_exhausted(error)
    # is_oom knows more errors, and clears those that CUDA would raise again later. ComfyUI 0.3.64 has none.
    known = management.is_oom(error) if hasattr(management, "is_oom") else isinstance(error, management.OOM_EXCEPTION)
    return known or is_exhausted(error)


def free_cache() -> None:
    """Gives the allocator's unused memory back after an out-of-memory error."""
    if management is not None:
        management.soft_empty_cache(True)


def progress_bar(total: int) -> Callable[..., None]:
    """A function of ``(done, total)`` and optionally a preview image, that shows progress on the running node.

    Each call is also where ComfyUI can cancel the run: it may raise InterruptProcessingException.
    """
    if management is None:
        return lambda done, total, preview=None: None
    bar = comfy.utils.ProgressBar(total)

    def update(done: int, total: int, preview: Any = None) -> None:
        bar.update_absolute(done, total, ("JPEG", preview, 512) if preview is not None else None)
        management.throw_exception_if_processing_interrupted()

    return update


def cancel_point(done: int, total: int) -> None:
    """A progress callback that shows nothing; where ComfyUI can cancel the run, from any thread."""
    if management is not None:
        management.throw_exception_if_processing_interrupted()


def register_folders() -> None:
    """Tells ComfyUI where models and styles are, keeping what extra_model_paths.yaml put there."""
    if management is None:
        return
    for name, bundled in _BUNDLED.items():
        paths, endings = folder_paths.folder_names_and_paths.get(name, ([], set()))
        home = str(Path(folder_paths.models_dir) / name)
        known = [*paths, home, *map(str, bundled)]
        folder_paths.folder_names_and_paths[name] = (list(dict.fromkeys(known)), set(endings) | ENDINGS)


def model_files(folder: str = MODEL_FOLDER) -> list[str]:
    """Names of the safetensors files in a model folder, as they are on disk now."""
    if management is None:
        return sorted(path.name for bundled in _BUNDLED[folder] for path in bundled.glob("*.safetensors"))
    return folder_paths.get_filename_list(folder)


def find_model(name: str, folder: str = MODEL_FOLDER) -> Path | None:
    """The path of a model file in whichever of the folders searched has it first; None when none has."""
    if management is None:
        return _bundled(name, folder)
    found = folder_paths.get_full_path(folder, name)
    return None if found is None else Path(found)


def model_path(name: str, folder: str = MODEL_FOLDER) -> Path:
    """The path of a model file; AdaINError names the folders searched when it is not there."""
    path = find_model(name, folder)
    if path is None:
        searched = [*map(str, _BUNDLED[folder])] if management is None else folder_paths.get_folder_paths(folder)
        raise AdaINError(
            f"{name}: expected a file in {' or '.join(searched)}, found none; "
            "put it there and press R to refresh the node's list"
        )
    return path


def is_bundled(name: str, folder: str = MODEL_FOLDER) -> bool:
    """Whether the pack itself brings a file of that name."""
    return _bundled(name, folder) is not None


def _bundled(name: str, folder: str) -> Path | None:
    """The file of that name that the pack brings; None if it brings none."""
    return next((path for bundled in _BUNDLED[folder] for path in bundled.iterdir() if path.name == name), None)


def validated(name: str | None, folder: str = MODEL_FOLDER) -> bool | str:
    """For VALIDATE_INPUTS: True, or where the file of that name is expected; None is a name that comes by a wire."""
    if not isinstance(name, (str, type(None))):
        return f"expected a file's name, found a value of type {type(name).__name__}"
    try:
        if name is not None:
            model_path(name, folder)
    except AdaINError as error:
        return str(error)
    return True


def time_changed(name: str | None, folder: str = MODEL_FOLDER) -> int:
    """For IS_CHANGED: the time the file of that name changed; 0 for None, a name that comes by a wire."""
    return 0 if name is None else model_path(name, folder).stat().st_mtime_ns


def save_folder(folder: str) -> Path:
    """Where new files of a kind are written: models/<folder>."""
    if management is None:
        raise AdaINError("save: expected to run inside ComfyUI, which knows where its models folder is")
    return Path(folder_paths.models_dir) / folder


def input_folder() -> Path:
    """ComfyUI's input directory."""
    return Path("input") if management is None else Path(folder_paths.get_input_directory())


def output_folder() -> Path:
    """ComfyUI's output directory."""
    return Path("output") if management is None else Path(folder_paths.get_output_directory())


def temp_folder() -> Path:
    """ComfyUI's directory for temporary files, which it empties when it starts."""
    return Path(tempfile.gettempdir()) if management is None else Path(folder_paths.get_temp_directory())


def is_video(value: Any) -> bool:
    """Whether a value is a VIDEO; other packs call values of their own by that name. Outside ComfyUI it is a path."""
    return isinstance(value, (str, Path)) if management is None else hasattr(value, "save_to")


def file_of_video(video: Any) -> str | io.BytesIO | None:
    """The path or the bytes of the file that a VIDEO is in; None for one made of images."""
    if management is None:
        return str(video)
    source = video.get_stream_source() if isinstance(video, VideoFromFile) else None
    return str(source) if isinstance(source, Path) else source  # other packs make videos of such, too


def trim_of_video(video: Any) -> tuple[float, float]:
    """The second at which a VIDEO begins in its file, and how many seconds it has; 0: to the end."""
    # ComfyUI 0.3.64 cannot trim.
    return video.get_active_trim_window() if hasattr(video, "get_active_trim_window") else (0.0, 0.0)


def video_of_file(path: Path) -> Any:
    """A file as VIDEO."""
    return path if management is None else VideoFromFile(str(path))


def make_room(memory_required: int) -> None:
    """Has ComfyUI unload other models until that many bytes are free on the compute device."""
    if management is not None:
        management.free_memory(memory_required, compute_device())


def show_text(node_id: str | None, *lines: str) -> None:
    """Shows lines of text on the running node, where ComfyUI can. They take the place of what it showed before.

    So does none: what a run before said, such as that the mask is empty, need not be true of this one. ComfyUI takes no
    empty text, but a space. Long lines are broken between words: the node itself would break them anywhere. Nodes 2.0
    reads the text as Markdown, where two spaces end a line.
    """
    if management is None or node_id is None or not (lines or node_id in _with_text):
        return
    # Here and not above: a script that uses ComfyUI's parts without serving cannot import the server.
    from server import PromptServer

    if hasattr(PromptServer.instance, "send_progress_text"):
        text = "  \n".join(textwrap.fill(line, _LINE, break_long_words=False, break_on_hyphens=False) for line in lines)
        PromptServer.instance.send_progress_text(text or " ", node_id, PromptServer.instance.client_id)
        (_with_text.add if lines else _with_text.discard)(node_id)


def only_this_machine() -> bool:
    """Whether ComfyUI listens on loopback addresses only (its --listen), so that every user sits at this machine."""
    if management is None:
        return True
    return all(_is_loopback(address.strip()) for address in args.listen.split(","))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
