"""Arbitrary style transfer with adaptive instance normalization (Huang & Belongie, ICCV 2017).

The science and the machine, without ComfyUI. Start at `Stylizer`.
"""

from .errors import AdaINError
from .inference.stylizer import Stylizer
from .method.features import Features
from .method.style import Style, mix

__all__ = ["AdaINError", "Features", "Style", "Stylizer", "mix"]
