"""The GRU with the reset after the matrix product: n = φ(W_in x + b_in + r ⊙ (W_hn h + b_hn))."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gradflow.activations import ONE, complement, sigmoid, sigmoid_slope
from gradflow.cells.cell import HIGHWAY, Array, Cell, Product, Rows
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
    saves: ClassVar[tuple[str, ...]] = ("n", "r", "z", "a_n")
    sigmoids: ClassVar[slice] = slice(1, 3)
    others: ClassVar[tuple[str, ...]] = ("kept",)
    memory_gate: ClassVar[str] = "z"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("update", self.update, UPDATES)

    @property
    def memory_sign(self) -> float:  # type: ignore[override]
        return 1.0 if self.update == "keep" else -1.0

    def kept_and_written(self, z: Array, rest: Array) -> tuple[Array, Array]:
        """The shares of h_{t−1} that stay and of n that come in, from z and 1 − z."""
        return (z, rest) if self.update == "keep" else (rest, z)

    def step(self, a: Rows, saved: Rows, h: Array, c: None, h_next: Array, c_next: None) -> None:
        a_gates, a_n_x, a_n_h = a
        gates, n, r, z, a_n = saved
        sigmoid(a_gates, gates)
        np.add(a_n_x, r * a_n_h, a_n)
        self.phi.value(a_n, n)
        kept, written = self.kept_and_written(z, ONE - z)
        np.add(written * n, kept * h, h_next)

    def partials(self, a: Array, saved: Array, h: Array, c: None, local: Array, kept: Array) -> None:
        n, r, z, a_n = saved
        dr, dz = sigmoid_slope(a[1:3], saved[1:3], local[1:3])
        kept[...], written = self.kept_and_written(z, complement(a[2], z))
        np.multiply(self.phi.slope(a_n, n, local[0]), written, local[0])
        np.multiply(dr, local[0] * a[3], local[1])
        np.multiply(dz, h[:-1] - n if self.update == "keep" else n - h[:-1], local[2])
        np.multiply(r, local[0], local[3])

    def step_back(
        self,
        dh: Array,
        dc: None,
        local: Array,
        kept: Array,
        da: Array,
        fed: Array,
        dh_before: Array,
        dc_before: None,
        UT: Product,
    ) -> None:
        np.multiply(local, dh, da)
        np.add(UT(fed), kept * dh, dh_before)

    def paths(self, dh: Array, dc: None, local: Array, kept: Array, UT: Product) -> dict[str, tuple[Any, Any]]:
        by_r, by_z, by_n = UT(local[1:] * dh)
        return {HIGHWAY: (kept * dh, 0.0), "r": (by_r, 0.0), "z": (by_z, 0.0), "n": (by_n, 0.0)}


@dataclass(frozen=True)
class ResetBeforeGRU(ResetAfterGRU):
    """The GRU of Cho et al. 2014, n = φ(W_in x + b_in + W_hn (r ⊙ h) + b_hn): another network, not another notation."""

    slots: ClassVar[int] = 3
    input_rows: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    late_rows: ClassVar[tuple[str, ...]] = ("n",)
    saves: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    sigmoids: ClassVar[slice] = slice(0, 2)
    others: ClassVar[tuple[str, ...]] = ("reset", "kept")

    def step(  # type: ignore[override]
        self, a: Rows, saved: Rows, h: Array, c: None, h_next: Array, c_next: None, U_n: Product
    ) -> None:
        a_gates, a_n = a
        gates, r, z, n = saved
        sigmoid(a_gates, gates)
        a_n += U_n(r * h)
        self.phi.value(a_n, n)
        kept, written = self.kept_and_written(z, ONE - z)
        np.add(written * n, kept * h, h_next)

    def partials(  # type: ignore[override]
        self, a: Array, saved: Array, h: Array, c: None, local: Array, reset: Array, kept: Array
    ) -> None:
        r, z, n = saved
        dr, dz = sigmoid_slope(a[:2], saved[:2], local[:2])
        kept[...], written = self.kept_and_written(z, complement(a[1], z))
        np.multiply(dr, h[:-1], local[0])  # ∂(r ⊙ h)/∂a_r
        np.multiply(dz, h[:-1] - n if self.update == "keep" else n - h[:-1], local[1])  # ∂h/∂a_z
        np.multiply(self.phi.slope(a[2], n, local[2]), written, local[2])  # ∂h/∂a_n
        reset[...] = r

    def step_back(  # type: ignore[override]
        self,
        dh: Array,
        dc: None,
        local: Array,
        reset: Array,
        kept: Array,
        da: Array,
        fed: Array,
        dh_before: Array,
        dc_before: None,
        UT: Product,
        UT_n: Product,
    ) -> None:
        np.multiply(local[1:], dh, da[1:])
        d_rh = UT_n(da[2])
        np.multiply(local[0], d_rh, da[0])
        np.add(UT(fed) + reset * d_rh, kept * dh, dh_before)

    def paths(  # type: ignore[override]
        self, dh: Array, dc: None, local: Array, reset: Array, kept: Array, UT: Product, UT_n: Product
    ) -> dict[str, tuple[Any, Any]]:
        (d_rh,) = UT_n(local[2:] * dh)
        by_r, by_z = UT(np.stack([local[0] * d_rh, local[1] * dh]))
        return {HIGHWAY: (kept * dh, 0.0), "r": (by_r, 0.0), "z": (by_z, 0.0), "n": (reset * d_rh, 0.0)}

    def late_operand(self, saved: Array, h: Array) -> Array:
        return saved[0] * h[:-1]


RESETS = {"after": ResetAfterGRU, "before": ResetBeforeGRU}


def GRU(activation: str = "tanh", reset: str = "after", update: str = "keep") -> ResetAfterGRU:
    """A GRU cell; `reset` "after" the matrix product is PyTorch's, "before" it is the one of Cho et al. 2014."""
    check_choice("reset", reset, RESETS)
    return RESETS[reset](activation, update)
