"""Are the gradients right? The forward pass alone, differentiated numerically, against what the backward pass says.

tanh and sigmoid: a complex step (Squire & Trapp 1998), ∂L/∂v = Im L(θ + iεv) / ε. No difference is taken, so no digit is
lost. After each step the real part is set back to the trace's: in a chaotic network another rounding would else lead to
another trajectory, whose gradients are rightly others.

ReLU: central differences of sixth order. They hold only if none of the nudged passes crosses a kink, so the sign of every
state and gate at every step must be that of the pass without nudge; otherwise the nudge is made smaller, and after the last
try the derivative is left out. It is also left out if it is too small beside the loss for a difference to have digits.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gradflow.activations import Array
from gradflow.experiment import Experiment, Run, run
from gradflow.findings import power_of_ten
from gradflow.layout import columns
from gradflow.losses import Readout
from gradflow.parameters import Params, unit_columns
from gradflow.unroll import unroll
from gradflow.weights import generator

if TYPE_CHECKING:
    import pandas as pd

WORK = 3e8  # multiplications that all passes together may take, which is about a third of a second
DIRECTIONS = 4  # random directions in every parameter array; one would reveal a wrong gradient, but for a coincidence
FAINTEST, LARGEST = -270.0, 200.0  # decades between which a complex step stays in float64's range
# a difference of sixth and one of fourth order: how many nudges away, and the two weights of the loss there
WEIGHTS = np.array(
    [(k, w / 60, v / 12) for k, w, v in ((-3, -1, 0), (-2, 9, 1), (-1, -45, -8), (1, 45, 8), (2, -9, -1), (3, 1, 0))]
)
OUTERMOST_FIRST = (0, 5, 1, 4, 2, 3)
EPS = float(np.finfo(float).eps)
FIRST_NUDGE, SMALLER, TRIES = 2.0**-7, 4.0, 10  # relative to what is nudged
DIGITS = 4e-10  # what a difference must resolve to be compared

COMPLEX, DIFFERENCES = "complex steps", "central differences of sixth order"

# nudges of the k directions → losses (k, B) and the signs of all states and gates, (k, …)
Losses = Callable[[NDArray[np.int_], Array], tuple[Array, NDArray[np.bool_]]]


@dataclass(frozen=True)
class Compared:
    """One gradient against its numerical derivatives: how many were compared, and ‖difference‖ / ‖gradient‖ over them.

    Not compared are those for which a kink was always too near (at_kinks), or which the method cannot see (out_of_reach):
    beyond float64's range for a complex step, too small beside the loss for a difference.
    """

    gradient: str
    derivatives: int
    disagreement: float
    at_kinks: int
    out_of_reach: int


@dataclass(frozen=True, repr=False)
class Check:
    """What `check_gradients` found: one `Compared` for each parameter array and each state at each step it looked at."""

    cell: str
    method: str
    compared: tuple[Compared, ...]

    def __repr__(self) -> str:
        return f"<Check of {self.cell}: {self.largest:.1e} by {self.method}>"

    @property
    def worst(self) -> Compared:
        """The gradient that agrees least."""
        return max(self.compared, key=lambda c: (c.derivatives > 0, c.disagreement))

    @property
    def largest(self) -> float:
        """The largest disagreement, relative to that gradient's own norm."""
        return self.worst.disagreement

    @property
    def derivatives(self) -> int:
        """How many derivatives were compared."""
        return sum(c.derivatives for c in self.compared)

    @property
    def sentence(self) -> str:
        """The outcome in words: what was done, how well it agrees and where least, what was left out."""
        size = f"{power_of_ten(np.log10(self.largest))} of the gradient's size" if self.largest else "0"
        told = (
            f"{self.cell}: {self.derivatives:,} derivatives by {self.method} of the forward pass alone; "
            f"the largest disagreement is {size}, in {self.worst.gradient}."
        )
        faint = "beyond float64's range"
        if self.method != COMPLEX:
            faint = f"too small beside the loss for a difference or {faint}"
        left = {
            "too near a kink of ReLU": sum(c.at_kinks for c in self.compared),
            faint: sum(c.out_of_reach for c in self.compared),
        }
        reasons = " and ".join(f"{count:,} {why}" for why, count in left.items() if count)
        return f"{told} Left out: {reasons}." if reasons else told

    def to_frame(self) -> "pd.DataFrame":
        """One row per gradient: its name, derivatives compared, disagreement, and how many were left out and why."""
        import pandas as pd

        return pd.DataFrame(self.compared)


