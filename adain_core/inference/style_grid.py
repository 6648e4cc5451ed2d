"""Grids of one content in many mixtures: alpha in steps, one style to another, four styles in the corners."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from ..errors import AdaINError
from ..method.adain import check_alpha
from ..method.features import Features
from ..method.style import Style, mix
from .applications import Application
from .frames import applied

SMALLEST, LARGEST = 2, 16  # steps


@dataclass(frozen=True)
class Cell:
    """One picture of a grid.

    Attributes:
        alpha: content-style trade-off, 0..1.
        weights: of each style, summing to 1.
        label: both in words.
    """

    alpha: float
    weights: tuple[float, ...]
    label: str


def plan_grid(styles: int, steps: int, alpha: float = 1.0) -> list[Cell]:
    """The pictures of a grid, row after row, ``steps`` in each row.

    Args:
        styles: how many: with one alpha goes from 0 to its value; with two the mixture goes from the first to the
            second; with four it goes both ways between the corners, as in the paper's figure 8: the first at the
            upper left, the second right of it, the third below.
        steps: pictures in a row; with four styles as many rows.
        alpha: content-style trade-off, 0..1; with one style the last picture's.

    Raises:
        AdaINError: another number of styles, steps outside 2..16, or alpha outside 0..1.
    """
    check_alpha(alpha)
    if not SMALLEST <= steps <= LARGEST:
        raise AdaINError(f"steps: expected a number of {SMALLEST} to {LARGEST}, found {steps}")
    shares = [k / (steps - 1) for k in range(steps)]
    if styles == 1:
        return [Cell(alpha * t, (1.0,), f"alpha {alpha * t:.2f}") for t in shares]
    if styles == 2:
        return [_cell(alpha, (1 - t, t)) for t in shares]
    if styles == 4:
        return [_cell(alpha, ((1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v)) for v in shares for u in shares]
    raise AdaINError(f"styles: expected 1, 2 or 4 for a grid, found {styles}")


def _cell(alpha: float, weights: tuple[float, ...]) -> Cell:
    return Cell(alpha, weights, " : ".join(f"{100 * w:.0f}" for w in weights))


def stylized_cells(
    decode: Callable[[Features], Tensor], content: Features, styles: Sequence[Style], cells: Sequence[Cell]
) -> Iterator[Tensor]:
    """The pictures of a grid one by one; content and styles are encoded before, once.

    Args:
        decode: as `Stylizer.decode`.
        content: of one image.
        styles: of one image each.
        cells: as `plan_grid` gives them for as many styles.

    Yields:
        ``[1, 3, H, W]`` RGB 0..1.

    Raises:
        AdaINError: several contents or a batch of styles, or different encoders.
    """
    for name, found in (("content", content.tensor.shape[0]), *(("style", style.batch) for style in styles)):
        if found != 1:
            raise AdaINError(f"{name}: expected one image for a grid, found {found}")
    for cell in cells:
        yield decode(applied(content, [Application(mix(styles, cell.weights))], cell.alpha))
