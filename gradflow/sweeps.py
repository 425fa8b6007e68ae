"""Many experiments that differ in one knob, run side by side: a sweep is a leading axis.

The experiments of a sweep are stacked into chunks and shared out over the cores. Every value is computed by the operations of
`run`, but for one sequence alone, which `run` takes back by Jacobians; so the numbers are the same up to a last digit. A sweep
keeps measures, not traces: forward, a few steps at a time, it keeps their local derivatives, and back, those steps' norms.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gradflow.activations import Array
from gradflow.blocks import (
    Room,
    blank_local,
    blank_slots,
    block_loop,
    block_steps,
    blocks_back,
    transposed_products,
)
from gradflow.checks import MAX_BYTES, check_choice, shown
from gradflow.experiment import KNOBS, NUMERIC, Experiment, build, build_cell, check_experiment, read_sequences
from gradflow.exponents import log10_hypot, log10_norm
from gradflow.flow import Trace, own_rows, steps_between
from gradflow.layout import columns
from gradflow.parameters import unit_columns
from gradflow.unroll import blank_trace, first_overflow, forward_loop
from gradflow.workers import cores, map_on_cores

if TYPE_CHECKING:
    import pandas as pd

CHUNK_STATES = 2**13  # hidden states per step in a chunk: few enough for the cache, many enough for NumPy's overhead
CHUNK_SIZE = 5 * 2**20  # numbers that a chunk keeps over all its steps: 42 MB, as much for each core
SWEEP_BLOCK = 2**17  # pre-activations in a block of steps
CORE_WORK = 350_000  # multiplications per step that are worth another core


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """The measures of S experiments that differ in `field` alone.

    log10_norm, log10_norm_c (None where the cell has no c) and log10_norm_direct are (S, T + 1, B), loss is (S, B).
    −inf says exactly zero. NaN says that there is no such number: the run overflowed (overflow_step (S,) then has the
    step, else 0), or it has fewer steps or sequences than the longest; shorter runs end at the same row.
    """

    experiment: Experiment
    field: str
    values: tuple[Any, ...]
    lengths: NDArray[np.int_]
    loss: Array
    log10_norm: Array
    log10_norm_c: Array | None
    log10_norm_direct: Array
    overflow_step: NDArray[np.int_]

    def __repr__(self) -> str:
        return f"<Sweep of {self.experiment.cell} over {len(self.values)} values of {self.field}>"

    @property
    def log10_norm_joint(self) -> Array:
        """log10 √(‖∂L/∂h_t‖² + ‖∂L/∂c_t‖²), the same as `log10_norm` where the cell has no c."""
        return self.log10_norm if self.log10_norm_c is None else log10_hypot(self.log10_norm, self.log10_norm_c)

    def to_frame(self) -> "pd.DataFrame":
        """One row per (value, step, sequence, quantity); what does not exist has no row."""
        import pandas as pd

        from gradflow.frames import norms_frame

        norms = {"dL/dh": self.log10_norm, "dL/dc": self.log10_norm_c, "direct": self.log10_norm_direct}
        if self.log10_norm_c is not None:
            norms["joint"] = self.log10_norm_joint
        rows = self.log10_norm.shape[1]
        parts = []
        for s, value in enumerate(self.values):
            offset = self.lengths[s] + 1 - rows
            frame = norms_frame({q: norm[s] for q, norm in norms.items() if norm is not None}, int(offset))
            frame.insert(0, self.field, value)
            parts.append(frame)
        return pd.concat(parts, ignore_index=True)


def sweep(exp: Experiment, field: str, values: Iterable[Any]) -> Sweep:
    """Runs `exp` once for each value of one numeric knob, the seed included.

    The result holds norms for every value, step and sequence. Raises ValueError on an unknown or non-numeric field, on no
    values and on a value out of range.
    """
    check_experiment(exp)
    check_choice("field", field, NUMERIC)
    experiments = [replace(exp, **{field: value}) for value in at_least_one("values", values)]
    values = tuple(getattr(e, field) for e in experiments)  # Python's numbers
    measured = measure_all(experiments)
    rows = max(len(m.log10_norm) for m in measured)
    batch = max(m.log10_norm.shape[1] for m in measured)

    def stacked(arrays: Sequence[Array]) -> Array:
        out = np.full((len(arrays), rows, batch), np.nan)
        for s, array in enumerate(arrays):
            out[s, rows - len(array) :, : array.shape[1]] = array
        return out

    loss = np.full((len(values), batch), np.nan)
    for s, m in enumerate(measured):
        loss[s, : len(m.loss)] = m.loss
    with_c = measured[0].log10_norm_c is not None
    return Sweep(
        experiment=exp,
        field=field,
        values=values,
        lengths=np.array([len(m.log10_norm) - 1 for m in measured]),
        loss=loss,
        log10_norm=stacked([m.log10_norm for m in measured]),
        log10_norm_c=stacked([m.log10_norm_c for m in measured if m.log10_norm_c is not None]) if with_c else None,
        log10_norm_direct=stacked([m.log10_norm_direct for m in measured]),
        overflow_step=np.array([m.overflow_step for m in measured]),
    )


def measure_all(experiments: list[Experiment]) -> list["Measured"]:
    """The measures of each; neighbours of one shape run side by side, on all cores that have enough to do."""
    check_results(experiments)
    chunks = list(chunked(experiments))
    measured = map_on_cores(measure, [[experiments[k] for k in chunk] for chunk in chunks])
    by_place = dict(zip(chain(*chunks), chain(*measured), strict=True))
    return [by_place[k] for k in range(len(experiments))]


def compare(exp: Experiment, field: str, values: Iterable[Any], seeds: Iterable[int]) -> dict[Any, Sweep]:
    """One sweep over seeds for each value of any knob: same seeds, same input, one difference."""
    check_experiment(exp)
    check_choice("field", field, [name for name in KNOBS if name != "seed"])
    seeds = at_least_one("seeds", seeds)
    return {value: sweep(replace(exp, **{field: value}), "seed", seeds) for value in listed("values", values)}


def listed(name: str, values: Iterable[Any]) -> tuple[Any, ...]:
    """The values as a tuple; ValueError where there is nothing to go through."""
    try:
        iterator = iter(values)
    except TypeError:
        raise ValueError(f"{name} must be a list or another iterable, got {shown(values)}") from None
    return tuple(iterator)  # outside, for what is raised on the way is the caller's own


def at_least_one(name: str, values: Iterable[Any]) -> tuple[Any, ...]:
    """The values as a tuple; ValueError where there is none."""
    values = listed(name, values)
    if not values:
        raise ValueError(f"{name} must hold at least one value, got none")
    return values


def check_results(experiments: list[Experiment]) -> None:
    """ValueError where the norms of all experiments would need more than 1 GB."""
    largest = max(experiments, key=lambda e: e.length * e.batch)
    # a text's own lines decide; other inputs must not be drawn before they are known to fit
    steps, batch = read_sequences(largest).x.shape[:2] if largest.input == "text" else (largest.length, largest.batch)
    need = 8.0 * 3 * len(experiments) * (steps + 1) * batch
    if need > MAX_BYTES:
        raise ValueError(
            f"values × length × batch must fit in {MAX_BYTES / 1e9:g} GB, got {len(experiments)} values, "
            f"which need {need / 1e9:.1f} GB: take fewer values, steps or sequences"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Measured:
    """One experiment's measures, shapes as in Flow."""

    loss: Array
    log10_norm: Array
    log10_norm_c: Array | None
    log10_norm_direct: Array
    overflow_step: int


