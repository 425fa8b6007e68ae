"""The cliff of Pascanu et al. 2013 (eq. 8, Figs 3 and 6): the error surface of one unit, and gradient descent on it.

x_t = w σ(x_{t−1}) + b from x_0 = 0.5, read after 50 steps: E = (σ(x_50) − 0.7)².
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import acos, degrees
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from gradflow.activations import Array, sigmoid, sigmoid_slope
from gradflow.checks import check_number, finite_array, shown
from gradflow.clipping import CLIPPERS
from gradflow.experiment import Knob

if TYPE_CHECKING:
    import pandas as pd

START, STEPS, TARGET = 0.5, 50, 0.7
WINDOW = {"w": (4.0, 7.0), "b": (-4.5, -1.5)}  # where descents may start
CLOSE = {"w": (4.0, 6.0), "b": (-3.5, -1.5)}  # its part around the low end of the cliff

KNOBS = {
    "threshold": Knob(
        "Clipping threshold",
        "By norm: the longest gradient that is left as it is. By value: the largest entry.",
        symbol="c",
        low=0.05,
        high=5.0,
        step=0.05,
    ),
    "rate": Knob(
        "Learning rate",
        "How far one step of gradient descent goes, as a multiple of the gradient.",
        symbol="η",
        low=0.05,
        high=1.0,
        step=0.05,
    ),
    "start_w": Knob("Start w", "The weight at which the descents start.", low=4.0, high=7.0, step=0.05),
    "start_b": Knob("Start b", "The bias at which the descents start.", low=-4.5, high=-1.5, step=0.05),
}


@np.errstate(over="ignore", under="ignore", invalid="ignore")
def cliff(w: ArrayLike, b: ArrayLike) -> tuple[Array, Array, Array]:
    """E, dE/dw and dE/db at the points (w, b), elementwise, by one loop forward and one back.

    Arrays of any shape that broadcast; complex points give a complex E, for complex steps.
    """
    w, b = np.broadcast_arrays(w, b)
    shape, w, b = w.shape, w.reshape(-1), b.reshape(-1)
    h = sigmoid(np.full(w.shape, START))
    trace = []
    for _ in range(STEPS):
        before = h
        a = w * before + b
        h = sigmoid(a)
        trace.append((before, sigmoid_slope(a, h)))
    dh = 2.0 * (h - TARGET)
    dw = db = np.zeros(w.shape)
    for before, slope in reversed(trace):
        dx = slope * dh
        dw = dw + dx * before
        db = db + dx
        dh = w * dx
    return ((h - TARGET) ** 2).reshape(shape), dw.reshape(shape), db.reshape(shape)


@dataclass(frozen=True, eq=False, repr=False)
class Surface:
    """log10 E over a grid: w (N,), b (N,), log10_error (N, N), one row for each b."""

    w: Array
    b: Array
    log10_error: Array


def surface(view: Mapping[str, tuple[float, float]], points: int = 121) -> Surface:
    """The error surface in a view, such as WINDOW. Raises ValueError on another view and on too many points."""
    if not isinstance(view, Mapping) or not {"w", "b"} <= view.keys():
        raise ValueError(f"view must map w and b to their lowest and highest value, got {shown(view)}")
    points = check_number("points", points, 1, 1000, integer=True)
    edges = [finite_array(f"view[{axis!r}]", view[axis], (2,)) for axis in "wb"]
    w, b = (np.linspace(low, high, points) for low, high in edges)
    error, _, _ = cliff(w, b[:, None])
    return Surface(w, b, np.log10(error))


@dataclass(frozen=True, eq=False, repr=False)
class Descent:
    """Gradient descent with one kind of clipping: w, b, error and norm (‖∇E‖ before clipping), all (K + 1,).

    gradient and applied, (K + 1, 2), are ∇E = (∂E/∂w, ∂E/∂b) before and after clipping; the last point's is not used.
    """

    w: Array
    b: Array
    error: Array
    gradient: Array
    applied: Array

    @cached_property
    def norm(self) -> Array:
        return np.hypot(*self.gradient.T)

    @cached_property
    def clipped(self) -> Array:
        """Whether clipping changed the gradient of a step, (K,)."""
        return (self.gradient != self.applied).any(1)[:-1]

    @cached_property
    def step_lengths(self) -> Array:
        """How far each step goes in the (w, b) plane, (K,)."""
        return np.hypot(np.diff(self.w), np.diff(self.b))

    @cached_property
    def view(self) -> dict[str, tuple[float, float]]:
        """What is looked at, (lowest, highest) of w and of b: the closer view where the descent starts in it."""
        close = CLOSE["w"][0] <= self.w[0] <= CLOSE["w"][1] and CLOSE["b"][0] <= self.b[0] <= CLOSE["b"][1]
        return CLOSE if close else WINDOW

    @cached_property
    def leaves(self) -> int | None:
        """The step that leaves the view for good, counted from 1, or None where the path ends inside."""
        inside = [(self.view[axis][0] <= x) & (x <= self.view[axis][1]) for axis, x in (("w", self.w), ("b", self.b))]
        last = int(np.flatnonzero(inside[0] & inside[1])[-1])
        return last + 1 if last + 1 < len(self.w) else None

    @cached_property
    def exit(self) -> tuple[float, float] | None:
        """Where the path crosses the view's edge for good, (w, b), or None."""
        if self.leaves is None:
            return None
        share = 1.0
        for axis, x in (("w", self.w), ("b", self.b)):
            before, after = x[self.leaves - 1 : self.leaves + 1]
            edge = float(np.clip(after, *self.view[axis]))
            share = min(share, (edge - before) / (after - before) if edge != after else 1.0)
        w, b = (float(x[self.leaves - 1] + share * (x[self.leaves] - x[self.leaves - 1])) for x in (self.w, self.b))
        return w, b


