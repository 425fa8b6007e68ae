"""What the two time loops give: a Trace of the forward pass, a Flow of the backward pass."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gradflow.activations import Array
from gradflow.cells import Cell
from gradflow.exponents import EXPONENT_OF_ZERO, MAX_POWER, Exponent, log10_hypot, log10_norm, shift
from gradflow.layout import columns
from gradflow.parameters import Params, unpack

if TYPE_CHECKING:
    import pandas as pd

GRADIENT_COLUMNS = 512  # (step, sequence) pairs in a block of the product that makes the parameters' gradients


def own_rows(mask: NDArray[np.bool_] | None, steps: int, batch: int) -> NDArray[np.bool_]:
    """Which rows t = 0 … T belong to a sequence, (T + 1, B): h_t of a step it has, and the state that such a step starts from.

    In the other rows the state and its gradient only stand where they were carried over.
    """
    own = np.zeros((steps + 1, batch), bool)
    own[1:] |= True if mask is None else mask
    own[:-1] |= True if mask is None else mask
    return own


@dataclass(frozen=True, eq=False, repr=False)
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
    saved: Array  # what the cell's `step` saved, such as its gates' values, (saves, T, …, H, B)
    w: Array  # (…, slots·H, H + D + 1)
    late_w: Array | None

    @cached_property
    def gates(self) -> dict[str, Array]:
        """Gate name → its values, each (T, …, B, H); a cell without gates has none."""
        saves = self.cell.saves
        return {name: columns(self.saved[saves.index(name)]) for name in self.cell.gates if name in saves}

    @cached_property
    def pre_activations(self) -> Array:
        """The pre-activations slot by slot, (slots, T, …, B, H): W_ih feeds the first `len(cell.input_rows)` slots, W_hh the
        last `len(cell.state_rows)`."""
        return columns(self.a)


@dataclass(frozen=True, eq=False, repr=False)
class Flow:
    """A backward pass: the total derivative of the loss with respect to every state, parameter and input.

    Gradients are kept as mantissa · 2^exponent, one exponent per sequence and step. `log10_norm*` are exact at any magnitude,
    as long as nothing that lies 300 decades below its sequence's largest would outgrow it later: such a unit, or a direct
    derivative that arrives at such a step, reads 0.
    `grad_*` and `grads` are plain float64, so that beyond its range they read 0 or ±inf. −inf in a logarithm says zero in
    that sense; +inf says that a single step took a gradient of about 1 out of float64's range, so that from there back it can't
    be told, and `grad_*` may be NaN. All rows t = 0 … T, shapes as in Trace.
    """

    trace: Trace
    direct: Array  # (T + 1, …, B, H), the direct derivative ∂L/∂h_t, as given
    read: NDArray[np.bool_]  # (T + 1,), the rows in which it may be other than zero
    mantissa_h: Array  # (T + 1, …, H, B)
    mantissa_c: Array | None
    exponent: Exponent  # (T + 1, …, B)
    mantissa_a: Array | None  # (slots, T, …, H, B), the gradient at the pre-activations

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.trace.cell.title}, h {self.trace.h.shape}>"

    @cached_property
    def exponent_c(self) -> Exponent:
        """c_t's exponent is that of the step back from t, in which the total ∂L/∂c_t comes about; (T + 1, …, B)."""
        return np.concatenate([self.exponent[:1], self.exponent[:-1]])

    @cached_property
    def grad_h(self) -> Array:
        """Total ∂L/∂h_t, (T + 1, …, B, H); take a copy to change it."""
        return columns(shift(self.mantissa_h, self.exponent))

    @cached_property
    def grad_c(self) -> Array | None:
        """Total ∂L/∂c_t, (T + 1, …, B, H), through h_t too; None where the cell has no c."""
        if self.mantissa_c is None:
            return None
        return columns(shift(self.mantissa_c, self.exponent_c))

    @cached_property
    def log10_norm(self) -> Array:
        """log10 ‖∂L/∂h_t‖ per sequence, (T + 1, …, B); −inf says exactly zero."""
        return log10_norm(self.mantissa_h, self.exponent)

    @cached_property
    def log10_norm_c(self) -> Array | None:
        """log10 ‖∂L/∂c_t‖ per sequence, or None where the cell has no c."""
        return None if self.mantissa_c is None else log10_norm(self.mantissa_c, self.exponent_c)

    @cached_property
    def log10_norm_joint(self) -> Array:
        """log10 √(‖∂L/∂h_t‖² + ‖∂L/∂c_t‖²) per sequence; the same as `log10_norm` where the cell has no c."""
        return self.log10_norm if self.log10_norm_c is None else log10_hypot(self.log10_norm, self.log10_norm_c)

    @cached_property
    def log10_norm_direct(self) -> Array:
        """log10 of the direct derivative's norm: only the path through the readout at step t."""
        log = np.full(self.exponent.shape, -np.inf)
        log[self.read] = log10_norm(columns(self.direct[self.read]), np.zeros_like(self.exponent[self.read]))
        return log

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
        with np.errstate(under="ignore"):
            dx = np.matmul(self.trace.w[:, hidden:-1].T, da)
        return columns(shift(dx, self.exponent[:-1]))

    def to_frame(self) -> "pd.DataFrame":
        """One row per (step, sequence, quantity): log10_norm of ∂L/∂h, ∂L/∂c, their joint norm and the direct part.

        Steps that a sequence does not have (mask) have no row.
        """
        from gradflow.frames import norms_frame  # pandas takes long to import and only this needs it

        norms = {
            "dL/dh": self.log10_norm,
            "dL/dc": self.log10_norm_c,
            "joint": None if self.log10_norm_c is None else self.log10_norm_joint,
            "direct": self.log10_norm_direct,
        }
        own = own_rows(self.trace.mask, *self.trace.x.shape[:2])
        return norms_frame({name: np.where(own, norm, np.nan) for name, norm in norms.items() if norm is not None})


