"""Plans tiles so that a tiled result equals the untiled one.

Encoder and decoder see 30 pixels past each place (2 + 2*2 + 4*4 + 8 for the encoder's convolutions at strides 1, 2, 4
and 8, the same backwards for the decoder). A halo of 4 places, 32 pixels, holds all of it, and keeps tiles on the
grid of the three poolings. At the image's border a tile ends where the image ends, so that padding by reflection
happens there and only there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import AdaINError
from ..method.features import STRIDE

HALO = 4  # places
MIN_TILE_SIZE = 8 * STRIDE  # pixels; below, the halo costs more than the tile


@dataclass(frozen=True)
class Box:
    """Rows top..bottom and columns left..right, the latter of each excluded, in places."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def places(self) -> tuple[slice, slice]:
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
        height, width: of the feature map, in places.
        tile_size: side of the inner boxes in pixels, rounded down to a multiple of 8, at least 64; 0: one tile.
    """

    height: int
    width: int
    tile_size: int = 0

    @property
    def rows(self) -> int:
        return -(-self.height // self._step)

    @property
    def columns(self) -> int:
        return -(-self.width // self._step)

    def __len__(self) -> int:
        return self.rows * self.columns

    def __iter__(self) -> Iterator[Tile]:
        step = self._step
        for top in range(0, self.height, step):
            for left in range(0, self.width, step):
                inner = Box(top, min(top + step, self.height), left, min(left + step, self.width))
                outer = Box(
                    max(inner.top - HALO, 0),
                    min(inner.bottom + HALO, self.height),
                    max(inner.left - HALO, 0),
                    min(inner.right + HALO, self.width),
                )
                yield Tile(inner, outer)

    @property
    def _step(self) -> int:
        if self.tile_size == 0:
            return max(self.height, self.width, 1)
        return check_tile_size(self.tile_size) // STRIDE


def check_tile_size(tile_size: int) -> int:
    """Returns the tile size if it is 0 (automatic) or at least 64 pixels, else raises AdaINError."""
    if tile_size != 0 and tile_size < MIN_TILE_SIZE:
        raise AdaINError(f"tile_size: expected 0 (automatic) or at least {MIN_TILE_SIZE} pixels, found {tile_size}")
    return tile_size
