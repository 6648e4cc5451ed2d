"""Memory for work with gradients: how much it takes, and the error when there is not enough."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..adain_core.errors import AdaINError
from ..adain_core.inference.memory_estimates import plain_memory
from . import host

_PASSES = 4  # forward and backward through both models need about that many times the memory of decoding


def memory_of(pixels: int) -> int:
    """Bytes that a step on that many pixels takes, forward and backward through encoder and decoder."""
    return _PASSES * plain_memory(pixels)


@contextmanager
def advice_when_out_of_memory(advice: str) -> Iterator[None]:
    """Turns an out-of-memory error into one that says what to do. Such work cannot go on in tiles, unlike encoding.

    Raises:
        AdaINError: the block ran out of memory.
    """
    try:
        yield
    except Exception as error:
        if not host.is_out_of_memory(error):
            raise
        raise AdaINError(f"memory: expected enough on {host.compute_device()}, found none left; {advice}") from None
