"""The vanilla RNN: h_t = φ(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gradflow.cells.cell import Array, Cell, Product


@dataclass(frozen=True)
class RNN(Cell):
    """Vanilla RNN (Elman 1990), PyTorch's `nn.RNN` with φ = `activation`."""

    name: ClassVar[str] = "rnn"
    title: ClassVar[str] = "RNN"
    gates: ClassVar[tuple[str, ...]] = ("h",)
    slots: ClassVar[int] = 1
    input_rows: ClassVar[tuple[str, ...]] = ("h",)
    state_rows: ClassVar[tuple[str, ...]] = ("h",)

    def step(self, a: Array, saved: Array, h: Array, c: None, h_next: Array, c_next: None) -> None:
        self.phi.value(a[0], out=h_next)

    def partials(self, a: Array, saved: Array, h: Array, c: None, local: Array) -> None:
        self.phi.slope(a[0], h[1:], out=local[0])

    def step_back(
        self, dh: Array, dc: None, local: Array, da: Array, dh_before: Array, dc_before: None, UT: Product
    ) -> None:
        np.multiply(local[0], dh, out=da[0])
        UT(da[0], out=dh_before)

    def paths(self, dh: Array, dc: None, local: Array, UT: Product) -> dict[str, tuple[Any, Any]]:
        (h,) = UT(local * dh)
        return {"h": (h, 0.0)}
