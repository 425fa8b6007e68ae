"""The peephole LSTM: its gates see the cell state, i and f the old c_{t−1}, o the new c_t."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gradflow.activations import sigmoid, sigmoid_slope
from gradflow.cells.cell import HIGHWAY, Array, Product, Rows
from gradflow.cells.lstm import LSTM


@dataclass(frozen=True)
class PeepholeLSTM(LSTM):
    """LSTM with peephole connections (Gers & Schmidhuber 2000), one weight for each gate and unit."""

    name: ClassVar[str] = "peephole"
    title: ClassVar[str] = "Peephole LSTM"
    unit_weights: ClassVar[tuple[str, ...]] = ("weight_ci", "weight_cf", "weight_co")
    sigmoids: ClassVar[slice] = slice(0)  # each gate waits for what it sees of c

    def step(  # type: ignore[override]
        self,
        a: Rows,
        saved: Rows,
        h: Array,
        c: Array,
        h_next: Array,
        c_next: Array,
        w_ci: Array,
        w_cf: Array,
        w_co: Array,
    ) -> None:
        a_o, a_i, a_f, a_g = a
        o, i, f, g, y = saved
        a_i += w_ci * c
        a_f += w_cf * c
        sigmoid(a_i, i)
        sigmoid(a_f, f)
        self.phi.value(a_g, g)
        np.add(f * c, i * g, c_next)
        a_o += w_co * c_next
        sigmoid(a_o, o)
        self.phi.value(c_next, y)
        np.multiply(o, y, h_next)

    def partials(  # type: ignore[override]
        self,
        a: Array,
        saved: Array,
        h: Array,
        c: Array,
        local: Array,
        dh_dc: Array,
        dc_dc: Array,
        w_ci: Array,
        w_cf: Array,
        w_co: Array,
    ) -> None:
        o, i, f, g, y = saved
        do, di, df = sigmoid_slope(a[:3], saved[:3], local[:3])
        np.multiply(do, y, local[0])  # ∂h/∂a_o
        np.multiply(di, g, local[1])  # ∂c/∂a_i
        np.multiply(df, c[:-1], local[2])  # ∂c/∂a_f
        np.multiply(self.phi.slope(a[3], g, local[3]), i, local[3])  # ∂c/∂a_g
        np.add(self.phi.slope(c[1:], y) * o, w_co * local[0], dh_dc)
        np.add(f + w_ci * local[1], w_cf * local[2], dc_dc)  # ∂c_t/∂c_{t−1}

    def paths(  # type: ignore[override]
        self,
        dh: Array,
        dc: Array,
        local: Array,
        dh_dc: Array,
        dc_dc: Array,
        UT: Product,
        w_ci: Array,
        w_cf: Array,
        w_co: Array,
    ) -> dict[str, tuple[Any, Any]]:
        by_o, by_i, by_f, by_g = UT(np.concatenate([local[:1] * dh, local[1:] * dc]))
        seen_i, seen_f = w_ci * local[1], w_cf * local[2]  # ∂c_t/∂c_{t−1} through what i and f see of c_{t−1}
        f = dc_dc - seen_i - seen_f
        return {
            HIGHWAY: (0.0, f * dc),
            "i": (by_i, seen_i * dc),
            "f": (by_f, seen_f * dc),
            "g": (by_g, 0.0),
            "o": (by_o, 0.0),
        }

    def unit_operands(self, h: Array, c: Array) -> tuple[tuple[int, Array], ...]:
        return (1, c[:-1]), (2, c[:-1]), (0, c[1:])
