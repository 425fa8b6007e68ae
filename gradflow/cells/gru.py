"""The GRU with the reset after the matrix product: n = φ(W_in x + b_in + r ⊙ (W_hn h + b_hn))."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradflow.activations import ONE, sigmoid, sigmoid_and_slope
from gradflow.cells.cell import Array, Cell, Product
from gradflow.checks import check_choice

UPDATES = {"keep": "h′ = (1−z) ⊙ n + z ⊙ h", "write": "h′ = (1−z) ⊙ h + z ⊙ n"}


@dataclass(frozen=True)
class ResetAfterGRU(Cell):
    """PyTorch's `nn.GRU`; `update` says whether z is the share kept (PyTorch, Cho 2014) or written (Chung 2014)."""

    update: str = "keep"

    name: ClassVar[str] = "gru"
    title: ClassVar[str] = "GRU"
    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    slots: ClassVar[int] = 4
    # n's two shares stay apart, the input's in the first slot and the state's in the last
    input_rows: ClassVar[tuple[str, ...]] = ("n", "r", "z")
    state_rows: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    memory_gate: ClassVar[str] = "z"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("update", self.update, UPDATES)

    @property
    def memory_sign(self) -> float:  # type: ignore[override]
        return 1.0 if self.update == "keep" else -1.0

    def kept(self, a_z: Array, z: Array) -> Array:
        """The share of h_{t−1} that stays: z or 1 − z, the latter as σ(−a_z), right also where it is tiny."""
        return z if self.update == "keep" else sigmoid(-a_z)

    def written(self, a_z: Array, z: Array) -> Array:
        """The share of h_t that is new: 1 − kept."""
        return sigmoid(-a_z) if self.update == "keep" else z

    def step(self, a: Array, h: Array, c: None) -> tuple[Array, None]:
        r, z = sigmoid(a[1:3])
        n = self.phi.value(a[0] + r * a[3])
        k = self.kept(a[2], z)
        h = (ONE - k) * n + k * h
        return h, None

    def partials(self, a: Array, h: Array, c: None, da: Array) -> tuple[Array, ...]:
        (r, z), (dr, dz) = sigmoid_and_slope(a[1:3])
        k = self.kept(a[2], z)
        a_n = a[0] + r * a[3]
        n = self.phi.value(a_n)
        np.multiply(self.written(a[2], z), self.phi.slope(a_n, n), out=da[0])
        np.multiply(dr, da[0] * a[3], out=da[1])
        np.multiply(dz, h[:-1] - n if self.update == "keep" else n - h[:-1], out=da[2])
        np.multiply(r, da[0], out=da[3])
        return (k,)

    def step_back(self, dh: Array, dc: None, da: Array, k: Array, UT: Product) -> tuple[Array, None]:
        da *= dh
        return UT(da[1:]) + k * dh, None

    def gate_values(self, a: Array) -> dict[str, Array]:
        r, z = sigmoid(a[1:3])
        return {"r": r, "z": z, "n": self.phi.value(a[0] + r * a[3])}


@dataclass(frozen=True)
class ResetBeforeGRU(ResetAfterGRU):
    """The GRU of Cho et al. 2014, n = φ(W_in x + b_in + W_hn (r ⊙ h) + b_hn): another network, not another notation."""

    slots: ClassVar[int] = 3
    input_rows: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    late_rows: ClassVar[tuple[str, ...]] = ("n",)

    def step(self, a: Array, h: Array, c: None, U_n: Product) -> tuple[Array, None]:  # type: ignore[override]
        r, z = sigmoid(a[:2])
        a[2:] += U_n(r * h)
        n = self.phi.value(a[2])
        k = self.kept(a[1], z)
        h = (ONE - k) * n + k * h
        return h, None

    def partials(self, a: Array, h: Array, c: None, da: Array) -> tuple[Array, ...]:
        (r, z), (dr, dz) = sigmoid_and_slope(a[:2])
        k = self.kept(a[1], z)
        n = self.phi.value(a[2])
        np.multiply(dr, h[:-1], out=da[0])  # ∂(r ⊙ h)/∂a_r
        np.multiply(dz, h[:-1] - n if self.update == "keep" else n - h[:-1], out=da[1])  # ∂h/∂a_z
        np.multiply(self.written(a[1], z), self.phi.slope(a[2], n), out=da[2])  # ∂h/∂a_n
        return r, k

    def step_back(  # type: ignore[override]
        self, dh: Array, dc: None, da: Array, r: Array, k: Array, UT: Product, UT_n: Product
    ) -> tuple[Array, None]:
        da[1:] *= dh
        d_rh = UT_n(da[2:])
        da[0] *= d_rh
        return UT(da[:2]) + r * d_rh + k * dh, None

    def late_operand(self, a: Array, h: Array) -> Array:
        return sigmoid(a[0]) * h[:-1]

    def gate_values(self, a: Array) -> dict[str, Array]:
        r, z = sigmoid(a[:2])
        return {"r": r, "z": z, "n": self.phi.value(a[2])}


RESETS = {"after": ResetAfterGRU, "before": ResetBeforeGRU}


def GRU(activation: str = "tanh", reset: str = "after", update: str = "keep") -> ResetAfterGRU:
    """A GRU cell; `reset` "after" the matrix product is PyTorch's, "before" it is the one of Cho et al. 2014."""
    check_choice("reset", reset, RESETS)
    return RESETS[reset](activation, update)
