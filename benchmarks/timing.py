"""Interleaved timing: A B C  B A C  C A B …, so that a slow moment of the machine meets every candidate.

Each round has an order of its own, so that none always runs while the threads of the same other one still wait for more to do.
"""

import gc
import sys
import time
from collections.abc import Callable, Mapping
from random import Random
from statistics import median
from typing import Any

# on a machine that is busy with other things, compare the processor's time, every library on one core (see README.md)
CLOCK = time.process_time if "--cpu" in sys.argv else time.perf_counter


def seconds(f: Callable[[], Any], inner: int = 1) -> float:
    """One measurement: the mean of `inner` calls."""
    start = CLOCK()
    for _ in range(inner):
        f()
    return (CLOCK() - start) / inner


def interleaved(candidates: Mapping[str, Callable[[], Any]], rounds: int, inner: int = 1) -> dict[str, float]:
    """Each candidate's median over `rounds` measurements in seconds, after two calls to warm up."""
    for f in candidates.values():
        f(), f()
    times: dict[str, list[float]] = {name: [] for name in candidates}
    gc.collect()
    order, shuffle = list(candidates), Random(0).shuffle
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            times[name].append(seconds(candidates[name], inner))
    return {name: median(measured) for name, measured in times.items()}
