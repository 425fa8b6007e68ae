"""The vanilla RNN: h_t = φ(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gradflow.cells.cell import Array, Cell, Product, Rows


@dataclass(frozen=True)
class RNN(Cell):
    """Vanilla RNN (Elman 1990), PyTorch's `nn.RNN` with φ = `activation`."""

    name: ClassVar[str] = "rnn"
    title: ClassVar[str] = "RNN"
    gates: ClassVar[tuple[str, ...]] = ("h",)
    slots: ClassVar[int] = 1
    input_rows: ClassVar[tuple[str, ...]] = ("h",)
    state_rows: ClassVar[tuple[str, ...]] = ("h",)

    def step(self, a: Rows, saved: Rows, h: Array, c: None, h_next: Array, c_next: None) -> None:
        (a_h,) = a
        self.phi.value(a_h, h_next)

    def partials(self, a: Array, saved: Array, h: Array, c: None, local: Array) -> None:
        self.phi.slope(a[0], h[1:], local[0])

    def step_back(
        self, dh: Array, dc: None, local: Array, da: Array, fed: Array, dh_before: Array, dc_before: None, UT: Product
    ) -> None:
        np.multiply(local[0], dh, da[0])
        UT(fed, dh_before)

    def paths(self, dh: Array, dc: None, local: Array, UT: Product) -> dict[str, tuple[Any, Any]]:
        (h,) = UT(local * dh)
        return {"h": (h, 0.0)}
