"""An image in memory, as source and sink of `adain_core.streaming`."""

from __future__ import annotations

from torch import Tensor


class Canvas:
    """Pixels that are read and written in parts.

    Args:
        pixels: ``[1, 3, H, W]`` RGB 0..1; written to in place.

    Attributes:
        pixels: those.
        size: height and width.
    """

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels
        self.size: tuple[int, int] = (pixels.shape[2], pixels.shape[3])

    def read(self, rows: slice, columns: slice) -> Tensor:
        """Those pixels, ``[1, 3, h, w]``; slices may end past the image."""
        return self.pixels[:, :, rows, columns]

    def write(self, rows: slice, columns: slice, pixels: Tensor) -> None:
        """Takes pixels ``[1, 3, h, w]`` from any device."""
        self.pixels[:, :, rows, columns] = pixels
