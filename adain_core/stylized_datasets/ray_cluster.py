"""Stylized data sets made by many machines: Ray Data hands content images to actors that hold the models."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import AdaINError
from ..inference.stylizer import Stylizer
from .stylize import GPU_THREADS, DatasetStylizer, Failure

try:
    import ray
    import ray.data
    import ray.util.client
except ImportError:
    raise AdaINError("--cluster: Ray is not installed; pip install 'ray[client,data]' installs it") from None

_PER_CALL = 16  # images that an actor gets at a time
_BLOCK = 128  # images that are handed out again when an actor dies; those that are done are skipped then
_ATTEMPTS = 3  # actors that may die at one image


class Attempts:
    """Counts how often each unfinished image was begun, in an actor of its own, which no image can kill."""

    def __init__(self) -> None:
        self._counts: Counter[bytes] = Counter()

    def begin(self, image: bytes) -> int:
        self._counts[image] += 1
        return self._counts[image]

    def finish(self, image: bytes) -> None:
        del self._counts[image]


class _Careful(DatasetStylizer):
    """Gives up an image at which `_ATTEMPTS` actors died. Ray alone would hand it out for ever."""

    attempts: Any  # the actor of `Attempts`

    def __call__(self, image: str) -> list[Failure]:
        name = os.fsencode(image)
        if ray.get(self.attempts.begin.remote(name)) > _ATTEMPTS:
            reason = f"{_ATTEMPTS} workers died at this image, perhaps for lack of memory; try it alone"
            return [{"image": image, "style": None, "reason": reason}]
        failures = super().__call__(image)
        ray.get(self.attempts.finish.remote(name))
        return failures


class Worker:
    """An actor that holds the models on its GPU or CPU and makes the outputs of images.

    Args:
        given: Ray's reference to encoder, decoder, settings, the names of the style images, and of unreadable ones.
        attempts: the actor of `Attempts`.
        gpu: whether it has a GPU.
    """

    def __init__(self, given: ray.ObjectRef[Any], attempts: Any, gpu: bool) -> None:
        encoder, decoder, settings, styles, unreadable = ray.get(given)
        stylizer = Stylizer(encoder, decoder, "cuda" if gpu else "cpu", settings.precision)
        self.work = _Careful(stylizer, settings, styles, unreadable)
        self.work.attempts = attempts
        self.threads = GPU_THREADS if gpu else 1

    def __call__(self, block: dict[str, Any]) -> dict[str, list[str]]:
        """A block of Ray Data: the images' names in, their failures as JSON out."""
        images = [os.fsdecode(name) for name in block["image"]]
        return {"failures": [json.dumps(failures) for failures in self.work.run(images, self.threads)]}


def has_gpus() -> bool:
    """Whether the cluster of `connected` has GPUs."""
    return bool(ray.cluster_resources().get("GPU", 0) >= 1)


def run_on_cluster(
    work: DatasetStylizer, images: Sequence[str], workers: int | None = None, gpu: bool = False
) -> Iterator[list[Failure]]:
    """`DatasetStylizer.run` on the cluster of `connected`, in any order. Asking for the first result begins the work.

    An actor that dies is replaced, and its images are handed out again. An image at which several died is a failure.

    Args:
        work: models, settings and styles; all machines must see its folders under the same paths.
        images: relative to the content folder, at least one.
        workers: number of actors; None: one for each GPU or, without GPUs, each CPU, fewer when memory is short.
        gpu: on GPUs, rather than CPUs.

    Raises:
        AdaINError: more workers than GPUs or CPUs, or none of those.
    """
    resources = ray.cluster_resources()
    count = there = int(resources.get("GPU" if gpu else "CPU", 0))
    if workers:
        count = workers
    elif not gpu:
        count = min(there, max(1, int(resources.get("memory", 0)) // work.memory_needed(images)))
    if not 1 <= count <= there:
        raise AdaINError(f"--workers: expected at most the {there} {'GPUs' if gpu else 'CPUs'} there, found {count}")
    return _run(work, images, min(count, len(images)), gpu)


def _run(work: DatasetStylizer, images: Sequence[str], count: int, gpu: bool) -> Iterator[list[Failure]]:
    stylizer = work.stylizer
    models = stylizer.encoder.cpu(), stylizer.decoder.cpu()
    given = ray.put((*models, work.settings, list(work.styles), work.unreadable))
    if ray.util.client.ray.is_connected():
        driver: Any = ray.remote(num_cpus=0)(_Driver)
        driver = driver.remote([given], images, count, gpu)
        yield from iter(lambda: ray.get(driver.next.remote()), None)
    else:
        yield from _execute(given, images, count, gpu)


class _Driver:
    """Drives Ray Data from an actor on the cluster: through ray:// it does not work."""

    def __init__(self, given: Sequence[ray.ObjectRef[Any]], images: Sequence[str], count: int, gpu: bool) -> None:
        self.results = _execute(given[0], images, count, gpu)

    def next(self) -> list[Failure] | None:
        return next(self.results, None)


def _execute(given: ray.ObjectRef[Any], images: Sequence[str], count: int, gpu: bool) -> Iterator[list[Failure]]:
    ray.data.DataContext.get_current().enable_progress_bars = False  # the command has one
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    attempts: Any = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Attempts)
    rows = [{"image": os.fsencode(image)} for image in images]
    done = ray.data.from_items(rows, override_num_blocks=max(count, -(-len(rows) // _BLOCK))).map_batches(
        Worker,
        batch_size=_PER_CALL,
        fn_constructor_kwargs={"given": given, "attempts": attempts.remote(), "gpu": gpu},
        compute=ray.data.ActorPoolStrategy(size=count),
        num_gpus=1 if gpu else None,
        num_cpus=None if gpu else 1,
    )
    return (json.loads(row["failures"]) for row in done.iter_rows())


@contextmanager
def connected(address: str) -> Iterator[None]:
    """A connection to the cluster at an address, or the one that this process has already.

    Args:
        address: ``local``, ``auto`` or ``ray://HOST:PORT``.

    Raises:
        AdaINError: there is none.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray warns that restarted actors need the objects they were made from; here those stay until the end.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    # Machines of a cluster may have this package elsewhere, of another version or not at all.
    shipped = {} if address == "local" else {"py_modules": [str(Path(__file__).resolve().parent.parent)]}
    try:
        ray.init(
            address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env=shipped or None,
        )
    except (ConnectionError, ValueError, RuntimeError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise AdaINError(f"--cluster: expected the address of a Ray cluster, found {address!r} ({reason})") from None
    try:
        yield
    finally:
        ray.shutdown()