def descents(start_w: float, start_b: float, rate: float, threshold: float, steps: int = 60) -> dict[str, Descent]:
    """Gradient descent on the cliff from one start, by kind of clipping: "none", "norm" and "value".

    θ ← θ − rate · clip(∇E(θ)), `steps` times. Raises ValueError on a value outside its range in KNOBS.
    """
    values = {"threshold": threshold, "rate": rate, "start_w": start_w, "start_b": start_b}
    threshold, rate, start_w, start_b = (check_number(n, v, KNOBS[n].low, KNOBS[n].high) for n, v in values.items())
    steps = check_number("steps", steps, 1, 10_000, integer=True)
    at = np.tile([start_w, start_b], (len(CLIPPERS), 1))
    seen = []
    for _ in range(steps + 1):
        error, dw, db = cliff(*at.T)
        gradient = np.stack([dw, db], axis=1)
        applied = np.stack([clipped(kind, g, threshold) for kind, g in zip(CLIPPERS, gradient, strict=True)])
        seen.append((at, error[:, None], gradient, applied))
        with np.errstate(under="ignore"):
            at = at - rate * applied
    points, errors, gradients, used = (np.stack(each, axis=1) for each in zip(*seen, strict=True))
    return {
        kind: Descent(points[k, :, 0], points[k, :, 1], errors[k, :, 0], gradients[k], used[k])
        for k, kind in enumerate(CLIPPERS)
    }


def clipped(kind: str, gradient: Array, threshold: float) -> Array:
    """One gradient (2,) after one kind of clipping."""
    return CLIPPERS[kind]({"w, b": gradient}, threshold).grads["w, b"]


@dataclass(frozen=True, eq=False, repr=False)
class Steepest:
    """The longest gradient (2,) that a descent meets, at `step`, and what clipping makes of it; angles in degrees."""

    step: int
    threshold: float
    gradient: Array
    by_norm: Array
    by_value: Array
    turned_by_norm: float
    turned_by_value: float


def steepest(descent: Descent, threshold: float) -> Steepest:
    """The longest gradient of a descent, clipped by norm and by value."""
    step = int(descent.norm.argmax())
    gradient = descent.gradient[step]
    by_norm, by_value = (CLIPPERS[kind]({"w, b": gradient}, threshold) for kind in ("norm", "value"))
    return Steepest(
        step=step,
        threshold=threshold,
        gradient=gradient,
        by_norm=by_norm.grads["w, b"],
        by_value=by_value.grads["w, b"],
        turned_by_norm=degrees(acos(by_norm.cosine)),
        turned_by_value=degrees(acos(by_value.cosine)),
    )


def descents_frame(by_kind: dict[str, Descent]) -> "pd.DataFrame":
    """One row per (kind of clipping, step): w, b, the error, and the gradient's norm before and after clipping."""
    import pandas as pd

    frames = [
        pd.DataFrame(
            {
                "clipping": kind,
                "step": np.arange(len(d.w)),
                "w": d.w,
                "b": d.b,
                "error": d.error,
                "norm_before": d.norm,
                "norm_after": np.hypot(*d.applied.T),
            }
        )
        for kind, d in by_kind.items()
    ]
    return pd.concat(frames, ignore_index=True)
