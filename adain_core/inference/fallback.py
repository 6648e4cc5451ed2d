"""After an out-of-memory error: the same work again, in smaller parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .. import memory as machine
from .tiling import MIN_TILE_SIZE

_FIRST_TILE_SIZE = 1024  # pixels, after the first out-of-memory error when there were no tiles

T = TypeVar("T")


def smaller_when_out_of_memory(
    run: Callable[[int, int], T],
    tile_size: int,
    memory: int,
    is_out_of_memory: Callable[[Exception], bool] = machine.is_out_of_memory,
    free_cache: Callable[[], None] = machine.free_cache,
) -> T:
    """Runs with that memory; after an out-of-memory error one image at a time, then in ever smaller tiles.

    Args:
        run: of tile size in pixels (0: as large as the memory allows) and memory in bytes.
        tile_size, memory: of the first attempt.
        is_out_of_memory: whether an exception is such an error.
        free_cache: called between two attempts.

    Raises:
        Exception: what ``run`` raised, when it is something else, or when even the smallest tiles do not fit.
    """
    while True:
        try:
            return run(tile_size, memory)
        except Exception as error:
            if not is_out_of_memory(error) or tile_size == MIN_TILE_SIZE:
                raise
        # Only out here are the tensors of the failed attempt free: the exception held them.
        free_cache()
        if memory:
            memory = 0  # one image at a time, the smallest automatic tiles
            tile_size = tile_size or _FIRST_TILE_SIZE
        else:
            tile_size = max(tile_size // 2, MIN_TILE_SIZE)
