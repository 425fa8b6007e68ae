"""The LSTM: c_t = f ⊙ c_{t−1} + i ⊙ g, h_t = o ⊙ φ(c_t)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gradflow.activations import sigmoid, sigmoid_slope
from gradflow.cells.cell import HIGHWAY, Array, Cell, Product


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
    saves: ClassVar[tuple[str, ...]] = ("o", "i", "f", "g")
    has_c: ClassVar[bool] = True
    memory_gate: ClassVar[str] = "f"

    def step(self, a: Array, saved: Array, h: Array, c: Array) -> tuple[Array, Array]:
        o, i, f = sigmoid(a[:3], out=saved[:3])
        g = self.phi.value(a[3], out=saved[3])
        c = f * c + i * g
        h = o * self.phi.value(c)
        return h, c

    def partials(self, a: Array, saved: Array, h: Array, c: Array, da: Array) -> tuple[Array, ...]:
        o, i, f, g = saved
        y = self.phi.value(c[1:])
        do, di, df = sigmoid_slope(a[:3], saved[:3])
        np.multiply(do, y, out=da[0])  # ∂h/∂a_o
        np.multiply(di, g, out=da[1])  # ∂c/∂a_i
        np.multiply(df, c[:-1], out=da[2])  # ∂c/∂a_f
        np.multiply(self.phi.slope(a[3], g), i, out=da[3])  # ∂c/∂a_g
        dh_dc = self.phi.slope(c[1:], y) * o
        return dh_dc, f

    def step_back(self, dh: Array, dc: Array, da: Array, dh_dc: Array, f: Array, UT: Product) -> tuple[Array, Array]:
        dc += dh * dh_dc
        da[0] *= dh
        da[1:] *= dc
        return UT(da), f * dc

    def paths(self, dh: Array, dc: Array, da: Array, dh_dc: Array, f: Array, UT: Product) -> dict[str, tuple[Any, Any]]:
        by_o, by_i, by_f, by_g = UT(np.concatenate([da[:1] * dh, da[1:] * dc]))
        return {HIGHWAY: (0.0, f * dc), "i": (by_i, 0.0), "f": (by_f, 0.0), "g": (by_g, 0.0), "o": (by_o, 0.0)}

    def total_c(self, dh: Array, dc: Any, dh_dc: Array, f: Array) -> Array:
        return dc + dh * dh_dc
