"""Steps of a stream of work that overlap: each in a thread of its own, with a short queue in between."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

_PATIENCE = 0.1  # seconds between looks at whether anybody still waits for results


def prefetch(source: Generator[T, None, None], depth: int) -> Generator[T, None, None]:
    """The items of a source, computed in a thread before they are asked for.

    Decoders, encoders and PyTorch's kernels release Python's lock, so threads do run side by side.

    Args:
        source: runs, and is closed, in the thread.
        depth: at most that many items wait, which bounds memory.

    Yields:
        The items in order. What the source raises is raised here, after the items before it.
    """
    waiting: queue.Queue = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: T | None, end: BaseException | None = None) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                waiting.put((item, end), timeout=_PATIENCE)
                return

    def work() -> None:
        end: BaseException = StopIteration()
        try:
            for item in source:
                put(item)
                if stopped.is_set():
                    break
            source.close()
        except BaseException as error:
            end = error
        put(None, end)

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, end = waiting.get()
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            yield item
    finally:
        stopped.set()
        thread.join()