def check_gradients(exp: Experiment) -> Check:
    """Differentiates the experiment's network without its backward pass and compares.

    Looked at: every parameter array and the readout's, along random directions; ∂L/∂h_t and ∂L/∂c_t at t = T, T − 1, T − 2,
    T − 4, … 0, by running the forward pass from there with every unit nudged, or in a large network along random
    directions. Raises ForwardOverflow as `run` does.
    """
    done = run(exp)
    rng = generator(exp.seed, "check")
    smooth = exp.activation != "relu"
    steps, states = restarts(len(done.trace.x)), ["h", "c"] if done.trace.c is not None else ["h"]
    names = list(done.trace.params)
    count = affordable(done, len(names) * len(done.trace.x), DIRECTIONS, smooth)
    compared = [compare_parameter(done, name, count, rng, smooth) for name in names]
    compared += [compare_readout(done, name, rng, smooth) for name in done.network.readout.params]
    count = affordable(done, len(states) * sum(len(done.trace.h) - t for t in steps), exp.hidden, smooth)
    compared += [compare_state(done, state, t, count, rng, smooth) for state in states for t in steps]
    return Check(done.trace.cell.title, COMPLEX if smooth else DIFFERENCES, tuple(compared))


def restarts(steps: int) -> list[int]:
    """Rows at distances 0, 1, 2, 4, … from the last one, and row 0."""
    distances = [0, *(2**k for k in range(steps.bit_length())), steps]
    return sorted({steps - d for d in distances if d <= steps}, reverse=True)


def affordable(done: Run, steps: int, most: int, smooth: bool) -> int:
    """Along how many directions to differentiate passes of so many steps together: `most`, or as many as WORK allows."""
    work = steps * done.trace.w.size * done.trace.x.shape[1] * (1 if smooth else len(WEIGHTS))
    return int(np.clip(WORK / work, 1, most))


def compare_parameter(done: Run, name: str, count: int, rng: np.random.Generator, smooth: bool) -> Compared:
    """∂L/∂θ along random directions of one parameter array."""
    trace, theta = done.trace, done.trace.params[name]
    directions = random_directions(rng, count, theta)

    def losses(which: NDArray[np.int_], nudge: Array) -> tuple[Array, NDArray[np.bool_]]:
        moved = {**trace.params, name: theta + along(nudge, directions[which])}
        moved = {key: value if key == name else value[None] for key, value in moved.items()}
        start = np.repeat(trace.h[:1], len(which), 0) + 0 * nudge[:, None, None]
        c = None if trace.c is None else np.repeat(trace.c[:1], len(which), 0)
        return nudged(done, 0, moved, start, c)

    return compared_with(losses, projected(done.grads[name], directions), f"∂L/∂{name}", smooth, over_batch=True)


def compare_readout(done: Run, name: str, rng: np.random.Generator, smooth: bool) -> Compared:
    """∂L/∂θ along random directions of one of the readout's arrays; the states stay as they are."""
    readout = done.network.readout
    theta = readout.params[name]
    directions = random_directions(rng, DIRECTIONS, theta)

    def losses(which: NDArray[np.int_], nudge: Array) -> tuple[Array, NDArray[np.bool_]]:
        moved = theta + along(nudge, directions[which])
        h = done.trace.h + 0 * nudge[0]
        read = [replace(readout, params={**readout.params, name: one}).read(h).loss for one in moved]
        return np.stack(read), np.ones((len(which), 1), bool)

    return compared_with(losses, projected(done.grads[name], directions), f"∂L/∂{name}", smooth, over_batch=True)


def compare_state(done: Run, state: str, t: int, count: int, rng: np.random.Generator, smooth: bool) -> Compared:
    """∂L/∂h_t or ∂L/∂c_t unit by unit, or along `count` random directions where there are more units."""
    trace = done.trace
    here = trace.h[t] if state == "h" else trace.c[t]  # type: ignore[index]
    hidden = here.shape[-1]
    directions = random_directions(rng, count, here[0]) if count < hidden else np.eye(hidden) * size_of(here)
    shared = {key: value[None] for key, value in trace.params.items()}
    log10 = (done.log10_norm if state == "h" else done.log10_norm_c)[t]  # type: ignore[index]

    def losses(which: NDArray[np.int_], nudge: Array) -> tuple[Array, NDArray[np.bool_]]:
        delta = along(nudge, directions[which])[:, None]  # (k, 1, H)
        c = None if trace.c is None else np.repeat(trace.c[t][None], len(which), 0)
        if state == "h":
            return nudged(done, t, shared, trace.h[t] + delta, c)
        h, c = moved_through_c(done, t, delta)
        loss, signs = nudged(done, t, shared, h, c)
        return loss, np.concatenate([signs.reshape(len(h), -1), h.real.reshape(len(h), -1) > 0.0], axis=1)

    grad = done.grad_h[t] if state == "h" else done.grad_c[t]  # type: ignore[index]
    moved_by = directions[:, None] * np.ones_like(here)  # (k, B, H)
    if state == "c":
        moved_by = moved_through_c(done, t, 1e-100j * directions[:, None])[1].imag / 1e-100
    within = (log10 > FAINTEST) & (log10 < LARGEST) | np.isneginf(log10)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        got = np.where(within, (grad * moved_by).sum(-1), np.nan)
    return compared_with(losses, got, f"∂L/∂{state} at step {t}", smooth)


