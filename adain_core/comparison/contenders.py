"""What is compared: each gives pictures of a pair, and the seconds they took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from ..inference.stylizer import Stylizer

CONTENT = "content"  # the name of the content as it is
REFINED_NAME = "refined "  # before the number of steps
LIGHT = "light"
ALPHAS = (0.25, 0.5, 0.75, 1.0)
REFINED = (5, 10, 20)  # steps
ITERATIONS = (5, 10, 20, 50, 100, 200)  # of the optimization

# Of a content and a style ``[1, 3, H, W]`` RGB 0..1: name, picture likewise on the CPU, seconds.
Results = Iterator[tuple[str, Tensor, float]]
Contender = Callable[[Tensor, Tensor], Results]


def identity(content: Tensor, style: Tensor) -> Results:
    """The content as it is."""
    yield CONTENT, content, 0.0


def ours(stylizer: Stylizer, alphas: Sequence[float]) -> Contender:
    """Encoded, stylized and decoded anew for each alpha."""

    def run(content: Tensor, style: Tensor) -> Results:
        for alpha in alphas:
            yield timed(f"alpha {alpha:g}", partial(stylizer.stylize, content, style, alpha))

    return run


def refined(stylizer: Stylizer, steps: Sequence[int]) -> Contender:
    """With gradient descent on the decoder's picture, each from its start."""

    def run(content: Tensor, style: Tensor) -> Results:
        for count in steps:
            yield timed(f"{REFINED_NAME}{count}", partial(stylizer.stylize, content, style, refine=count))

    return run


def light(stylizer: Stylizer) -> Contender:
    """The light pair."""

    def run(content: Tensor, style: Tensor) -> Results:
        yield timed(LIGHT, partial(stylizer.stylize, content, style))

    return run


def timed(name: str, work: Callable[[], Tensor]) -> tuple[str, Tensor, float]:
    """What some work gives, on the CPU, and how long that took, in seconds."""
    begin = time.perf_counter()
    with torch.inference_mode():
        picture = work().float().cpu()
    return name, picture.clone(), time.perf_counter() - begin
