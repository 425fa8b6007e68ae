"""The two time loops: forward makes a Trace, backward makes a Flow.

All matrix work is here; the cells see elementwise arithmetic only. Forward it is one product per step, W [h; x; 1], which
does the recurrence, the input and the biases at once; backward one product with W_hhᵀ per step. The parameters' gradients
are ∂L/∂a ⊗ [h; x; 1], one product per block of steps (`flow.parameter_gradients`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from math import prod
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
BUFFER = 16  # else NumPy copies what lies in strides, such as a slot in a stack, into longer rows before it computes
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
    """The forward pass on checked input, sweep axes allowed: x (T, …, B, D), params (…, rows, columns)."""
    trace = blank_trace(cell, params, x, mask, *(s for s in (h0, c0) if s is not None))
    trace.h[0] = 0.0 if h0 is None else h0
    if trace.c is not None:
        trace.c[0] = 0.0 if c0 is None else c0
    forward_loop(trace)(len(x), None if mask is None else ~mask[..., None, :])
    return trace


def blank_trace(cell: Cell, params: Params, x: Array, mask: NDArray[np.bool_] | None, *states: Array) -> Trace:
    """A trace with its input in place and all else still to be computed."""
    steps, *lead, batch, inputs = x.shape
    hidden = params["weight_hh_l0"].shape[-1]
    dtype = np.result_type(x, *params.values(), *states)
    w, late_w = pack(cell, params, dtype)
    rows = np.empty((steps + 1, *lead, hidden + inputs + 1, batch), dtype)
    rows[:-1, ..., hidden:-1, :] = columns(x)
    rows[-1, ..., hidden:-1, :] = 0.0
    rows[..., -1, :] = 1.0
    return Trace(
        cell,
        params,
        x,
        h=columns(rows[..., :hidden, :]),
        c=columns(np.empty((steps + 1, *lead, hidden, batch), dtype)) if cell.has_c else None,
        mask=mask,
        rows=rows,
        a=by_slot(np.empty((steps, *lead, cell.slots * hidden, batch), dtype), cell.slots),
        saved=np.empty((steps, len(cell.saves), *lead, hidden, batch), dtype).swapaxes(0, 1),
        w=w,
        late_w=late_w,
    )


def forward_loop(trace: Trace) -> Callable[[int, NDArray[np.bool_] | None], None]:
    """The forward loop over a trace's first steps, how many and which sequences lack them (steps, …, 1, B) being told."""
    cell, rows, w = trace.cell, trace.rows, trace.w
    *lead, hidden, batch = trace.a.shape[2:]
    h_rows, c_rows = columns(trace.h), None if trace.c is None else columns(trace.c)
    a, axis = trace.a.swapaxes(0, 1), len(lead) + 1
    pre = trace.a.transpose(*range(1, axis + 1), 0, axis + 1, axis + 2)  # as they lie in memory
    pre = pre.reshape(len(a), *lead, cell.slots * hidden, batch)
    late = () if trace.late_w is None else (late_product(trace.late_w, lead, hidden, batch),)
    step = with_last(cell.step, *late, *unit_columns(cell, trace.params))
    stateless = cell.early_slots[0] * hidden  # rows of W that no state feeds: they need not wait for the loop
    multiply = product_with(w[..., stateless:, :])

    @np.errstate(over="ignore", under="ignore", invalid="ignore")
    def go(steps: int, absent: NDArray[np.bool_] | None) -> None:
        np.setbufsize(BUFFER)
        if stateless:
            before = rows[:steps, ..., hidden:, :]
            np.matmul(w[..., :stateless, hidden:], before, out=pre[:steps, ..., :stateless, :])
        arrays = (rows, pre[..., stateless:, :], a, trace.saved.swapaxes(0, 1), h_rows[1:])
        of_step = zip(range(steps), *arrays, repeat(None) if c_rows is None else c_rows[1:], strict=False)
        h, c = h_rows[0], None if c_rows is None else c_rows[0]
        for t, row, pre_t, a_t, saved_t, h_next, c_next in of_step:
            multiply(row, pre_t)  # this line and "dh_before +=" below are read by `equations`
            step(a_t, saved_t, h, c, h_next, c_next)
            if absent is not None:
                np.copyto(h_next, h, where=absent[t])
                if c is not None and c_next is not None:
                    np.copyto(c_next, c, where=absent[t])
            h, c = h_next, c_next

    return go


def with_last(function: Callable[..., None], *last: Any) -> Callable[..., None]:
    """The function with these as its last arguments; itself where there are none, which saves a call."""
    return (lambda *first: function(*first, *last)) if last else function