def moved_through_c(done: Run, t: int, delta: NDArray) -> tuple[Array, Array]:
    """(h_t, c_t), each (k, B, H), where c_t alone moves and h_t follows, as the total ∂L/∂c_t has it.

    c_t is moved by nudging c_{t−1} by delta (k, B or 1, H) with h_{t−1} held; where there is no such step, c itself.
    """
    trace = done.trace
    assert trace.c is not None
    h, c = trace.h[t] + 0 * delta, trace.c[t] + delta
    present = np.zeros(h.shape[1], bool)
    if t > 0:
        present = np.ones_like(present) if trace.mask is None else trace.mask[t - 1]
    if not present.any():
        return h, c
    before = columns(trace.c[t - 1] + delta)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # no complex σ(a) where e^−a overflows
        a = np.dot(trace.w, trace.rows[t - 1]).reshape(
            -1, 1, *before.shape[1:]
        )  # before `step` adds what c tells the gates
        a = np.repeat(a, len(before), 1).astype(before.dtype)
        own = unit_columns(trace.cell, trace.params)
        saved = np.empty((len(trace.cell.saves), *a.shape[1:]), a.dtype)
        h_t, c_t = np.empty_like(before), np.empty_like(before)
        ((a_t, saved_t),) = trace.cell.rows(a[:, None], saved[:, None])
        trace.cell.step(a_t, saved_t, columns(trace.h[t - 1])[None], before, h_t, c_t, *own)
    there = present[:, None]
    return np.where(there, columns(h_t), h), np.where(there, columns(c_t), c)


