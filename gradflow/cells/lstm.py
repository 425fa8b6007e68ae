"""The LSTM: c_t = f ⊙ c_{t−1} + i ⊙ g, h_t = o ⊙ φ(c_t)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gradflow.activations import sigmoid, sigmoid_slope
from gradflow.cells.cell import HIGHWAY, Array, Cell, Product, Rows


@dataclass(frozen=True)
class LSTM(Cell):
    """LSTM with a forget gate (Gers et al. 2000), PyTorch's `nn.LSTM`; φ is the candidate's and the output's."""

    name: ClassVar[str] = "lstm"
    title: ClassVar[str] = "LSTM"
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    slots: ClassVar[int] = 4
    # o, i, f, g: the sigmoids are one block, and so are the three gates that act through c
    input_rows: ClassVar[tuple[str, ...]] = ("o", "i", "f", "g")
    state_rows: ClassVar[tuple[str, ...]] = ("o", "i", "f", "g")
    saves: ClassVar[tuple[str, ...]] = ("o", "i", "f", "g", "y")
    sigmoids: ClassVar[slice] = slice(0, 3)
    others: ClassVar[tuple[str, ...]] = ("dh_dc", "dc_dc")
    has_c: ClassVar[bool] = True
    memory_gate: ClassVar[str] = "f"

    def step(self, a: Rows, saved: Rows, h: Array, c: Array, h_next: Array, c_next: Array) -> None:
        a_gates, a_g = a
        gates, o, i, f, g, y = saved
        sigmoid(a_gates, gates)
        self.phi.value(a_g, g)
        np.add(f * c, i * g, c_next)
        self.phi.value(c_next, y)
        np.multiply(o, y, h_next)

    def partials(self, a: Array, saved: Array, h: Array, c: Array, local: Array, dh_dc: Array, dc_dc: Array) -> None:
        o, i, f, g, y = saved
        do, di, df = sigmoid_slope(a[:3], saved[:3], local[:3])
        np.multiply(do, y, local[0])  # ∂h/∂a_o
        np.multiply(di, g, local[1])  # ∂c/∂a_i
        np.multiply(df, c[:-1], local[2])  # ∂c/∂a_f
        np.multiply(self.phi.slope(a[3], g, local[3]), i, local[3])  # ∂c/∂a_g
        np.multiply(self.phi.slope(c[1:], y, dh_dc), o, dh_dc)
        dc_dc[...] = f

    def step_back(
        self,
        dh: Array,
        dc: Array,
        local: Array,
        dh_dc: Array,
        dc_dc: Array,
        da: Array,
        fed: Array,
        dh_before: Array,
        dc_before: Array,
        UT: Product,
    ) -> None:
        dc += dh * dh_dc
        np.multiply(local[0], dh, da[0])
        np.multiply(local[1:], dc, da[1:])
        UT(fed, dh_before)
        np.multiply(dc_dc, dc, dc_before)

    def paths(
        self, dh: Array, dc: Array, local: Array, dh_dc: Array, dc_dc: Array, UT: Product
    ) -> dict[str, tuple[Any, Any]]:
        by_o, by_i, by_f, by_g = UT(np.concatenate([local[:1] * dh, local[1:] * dc]))
        return {HIGHWAY: (0.0, dc_dc * dc), "i": (by_i, 0.0), "f": (by_f, 0.0), "g": (by_g, 0.0), "o": (by_o, 0.0)}

    def total_c(self, dh: Array, dc: Any, dh_dc: Array, dc_dc: Array) -> Array:
        return dc + dh * dh_dc
