"""The two time loops: forward makes a Trace, backward makes a Flow.

All matrix work is here: one product for the inputs of the whole sequence, one W_hh product per step and direction,
one product per parameter gradient. The cells see elementwise arithmetic only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradflow.activations import Array
from gradflow.cells import Cell, as_cell
from gradflow.cells.cell import Product
from gradflow.checks import finite_array
from gradflow.exponents import EXPONENT_OF_ZERO, Exponent, exponent_of, log10_hypot, log10_norm, shift, square_norm
from gradflow.parameters import Params, check_params, pack, unpack

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES = 1e9
BLOCK_STEPS = 64  # how many steps go back between two looks at the gradient's size
BLOCK_SIZE = 2**15  # pre-activations in a block, so that it stays in the cache
GRADIENT_COLUMNS = 512  # (step, sequence) pairs in a block of the product that makes the parameters' gradients
COMFORT = 64  # binary orders of magnitude around 1 within which a gradient keeps its exponent
LOW, HIGH = 2.0 ** (-2 * COMFORT), 2.0 ** (2 * COMFORT)
LEAST, MOST = 2.0**-800, 2.0**800  # the squared norms at which every mantissa surely has all its digits


class ForwardOverflow(OverflowError):
    """The forward pass left float64's range; `step` is the first time step whose state is not finite."""

    def __init__(self, step: int, length: int) -> None:
        super().__init__(
            f"the hidden state leaves float64's range at step {step} of {length}: "
            "a smaller spectral_radius, a shorter length or a bounded activation (tanh, sigmoid) keeps it finite"
        )
        self.step = step


def columns(array: Array) -> Array:
    """(…, batch, hidden) ↔ (…, hidden, batch), a view: inside the loops one sequence is one column."""
    return array.swapaxes(-1, -2)


@dataclass(frozen=True)
class Trace:
    """A forward pass: everything that the backward pass and the pictures need.

    x (T, …, B, D); h (T + 1, …, B, H), row t is h_t; c likewise, or None where the cell has no c; mask (T, …, B), True
    where a sequence has that step, or None. The dots are sweep axes, absent in a single run.
    """

    cell: Cell
    params: Params
    x: Array
    h: Array
    c: Array | None
    mask: NDArray[np.bool_] | None
    rows: Array  # [h_t; x_{t+1}; 1], (T + 1, …, H + D + 1, B): what `w` multiplies
    a: Array  # pre-activations, (slots, T, …, H, B)
    w: Array  # (…, slots·H, H + D + 1)
    late_w: Array | None

    @cached_property
    def gates(self) -> dict[str, Array]:
        """Gate name → its values, each (T, …, B, H)."""
        with np.errstate(over="ignore", under="ignore"):
            return {name: columns(value) for name, value in self.cell.gate_values(self.a).items()}

    @cached_property
    def pre_activations(self) -> Array:
        """The pre-activations slot by slot, (slots, T, …, B, H); the slots are the cell's `input_rows`, then `state_rows`."""
        return columns(self.a)


