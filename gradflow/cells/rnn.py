"""The vanilla RNN: h_t = φ(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh)."""

from dataclasses import dataclass
from typing import Any, ClassVar

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

    def step(self, a: Array, saved: Array, h: Array, c: None) -> tuple[Array, None]:
        h = self.phi.value(a[0])
        return h, None

    def partials(self, a: Array, saved: Array, h: Array, c: None, da: Array) -> tuple[Array, ...]:
        da[0] = self.phi.slope(a[0], h[1:])
        return ()

    def step_back(self, dh: Array, dc: None, da: Array, UT: Product) -> tuple[Array, None]:
        da *= dh
        return UT(da), None

    def paths(self, dh: Array, dc: None, da: Array, UT: Product) -> dict[str, tuple[Any, Any]]:
        (h,) = UT(da * dh)
        return {"h": (h, 0.0)}
