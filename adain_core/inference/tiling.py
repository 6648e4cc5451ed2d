"""Plans tiles so that a tiled result equals the untiled one.

A tile is computed with a halo as wide as the model's receptive field, and the halo is cropped off. At the image's
border a tile ends where the image ends, so that padding by reflection happens there and only there. Tiles begin and end
on the feature grid, whose positions are 8 pixels apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import AdaINError
from ..method.features import STRIDE

MIN_TILE_SIZE = 8 * STRIDE  # pixels; below, the halo costs more than the tile


@dataclass(frozen=True)
class Box:
    """Rows top..bottom and columns left..right of the feature grid, the latter of each excluded."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def positions(self) -> tuple[slice, slice]:
        """Slices of a feature map."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Slices of the image; at the right and bottom they may end past it, as slices may."""
        return (
            slice(self.top * STRIDE, self.bottom * STRIDE),
            slice(self.left * STRIDE, self.right * STRIDE),
        )

    def within(self, outer: Box) -> Box:
        """This box in coordinates of one that contains it."""
        return Box(self.top - outer.top, self.bottom - outer.top, self.left - outer.left, self.right - outer.left)


@dataclass(frozen=True)
class Tile:
    """What to compute (inner), and what to compute it from (outer: inner and halo, cut at the border)."""

    inner: Box
    outer: Box


@dataclass(frozen=True)
class TilePlan:
    """Tiles that cover a feature map once.

    Args:
        height, width: of the feature grid.
        halo: positions around a tile that its result depends on, as the model says.
        tile_size: side of the inner boxes in pixels, rounded down to a multiple of 8, at least 64; 0: one tile.
    """

    height: int
    width: int
    halo: int
    tile_size: int = 0

    @property
    def rows(self) -> int:
        return -(-self.height // self._stride)

    @property
    def columns(self) -> int:
        return -(-self.width // self._stride)

    def __len__(self) -> int:
        return self.rows * self.columns

    def __iter__(self) -> Iterator[Tile]:
        stride = self._stride
        for top in range(0, self.height, stride):
            for left in range(0, self.width, stride):
                inner = Box(top, min(top + stride, self.height), left, min(left + stride, self.width))
                outer = Box(
                    max(inner.top - self.halo, 0),
                    min(inner.bottom + self.halo, self.height),
                    max(inner.left - self.halo, 0),
                    min(inner.right + self.halo, self.width),
                )
                yield Tile(inner, outer)

    @property
    def _stride(self) -> int:
        if self.tile_size == 0:
            return max(self.height, self.width, 1)
        return check_tile_size(self.tile_size) // STRIDE


def check_tile_size(tile_size: int) -> int:
    """Returns the tile size if it is 0 (automatic) or at least 64 pixels, else raises AdaINError."""
    if tile_size != 0 and tile_size < MIN_TILE_SIZE:
        raise AdaINError(f"tile_size: expected 0 (automatic) or at least {MIN_TILE_SIZE} pixels, found {tile_size}")
    return tile_size
