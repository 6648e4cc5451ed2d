"""Work that runs ahead in a thread."""

from __future__ import annotations

import threading

import pytest

from adain_core.threads import prefetch


def test_order_and_errors():
    def source():
        yield from range(5)
        raise OSError("disk")

    found = []
    with pytest.raises(OSError, match="disk"):
        found.extend(prefetch(source(), 2))
    # extend keeps nothing of a generator that raises: take the items one by one
    items = prefetch(source(), 2)
    assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(OSError, match="disk"):
        next(items)


def test_runs_ahead_but_not_farther_than_the_depth():
    made, enough = [], threading.Event()

    def source():
        for k in range(100):
            made.append(k)
            if k == 3:
                enough.set()
            yield k

    items = prefetch(source(), 2)
    assert next(items) == 0
    assert enough.wait(10)  # one taken, two waiting, one that finds no place
    items.close()
    assert made == [0, 1, 2, 3]


def test_closing_closes_the_source_in_its_thread():
    closed = []

    def source():
        try:
            yield from range(100)
        finally:
            closed.append(threading.current_thread())

    items = prefetch(prefetch(source(), 1), 1)
    next(items)
    items.close()
    assert len(closed) == 1
    assert closed[0] is not threading.current_thread()
    assert not closed[0].is_alive()