def one_sequence(trace: Trace, sequence: int) -> Trace:
    """The trace of one of a batch's sequences alone; views, nothing is copied."""
    one = slice(sequence, sequence + 1)
    return replace(
        trace,
        x=trace.x[:, one],
        h=trace.h[:, one],
        c=None if trace.c is None else trace.c[:, one],
        mask=None if trace.mask is None else trace.mask[:, one],
        rows=trace.rows[..., one],
        a=trace.a[..., one],
        saved=trace.saved[..., one],
    )


def steps_between(trace: Trace, start: int, stop: int) -> Trace:
    """The trace of the steps start + 1 … stop alone, which begins at h_start; views, nothing is copied."""
    return replace(
        trace,
        x=trace.x[start:stop],
        h=trace.h[start : stop + 1],
        c=None if trace.c is None else trace.c[start : stop + 1],
        mask=None if trace.mask is None else trace.mask[start:stop],
        rows=trace.rows[start : stop + 1],
        a=trace.a[:, start:stop],
        saved=trace.saved[:, start:stop],
    )


def parameter_gradients(flow: Flow) -> Params:
    """Σ over steps and sequences of ∂L/∂a ⊗ [h; x; 1], in PyTorch's layout, and of ∂L/∂a ⊙ what a unit weight multiplies."""
    trace, da, e = flow.trace, flow.mantissa_a, flow.exponent[:-1]
    assert da is not None
    late = len(trace.cell.late_rows)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        h, c = columns(trace.h), None if trace.c is None else columns(trace.c)
        first, hidden = trace.cell.early_slots[0], trace.h.shape[-1]
        w = np.zeros_like(trace.w)  # and so they stay where no state feeds the slot
        w[: first * hidden, hidden:] = summed(outer, da[:first], trace.rows[:, hidden:], e) if first else 0.0
        w[first * hidden :] = summed(outer, da[first:], trace.rows, e)
        late_w = summed(outer, da[-late:], trace.cell.late_operand(trace.saved, h), e) if late else None
        by_unit = [summed(elementwise, da[slot], v, e) for slot, v in trace.cell.unit_operands(h, c)]
    return {**unpack(trace.cell, w, late_w), **dict(zip(trace.cell.unit_weights, by_unit, strict=True))}


def summed(product: Callable[[Array, Array, Exponent], Array], da: Array, operand: Array, e: Exponent) -> Array:
    """A product's sum over steps and sequences, 2^e taken care of at any size."""
    if not np.count_nonzero(e):  # as most often: there is nothing to take out
        return product(da, operand, e)
    total: Any = 0.0
    while (top := int(e.max())) > EXPONENT_OF_ZERO:
        # Exploded steps come first, the largest of them alone: beside them an ordinary one has no digits left, it counts where
        # they add nothing.
        now = e > (top - MAX_POWER if top > MAX_POWER else EXPONENT_OF_ZERO)
        part = np.ldexp(product(da, operand, np.where(now, e - top, EXPONENT_OF_ZERO)), top)
        total = np.where(np.isinf(total), total, total + part)
        e = np.where(now, EXPONENT_OF_ZERO, e)
    return np.asarray(total)


def elementwise(da: Array, operand: Array, e: Exponent) -> Array:
    """Σ_t,n 2^e[t, n] da[t, i, n] operand[t, i, n] in plain float64, (H,)."""
    return np.einsum("tin,tin->i", da, shift(operand, e))


def outer(da: Array, operand: Array, e: Exponent) -> Array:
    """Σ_t,n 2^e[t, n] da[slot, t, i, n] operand[t, j, n], the slots' rows above one another: (slots·H, J).

    In plain float64, in blocks of steps that fit the cache.
    """
    _, steps, _, batch = da.shape
    block = max(1, GRADIENT_COLUMNS // batch)
    total: Array | float = 0.0
    for t in range(0, steps, block):
        some = slice(t, min(t + block, steps))
        size = (some.stop - t) * batch
        left = da[:, some].swapaxes(1, 2).reshape(-1, size)
        right = shift(operand[some], e[some]).swapaxes(0, 1).reshape(-1, size)
        total = total + left @ right.T
    return np.asarray(total)
