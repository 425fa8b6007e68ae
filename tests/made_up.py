"""Summaries with known numbers, for figures and sentences."""

import math

import numpy as np

from gradflow.summary import Summary


def summary(cell="rnn", factor=0.79, length=50, spread=0.5, units=4, zero_until=None, overflow_steps=(), seeds=20):
    """A gradient that every step multiplies by `factor`; exactly zero up to step `zero_until`; ±`spread` decades of band."""
    log10_factor = math.log10(factor) if factor else -math.inf
    names = tuple(chr(ord("a") + t % 26) for t in range(length))
    if len(overflow_steps) == seeds:
        nothing = np.empty(0)
        return Summary(cell, names, seeds, nothing, nothing, nothing, math.nan, nothing, tuple(overflow_steps))
    t = np.arange(length + 1)
    middle = (length - t) * (log10_factor if factor else -1.0)
    if zero_until is not None:
        middle[: zero_until + 1] = -np.inf
        log10_factor = -math.inf
    by_unit = middle[:, None] - np.arange(units) / 10.0
    return Summary(
        cell,
        names,
        seeds,
        middle - spread,
        middle,
        middle + spread,
        log10_factor,
        by_unit,
        tuple(overflow_steps),
        direct=np.where(t == length, 0.0, -np.inf),
    )


def by_cell(*summaries):
    return {s.cell: s for s in summaries}


VANISHING = summary("rnn", 0.79)
STABLE = summary("lstm", 0.98)
EXPLODING = summary("gru", 1.3)
DEAD = summary("rnn", 0.5, zero_until=12)
OVERFLOWED = summary("rnn", overflow_steps=tuple(range(7, 27)))
SOME_OVERFLOWED = summary("rnn", 0.79, overflow_steps=(40, 9, 31))
ONE_STEP = summary("gru", 0.5, length=1)
TINY = summary("lstm", 1e-3, length=200)
HUGE = summary("lstm", 50.0, length=300)
LEVEL = summary("lstm", 1.0)

CASES = {
    "vanishing": by_cell(VANISHING),
    "stable": by_cell(STABLE),
    "exploding": by_cell(EXPLODING),
    "exactly zero": by_cell(DEAD),
    "overflow": by_cell(OVERFLOWED),
    "some overflowed": by_cell(SOME_OVERFLOWED),
    "one step": by_cell(ONE_STEP),
    "beyond float64": by_cell(TINY),
    "far above": by_cell(HUGE),
    "level": by_cell(LEVEL),
    "all three": by_cell(VANISHING, STABLE, EXPLODING),
    "all vanishing": by_cell(VANISHING, summary("lstm", 0.9), summary("gru", 0.6)),
    "all stable": by_cell(summary("rnn", 0.99), STABLE, summary("gru", 1.01)),
    "two stable": by_cell(STABLE, summary("gru", 1.01)),
    "zero and vanishing": by_cell(DEAD, TINY),
    "all zero": by_cell(DEAD, summary("lstm", 0.5, zero_until=3)),
    "overflow and stable": by_cell(OVERFLOWED, STABLE),
    "all overflow": by_cell(OVERFLOWED, summary("gru", overflow_steps=(5,) * 20)),
    "lengths differ": by_cell(summary("rnn", 0.9, length=3), summary("gru", 0.8, length=90)),
    "factor a half": by_cell(summary("rnn", 0.5)),
    "nothing": {},
}