@dataclass(frozen=True)
class Flow:
    """A backward pass: the total derivative of the loss with respect to every state, parameter and input.

    Gradients are kept as mantissa · 2^exponent. `log10_norm*` are exact at any magnitude; `grad_*` and `grads` are plain
    float64, so that beyond its range they read 0 or ±inf. All rows t = 0 … T, shapes as in Trace.
    """

    trace: Trace
    direct: Array  # (T + 1, …, B, H), the direct derivative ∂L/∂h_t, as given
    mantissa_h: Array  # (T + 1, …, H, B)
    mantissa_c: Array | None
    exponent: Exponent  # (T + 1, …, B)
    mantissa_a: Array | None  # (slots, T, …, H, B), the gradient at the pre-activations
    exponent_a: Exponent  # (T, …, B)

    @cached_property
    def grad_h(self) -> Array:
        """Total ∂L/∂h_t, (T + 1, …, B, H)."""
        return columns(shift(self.mantissa_h, self.exponent) if self.exponent.any() else self.mantissa_h)

    @cached_property
    def grad_c(self) -> Array | None:
        """Total ∂L/∂c_t, (T + 1, …, B, H), through h_t too; None where the cell has no c."""
        if self.mantissa_c is None:
            return None
        return columns(shift(self.mantissa_c, self.exponent) if self.exponent.any() else self.mantissa_c)

    @cached_property
    def log10_norm(self) -> Array:
        """log10 ‖∂L/∂h_t‖ per sequence, (T + 1, …, B); −inf says exactly zero."""
        return log10_norm(self.mantissa_h, self.exponent)

    @cached_property
    def log10_norm_c(self) -> Array | None:
        """log10 ‖∂L/∂c_t‖ per sequence, or None where the cell has no c."""
        return None if self.mantissa_c is None else log10_norm(self.mantissa_c, self.exponent)

    @cached_property
    def log10_norm_joint(self) -> Array:
        """log10 √(‖∂L/∂h_t‖² + ‖∂L/∂c_t‖²) per sequence; the same as `log10_norm` where the cell has no c."""
        return self.log10_norm if self.log10_norm_c is None else log10_hypot(self.log10_norm, self.log10_norm_c)

    @cached_property
    def log10_norm_direct(self) -> Array:
        """log10 of the direct derivative's norm: only the path through the readout at step t."""
        return log10_norm(columns(self.direct), np.zeros(self.exponent.shape, np.int64))

    @cached_property
    def log10_abs_h(self) -> Array:
        """log10 |∂L/∂h_t[i]| for every unit, (T + 1, …, B, H); −inf says exactly zero."""
        with np.errstate(divide="ignore"):
            log = np.log10(np.abs(self.mantissa_h))
        return columns(log + (self.exponent * np.log10(2.0))[..., None, :])

    @cached_property
    def grads(self) -> Params:
        """Parameter name → ∂L/∂parameter, in PyTorch's layout, summed over the batch."""
        return parameter_gradients(self)

    @cached_property
    def grad_x(self) -> Array:
        """∂L/∂x_t, (T, B, D)."""
        assert self.mantissa_a is not None
        hidden, (steps, batch, _) = self.trace.h.shape[-1], self.trace.x.shape
        da = np.moveaxis(self.mantissa_a, 0, 1).reshape(steps, -1, batch)
        dx = np.matmul(self.trace.w[:, hidden:-1].T, da)
        return columns(shift(dx, self.exponent_a) if self.exponent_a.any() else dx)

    def to_frame(self) -> "pd.DataFrame":
        """One row per (step, sequence, quantity): log10_norm of ∂L/∂h, ∂L/∂c, their joint norm and the direct part."""
        from gradflow.frames import norms_frame  # pandas takes long to import and only this needs it

        norms = {
            "dL/dh": self.log10_norm,
            "dL/dc": self.log10_norm_c,
            "joint": None if self.log10_norm_c is None else self.log10_norm_joint,
            "direct": self.log10_norm_direct,
        }
        return norms_frame({name: norm for name, norm in norms.items() if norm is not None})


