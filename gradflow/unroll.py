"""Through time: forward makes a Trace, backward makes a Flow.

The cells see elementwise arithmetic only, the matrix work is in the loops. Forward, here, it is one product per step,
W [h; x; 1], which does the recurrence, the input and the biases at once; backward, in `blocks`, one with W_hhᵀ, or for one
sequence, in `jacobians`, one with the whole step's Jacobian. The parameters' gradients are ∂L/∂a ⊗ [h; x; 1], one product per
block of steps (`flow.parameter_gradients`).
"""

from collections.abc import Callable, Mapping
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradflow.activations import Array
from gradflow.blocks import (
    Room,
    apart,
    blank_local,
    blank_slots,
    block_loop,
    block_steps,
    blocks_back,
    transposed_products,
)
from gradflow.cells import Cell, as_cell
from gradflow.checks import MAX_BYTES, check_kind, finite_array, surely_finite
from gradflow.exponents import nonzero_rows
from gradflow.flow import Flow, Trace
from gradflow.jacobians import jacobian_loop, jacobian_pays, jacobian_steps
from gradflow.layout import BUFFER, by_slot, columns, product_with
from gradflow.parameters import Params, check_params, pack, unit_columns


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
    # copies, here and below: a trace must not change with the caller's arrays
    arrays = {name: array.copy() for name, array in check_params(cell, params).items()}
    x = finite_array("x", x, ("T", "B", arrays["weight_ih_l0"].shape[-1]))
    steps, batch, _ = x.shape
    hidden = arrays["weight_hh_l0"].shape[-1]
    if steps < 1 or batch < 1:
        raise ValueError(f"x must hold at least one step and one sequence, got shape {x.shape}")
    if c0 is not None and not cell.has_c:
        raise ValueError(f"c0 must be None for a cell without c such as {cell.name}, got {np.shape(c0)}")
    h0 = None if h0 is None else finite_array("h0", h0, (batch, hidden))
    c0 = None if c0 is None else finite_array("c0", c0, (batch, hidden))
    if mask is not None:
        mask = np.array(mask)
        if mask.dtype != np.bool_ or mask.shape != (steps, batch):
            raise ValueError(f"mask must be boolean of shape {(steps, batch)}, got {mask.dtype} {mask.shape}")
    check_memory(cell, steps, batch, hidden, x.shape[-1])
    trace = unroll(cell, arrays, x, h0, c0, mask)
    step = first_overflow(trace)
    if step is not None:
        raise ForwardOverflow(step, steps)
    return trace


def check_memory(cell: Cell, length: int, batch: int, hidden: int, inputs: int, logits: int = 0) -> None:
    """ValueError where a run would need more than 1 GB; `logits` are those of a sequence's whole readout."""
    states = length * batch * (hidden * (3 * cell.slots + len(cell.saves) + 5) + 2 * inputs)
    weights = cell.slots * hidden * (hidden + inputs + 1)
    need = 8.0 * (states + 6 * weights + 6 * batch * logits)
    if need > MAX_BYTES:
        raise ValueError(
            f"length × batch × hidden must fit in {MAX_BYTES / 1e9:g} GB, got {length} × {batch} × {hidden} "
            f"for {cell.name} with {inputs} inputs{f' and {logits} logits' if logits else ''}, which needs {need / 1e9:.1f} GB"
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
        x=columns(rows[:-1, ..., hidden:-1, :]),
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
    axis = len(lead) + 1
    pre = trace.a.transpose(*range(1, axis + 1), 0, axis + 1, axis + 2)  # as they lie in memory
    pre = pre.reshape(len(pre), *lead, cell.slots * hidden, batch)
    late = () if trace.late_w is None else (product_with(trace.late_w),)
    step = with_last(cell.step, *late, *unit_columns(cell, trace.params))
    stateless = cell.early_slots[0] * hidden  # rows of W that no state feeds: they need not wait for the loop
    multiply = product_with(w[..., stateless:, :])

    def go(steps: int, absent: NDArray[np.bool_] | None) -> None:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            np.setbufsize(BUFFER)  # until `errstate` ends
            if stateless:
                before = rows[:steps, ..., hidden:, :]
                np.matmul(w[..., :stateless, hidden:], before, out=pre[:steps, ..., :stateless, :])
            into = h_rows[1:], repeat(None) if c_rows is None else c_rows[1:]
            of_step = zip(
                range(steps), rows, pre[..., stateless:, :], cell.rows(trace.a, trace.saved), *into, strict=False
            )
            h, c = h_rows[0], None if c_rows is None else c_rows[0]
            for t, row, pre_t, (a_t, saved_t), h_next, c_next in of_step:
                multiply(row, pre_t)  # this line is read by `equations`
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


def first_overflow(trace: Trace) -> int | None:
    """The first step at which some state is not finite, or None."""
    # all of `trace.rows` has no gaps, unlike the states h in it
    if surely_finite(trace.rows) and (trace.c is None or surely_finite(columns(trace.c))):
        return None
    rows = [trace.h] if trace.c is None else [trace.h, trace.c]
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

    `read`, (T + 1,), says in which rows of `direct` to look. Through a trace of one sequence several gradients may go back side
    by side, without `keep_a`: direct is then (T + 1, gradients, H), and the Flow has their mantissas, exponents and norms.
    """
    cell, steps, shape = trace.cell, len(trace.x), columns(direct).shape
    alone = trace.h.shape[:-1] == (steps + 1, 1)
    by_jacobian = alone and trace.mask is None and jacobian_pays(cell, *shape[1:])
    mantissa_h = np.empty(shape, trace.h.dtype)
    mantissa_c = np.empty_like(mantissa_h) if cell.has_c else None
    mantissa_a = blank_slots(cell, steps, shape[1:], kept=keep_a)
    exponent = np.zeros((steps + 1, *shape[1:-2], shape[-1]), np.int64)
    block = min(jacobian_steps(cell, shape[-2]) if by_jacobian else block_steps(cell, shape[1:]), steps)
    local = blank_local(cell, block, columns(trace.h).shape[1:])
    h, c, own = columns(trace.h), None if trace.c is None else columns(trace.c), unit_columns(cell, trace.params)

    def local_of(stop: int, start: int) -> Array:
        some, rows, into = slice(stop, start), slice(stop, start + 1), local[:, : start - stop]
        c_rows = None if c is None else c[rows]
        cell.partials(trace.a[:, some], trace.saved[:, some], h[rows], c_rows, *apart(cell, into), *own)
        return into

    def room(stop: int, start: int) -> Room:
        return (
            mantissa_h[stop:start],
            None if mantissa_c is None else mantissa_c[stop : start + 1],
            mantissa_a[stop:start],
        )

    arriving = {t: columns(direct[t]) for t in np.flatnonzero(read).tolist()}
    mantissa_h[-1] = arriving.get(steps, 0.0)
    absent = None if trace.mask is None else ~trace.mask[..., None, :]
    loop = block_loop(cell, transposed_products(trace), local_of, room, arriving, absent)
    if by_jacobian:
        loop = jacobian_loop(cell, trace.w, local_of, room, arriving, keep_a, loop)
    for b in blocks_back(loop, cell, shape[1:], arriving, steps, block):
        exponent[b.stop : b.start] = b.exponent
    for mantissa in (mantissa_h, mantissa_c):  # where no exponent is needed, grad_h is this same array
        if mantissa is not None:
            mantissa.flags.writeable = False
    return Flow(
        trace, direct, read, mantissa_h, mantissa_c, exponent, by_slot(mantissa_a, cell.slots) if keep_a else None
    )
