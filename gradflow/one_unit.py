"""One unit with a one-time input: h_t = φ(w h_{t−1} + b) from h_0, and what it can remember of h_0.

The fixed points h* = φ(w h* + b) and their multipliers w φ′(w h* + b) decide it: near h* a difference is multiplied by
that much at every step, forwards as a state and backwards as a gradient.

Every equation is solved in the tanh unit's pre-activation u. Because σ(a) = (1 + tanh(a/2)) / 2, a sigmoid unit is the tanh
unit with weight w/4 and bias (b + w/2)/2, seen at a = 2u.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gradflow.activations import ACTIVATIONS, Array
from gradflow.checks import check_choice, check_number

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 1e6  # of |w|, |b| and |h_0|
MAX_STEPS = 1_000_000
MARGIN = 1e-9  # a multiplier this near to ±1 says neither stable nor unstable
RANGES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "relu": (0.0, 2.0)}  # of the other starts; ReLU has no upper end
OTHERS = 9
LOG_MAX = math.log(np.finfo(np.float64).max)


@dataclass(frozen=True)
class FixedPoint:
    """A state h = φ(w h + b) that the unit keeps, and its multiplier w φ′(w h + b).

    At ReLU's kink the multiplier is that of larger states, the only ones ReLU can reach. With w = 1 and b = 0 ReLU keeps
    every state from h = 0 on; `up_to` is then ∞, else None.
    """

    h: float
    multiplier: float
    up_to: float | None = None

    @property
    def kind(self) -> str:
        """ "stable", "unstable", or "marginal" where the multiplier is ±1."""
        size = abs(self.multiplier)
        return "marginal" if abs(size - 1.0) < MARGIN else "stable" if size < 1.0 else "unstable"


@dataclass(frozen=True)
class Cycle:
    """Two states that the unit maps to each other, low < high, and the multiplier of the round trip.

    A multiplier of 1 (ReLU with w = −1) says that every pair between them is a cycle too.
    """

    low: float
    high: float
    multiplier: float


@dataclass(frozen=True, eq=False, repr=False)
class OneUnit:
    """An orbit of the one-unit memory, and where it leads.

    h: h_0 … h_T, (T + 1,), shorter where a state leaves float64's range. log10_memory: log10 |∂h_t/∂h_0|, as long as h;
    −inf says exactly zero. others: (T + 1, K), as long as h, orbits from starts all over φ's range, inf beyond float64's.
    goal: the fixed point or cycle that the state tends to, None where it grows for ever. leaves: the first step whose state
    is beyond float64's range, be it after T, or None.
    """

    activation: str
    w: float
    b: float
    h: Array
    log10_memory: Array
    others: Array
    fixed_points: tuple[FixedPoint, ...]
    cycle: Cycle | None
    goal: FixedPoint | Cycle | None
    leaves: int | None

    def __repr__(self) -> str:
        return f"<OneUnit of {self.activation}, w {self.w:g}, b {self.b:g}, {len(self.fixed_points)} fixed points>"

    def step(self, h: Array) -> Array:
        """φ(w h + b), elementwise."""
        with np.errstate(over="ignore", under="ignore"):
            return ACTIVATIONS[self.activation].value(self.w * h + self.b)

    def to_frame(self) -> "pd.DataFrame":
        """Columns step, h, log10_memory; one row per step."""
        import pandas as pd

        return pd.DataFrame({"step": np.arange(len(self.h)), "h": self.h, "log10_memory": self.log10_memory})


def one_unit(activation: str, w: float, b: float, h0: float = 0.9, steps: int = 50) -> OneUnit:
    """Runs one unit of weight w and bias b from h0 without further input, and finds every fixed point and 2-cycle.

    activation: "tanh", "sigmoid" or "relu". Raises ValueError on an unknown activation and on a number out of range.
    """
    w, b = checked(activation, w, b)
    h0 = check_number("h0", h0, -LARGEST, LARGEST)
    steps = check_number("steps", steps, 1, MAX_STEPS, integer=True, unit="steps")
    phi = ACTIVATIONS[activation]
    starts = [h0, *np.linspace(*RANGES[activation], OTHERS)]
    a, h = np.empty((steps, len(starts))), np.empty((steps + 1, len(starts)))
    h[0] = starts
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        for t in range(steps):
            a[t] = w * h[t] + b
            h[t + 1] = phi.value(a[t])
        log10_factor = np.log10(np.abs(w * phi.slope(a[:, 0], h[1:, 0])))
        log10_memory = np.concatenate([[0.0], np.cumsum(log10_factor)])
    finite = int(np.isfinite(h[:, 0]).sum())
    fixed, cycle = fixed_points(activation, w, b), two_cycle(activation, w, b)
    goal = find_goal(activation, w, b, h0, fixed, cycle)
    return OneUnit(
        activation=activation,
        w=w,
        b=b,
        h=h[:finite, 0],
        log10_memory=log10_memory[:finite],
        others=h[:finite, 1:],
        fixed_points=fixed,
        cycle=cycle,
        goal=goal,
        leaves=overflow_step(w, b, h0) if goal is None else None,
    )


def fixed_points(activation: str, w: float, b: float) -> tuple[FixedPoint, ...]:
    """Every fixed point of h ↦ φ(w h + b), from the lowest to the highest: one or three of tanh and sigmoid (two where two
    meet), none, one or two of ReLU, or all h ≥ 0 at once."""
    w, b = checked(activation, w, b)
    if activation == "relu":
        return relu_fixed_points(w, b)
    phi, (stretch, weight, bias) = ACTIVATIONS[activation], as_tanh(activation, w, b)
    points = []
    for u in tanh_roots(weight, bias):
        a = np.array([stretch * u])
        with np.errstate(over="ignore", under="ignore"):
            h = phi.value(a)
            points.append(FixedPoint(float(h[0]), float(w * phi.slope(a, h)[0])))
    return tuple(points)


def relu_fixed_points(w: float, b: float) -> tuple[FixedPoint, ...]:
    if w == 1.0 and b == 0.0:
        return (FixedPoint(0.0, 1.0, up_to=math.inf),)
    points = []
    if b <= 0.0:
        points.append(FixedPoint(0.0, max(w, 0.0) if b == 0.0 else 0.0))
    if w != 1.0 and b / (1.0 - w) > 0.0:
        points.append(FixedPoint(b / (1.0 - w), w))
    return tuple(points)


def two_cycle(activation: str, w: float, b: float) -> Cycle | None:
    """The two states that h ↦ φ(w h + b) swaps, or None. Only a negative w has such a cycle, and never more than one."""
    w, b = checked(activation, w, b)
    if activation == "relu":
        return Cycle(0.0, b, 0.0 if w < -1.0 else 1.0) if w <= -1.0 and b > 0.0 else None
    stretch, weight, bias = as_tanh(activation, w, b)
    (middle, *_) = tanh_roots(weight, bias)
    if weight / math.cosh(min(abs(middle), 350.0)) ** 2 >= -1.0:
        return None

    def there(u: float) -> float:
        return weight * math.tanh(u) + bias

    # f(f(u)) runs away from an unstable middle and is bounded: above it, u crosses f(f(u)) once
    u = bisect(lambda u: u - there(there(u)), middle, bias - weight + 1.0)
    phi, a = ACTIVATIONS[activation], stretch * np.array([there(u), u])
    with np.errstate(over="ignore", under="ignore"):
        h = phi.value(a)
        multiplier = float(np.prod(w * phi.slope(a, h)))
    return Cycle(float(h[0]), float(h[1]), multiplier)


def as_tanh(activation: str, w: float, b: float) -> tuple[float, float, float]:
    """(stretch, weight, bias): φ(w h + b) is a tanh unit with this weight and bias, whose u is a / stretch."""
    return (1.0, w, b) if activation == "tanh" else (2.0, w / 4.0, (b + w / 2.0) / 2.0)


def tanh_roots(w: float, b: float) -> list[float]:
    """Every u with u = w tanh(u) + b, to the last digit.

    u − w tanh(u) − b turns where w sech²(u) = 1, at ±arcosh √w; between its turns it is monotone and has one root or none.
    """

    def distance(u: float) -> float:
        return u - w * math.tanh(u) - b

    low, high = b - abs(w) - 1.0, b + abs(w) + 1.0
    turn = math.acosh(math.sqrt(w)) if w > 1.0 else math.inf
    ends = [low, *(u for u in (-turn, turn) if low < u < high), high]
    roots = set()
    for left, right in pairwise(ends):
        at_left, at_right = distance(left), distance(right)
        if at_left == 0.0:  # two roots meet at a turn; the next piece has it as its left end
            roots.add(left)
        elif at_left < 0.0 < at_right:
            roots.add(bisect(distance, left, right))
        elif at_right < 0.0 < at_left:
            roots.add(bisect(distance, right, left))
    return sorted(roots)


def bisect(g: Callable[[float], float], negative: float, positive: float) -> float:
    """Where g changes sign between a point where it is negative and one where it is positive, to the last digit."""
    while True:
        middle = (negative + positive) / 2.0
        value = g(middle)
        if value == 0.0 or middle in (negative, positive):
            return middle
        if value < 0.0:
            negative = middle
        else:
            positive = middle


def find_goal(
    activation: str, w: float, b: float, h0: float, fixed: tuple[FixedPoint, ...], cycle: Cycle | None
) -> FixedPoint | Cycle | None:
    """What the orbit of h0 tends to, or None where it grows for ever.

    With w ≥ 0 the map is increasing, so an orbit moves one way until the next fixed point stops it. With w < 0 it falls
    into the cycle if there is one, unless it starts on the fixed point.
    """

    def there(h: float) -> float:
        with np.errstate(over="ignore", under="ignore"):
            return float(ACTIVATIONS[activation].value(np.array(w * h + b)))

    after = there(h0)
    if activation == "relu" and w == 1.0 and b == 0.0:
        return FixedPoint(after, 1.0)
    if activation == "relu" and w == -1.0 and b > 0.0:
        state, other = there(after), there(there(after))  # from here on h and b − h take turns
        return FixedPoint(state, -1.0) if state == other else Cycle(min(state, other), max(state, other), 1.0)
    if after == h0 or (w < 0.0 and cycle is None):
        return min(fixed, key=lambda point: abs(point.h - h0), default=None)
    if w < 0.0:
        return cycle
    ahead = [point for point in fixed if (point.h >= h0 if after > h0 else point.h <= h0)]
    return min(ahead, key=lambda point: abs(point.h - h0), default=None)


def overflow_step(w: float, b: float, h0: float) -> int | None:
    """The first t at which a ReLU unit that grows for ever leaves float64's range; None where w ≤ 1, as b t never does.

    From h_1 on, h_t = r + w^(t−1) (h_1 − r) with r = b / (1 − w); the last few steps are taken one by one, as rounding decides.
    """
    if w <= 1.0:
        return None
    rest = b / (1.0 - w)
    growing = max(w * h0 + b, 0.0) - rest
    sure = max(0, math.floor((LOG_MAX - math.log(growing)) / math.log(w)) - 2)
    third = sure // 3  # the whole power may overflow where `growing` is small, and half of it where it is the smallest
    h, t = w**third * growing * w**third * w ** (sure - 2 * third) + rest, 1 + sure
    while math.isfinite(h):
        h, t = w * h + b, t + 1
    return t


def checked(activation: str, w: float, b: float) -> tuple[float, float]:
    """(w, b) as plain numbers; ValueError unless this is a unit."""
    check_choice("activation", activation, ACTIVATIONS)
    return check_number("w", w, -LARGEST, LARGEST), check_number("b", b, -LARGEST, LARGEST)
