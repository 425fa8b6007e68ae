"""The way back through one sequence, for which a step is one matrix: [∂L/∂h_{t−1}; ∂L/∂c_{t−1}] = J_tᵀ [∂L/∂h_t; ∂L/∂c_t]."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradflow.activations import Array
from gradflow.blocks import BLOCK_STEPS, Block, Room, apart
from gradflow.cells import Cell
from gradflow.checks import surely_finite
from gradflow.exponents import Exponent, shift, square_norm
from gradflow.layout import by_slot

# A step's matrix has rows² numbers and saves calls for each slot: for a single gradient it pays up to so many numbers a slot,
# where several share it up to so many rows.
NUMBERS_A_SLOT, ROWS_SHARED = 2**10, 256
SIZE = 2**18  # numbers in a block's matrices


def jacobian_pays(cell: Cell, hidden: int, gradients: int) -> bool:
    """Whether `jacobian_loop` is the faster way back for so many gradients; for a cell with `late_rows` there is none."""
    rows = cell.states * hidden
    return not cell.late_rows and (rows <= ROWS_SHARED if gradients > 1 else rows**2 <= NUMBERS_A_SLOT * cell.slots)


def jacobian_steps(cell: Cell, hidden: int) -> int:
    """How many steps make a block."""
    return max(1, min(BLOCK_STEPS, SIZE // (cell.states * hidden) ** 2))


def jacobian_loop(
    cell: Cell,
    w: Array,
    local_of: Callable[[int, int], Array],
    room: Callable[[int, int], Room],
    arriving: Mapping[int, Array],
    keep_a: bool,
    otherwise: Callable[..., Block],
) -> Callable[..., Block]:
    """`blocks.block_loop` for one sequence: a step is one product, for as many gradients as there are columns.

    The J_t of a block are made before its loop; after it the totals ∂L/∂c_t and, if kept, ∂L/∂a_t. Where a J_t leaves float64's
    range, although the gradient that meets it may be 0, the block is gone through by `otherwise`, the `block_loop`.
    """
    slots, to_h = cell.slots, ways_to_h(cell, w)
    hidden = len(to_h)

    def go_back(stop: int, start: int, dh: Array, dc: Any, e: Exponent) -> Block:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            local, (h, c, da), scaled = local_of(stop, start), room(stop, start), np.count_nonzero(e) > 0
            both = np.empty((start - stop + 1, cell.states * hidden, dh.shape[-1]))
            of_h, of_c = both[:, :hidden], both[:, hidden:]
            of_h[-1] = dh
            if c is not None:
                of_c[-1] = dc
            JT = step_jacobians(cell, local, to_h).swapaxes(1, 2)
            for t, JT_t, here, before in zip(
                range(start - 1, stop - 1, -1), JT[::-1], both[:0:-1], both[-2::-1], strict=True
            ):
                JT_t.dot(here, before)
                if t in arriving:
                    before[:hidden] += shift(arriving[t], -e) if scaled else arriving[t]
            if not surely_finite(both):
                return otherwise(stop, start, dh, dc, e)
            h[...] = of_h[:-1]
            total_c = None
            if c is not None:
                c[...] = of_c
                total_c = c[1:]
            if keep_a:
                nowhere = np.empty(h.shape)
                cell.step_back(
                    of_h[1:], total_c, *apart(cell, local), by_slot(da, slots), None, nowhere, nowhere, no_product
                )
            elif total_c is not None:
                total_c[...] = cell.total_c(of_h[1:], total_c, *local[slots:])
            return Block(stop, start, e, dh, h, c, square_norm(h), None if c is None else square_norm(c))

    return go_back


def ways_to_h(cell: Cell, w: Array) -> Array:
    """Where in h_{t−1} a unit's slots pass a gradient on to, by W_hh's rows, and last where it goes past them: to the unit.

    (H, slots that W_hh feeds + 1, H), from the matrix w of `parameters.pack`.
    """
    hidden = w.shape[0] // cell.slots
    fed = w[cell.early_slots[0] * hidden :, :hidden]
    return np.concatenate([fed, np.eye(hidden)]).reshape(-1, hidden, hidden).swapaxes(0, 1)


def step_jacobians(cell: Cell, local: Array, to_h: Array) -> Array:
    """J_t = ∂(h_t, c_t)/∂(h_{t−1}, c_{t−1}) for every step of one sequence, (steps, states·H, states·H).

    A step back is linear. From (1, 0) and (0, 1) in the place of (∂L/∂h_t, ∂L/∂c_t), and without its product, the cell makes the
    factors by which a unit's two gradients go to its slots, and past them to its own h_{t−1} and c_{t−1}; to_h are the
    `ways_to_h`.
    """
    (_, steps, hidden, _), states, slots = local.shape, cell.states, cell.slots
    one = np.eye(states)[..., None, None, None]
    factors = np.empty((states, hidden, steps, slots + states))
    to_slots = factors[..., None].transpose(3, 0, 2, 1, 4)
    past_h, past_c = to_slots[slots], to_slots[-1] if cell.has_c else None
    dc = one[1] + np.zeros(past_h.shape) if cell.has_c else None
    cell.step_back(one[0], dc, *apart(cell, local[:, None]), to_slots[:slots], None, past_h, past_c, no_product)
    size = states * hidden
    # A row more than a step needs: rows a power of two apart, as one row of all steps would often be, share a few of the cache's
    # sets, and the product below writes those side by side.
    J = np.zeros((steps, size + 1, size))[:, :size]
    by_unit = J.reshape(steps, states, hidden, states, hidden)
    np.matmul(factors[..., cell.early_slots[0] : slots + 1], to_h, out=by_unit[..., 0, :].transpose(1, 2, 0, 3))
    if past_c is not None:
        np.einsum("tsii->tsi", by_unit[..., 1, :])[...] = past_c[..., 0].swapaxes(0, 1)
    return J


def no_product(da: Any, out: Any = 0.0) -> Any:
    """In the place of the product with W_hhᵀ: nothing comes by it."""
    if isinstance(out, np.ndarray):
        out[...] = 0.0
    return out
