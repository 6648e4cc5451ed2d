"""Arbitrary style transfer with adaptive instance normalization (Huang & Belongie, ICCV 2017).

The method and all that runs it, without ComfyUI. Start at `Stylizer`:

    >>> import torch
    >>> from adain_core import Stylizer
    >>> stylizer = Stylizer.load()  # the bundled models, the best device
    >>> photo, painting = torch.rand(1, 3, 40, 56), torch.rand(1, 3, 64, 64)
    >>> stylizer.stylize(photo, painting, alpha=0.8).shape
    torch.Size([1, 3, 40, 56])

The public names are imported when they are first asked for: PyTorch takes a second, training another.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from .errors import AdaINError
    from .images.color import match_color
    from .inference.stylizer import Stylizer
    from .method.features import Features
    from .method.style import Style, mix
    from .method.style_arithmetic import extrapolate
    from .models.style_files import load_style, save_style
    from .training.evaluation import evaluate
    from .training.fit_style import fit_bank, fit_style
    from .training.train import train

__version__: str
__all__ = [
    "AdaINError",
    "Features",
    "Style",
    "Stylizer",
    "evaluate",
    "extrapolate",
    "fit_bank",
    "fit_style",
    "load_style",
    "match_color",
    "mix",
    "save_style",
    "train",
]

_MODULES = {
    "AdaINError": ".errors",
    "Features": ".method.features",
    "Style": ".method.style",
    "Stylizer": ".inference.stylizer",
    "evaluate": ".training.evaluation",
    "extrapolate": ".method.style_arithmetic",
    "fit_bank": ".training.fit_style",
    "fit_style": ".training.fit_style",
    "load_style": ".models.style_files",
    "match_color": ".images.color",
    "mix": ".method.style",
    "save_style": ".models.style_files",
    "train": ".training.train",
}


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


if not typing.TYPE_CHECKING:  # type checkers would take any name for one that exists

    def __getattr__(name):
        if name == "__version__":
            value = _version()
        elif name in _MODULES:
            value = getattr(importlib.import_module(_MODULES[name], __name__), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def _version() -> str:
    """The version in the pack's pyproject.toml; where only the core is installed, the one it was installed as."""
    import re
    from importlib.metadata import version
    from pathlib import Path

    project = Path(__file__).resolve().parent.parent / "pyproject.toml"
    name = "adain-style-transfer"
    if project.is_file():
        found = re.search(rf'^name = "{name}"\nversion = "(.+)"$', project.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1]
    return version(name)
