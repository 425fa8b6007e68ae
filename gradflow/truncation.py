"""Truncated back-propagation through time: every k1 steps the newest losses go back, through at most k2 steps.

This is BPTT(h; h′) of Williams & Peng 1990 ("An efficient gradient-based algorithm for on-line training of recurrent network
trajectories"), with h = k2 and h′ = k1. A pass at step τ = k1, 2·k1, … sends back the losses of its last k1 steps,
L_{τ−k1+1} … L_τ, through the steps τ, τ − 1, …, τ − k2 + 1; h_{τ−k2} counts as a constant. The last pass is at T, with the
losses that are left. Where k1 > k2, the losses at τ − k2 and before reach no step: they are lost.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gradflow.activations import Array
from gradflow.checks import check_kind, check_number
from gradflow.experiment import Experiment, run
from gradflow.flow import Flow, Trace, parameter_gradients, steps_between
from gradflow.parameters import Params
from gradflow.sweeps import at_least_one
from gradflow.unroll import pull_back

if TYPE_CHECKING:
    import pandas as pd

COLUMNS_AT_ONCE = 32  # measured: fewer cost NumPy's overhead, more leave the cache
ROUNDING = 1e-12  # a smaller difference from the full gradient is rounding
LONGEST = 10**7  # so that an array over all steps fits in memory


def pass_ends(length: int, k1: int) -> NDArray[np.int_]:
    """The steps τ at which a pass begins its way back."""
    return np.minimum(np.arange(k1, length + k1, k1), length)


def path_depths(length: int, k1: int, k2: int) -> NDArray[np.int_]:
    """For each loss L_1 … L_T how many steps it goes back, counting uses of W_hh, (T,); 0 says that it is lost."""
    length, k1, k2 = checked(length, k1, k2)
    loss = np.arange(1, length + 1)
    end = pass_ends(length, k1)[(loss - 1) // k1]
    return np.maximum(0, loss - np.maximum(0, end - k2))


def steps_back(length: int, k1: int, k2: int) -> int:
    """How many steps all passes together go back; full back-propagation goes back T."""
    length, k1, k2 = checked(length, k1, k2)
    return int(np.minimum(pass_ends(length, k1), k2).sum())


def checked(length: int, k1: int, k2: int) -> tuple[int, int, int]:
    """The three as Python's numbers; ValueError unless they are whole ones and k1 and k2 fit the length."""
    length = check_number("length", length, 1, LONGEST, integer=True)
    return length, check_number("k1", k1, 1, length, integer=True), check_number("k2", k2, 1, length, integer=True)