def chunked(experiments: list[Experiment]) -> Iterator[range]:
    """Which of them to run side by side: neighbours of one shape, as many as fit the cache, for each core that has enough to do.

    Every chunk takes some from all over the values, so that none is harder than the others.
    """
    for (length, _, hidden), group in groupby(range(len(experiments)), lambda k: shape_of(experiments[k])):
        places = list(group)
        first, count = experiments[places[0]], len(places)
        states = hidden * read_sequences(first).x.shape[1]
        cell = build_cell(first)
        busy = max(1, min(cores(), count * len(cell.gates) * states * hidden // CORE_WORK))
        read = 1 if first.sequence_type == "many-to-one" else length  # rows with states and a direct derivative
        kept = (length * (cell.slots + len(cell.others)) + 2 * read) * states
        most = max(1, min(CHUNK_STATES // states, CHUNK_SIZE // kept))
        chunks = min(count, busy * ceil(count / most / busy))
        yield from (range(places[k], places[-1] + 1, chunks) for k in range(chunks))


def shape_of(exp: Experiment) -> tuple[int, int, int]:
    return exp.length, exp.batch, exp.hidden


def measure(experiments: list[Experiment]) -> list[Measured]:
    """Runs experiments of one shape as one, on a sweep axis."""
    networks = [build(e) for e in experiments]
    first, present = networks[0], networks[0].sequences.mask
    params = {name: np.stack([n.params[name] for n in networks]) for name in first.params}
    x = stacked_inputs([n.sequences.x for n in networks])
    steps, count, batch, _ = x.shape
    absent = None if present is None else ~present[:, None, None]
    block = block_steps(first.cell, (count, experiments[0].hidden, batch), SWEEP_BLOCK)
    window = blank_trace(first.cell, params, x[:block], None)
    local, seen, overflow = go_forward(window, x, absent, first.readout.rows)

    loss, direct = np.full((count, batch), np.nan), np.zeros_like(seen)
    for s, network in enumerate(networks):
        reading = network.readout.read_rows(columns(seen[:, s]))
        overflow[s] = overflow[s] or (reading.overflowed and steps)
        if not overflow[s]:
            loss[s], direct[:, s] = reading.loss, columns(reading.dL_dh)
    arriving = dict(zip(np.flatnonzero(first.readout.rows).tolist(), direct, strict=True))
    norm_h, norm_c = go_back(window, local, arriving, absent)
    norm_direct = np.full_like(norm_h, -np.inf)
    norm_direct[first.readout.rows] = log10_norm(direct, np.zeros(1, int))

    nothing = np.where(own_rows(present, steps, batch)[:, None] & (overflow == 0)[:, None], 0.0, np.nan)
    return [
        Measured(
            loss[s],
            norm_h[:, s] + nothing[:, s],
            None if norm_c is None else norm_c[:, s] + nothing[:, s],
            norm_direct[:, s] + nothing[:, s],
            int(overflow[s]),
        )
        for s in range(count)
    ]


@np.errstate(over="ignore", under="ignore", invalid="ignore")
def go_forward(
    window: Trace, x: Array, absent: NDArray[np.bool_] | None, read: NDArray[np.bool_]
) -> tuple[Array, Array, NDArray[np.int_]]:
    """The forward pass of networks side by side through a trace of a few steps, again and again: only local derivatives stay.

    x (T, S, B, D), absent (T, 1, 1, B), read (T + 1,). Gives the local derivatives (slots + others, T, S, H, B), the states h
    of the rows read, (rows, S, H, B), and the steps at which networks overflow, else 0, (S,).
    """
    cell, steps = window.cell, len(x)
    loop, own, slots = forward_loop(window), unit_columns(cell, window.params), cell.slots
    h, c = columns(window.h), None if window.c is None else columns(window.c)
    local = blank_local(cell, steps, h.shape[1:])
    seen, overflow = [], np.zeros(h.shape[1], int)
    h[0] = 0.0
    if c is not None:
        c[0] = 0.0
    for start in range(0, steps, len(window.x)):
        now = min(len(window.x), steps - start)
        some, rows = slice(start, start + now), slice(now + 1)
        window.rows[:now, ..., h.shape[-2] : -1, :] = columns(x[some])
        loop(now, None if absent is None else absent[some])
        part = steps_between(window, 0, now)
        if first_overflow(part) is not None:
            for s in range(len(overflow)):
                step = silence_overflow(part, s)
                overflow[s] = overflow[s] or (step and start + step)
        into = local[:, some]
        cell.partials(part.a, part.saved, h[rows], None if c is None else c[rows], into[:slots], *into[slots:], *own)
        seen.append(h[1 : now + 1][read[start + 1 : start + now + 1]])
        h[0] = h[now]
        if c is not None:
            c[0] = c[now]
    return local, np.concatenate(seen), overflow


def go_back(
    window: Trace, local: Array, arriving: dict[int, Array], absent: NDArray[np.bool_] | None
) -> tuple[Array, Array | None]:
    """log10 of the norms of ∂L/∂h and, where there is a c, of ∂L/∂c, (T + 1, S, B), from the direct derivatives by row."""
    cell, (_, steps, *shape) = window.cell, local.shape
    block = len(window.x)
    h, da = np.empty((block, *shape)), blank_slots(cell, block, tuple(shape), kept=False)
    c = np.empty((block + 1, *shape)) if cell.has_c else None
    norm_h = np.full((steps + 1, shape[0], shape[-1]), -np.inf)
    norm_c = norm_h.copy() if cell.has_c else None

    def room(stop: int, start: int) -> Room:
        count = start - stop
        return h[:count], None if c is None else c[: count + 1], da[:count]

    loop = block_loop(
        cell, transposed_products(window), lambda stop, start: local[:, stop:start], room, arriving, absent
    )
    norm_h[-1] = log10_norm(arriving.get(steps, np.zeros(shape)), np.zeros(1, int))
    for b in blocks_back(loop, cell, tuple(shape), arriving, steps, block):
        norm_h[b.stop : b.start] = log10_norm(b.h, b.exponent, b.square_h)
        if norm_c is not None and b.c is not None and b.square_c is not None:
            # row `stop` has not come to its total yet, unless it is the first; the next block writes it again
            norm_c[b.stop : b.start + 1] = log10_norm(b.c, b.exponent, b.square_c)
    return norm_h, norm_c


def stacked_inputs(inputs: list[Array]) -> Array:
    """x (T, S, B, D), one sequence to a column in memory, from S of (T, B, D); nothing is copied S times where all are one."""
    by_column = [
        np.ascontiguousarray(columns(x)) for x in (inputs[:1] if all(x is inputs[0] for x in inputs) else inputs)
    ]
    steps, *rest = by_column[0].shape
    return columns(np.broadcast_to(np.stack(by_column, axis=1), (steps, len(inputs), *rest)))


def silence_overflow(trace: Trace, s: int) -> int:
    """The step at which run `s` left float64's range, or 0; such a run is set to zero so that no NaN goes on."""
    rows = [trace.h[:, s]] if trace.c is None else [trace.h[:, s], trace.c[:, s]]
    bad = ~np.logical_and.reduce([np.isfinite(row).all((1, 2)) for row in rows])
    if not bad.any():
        return 0
    for row in (*rows, trace.a[:, :, s], trace.saved[:, :, s]):
        row[...] = 0.0
    return int(bad.argmax())
