"""The fuzz run: ``python -m tests.fuzz.run 10000`` tries about that many cases, of all kinds together.

Each case has a few seconds and the process a few GiB, so that what hangs or takes all memory is found, too. A finding
is printed with the smallest case that shows it; the run goes on with the next kind and ends with status 1.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import psutil
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings

from .targets import TARGETS

_WIDEST = 400  # characters of a finding's line
_PATIENCE = 60  # seconds for a case
_MEMORY = 6 << 30  # bytes of address space beside what the libraries take


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=int, help="how many in all, about")
    parser.add_argument("--seed", type=int, default=0, help="of the cases (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=sorted(TARGETS), help="these kinds alone")
    options = parser.parse_args()
    faulthandler.enable()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, _too_long)
    chosen = {name: TARGETS[name] for name in options.only or TARGETS}
    shares = sum(target.share for target in chosen.values())
    tried, findings, begun = 0, 0, time.monotonic()
    for name, target in chosen.items():
        start = time.monotonic()
        case = _Case(target.check)
        most = max(1, options.cases * target.share // shares)
        limits = settings(
            max_examples=most,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
            report_multiple_bugs=True,
        )
        _limit_memory()
        found = "no findings"
        try:
            seed(options.seed)(limits(given(target.cases)(case.run)))()
        except BaseException:
            findings += 1
            lines = traceback.format_exc().splitlines()
            found = "\n".join(["FINDING", *(line[:_WIDEST] for line in lines)])
        tried += case.count
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name}: {case.count} cases, {time.monotonic() - start:.0f} s, peak {peak:.0f} MiB, {found}", flush=True)
    print(f"{tried} cases, {time.monotonic() - begun:.0f} s, kinds with findings: {findings}")
    return int(bool(findings))


class _Case:
    """Runs cases one by one, each for a while at most, and counts them."""

    def __init__(self, check: Callable[[Any], None]) -> None:
        self.check = check
        self.count = 0

    @property
    def run(self) -> Callable[[Any], None]:
        def run(value: Any) -> None:
            self.count += 1
            signal.alarm(_PATIENCE)
            try:
                self.check(value)
            finally:
                signal.alarm(0)

        return run


def _limit_memory() -> None:
    taken = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (taken + _MEMORY, resource.RLIM_INFINITY))


def _too_long(_: int, __: FrameType | None) -> NoReturn:
    raise TimeoutError(f"a case took more than {_PATIENCE} s")


if __name__ == "__main__":
    sys.exit(main())
