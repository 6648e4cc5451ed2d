"""The kinds of cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis.strategies import SearchStrategy

from . import image_cases, model_cases, node_cases, video_cases


class Target(NamedTuple):
    """A kind of cases.

    Attributes:
        cases: what they are drawn from.
        check: runs one; raises what is not as it should be.
        share: how many of all cases are of this kind, by comparison.
    """

    cases: SearchStrategy[Any]
    check: Callable[[Any], None]
    share: int


TARGETS = {
    "styles": Target(model_cases.STYLES, model_cases.check_style, 20),
    "models": Target(model_cases.MODELS, model_cases.check_model, 12),
    "checkpoints": Target(model_cases.STATES, model_cases.check_state, 20),
    "pickles": Target(model_cases.PICKLES, model_cases.check_pickle, 20),
    "damaged images": Target(image_cases.DAMAGED, image_cases.check_damaged, 30),
    "damaged images, read in parts": Target(image_cases.DAMAGED, image_cases.check_large, 20),
    "whole images": Target(image_cases.WHOLE, image_cases.check_whole, 10),
    "damaged videos": Target(video_cases.DAMAGED, video_cases.check_reading, 15),
    "damaged videos, stylized": Target(video_cases.DAMAGED, video_cases.check_job, 4),
    "strange images and masks": Target(node_cases.STRANGE_TENSORS, node_cases.check_call, 12),
    "inputs of wrong types": Target(node_cases.WRONG_TYPES, node_cases.check_call, 15),
}
