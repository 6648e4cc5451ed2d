"""Work that runs ahead of whoever asks for its results, in threads."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_POLL = 0.1  # seconds between looks at whether anybody still waits for results


def prefetch(source: Generator[T, None, None], depth: int) -> Generator[T, None, None]:
    """The items of a source, computed in a thread before they are asked for.

    Decoders, encoders and PyTorch's kernels release Python's lock, so threads do run side by side.

    Args:
        source: runs, and is closed, in the thread.
        depth: at most that many items wait, which bounds memory.

    Yields:
        The items in order. What the source raises is raised here, after the items before it.
    """
    waiting: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: T | None, end: BaseException | None = None) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                waiting.put((item, end), timeout=_POLL)
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

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, end = waiting.get()
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            yield item  # type: ignore[misc]  # None stands beside an end only
    finally:
        stopped.set()
        thread.join()


def map_ahead(pool: Executor, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """``function`` of each item, in order, computed by a pool at most that many items ahead.

    Unlike `Executor.map` it takes an item from the source only when there is room for its result.

    Args:
        pool: left open; what has not begun is cancelled when the iterator is closed.
        function: runs in the pool.
        items: may be endless.
        ahead: how many results wait beside the one that is asked for.
    """
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