def by_slot(rows: Array, slots: int) -> Array:
    """(T, …, slots·H, B) as (slots, T, …, H, B), a view."""
    *before, height, batch = rows.shape
    axis = len(before)
    apart = rows.reshape(*before, slots, height // slots, batch)
    return apart.transpose(axis, *range(axis), axis + 1, axis + 2)


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
    """da ↦ Wᵀ da for the rows of W_hh that act at once and for the late ones."""
    hidden, batch = trace.h.shape[-1], trace.h.shape[-2]
    first, last = trace.cell.early_slots
    return [
        transposed_product(w, batch)
        for w in (trace.w[..., first * hidden : last * hidden, :hidden], trace.late_w)
        if w is not None
    ]


def transposed_product(w: Array, batch: int) -> Product:
    """da ↦ Wᵀ da, (slots, …, H, B) → (…, H, B); a single slot comes without its axis."""
    *lead, rows, hidden = w.shape
    multiply = product_with(np.ascontiguousarray(columns(w)))
    if rows == hidden:
        return multiply
    if not lead:
        return lambda da, out=None: multiply(da.reshape(rows, batch), out)
    shape, slots_last = (*lead, rows, batch), (*range(1, len(lead) + 1), 0, len(lead) + 1, len(lead) + 2)
    return lambda da, out=None: multiply(da.transpose(slots_last).reshape(shape), out)


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
    """The backward pass on checked input, sweep axes allowed; without `keep_a` the parameters' gradients are not kept.

    `read`, (T + 1,), says in which rows of `direct` to look.
    """
    cell, steps, shape = trace.cell, len(trace.x), columns(trace.h).shape
    mantissa_h = np.empty(shape, trace.h.dtype)
    mantissa_c = np.empty_like(mantissa_h) if cell.has_c else None
    mantissa_a = blank_slots(cell, steps if keep_a else 1, shape[1:])
    exponent = np.zeros((steps + 1, *shape[1:-2], shape[-1]), np.int64)
    block = min(block_steps(cell, shape[1:]), steps)
    local = blank_local(cell, block, shape[1:])
    h, c, own = columns(trace.h), None if trace.c is None else columns(trace.c), unit_columns(cell, trace.params)

    def local_of(stop: int, start: int) -> Array:
        some, rows, into = slice(stop, start), slice(stop, start + 1), local[:, : start - stop]
        c_rows = None if c is None else c[rows]
        cell.partials(
            trace.a[:, some], trace.saved[:, some], h[rows], c_rows, into[: cell.slots], *into[cell.slots :], *own
        )
        return into

    def room(stop: int, start: int) -> Room:
        c_rows, by_step = None if mantissa_c is None else mantissa_c[stop : start + 1], mantissa_a.swapaxes(0, 1)
        return mantissa_h[stop:start], c_rows, by_step[stop:start] if keep_a else [by_step[0]] * (start - stop)

    arriving = {t: columns(direct[t]) for t in np.flatnonzero(read).tolist()}
    mantissa_h[-1] = arriving.get(steps, 0.0)
    absent = None if trace.mask is None else ~trace.mask[..., None, :]
    loop = block_loop(cell, transposed_products(trace), local_of, room, arriving, absent)
    dh, dc = arriving.get(steps, np.zeros(shape[1:])), np.zeros(shape[1:]) if cell.has_c else None
    for b in blocks_back(loop, dh, dc, arriving, steps, block):
        exponent[b.stop : b.start] = b.exponent
    return Flow(trace, direct, read, mantissa_h, mantissa_c, exponent, mantissa_a if keep_a else None)


Room = tuple[
    Array, Array | None, Any
]  # where a block's gradients go: h (steps, …), c (steps + 1, …), and each step's da


@dataclass(frozen=True, eq=False)
class Block:
    """Steps that have been gone back through: gradients, with one exponent, from row `start` down to row `stop`.

    dh: what it began with. h: the rows stop … start − 1, (steps, …, H, B). c: the rows stop … start, of which row `stop` is
    only the share that comes from c_{stop + 1}, unless it is row 0. square_h and square_c are their squared norms.
    """

    stop: int
    start: int
    exponent: Exponent
    dh: Array
    h: Array
    c: Array | None
    square_h: Array
    square_c: Array | None


def block_steps(cell: Cell, shape: tuple[int, ...], size: int = BLOCK_SIZE) -> int:
    """How many steps make a block of `size` pre-activations, states being of this shape."""
    return max(1, min(BLOCK_STEPS, size // (cell.slots * prod(shape))))


def blank_slots(cell: Cell, steps: int, shape: tuple[int, ...]) -> Array:
    """Room for the slots, (slots, steps, …, H, B), such that one step's are one matrix."""
    *lead, hidden, batch = shape
    return by_slot(np.empty((steps, *lead, cell.slots * hidden, batch)), cell.slots)


def blank_local(cell: Cell, steps: int, shape: tuple[int, ...]) -> Array:
    """Room for the local derivatives, the slots' first and then the others', (slots + others, steps, …, H, B)."""
    return np.empty((cell.slots + len(cell.others), steps, *shape))


def blocks_back(
    go_back: Callable[..., Block], dh: Array, dc: Array | None, arriving: Mapping[int, Array], steps: int, block: int
) -> Iterator[Block]:
    """Goes back with a `block_loop` from the last step, where the gradients are dh and dc, to the first, block by block.

    At a block's start a sequence whose gradient has drifted from 1 gets a new exponent; if a gradient leaves the mantissa's
    range inside the block, the block is done again, but only to the last good step. If there is none, one step is done from
    an exponent that brings the gradient to 1 exactly.
    """
    t, e = steps, np.zeros((*dh.shape[:-2], dh.shape[-1]), np.int64)
    while t > 0:
        next_arriving, square = arriving.get(t - 1), total_square(dh, dc)
        if (next_arriving is not None and e.any()) or not ((square > LOW) & (square < HIGH)).all():
            e, dh, dc = rescaled(e, dh, dc, next_arriving, COMFORT)
        b = go_back(max(0, t - block), t, dh, dc, e)
        good = first_good(b)
        if good == t:
            e, dh, dc = rescaled(e, dh, dc, next_arriving, 0)
            b = go_back(t - 1, t, dh, dc, e)
        elif good > b.stop:
            b = go_back(good, t, dh, dc, e)
        yield b
        # copies, for the next block may go to the same room
        t, dh, dc = b.stop, b.h[0].copy(), None if b.c is None else b.c[0].copy()


def total_square(dh: Array, dc: Array | None) -> Array:
    """The squared norm of both together, (…, B)."""
    with np.errstate(over="ignore", under="ignore"):
        return square_norm(dh) if dc is None else square_norm(dh) + square_norm(dc)


def rescaled(
    e: Exponent, dh: Array, dc: Array | None, next_arriving: Array | None, comfort: int
) -> tuple[Exponent, Array, Array | None]:
    """The same gradients with new exponents where they, or what arrives next, are not within 2^±comfort."""
    square = total_square(dh, dc)
    reach = np.frexp(square)[1].astype(np.int64) // 2
    far = ~((square > LEAST) & (square < MOST))
    if far.any():
        vectors = [columns(gradient)[far][..., None] for gradient in (dh, dc) if gradient is not None]
        reach[far] = np.maximum.reduce([exponent_of(v)[..., 0] for v in vectors])
    if next_arriving is not None:
        reach = np.maximum(reach, exponent_of(next_arriving) - e)
    drift = np.where((np.abs(reach) > comfort) & (reach > EXPONENT_OF_ZERO // 2), reach, 0)
    return e + drift, shift(dh, -drift), None if dc is None else shift(dc, -drift)


def block_loop(
    cell: Cell,
    UT: list[Product],
    local_of: Callable[[int, int], Array],
    room: Callable[[int, int], Room],
    arriving: Mapping[int, Array],
    absent: NDArray[np.bool_] | None,
) -> Callable[..., Block]:
    """The backward loop from row `start` down to row `stop`, from the gradients dh and dc at `start`, all with exponent e.

    local_of and room say for the steps between two rows which local derivatives they have and where their gradients go;
    arriving has the direct derivatives, row → (…, H, B).
    """
    slots = cell.slots

    @np.errstate(over="ignore", under="ignore", invalid="ignore")
    def go_back(stop: int, start: int, dh: Array, dc: Any, e: Exponent) -> Block:
        np.setbufsize(BUFFER)
        local, (h, c, da), start_h, scaled = local_of(stop, start), room(stop, start), dh, e.any()
        if c is not None:
            c[-1] = dc
            dc = c[-1]
        slots_back, others = local[:slots].swapaxes(0, 1)[::-1], local[slots:, ::-1]
        into = da[::-1], h[::-1], repeat(None) if c is None else c[-2::-1]
        of_step = zip(range(start - 1, stop - 1, -1), zip(slots_back, *others, strict=True), *into, strict=False)
        for t, local_t, da_t, dh_before, dc_before in of_step:
            share: Any = None if absent is None or dc is None else dc.copy()
            cell.step_back(dh, dc, *local_t, da_t, dh_before, dc_before, *UT)
            if absent is not None:
                np.copyto(da_t, 0.0, where=absent[t])
                np.copyto(dh_before, dh, where=absent[t])
                if share is not None:
                    np.copyto(dc, share, where=absent[t])
                    np.copyto(dc_before, share, where=absent[t])
            if t in arriving:
                dh_before += shift(arriving[t], -e) if scaled else arriving[t]
            dh, dc = dh_before, dc_before
        return Block(stop, start, e, start_h, h, c, square_norm(h), None if c is None else square_norm(c))

    return go_back


def first_good(b: Block) -> int:
    """The furthest row back from the block's start to which every gradient kept its digits: in range, or exactly zero for good.

    A zero after another number may be an underflow; after a zero it is one again.
    """
    good: Any = None
    rows_h, rows_c = [b.h, b.dh[None]], [] if b.c is None else [b.c]
    for rows, square in ((rows_h, b.square_h), (rows_c, b.square_c)):
        if square is None:
            continue
        in_range = ((square > LEAST) & (square < MOST))[: b.start - b.stop]
        if not in_range.all():
            lanes = ~in_range.all(0)
            zero = np.logical_not(np.concatenate([columns(array)[:, lanes] for array in rows]).any(-1))
            kept = (in_range[:, lanes] | (zero[:-1] & zero[1:])).all(1)
            good = kept if good is None else good & kept
    return b.stop if good is None or good.all() else b.stop + int(np.flatnonzero(~good)[-1]) + 1