def forward(
    cell: str | Cell,
    params: Mapping[str, ArrayLike],
    x: ArrayLike,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Trace:
    """Runs a recurrent cell over a batch of sequences.

    cell: "rnn", "lstm", "gru" or a cell object. params: PyTorch's four arrays (`from_torch`). x: (T, B, D), T ≥ 1.
    h0, c0: (B, H), zero unless given. mask: (T, B), False where a sequence has no such step: its state is then carried
    over unchanged, so that the gradients are those of each sequence alone. Complex input gives a complex pass.
    Raises ValueError on input that does not fit, ForwardOverflow where the state leaves float64's range.
    """
    cell = as_cell(cell)
    params = check_params(cell, params)
    x = finite_array("x", x, ("T", "B", params["weight_ih_l0"].shape[-1]))
    steps, batch, _ = x.shape
    hidden = params["weight_hh_l0"].shape[-1]
    if steps < 1 or batch < 1:
        raise ValueError(f"x must hold at least one step and one sequence, got shape {x.shape}")
    if c0 is not None and not cell.has_c:
        raise ValueError(f"c0 must be None for a cell without c such as {cell.name}, got {np.shape(c0)}")
    h0 = None if h0 is None else finite_array("h0", h0, (batch, hidden))
    c0 = None if c0 is None else finite_array("c0", c0, (batch, hidden))
    if mask is not None:
        mask = np.asarray(mask)
        if mask.dtype != np.bool_ or mask.shape != (steps, batch):
            raise ValueError(f"mask must be boolean of shape {(steps, batch)}, got {mask.dtype} {mask.shape}")
    check_memory(cell, steps, batch, hidden, x.shape[-1])
    trace = unroll(cell, params, x, h0, c0, mask)
    step = first_overflow(trace)
    if step is not None:
        raise ForwardOverflow(step, steps)
    return trace


def check_memory(cell: Cell, length: int, batch: int, hidden: int, inputs: int) -> None:
    """ValueError where a run would need more than 1 GB."""
    need = 8.0 * length * batch * (hidden * (3 * cell.slots + 5) + 2 * inputs)
    if need > MAX_BYTES:
        raise ValueError(
            f"length × batch × hidden must fit in {MAX_BYTES / 1e9:g} GB, got {length} × {batch} × {hidden} "
            f"for {cell.name}, which needs {need / 1e9:.1f} GB"
        )


def unroll(
    cell: Cell,
    params: Params,
    x: Array,
    h0: Array | None = None,
    c0: Array | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> Trace:
    """The forward loop on checked input, sweep axes allowed: x (T, …, B, D), params (…, rows, columns)."""
    steps, *lead, batch, inputs = x.shape
    hidden = params["weight_hh_l0"].shape[-1]
    dtype = np.result_type(x, *params.values(), *(s for s in (h0, c0) if s is not None))
    w, late_w = (None if w is None else w.astype(dtype, copy=False) for w in pack(cell, params))

    rows = np.empty((steps + 1, *lead, hidden + inputs + 1, batch), dtype)
    h_rows = rows[..., :hidden, :]
    h_rows[0] = 0.0 if h0 is None else columns(h0)
    rows[:-1, ..., hidden:-1, :] = columns(x)
    rows[-1, ..., hidden:-1, :] = 0.0
    rows[..., -1, :] = 1.0
    c_rows = np.zeros((steps + 1, *lead, hidden, batch), dtype) if cell.has_c else None
    if c_rows is not None and c0 is not None:
        c_rows[0] = columns(c0)
    pre = np.empty((steps, *lead, cell.slots * hidden, batch), dtype)
    a = np.moveaxis(pre.reshape(steps, *lead, cell.slots, hidden, batch), -3, 1)  # (T, slots, …, H, B)
    absent = None if mask is None else ~mask[..., None, :]
    late = () if late_w is None else (late_product(late_w, lead, hidden, batch),)
    multiply = matrix_product(lead)

    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        h, c = h_rows[0].copy(), None if c_rows is None else c_rows[0]
        for t, (row, pre_t, a_t) in enumerate(zip(rows, pre, a, strict=False)):
            before_h, before_c = h, c
            multiply(w, row, out=pre_t)
            h, c = cell.step(a_t, h, c, *late)
            if absent is not None:
                np.copyto(h, before_h, where=absent[t])
                if c is not None:
                    np.copyto(c, before_c, where=absent[t])
            h_rows[t + 1] = h
            if c_rows is not None:
                c_rows[t + 1] = c
    return Trace(
        cell,
        params,
        x,
        h=columns(h_rows),
        c=None if c_rows is None else columns(c_rows),
        mask=mask,
        rows=rows,
        a=a.swapaxes(0, 1),
        w=w,
        late_w=late_w,
    )


def matrix_product(lead: list[int]) -> Callable[..., Array]:
    """The matrix product for these sweep axes: `dot` has the smaller overhead, `matmul` takes stacks."""
    return np.matmul if lead else np.dot


def late_product(w: Array, lead: list[int], hidden: int, batch: int) -> Product:
    """v ↦ W v, (…, H, B) → (slots, …, H, B)."""
    multiply = matrix_product(lead)

    def times(v: Array) -> Array:
        return np.moveaxis(multiply(w, v).reshape(*lead, -1, hidden, batch), -3, 0)

    return times


def transposed_product(w: Array, lead: list[int], batch: int) -> Product:
    """da ↦ Wᵀ da, (slots, …, H, B) → (…, H, B)."""
    w_t, rows = np.ascontiguousarray(columns(w)), w.shape[-2]
    if not lead:
        return lambda da: np.dot(w_t, da.reshape(rows, batch))
    order = (*range(1, len(lead) + 1), 0, len(lead) + 1, len(lead) + 2)
    return lambda da: np.matmul(w_t, da.transpose(order).reshape(*lead, rows, batch))


def first_overflow(trace: Trace) -> int | None:
    """The first step at which some state is not finite, or None."""
    rows = [trace.h] if trace.c is None else [trace.h, trace.c]
    with np.errstate(over="ignore", invalid="ignore"):
        if all(np.isfinite(row.sum()) for row in rows):
            return None
    bad = ~np.logical_and.reduce([np.isfinite(row).reshape(len(row), -1).all(1) for row in rows])
    return int(bad.argmax()) if bad.any() else None


def backward(trace: Trace, dL_dh: ArrayLike) -> Flow:
    """Back-propagates through time from the direct derivatives of a loss.

    dL_dh: (T + 1, B, H), the derivative of the loss through the readout at each step only; row 0 belongs to h_0.
    The result holds the total derivatives. Raises ValueError where the shape does not fit or a value is not finite.
    """
    direct = finite_array("dL_dh", dL_dh, trace.h.shape)
    return pull_back(trace, direct)


def pull_back(trace: Trace, direct: Array, keep_a: bool = True) -> Flow:
    """The backward loop on checked input, sweep axes allowed; without `keep_a` the parameters' gradients are not kept.

    Steps go back in blocks small enough for the cache. At a block's start a sequence whose gradient has drifted from 1
    gets a new exponent; if a gradient leaves the mantissa's range inside the block, the block is done again, but only
    to the last good step.
    """
    h_shape, cell = columns(trace.h).shape, trace.cell
    steps = h_shape[0] - 1
    mantissa_h = np.empty(h_shape, trace.h.dtype)
    mantissa_c = np.empty_like(mantissa_h) if cell.has_c else None
    mantissa_a = np.empty_like(trace.a) if keep_a else None
    exponent = np.zeros((steps + 1, *h_shape[1:-2], h_shape[-1]), np.int64)
    exponent_a = np.zeros_like(exponent[1:])
    arriving = np.ascontiguousarray(columns(direct))
    go_back = block_loop(trace, mantissa_h, mantissa_c, mantissa_a)
    block = max(1, min(BLOCK_STEPS, BLOCK_SIZE // trace.a[:, 0].size))

    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        t, e, dh = steps, exponent[-1], arriving[-1]
        dc = np.zeros_like(dh) if cell.has_c else None
        mantissa_h[-1] = dh
        if mantissa_c is not None:
            mantissa_c[-1] = 0.0
        while t > 0:
            if e.any() or not comfortable(dh, dc):
                e, dh, dc = rescaled(e, dh, dc, arriving[t - 1])
            stop = max(0, t - block)
            while True:
                at_e = shift(arriving[stop:t], -e) if e.any() else arriving[stop:t]
                dh_stop, dc_stop = go_back(t, stop, dh, dc, at_e)
                good = last_good_row(mantissa_h, mantissa_c, stop, t)
                if good == stop:
                    break
                stop = good
            exponent[stop:t] = e
            exponent_a[stop:t] = e
            t, dh, dc = stop, dh_stop, dc_stop
    return Flow(trace, direct, mantissa_h, mantissa_c, exponent, mantissa_a, exponent_a)


def comfortable(dh: Array, dc: Array | None) -> bool:
    """Whether every column's norm is so near to 1 that its exponent may stay."""
    square = square_norm(dh) if dc is None else square_norm(dh) + square_norm(dc)
    return bool(((square > LOW) & (square < HIGH)).all())


def rescaled(e: Exponent, dh: Array, dc: Array | None, next_arriving: Array) -> tuple[Exponent, Array, Array | None]:
    """The same gradients with new exponents where they have drifted from 1, or where the next to arrive is larger."""
    reach = np.maximum(exponent_of(dh), exponent_of(next_arriving) - e)
    reach = reach if dc is None else np.maximum(reach, exponent_of(dc))
    drift = np.where((np.abs(reach) > COMFORT) & (reach > EXPONENT_OF_ZERO // 2), reach, 0)
    return e + drift, shift(dh, -drift), None if dc is None else shift(dc, -drift)


def block_loop(
    trace: Trace, mantissa_h: Array, mantissa_c: Array | None, mantissa_a: Array | None
) -> Callable[..., tuple[Array, Array | None]]:
    """The backward loop over one block of steps: gradients at `start` → those at `stop`, every row written on the way."""
    cell, h, c = trace.cell, columns(trace.h), None if trace.c is None else columns(trace.c)
    lead, (hidden, batch) = h.shape[1:-2], h.shape[-2:]
    early = trace.w.reshape(*lead, cell.slots, hidden, -1)[..., cell.slots - len(cell.state_rows) :, :, :hidden]
    early = early[..., : len(cell.state_rows) - len(cell.late_rows), :, :].reshape(*lead, -1, hidden)
    UT = [transposed_product(w, lead, batch) for w in (early, trace.late_w) if w is not None]
    absent = None if trace.mask is None else ~trace.mask[..., None, :]

    def go_back(start: int, stop: int, dh: Array, dc: Array | None, arriving: Array) -> tuple[Array, Array | None]:
        a = trace.a[:, stop:start]
        partials = cell.partials(a, h[stop : start + 1], None if c is None else c[stop : start + 1])
        by_step = list(zip(partials[0].swapaxes(0, 1), *partials[1:], strict=True))
        arrives = arriving.reshape(len(arriving), -1).any(1).tolist()
        dc = None if dc is None else dc.copy()
        for t in range(start - 1, stop - 1, -1):
            dh_before, dc_before = cell.step_back(dh, dc, *by_step[t - stop], *UT)
            if absent is not None:
                np.copyto(by_step[t - stop][0], 0.0, where=absent[t])
                dh_before = np.where(absent[t], dh, dh_before)
                dc_before = None if dc is None else np.where(absent[t], dc, dc_before)
            if arrives[t - stop]:
                dh_before += arriving[t - stop]
            mantissa_h[t] = dh_before
            if mantissa_c is not None:
                mantissa_c[t + 1] = dc
            dh, dc = dh_before, dc_before
        if mantissa_c is not None:
            mantissa_c[stop] = dc
        if mantissa_a is not None:
            mantissa_a[:, stop:start] = partials[0]
        return dh, dc

    return go_back


def last_good_row(mantissa_h: Array, mantissa_c: Array | None, stop: int, start: int) -> int:
    """How far back of `start` every gradient kept its digits: all in range, and no zero that may be an underflow."""
    good = np.ones(start - stop, bool)
    for mantissa in (mantissa_h,) if mantissa_c is None else (mantissa_h, mantissa_c):
        square = square_norm(mantissa[stop : start + 1])
        before, after = square[:-1], square[1:]
        in_range = (before > LEAST) & (before < MOST)
        if not in_range.all():
            in_range |= (before == 0.0) & (after == 0.0)
            good &= in_range.reshape(start - stop, -1).all(1)
    if good.all():
        return stop
    # one step from a fresh exponent cannot lose anything, so at least one step always counts
    return min(stop + int(np.flatnonzero(~good)[-1]) + 1, start - 1)


def repeat_sequence(trace: Trace, sequence: int, times: int) -> Trace:
    """The trace of a batch that is one of this batch's sequences, `times` over."""

    def again(array: Array | None, axis: int) -> Any:
        return None if array is None else np.repeat(array.take([sequence], axis), times, axis)

    return replace(
        trace,
        x=again(trace.x, -2),
        h=columns(again(columns(trace.h), -1)),
        c=None if trace.c is None else columns(again(columns(trace.c), -1)),
        mask=again(trace.mask, -1),
        rows=again(trace.rows, -1),
        a=again(trace.a, -1),
    )


def parameter_gradients(flow: Flow) -> Params:
    """Σ over steps and sequences of ∂L/∂a ⊗ [h; x; 1]: one product, in blocks of steps that fit the cache."""
    trace, da, e = flow.trace, flow.mantissa_a, flow.exponent_a
    assert da is not None
    top = int(e.max())  # one common exponent until the end, so that nothing overflows on the way
    with np.errstate(over="ignore", under="ignore"):
        if e.any():
            da = shift(da, e - top)
        w = outer(da, trace.rows)
        late = len(trace.cell.late_rows)
        late_w = outer(da[-late:], trace.cell.late_operand(trace.a, columns(trace.h))) if late else None
        return {name: np.ldexp(g, top) for name, g in unpack(trace.cell, w, late_w).items()}


def outer(da: Array, operand: Array) -> Array:
    """Σ_t,n da[slot, t, i, n] operand[t, j, n], the slots' rows above one another: (slots·H, J)."""
    steps, batch = da.shape[1], da.shape[-1]
    block = max(1, GRADIENT_COLUMNS // batch)
    total: Array | float = 0.0
    for t in range(0, steps, block):
        some = slice(t, min(t + block, steps))
        columns_here = (some.stop - t) * batch
        left = da[:, some].swapaxes(1, 2).reshape(-1, columns_here)
        right = operand[some].swapaxes(0, 1).reshape(-1, columns_here)
        total = total + left @ right.T
    return np.asarray(total)


__all__ = ["Flow", "ForwardOverflow", "Trace", "backward", "forward"]