def nudged(done: Run, start: int, params: Params, h: Array, c: Array | None) -> tuple[Array, NDArray[np.bool_]]:
    """The losses (k, B) of the forward pass from row `start` on, and all signs, for k nudged states or parameters.

    h, c: (k, B, H). params: (k, …), or (1, …) where all share them.
    """
    trace = done.trace
    count, batch, hidden = h.shape
    lead = (count, batch) if max(map(len, params.values())) > 1 else (1, count * batch)
    params = {key: np.repeat(value, lead[0] // len(value), 0) for key, value in params.items()}

    def spread(array: NDArray) -> NDArray:  # (T, B, …), once for each nudge
        return np.repeat(array[start:, None], count, 1).reshape(-1, *lead, *array.shape[2:])

    x, mask = spread(trace.x), None if trace.mask is None else spread(trace.mask)
    h, c = h.reshape(*lead, hidden), None if c is None else c.reshape(*lead, hidden)
    if np.iscomplexobj(h):
        own_h, own_c = spread(trace.h), None if trace.c is None else spread(trace.c)
        rows, signs = [h], np.ones((count, 1), bool)
        for t in range(len(x)):
            step = unroll(trace.cell, params, x[t : t + 1], h, c, None if mask is None else mask[t : t + 1])
            h = own_h[t + 1] + 1j * step.h[1].imag
            c = None if own_c is None or step.c is None else own_c[t + 1] + 1j * step.c[1].imag
            rows.append(h)
        states = np.stack(rows)
    else:
        again = unroll(trace.cell, params, x, h, c, mask)
        states = again.h
        kinked = [*again.gates.values(), *([] if again.c is None else [again.c[1:]])] or [again.h[1:]]
        signs = np.stack([s.reshape(len(x), count, batch * hidden) > 0.0 for s in kinked], axis=2).swapaxes(0, 1)
    states = states.reshape(len(states), count * batch, hidden)
    return losses_from(done.network.readout, start, count, states).reshape(count, batch), signs


def losses_from(readout: Readout, start: int, count: int, states: Array) -> Array:
    """The losses read from row `start` on, (count · B,), of as many copies of the batch, states (T + 1 − start, count · B, H)."""
    if start > 0:  # the readout never looks at the first row it is given, which is h_0's
        states, start = np.concatenate([states[:1], states]), start - 1
    targets = np.concatenate([readout.sequences.targets[start:]] * count, axis=1)
    weight = np.tile(readout.weight[start:], count)
    return replace(readout, weight=weight, sequences=replace(readout.sequences, targets=targets)).read(states).loss


def compared_with(losses: Losses, got: Array, gradient: str, smooth: bool, over_batch: bool = False) -> Compared:
    """The derivatives `got` (k, B), or (k, 1) summed over the batch, against those of `losses` at a nudge of zero."""

    def summed(which: NDArray[np.int_], nudge: Array) -> tuple[Array, NDArray[np.bool_]]:
        loss, signs = losses(which, nudge)
        return loss.sum(1, keepdims=True) if over_batch else loss, signs

    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        want, doubt = complex_step(summed, got) if smooth else central_differences(summed, len(got))
        scale = np.fmax(norm(got), norm(want))
        kink = np.isnan(want)
        reached = np.isfinite(got) & (doubt <= DIGITS * scale / sqrt(len(got)))
        there = reached & ~kink
        error = norm(np.where(there, got - want, 0.0))
        disagreement = float((error / np.where(scale > 0.0, scale, 1.0)).max())
    return Compared(gradient, int(there.sum()), disagreement, int(kink.sum()), int((~reached & ~kink).sum()))


def norm(array: Array) -> Array:
    """The Euclidean norm over the directions, leaving out NaN and safe from overflow, (1, B)."""
    array = np.where(np.isfinite(array), array, 0.0)
    largest = np.abs(array).max(0, keepdims=True)
    unit = array / np.where(largest > 0.0, largest, 1.0)
    return largest * np.sqrt(np.square(unit).sum(0, keepdims=True))


def complex_step(losses: Losses, got: Array) -> tuple[Array, Array]:
    """The derivatives and their doubt, which is none. The nudge is small enough for a gradient as large as `got`."""
    largest = np.abs(got[np.isfinite(got)]).max(initial=0.0)
    size = min(1e-30, 1e-100 / largest) if largest > 0.0 else 1e-100
    loss, _ = losses(np.arange(len(got)), np.full(len(got), 1j * size))
    return loss.imag / size, np.zeros(got.shape)


def central_differences(losses: Losses, count: int) -> tuple[Array, Array]:
    """The derivatives, NaN where a kink was always too near, and how far they may be off for want of digits."""
    start, signs = losses(np.zeros(1, int), np.zeros(1))
    want, doubt = np.full((2, count, start.shape[1]), np.nan)
    left, nudge = np.arange(count), FIRST_NUDGE
    for _ in range(TRIES):
        loss = np.full((len(WEIGHTS), *want.shape), np.nan)
        smooth = left
        for k in OUTERMOST_FIRST:
            loss[k, smooth], moved_signs = losses(smooth, np.full(len(smooth), WEIGHTS[k, 0] * nudge))
            smooth = smooth[(moved_signs == signs).reshape(len(smooth), -1).all(1)]
            if not smooth.size:
                break
        rounding = 8.0 * EPS * np.abs(loss[:, smooth]).max(0) / nudge
        sixth, fourth = (np.tensordot(weights, loss[:, smooth], 1) / nudge for weights in WEIGHTS.T[1:])
        change = np.abs(sixth - fourth)
        done = (change <= DIGITS * np.abs(sixth).max(0, initial=0.0) + rounding).all(1)
        want[smooth[done]], doubt[smooth[done]] = sixth[done], (10.0 * change + rounding)[done]
        left = np.setdiff1d(left, smooth[done])
        if not left.size:
            break
        if np.abs(loss[OUTERMOST_FIRST[0], left] - start).max() < EPS / DIGITS * np.abs(start).max():
            if nudge == FIRST_NUDGE:
                want[left], doubt[left] = 0.0, np.inf  # nothing is seen, and of smaller nudges still less
            break
        nudge /= SMALLER
    return want, doubt


def along(nudge: Array, directions: Array) -> Array:
    """Each direction (k, …) times its nudge (k,)."""
    return nudge.reshape(-1, *(1,) * (directions.ndim - 1)) * directions


def size_of(array: Array) -> float:
    """The root mean square, or 1 where all is zero."""
    with np.errstate(under="ignore"):
        largest = float(np.abs(array).max())
        return largest * float(np.sqrt(np.square(array / largest).mean())) if largest else 1.0


def projected(gradient: Array, directions: Array) -> Array:
    """The gradient along each direction, (k, 1)."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return (gradient * directions).reshape(len(directions), -1).sum(1, keepdims=True)


def random_directions(rng: np.random.Generator, count: int, like: Array) -> Array:
    """`count` arrays of random signs, as large as `like`."""
    return rng.choice([-1.0, 1.0], (count, *like.shape)) * size_of(like)
