"""The way back through time, in blocks of steps whose gradients share an exponent.

`blocks_back` leads a loop from the last step to the first and picks the exponents; `block_loop` makes the loop, for one sequence
`jacobians` makes another.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from gradflow.activations import Array
from gradflow.cells import Cell
from gradflow.cells.cell import Product
from gradflow.exponents import EXPONENT_OF_ZERO, Exponent, exponent_of, shift, square_norm
from gradflow.flow import Trace
from gradflow.layout import BUFFER, by_slot, columns, product_with

BLOCK_STEPS = 64  # how many steps go back between two looks at the gradient's size
BLOCK_SIZE = 2**16  # pre-activations in a block, so that it stays in the cache
COMFORT = 64  # binary orders of magnitude around 1 within which a gradient keeps its exponent
LOW, HIGH = 2.0 ** (-2 * COMFORT), 2.0 ** (2 * COMFORT)
LEAST, MOST = 2.0**-800, 2.0**800  # the squared norms at which every mantissa surely has all its digits

# where a block's gradients go: ∂L/∂h (steps, …, H, B), ∂L/∂c (steps + 1, …, H, B) and ∂L/∂a (steps, …, slots·H, B)
Room = tuple[Array, Array | None, Array]


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


def blank_slots(cell: Cell, steps: int, shape: tuple[int, ...], kept: bool = True) -> Array:
    """Room for ∂L/∂a, (steps, …, slots·H, B), states being of this shape; unless `kept`, the same room for every step."""
    *lead, hidden, batch = shape
    room = np.empty((steps if kept else 1, *lead, cell.slots * hidden, batch))
    return room if kept else as_strided(room, (steps, *room.shape[1:]), (0, *room.strides[1:]))


def blank_local(cell: Cell, steps: int, shape: tuple[int, ...]) -> Array:
    """Room for the local derivatives, the slots' first and then the others', (slots + others, steps, …, H, B)."""
    return np.empty((cell.slots + len(cell.others), steps, *shape))


def blocks_back(
    go_back: Callable[..., Block],
    cell: Cell,
    shape: tuple[int, ...],
    arriving: Mapping[int, Array],
    steps: int,
    block: int,
) -> Iterator[Block]:
    """Goes back with a `block_loop` or a `jacobian_loop` from the last step, block by block; gradients are of this shape.

    At a block's start a sequence whose gradient has drifted from 1 gets a new exponent; if a gradient leaves the mantissa's
    range inside the block, the block is done again, but only to the last good step. If there is none, one step is done from
    an exponent that brings the gradient to 1 exactly.
    """
    dh, dc = arriving.get(steps, np.zeros(shape)), np.zeros(shape) if cell.has_c else None
    t, e = steps, np.zeros((*shape[:-2], shape[-1]), np.int64)
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
    drift = np.where(np.abs(reach) > comfort, reach, 0)
    # a zero has no exponent: with that of what it was before, what arrives later would be lost
    drift = np.where(reach > EXPONENT_OF_ZERO // 2, drift, -e)
    return e + drift, shift(dh, -drift), None if dc is None else shift(dc, -drift)


def transposed_products(trace: Trace) -> list[Product]:
    """da ↦ Wᵀ da for the rows of W_hh that act at once and for the late ones, (…, rows, B) → (…, H, B)."""
    hidden = trace.h.shape[-1]
    first, last = trace.cell.early_slots
    return [
        product_with(np.ascontiguousarray(columns(w)))
        for w in (trace.w[..., first * hidden : last * hidden, :hidden], trace.late_w)
        if w is not None
    ]


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
    arriving has the direct derivatives, row → (…, H, B). Local derivatives of one sequence serve as many gradients as there are.
    """
    slots, (first, last) = cell.slots, cell.early_slots

    def go_back(stop: int, start: int, dh: Array, dc: Any, e: Exponent) -> Block:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            np.setbufsize(BUFFER)  # until `errstate` ends
            local, (h, c, da), scaled = local_of(stop, start)[:, ::-1], room(stop, start), np.count_nonzero(e) > 0
            if c is not None:
                c[-1] = dc
                dc = c[-1]
            start_h, hidden, da = dh, dh.shape[-2], da[::-1]
            local_back = zip(local[:slots].swapaxes(0, 1), *local[slots:], strict=True)
            da_back = by_slot(da, slots).swapaxes(0, 1), da[..., first * hidden : last * hidden, :]
            states_back = h[::-1], repeat(None) if c is None else c[-2::-1]
            of_step = zip(range(start - 1, stop - 1, -1), local_back, *da_back, *states_back, strict=False)
            for t, local_t, da_t, fed_t, dh_before, dc_before in of_step:
                share: Any = None if absent is None or dc is None else dc.copy()
                cell.step_back(dh, dc, *local_t, da_t, fed_t, dh_before, dc_before, *UT)
                if absent is not None:
                    np.copyto(da_t, 0.0, where=absent[t])
                    np.copyto(dh_before, dh, where=absent[t])
                    if share is not None:
                        np.copyto(dc, share, where=absent[t])
                        np.copyto(dc_before, share, where=absent[t])
                if t in arriving:  # the next line is read by `equations`
                    dh_before += shift(arriving[t], -e) if scaled else arriving[t]
                dh, dc = dh_before, dc_before
            return Block(stop, start, e, start_h, h, c, square_norm(h), None if c is None else square_norm(c))

    return go_back


def apart(cell: Cell, local: Array) -> list[Array]:
    """The slots' local derivatives together, the others one by one."""
    return [local[: cell.slots], *local[cell.slots :]]


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
