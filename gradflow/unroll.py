"""The two time loops: forward makes a Trace, backward makes a Flow.

All matrix work is here; the cells see elementwise arithmetic only. Forward it is one product per step, W [h; x; 1], which
does the recurrence, the input and the biases at once; backward one product with W_hhᵀ per step. The parameters' gradients
are ∂L/∂a ⊗ [h; x; 1], one product per block of steps (`flow.parameter_gradients`).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradflow.activations import Array
from gradflow.cells import Cell, as_cell
from gradflow.cells.cell import Product
from gradflow.checks import check_kind, finite_array
from gradflow.exponents import EXPONENT_OF_ZERO, Exponent, exponent_of, nonzero_rows, shift, square_norm
from gradflow.flow import Flow, Trace, columns
from gradflow.parameters import Params, check_params, pack, unit_columns

MAX_BYTES = 1e9
BLOCK_STEPS = 64  # how many steps go back between two looks at the gradient's size
BLOCK_SIZE = 2**16  # pre-activations in a block, so that it stays in the cache
COMFORT = 64  # binary orders of magnitude around 1 within which a gradient keeps its exponent
LOW, HIGH = 2.0 ** (-2 * COMFORT), 2.0 ** (2 * COMFORT)
LEAST, MOST = 2.0**-800, 2.0**800  # the squared norms at which every mantissa surely has all its digits


class ForwardOverflow(OverflowError):
    """The forward pass left float64's range; `step` is the first time step at which the state, or else the loss, is not
    finite."""

    def __init__(self, step: int, length: int, what: str = "the hidden state") -> None:
        super().__init__(
            f"{what} leaves float64's range at step {step} of {length}: "
            "a smaller spectral_radius, a shorter length or a bounded activation (tanh, sigmoid) keeps it finite"
        )
        self.step, self.length, self.what = step, length, what

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.step, self.length, self.what)


def forward(
    cell: str | Cell,
    params: Mapping[str, ArrayLike],
    x: ArrayLike,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Trace:
    """Runs a recurrent cell over a batch of sequences.

    cell: a name in `CELLS` or a cell object. params: PyTorch's four arrays (`from_torch`) and, (H,) each, what the cell has
    beyond them. x: (T, B, D), T ≥ 1.
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
        mask = np.array(mask)  # a copy: the trace must not change with the caller's array
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
    need = 8.0 * length * batch * (hidden * (3 * cell.slots + len(cell.saves) + 5) + 2 * inputs)
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
    w, late_w = pack(cell, params, dtype)

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
    saved = np.empty((steps, len(cell.saves), *lead, hidden, batch), dtype)
    absent = None if mask is None else ~mask[..., None, :]
    late = () if late_w is None else (late_product(late_w, lead, hidden, batch),)
    own = (*late, *unit_columns(cell, params))
    stateless = cell.early_slots[0] * hidden  # rows of W that no state feeds: they need not wait for the loop
    multiply = product_with(w[..., stateless:, :])

    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if stateless:
            np.matmul(w[..., :stateless, hidden:], rows[:-1, ..., hidden:, :], out=pre[..., :stateless, :])
        h, c = h_rows[0], None if c_rows is None else c_rows[0]
        for t, (row, pre_t, a_t, saved_t, h_next) in enumerate(
            zip(rows[:-1], pre[..., stateless:, :], a, saved, h_rows[1:], strict=True)
        ):
            multiply(row, pre_t)
            h, c = cell.step(a_t, saved_t, h, c, *own)
            if absent is not None:
                np.copyto(h, h_rows[t], where=absent[t])
            h_next[...] = h
            if c_rows is not None and c is not None:
                if absent is not None:
                    np.copyto(c, c_rows[t], where=absent[t])
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
        saved=saved.swapaxes(0, 1),
        w=w,
        late_w=late_w,
    )


def product_with(w: Array) -> Callable[..., Array]:
    """v ↦ W v, into a second argument if there is one; an array's own `dot` has the smallest overhead, `matmul` takes stacks."""
    return w.dot if w.ndim == 2 else partial(np.matmul, w)


def late_product(w: Array, lead: list[int], hidden: int, batch: int) -> Product:
    """v ↦ W v, (…, H, B) → (slots, …, H, B)."""
    multiply = product_with(w)

    def times(v: Array) -> Array:
        return np.moveaxis(multiply(v).reshape(*lead, -1, hidden, batch), -3, 0)

    return times