def truncated_gradients(flow: Flow, k1: int, k2s: Iterable[int]) -> list[Params]:
    """∂L/∂parameter with truncation after each number of steps in `k2s`, in PyTorch's layout, summed over the batch.

    All depths come from the same passes: what a pass of k2 steps gives is the part of a deeper one that lies in those steps.
    The readout's gradients are not among them, truncation does not change them.
    """
    check_kind("flow", flow, Flow)
    length = len(flow.trace.x)
    k1 = check_number("k1", k1, 1, length, integer=True)
    k2s = [check_number("k2s", k2, 1, length, integer=True) for k2 in at_least_one("k2s", k2s)]
    edges = [0, *sorted(set(k2s))]
    parts: list[Params] = [{name: np.zeros_like(p) for name, p in flow.trace.params.items()} for _ in edges[1:]]
    ends = pass_ends(length, k1)
    at_once = max(1, COLUMNS_AT_ONCE // flow.trace.h.shape[1])
    for first in range(0, len(ends), at_once):
        some = ends[first : first + at_once]
        deepest = min(edges[-1], int(some[-1]))  # there are no more steps than that
        passes = go_back(flow, some, k1, deepest)
        for part, near, far in zip(parts, edges, edges[1:], strict=False):
            if near < deepest:
                steps = steps_of(passes, max(0, deepest - far), deepest - near)
                for name, grad in parameter_gradients(steps).items():
                    part[name] += grad
    summed = {name: np.cumsum([part[name] for part in parts], axis=0) for name in parts[0]}
    return [{name: grad[edges.index(k2) - 1] for name, grad in summed.items()} for k2 in k2s]


def go_back(flow: Flow, ends: NDArray[np.int_], k1: int, k2: int) -> Flow:
    """The passes that begin at `ends`, side by side: k2 steps each, in columns ordered by pass and sequence.

    A pass that begins before step k2 lacks the steps before the first; like a short sequence, it is masked at its front.
    """
    t = ends + np.arange(-k2, 1)[:, None]  # (k2 + 1, passes), the states that a pass sees
    trace = windows(flow.trace, t)
    begins = np.concatenate([[0], pass_ends(len(flow.trace.x), k1)])[(ends - 1) // k1]
    own = (t > begins) & (t > 0)
    direct = np.where(own[..., None, None], flow.direct[np.maximum(t, 0)], 0.0).reshape(trace.h.shape)
    return pull_back(trace, direct, np.asarray(own.any(1)))


def windows(trace: Trace, t: NDArray[np.int_]) -> Trace:
    """The states t (k2 + 1, passes) and the steps between them, the passes side by side as one batch."""
    rows, steps = np.maximum(t, 0), np.maximum(t[:-1], 0)  # step t + 1 leads from h_t
    present = np.ones(trace.x.shape[:2], bool) if trace.mask is None else trace.mask

    def last(array: Array) -> Array:
        """(…, passes, rows, B) → (…, rows, passes · B)."""
        moved = np.moveaxis(array, -3, -2)
        return moved.reshape(*moved.shape[:-2], moved.shape[-2] * moved.shape[-1])

    def beside(array: Array) -> Array:
        """(…, passes, B, columns) → (…, passes · B, columns)."""
        return array.reshape(*array.shape[:-3], -1, array.shape[-1])

    return replace(
        trace,
        x=beside(trace.x[steps]),
        h=beside(trace.h[rows]),
        c=None if trace.c is None else beside(trace.c[rows]),
        mask=(present[steps] & (t[:-1] >= 0)[..., None]).reshape(len(steps), -1),
        rows=last(trace.rows[rows]),
        a=last(trace.a[:, steps]),
        saved=last(trace.saved[:, steps]),
    )


def steps_of(flow: Flow, start: int, stop: int) -> Flow:
    """The part of a backward pass that lies in the steps start + 1 … stop."""
    rows = slice(start, stop + 1)
    assert flow.mantissa_a is not None
    return replace(
        flow,
        trace=steps_between(flow.trace, start, stop),
        direct=flow.direct[rows],
        read=flow.read[rows],
        mantissa_h=flow.mantissa_h[rows],
        mantissa_c=None if flow.mantissa_c is None else flow.mantissa_c[rows],
        exponent=flow.exponent[rows],
        mantissa_a=flow.mantissa_a[:, start:stop],
    )


@dataclass(frozen=True, eq=False, repr=False)
class Truncation:
    """What truncation does to ∂L/∂W_hh of one experiment, for one k1 and each k2 in `k2s`; every array is (len(k2s),).

    ratio: ‖truncated‖ / ‖full‖ (Frobenius). angle: between the two, in degrees. bias: ‖truncated − full‖ / ‖full‖. NaN
    where the full gradient, and for the angle also where the truncated one, is zero or leaves float64's range.
    """

    cell: str
    length: int
    k1: int
    k2s: tuple[int, ...]
    ratio: Array
    angle: Array
    bias: Array

    def __repr__(self) -> str:
        return f"<Truncation of {self.cell}, k1 = {self.k1}, {len(self.k2s)} values of k2>"

    def at(self, k2: int) -> "Truncation":
        """The part for one k2; ValueError if it was not compared."""
        if k2 not in self.k2s:
            raise ValueError(f"k2 must be one of {', '.join(map(str, self.k2s))}, got {k2}")
        k = self.k2s.index(k2)
        one = slice(k, k + 1)
        return replace(self, k2s=(k2,), ratio=self.ratio[one], angle=self.angle[one], bias=self.bias[one])


def truncate(exp: Experiment, k1: int, k2s: Iterable[int]) -> Truncation:
    """Compares ∂L/∂W_hh with truncation to the full one. k1 and k2 beyond the sequence's length count as that length."""
    k1 = check_number("k1", k1, 1, np.inf, integer=True)
    k2s = [check_number("k2s", k2, 1, np.inf, integer=True) for k2 in at_least_one("k2s", k2s)]
    flow = run(exp)
    length = len(flow.trace.x)
    k1, k2s = min(k1, length), tuple(dict.fromkeys(min(k2, length) for k2 in k2s))
    full = flow.grads["weight_hh_l0"]
    compared = [compare_matrices(g["weight_hh_l0"], full) for g in truncated_gradients(flow, k1, k2s)]
    ratio, angle, bias = np.array(compared).T
    return Truncation(exp.cell, length, k1, k2s, ratio, angle, bias)


def compare_matrices(got: Array, full: Array) -> tuple[float, float, float]:
    """‖got‖ / ‖full‖, the angle between them in degrees, and ‖got − full‖ / ‖full‖."""
    largest = max(np.abs(got).max(), np.abs(full).max())
    if not np.isfinite(largest) or not full.any():
        return np.nan, np.nan, np.nan
    got, full = got / largest, full / largest  # so that no square leaves float64's range
    with np.errstate(under="ignore"):
        norm, full_norm = np.linalg.norm(got), np.linalg.norm(full)
        bias = np.linalg.norm(got - full) / full_norm
        if norm == 0.0:
            return 0.0, np.nan, float(bias)
        p, q = got / norm, full / full_norm
        # exact for small angles, where the cosine has no digits left (Kahan)
        angle = 2.0 * np.arctan2(np.linalg.norm(p - q), np.linalg.norm(p + q))
    return float(norm / full_norm), float(np.degrees(angle)), float(bias)


def truncations_frame(truncations: Iterable[Truncation]) -> "pd.DataFrame":
    """One row per cell, k1 and k2: steps_back in all passes, lost losses, ratio, angle in degrees, bias."""
    import pandas as pd

    rows = [
        {
            "cell": t.cell,
            "k1": t.k1,
            "k2": k2,
            "steps_back": steps_back(t.length, t.k1, k2),
            "lost": int((path_depths(t.length, t.k1, k2) == 0).sum()),
            "ratio": t.ratio[k],
            "angle": t.angle[k],
            "bias": t.bias[k],
        }
        for t in truncations
        for k, k2 in enumerate(t.k2s)
    ]
    return pd.DataFrame(rows)
