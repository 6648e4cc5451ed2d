"""Arbitrary style transfer with adaptive instance normalization (Huang & Belongie, ICCV 2017).

The science and the machine, without ComfyUI. Start at `Stylizer`.
"""

from .errors import AdaINError
from .features import Features
from .style import Style, mix
from .stylizer import Stylizer

__all__ = ["AdaINError", "Features", "Style", "Stylizer", "mix"]