def transposed_products(trace: Trace) -> list[Product]:
    """da ↦ Wᵀ da, (slots, …, H, B) → (…, H, B), for the rows of W_hh that act at once and for the late ones."""
    hidden, batch = trace.h.shape[-1], trace.h.shape[-2]
    first, last = trace.cell.early_slots
    return [
        transposed_product(w, batch)
        for w in (trace.w[..., first * hidden : last * hidden, :hidden], trace.late_w)
        if w is not None
    ]


def transposed_product(w: Array, batch: int) -> Product:
    """da ↦ Wᵀ da, (slots, …, H, B) → (…, H, B)."""
    *lead, rows, _ = w.shape
    multiply = product_with(np.ascontiguousarray(columns(w)))
    if not lead:
        return lambda da: multiply(da.reshape(rows, batch))
    shape, slots_last = (*lead, rows, batch), (*range(1, len(lead) + 1), 0, len(lead) + 1, len(lead) + 2)
    return lambda da: multiply(da.transpose(slots_last).reshape(shape))


def first_overflow(trace: Trace) -> int | None:
    """The first step at which some state is not finite, or None."""
    rows = [trace.h] if trace.c is None else [trace.h, trace.c]
    # squares summed up are the cheap test, `trace.rows` has the same states without gaps
    if all(np.isfinite(np.vdot(all_steps, all_steps)) for all_steps in (trace.rows, *map(columns, rows[1:]))):
        return None
    bad = ~np.logical_and.reduce([np.isfinite(row).reshape(len(row), -1).all(1) for row in rows])
    return int(bad.argmax()) if bad.any() else None


def backward(trace: Trace, dL_dh: ArrayLike) -> Flow:
    """Back-propagates through time from the direct derivatives of a loss.

    dL_dh: (T + 1, B, H), the derivative of the loss through the readout at each step only; row 0 belongs to h_0.
    The result holds the total derivatives. Raises ValueError where the shape does not fit or a value is not finite.
    """
    check_kind("trace", trace, Trace)
    direct = finite_array("dL_dh", dL_dh, trace.h.shape)
    for name, array in (("the trace", trace.h), ("dL_dh", direct)):
        if np.iscomplexobj(array):
            raise ValueError(f"{name} must be real to go back, got {array.dtype}")
    return pull_back(trace, direct.copy(), nonzero_rows(direct))


