"""Parameter dictionaries in PyTorch's layout, and the one matrix the time loop multiplies with.

The names are PyTorch's: weight_ih_l0 (G·H, D), weight_hh_l0 (G·H, H), bias_ih_l0 and bias_hh_l0 (G·H), with the G
gates in the order of `Cell.gates`; then the cell's own `unit_weights` (H). Any of them may have leading sweep axes.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from gradflow.activations import Array
from gradflow.cells import Cell
from gradflow.checks import finite_array, shown, surely_finite

NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
Params = dict[str, Array]


def check_params(cell: Cell, params: Mapping[str, ArrayLike], field: str = "params") -> Params:
    """The cell's arrays, finite and of shapes that fit each other and the cell; ValueError names what does not."""
    if not isinstance(params, Mapping):
        raise ValueError(f"{field} must map names to arrays, got {shown(params)}")
    names = (*NAMES, *cell.unit_weights)
    missing = [name for name in names if name not in params]
    extra = [str(name) for name in params if name not in names]
    if missing or extra:
        told = [f"{what} {', '.join(these)}" for what, these in (("lacks", missing), ("has extra", extra)) if these]
        raise ValueError(f"{field} must have exactly the keys {', '.join(names)}; it {' and '.join(told)}")
    arrays = {name: finite_array(f"{field}[{name!r}]", params[name]) for name in names}
    w_ih, w_hh = arrays["weight_ih_l0"], arrays["weight_hh_l0"]
    gates = len(cell.gates)
    hidden = w_hh.shape[1] if w_hh.ndim == 2 else 0
    if hidden < 1 or w_hh.shape[0] != gates * hidden:
        wanted = f"({gates}·H, H), {cell.name} having {gates} gate{'s' if gates > 1 else ''}"
        raise ValueError(f"{field}['weight_hh_l0'] must have shape {wanted}, got {w_hh.shape}")
    rows = gates * hidden
    if w_ih.ndim != 2 or w_ih.shape[0] != rows or w_ih.shape[1] < 1:
        raise ValueError(f"{field}['weight_ih_l0'] must have shape ({rows}, D), got {w_ih.shape}")
    for name, size in {"bias_ih_l0": rows, "bias_hh_l0": rows, **dict.fromkeys(cell.unit_weights, hidden)}.items():
        if arrays[name].shape != (size,):
            raise ValueError(f"{field}[{name!r}] must have shape ({size},), got {arrays[name].shape}")
    biases = arrays["bias_ih_l0"], arrays["bias_hh_l0"]
    if not all(map(surely_finite, biases)):  # else neither is so large that their sum could leave float64's range
        with np.errstate(over="ignore"):
            finite_array(f"{field}['bias_ih_l0'] + {field}['bias_hh_l0']", np.add(*biases))
    return arrays


def unit_columns(cell: Cell, params: Params) -> list[Array]:
    """The cell's `unit_weights` as its equations take them, (…, H, 1) each."""
    return [params[name][..., None] for name in cell.unit_weights]


def gate_blocks(cell: Cell, rows: tuple[str, ...], array: Array, axis: int) -> Array:
    """The gates' blocks of `array` in the order of `rows`, (…, G·H, …) → (…, len(rows), H, …)."""
    shape = (*array.shape[:axis], len(cell.gates), -1, *array.shape[array.ndim + axis + 1 :])
    blocks = array.reshape(shape)
    return blocks if rows == cell.gates else blocks.take([cell.gates.index(gate) for gate in rows], axis=axis - 1)


def pack(cell: Cell, params: Params, dtype: DTypeLike = np.float64) -> tuple[Array, Array | None]:
    """The matrix W that takes [h_{t−1}; x_t; 1] to all slots, (…, slots·H, H + D + 1), and the late rows' W_hh.

    One product then does the recurrence, the input and both biases, and its transpose makes all their gradients.
    """
    w_hh = gate_blocks(cell, cell.state_rows, params["weight_hh_l0"], -2)
    w_ih = gate_blocks(cell, cell.input_rows, params["weight_ih_l0"], -2)
    lead, hidden, late = w_hh.shape[:-3], w_hh.shape[-1], len(cell.late_rows)
    first_state, last_early = cell.early_slots
    w = np.zeros((*lead, cell.slots, hidden, hidden + w_ih.shape[-1] + 1), dtype)
    w[..., first_state:last_early, :, :hidden] = w_hh[..., : w_hh.shape[-3] - late, :, :]
    w[..., : len(cell.input_rows), :, hidden:-1] = w_ih
    w[..., : len(cell.input_rows), :, -1] = gate_blocks(cell, cell.input_rows, params["bias_ih_l0"], -1)
    w[..., first_state:, :, -1] += gate_blocks(cell, cell.state_rows, params["bias_hh_l0"], -1)
    late_w = w_hh[..., -late:, :, :].reshape(*lead, late * hidden, hidden).astype(dtype) if late else None
    return w.reshape(*lead, cell.slots * hidden, -1), late_w


def unpack(cell: Cell, w: Array, late_w: Array | None) -> Params:
    """The gradients of `pack`'s matrices as gradients of PyTorch's four arrays."""
    hidden = w.shape[0] // cell.slots
    w = w.reshape(cell.slots, hidden, -1)
    from_input, from_state = w[: len(cell.input_rows)], w[cell.early_slots[0] :]
    w_hh = from_state[:, :, :hidden]
    if late_w is not None:
        late = late_w.reshape(-1, hidden, hidden)
        w_hh = np.concatenate([w_hh[: -len(late)], late])
    by_gate = {
        "weight_ih_l0": in_gate_order(cell, cell.input_rows, from_input[:, :, hidden:-1]),
        "weight_hh_l0": in_gate_order(cell, cell.state_rows, w_hh),
        "bias_ih_l0": in_gate_order(cell, cell.input_rows, from_input[:, :, -1]),
        "bias_hh_l0": in_gate_order(cell, cell.state_rows, from_state[:, :, -1]),
    }
    return {name: blocks.reshape(-1, *blocks.shape[2:]) for name, blocks in by_gate.items()}


def in_gate_order(cell: Cell, rows: tuple[str, ...], blocks: Array) -> Array:
    """Blocks in the order of `rows`, (len(rows), …), in the order of the cell's gates, copied."""
    return blocks.copy() if rows == cell.gates else blocks.take([rows.index(gate) for gate in cell.gates], axis=0)
