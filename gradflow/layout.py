"""How arrays lie in memory: one sequence to a column, so that a gate is one block and a product takes a step as it is."""

from collections.abc import Callable
from functools import partial

import numpy as np

from gradflow.activations import Array

BUFFER = 16  # else NumPy copies what lies in strides, such as a slot in a stack, into longer rows before it computes


def columns(array: Array) -> Array:
    """(…, batch, hidden) ↔ (…, hidden, batch), a view: inside the loops one sequence is one column."""
    return array.swapaxes(-1, -2)


def by_slot(rows: Array, slots: int) -> Array:
    """(T, …, slots·H, B) as (slots, T, …, H, B), a view."""
    *before, height, batch = rows.shape
    axis = len(before)
    apart = rows.reshape(*before, slots, height // slots, batch)
    return apart.transpose(axis, *range(axis), axis + 1, axis + 2)


def product_with(w: Array) -> Callable[..., Array]:
    """v ↦ W v, into a second argument if there is one; an array's own `dot` has the smallest overhead, `matmul` takes stacks."""
    return w.dot if w.ndim == 2 else partial(np.matmul, w)