def pull_back(trace: Trace, direct: Array, read: NDArray[np.bool_], keep_a: bool = True) -> Flow:
    """The backward loop on checked input, sweep axes allowed; without `keep_a` the parameters' gradients are not kept.

    `read`, (T + 1,), says in which rows of `direct` to look.
    Steps go back in blocks small enough for the cache. At a block's start a sequence whose gradient has drifted from 1
    gets a new exponent; if a gradient leaves the mantissa's range inside the block, the block is done again, but only
    to the last good step. If there is none, one step is done from an exponent that brings the gradient to 1 exactly.
    """
    cell, arriving = trace.cell, columns(direct)
    steps, shape = len(trace.x), arriving.shape
    mantissa_h = np.empty(shape, trace.h.dtype)
    mantissa_c = np.empty_like(mantissa_h) if cell.has_c else None
    exponent = np.zeros((steps + 1, *shape[1:-2], shape[-1]), np.int64)
    block = max(1, min(BLOCK_STEPS, BLOCK_SIZE // trace.a[:, 0].size))
    mantissa_a = np.empty_like(trace.a if keep_a else trace.a[:, :block])
    go_back = block_loop(trace, arriving, read.tolist(), mantissa_h, mantissa_c, mantissa_a, block)

    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        mantissa_h[-1] = arriving[-1]
        t, e, dh = steps, exponent[-1], mantissa_h[-1]
        dc = np.zeros_like(dh) if cell.has_c else None
        if mantissa_c is not None:
            mantissa_c[-1] = 0.0
        while t > 0:
            if e.any() or not comfortable(dh, dc):
                e, dh, dc = rescaled(e, dh, dc, arriving[t - 1], COMFORT)
            stop = max(0, t - block)
            before = go_back(t, stop, dh, dc, e)
            good = last_good_row(mantissa_h, mantissa_c, stop, t)
            if good == t:
                good = t - 1
                e, dh, dc = rescaled(e, dh, dc, arriving[t - 1], 0)
                before = go_back(t, good, dh, dc, e)
            elif good > stop:
                before = go_back(t, good, dh, dc, e)
            exponent[good:t] = e
            t, (dh, dc) = good, before
    return Flow(trace, direct, read, mantissa_h, mantissa_c, exponent, mantissa_a if keep_a else None)


def comfortable(dh: Array, dc: Array | None) -> bool:
    """Whether every column's norm is so near to 1 that its exponent may stay."""
    square = square_norm(dh) if dc is None else square_norm(dh) + square_norm(dc)
    return bool(((square > LOW) & (square < HIGH)).all())


def rescaled(
    e: Exponent, dh: Array, dc: Array | None, next_arriving: Array, comfort: int
) -> tuple[Exponent, Array, Array | None]:
    """The same gradients with new exponents where they, or what arrives next, are not within 2^±comfort."""
    reach = np.maximum(exponent_of(dh), exponent_of(next_arriving) - e)
    reach = reach if dc is None else np.maximum(reach, exponent_of(dc))
    drift = np.where((np.abs(reach) > comfort) & (reach > EXPONENT_OF_ZERO // 2), reach, 0)
    return e + drift, shift(dh, -drift), None if dc is None else shift(dc, -drift)


def block_loop(
    trace: Trace,
    arriving: Array,
    arrives: list[bool],
    mantissa_h: Array,
    mantissa_c: Array | None,
    mantissa_a: Array,
    block: int,
) -> Callable[..., tuple[Array, Array | None]]:
    """The backward loop over one block of steps: gradients at `start` → those at `stop`, every row written on the way."""
    cell, h, c = trace.cell, columns(trace.h), None if trace.c is None else columns(trace.c)
    UT, own = transposed_products(trace), unit_columns(cell, trace.params)
    absent = None if trace.mask is None else ~trace.mask[..., None, :]
    kept = mantissa_a.shape[1] == len(trace.x)  # else one block's, for every block anew

    def go_back(start: int, stop: int, dh: Array, dc: Any, e: Exponent) -> tuple[Array, Array | None]:
        da = mantissa_a[:, stop:start] if kept else mantissa_a[:, : start - stop]
        steps, rows = slice(stop, start), slice(stop, start + 1)
        others = cell.partials(
            trace.a[:, steps], trace.saved[:, steps], h[rows], None if c is None else c[rows], da, *own
        )
        local = zip(*(array[::-1] for array in (da.swapaxes(0, 1), *others)), strict=True)
        into = mantissa_h[stop:start][::-1]
        scaled = e.any()
        dc = None if dc is None else dc.copy()
        for t, local_t, into_t in zip(range(start - 1, stop - 1, -1), local, into, strict=True):
            share: Any = None if absent is None or dc is None else dc.copy()
            dh_before, dc_before = cell.step_back(dh, dc, *local_t, *UT)
            if absent is not None:
                np.copyto(local_t[0], 0.0, where=absent[t])
                np.copyto(dh_before, dh, where=absent[t])
                if dc_before is not None:
                    np.copyto(dc, share, where=absent[t])
                    np.copyto(dc_before, share, where=absent[t])
            if arrives[t]:
                dh_before += shift(arriving[t], -e) if scaled else arriving[t]
            into_t[...] = dh_before
            if mantissa_c is not None:
                mantissa_c[t + 1] = dc
            dh, dc = dh_before, dc_before
        if mantissa_c is not None:
            mantissa_c[stop] = dc
        return dh, dc

    return go_back


def last_good_row(mantissa_h: Array, mantissa_c: Array | None, stop: int, start: int) -> int:
    """The furthest row back from `start` to which every gradient kept its digits: in range, or exactly zero for good.

    A zero after another number may be an underflow; after a zero it is one again.
    """
    good: NDArray[np.bool_] = np.ones(start - stop, bool)
    for mantissa in (mantissa_h,) if mantissa_c is None else (mantissa_h, mantissa_c):
        square = square_norm(mantissa[stop:start])
        in_range = (square > LEAST) & (square < MOST)
        if not in_range.all():
            zero = np.logical_not(mantissa[stop : start + 1].any(-2))
            in_range |= zero[:-1] & zero[1:]
            good &= in_range.reshape(start - stop, -1).all(1)
    return stop if good.all() else stop + int(np.flatnonzero(~good)[-1]) + 1
