"""What the lesson on activations finds, in words computed from its numbers."""

import math
from collections.abc import Mapping

from gradflow.activations import ACTIVATIONS
from gradflow.experiment import Experiment
from gradflow.findings import number
from gradflow.measures import RULE
from gradflow.one_unit import Cycle, OneUnit
from gradflow.operating_points import OperatingPoint


def activations_title(points: Mapping[str, OperatingPoint]) -> str:
    """The finding of the panels: every activation's mean slope at work, and what it could be at most."""
    means = [
        f"{ACTIVATIONS[name].title} {number(point.mean_slope)} of {number(point.max_slope)}"
        for name, point in points.items()
        if point.share.size
    ]
    return f"Mean slope φ′ at work: {', '.join(means)}" if means else "Every state leaves float64's range"


def panels_words(exp: Experiment, points: Mapping[str, OperatingPoint], seeds: int) -> str:
    """The sentences beside the panels: what one sees, why, what to try; then what the numbers are."""
    text = [
        "Bars: where on φ the RNN works; pale where φ′ is under a tenth of its maximum.",
        "A step back multiplies by W_hhᵀ diag(φ′) at these a_t, so the slopes there count, and max φ′ is only a bound.",
        "Try an input scale of 2, which pushes tanh and sigmoid onto their flat ends.",
    ]
    if exp.input_scale >= 2.0:
        text[-1] = "Try an input scale of 0.5, which brings tanh and sigmoid back to their steep middle."
    text += [
        f"{ACTIVATIONS[name].title}: {number(100.0 * (point.below + point.above))} % of a_t lie beyond the axis."
        for name, point in points.items()
        if point.below + point.above >= 0.005
    ]
    details = (
        f"All units, steps and {seeds} seeds. Saturated: φ′ under a tenth of max φ′ at that step; a saturated tanh or sigmoid "
        "still passes a little. Off: a_t ≤ 0, where ReLU passes exactly nothing. Dead: off at every step."
    )
    return " ".join(text) + "\n\n:small[:gray[" + details + "]]"


def curves_words(exp: Experiment, points: Mapping[str, OperatingPoint], seeds: int) -> str:
    """The sentences beside the gradient curves."""
    text = ["Same RNN, weights, input and loss; only φ differs."]
    if exp.rescale and exp.init == "gaussian" and exp.sequence_type == "many-to-one":
        guesses = [
            f"{number(exp.spectral_radius * point.rms_slope)} ({ACTIVATIONS[name].title})"
            for name, point in points.items()
            if point.share.size
        ]
        text.append(
            "With random weights a step keeps roughly ρ times the root mean square of φ′ at work: "
            f"{', '.join(guesses)}."
        )
    text.append("Try ρ = 1.5: the saturating activations turn a larger ρ into smaller slopes, ReLU does not.")
    return " ".join(text) + f"\n\n:small[:gray[Line: median over {seeds} seeds; band: 10–90 %. {RULE}]]"


def signed(value: float) -> str:
    """A number of either sign to three significant digits."""
    return number(0.0) if abs(value) < 1e-12 else f"{value:.3g}".replace("-", "−")


def unit_title(unit: OneUnit) -> str:
    """What becomes of h_0 in the long run, and of the gradient that reaches it."""
    name, goal = ACTIVATIONS[unit.activation].title, unit.goal
    if goal is None:
        return f"{name} blows up: {growth(unit)}"
    if isinstance(goal, Cycle):
        swing = f"{name} oscillates between {signed(goal.low)} and {signed(goal.high)}"
        if goal.multiplier == 1.0:
            return f"{swing}, a cycle of its own for every h₀: all is remembered"
        return f"{swing}: {loss_per_step(math.sqrt(goal.multiplier))}"
    if goal.kind == "unstable":
        return f"{name} stays at {signed(goal.h)} only while nothing moves it: {rate(goal.multiplier)} per step"
    if unit.activation == "relu" and abs(unit.w) == 1.0 and goal.kind == "marginal":
        return f"{name} keeps {signed(goal.h)} for ever: every state is as good as another, all is remembered"
    if goal.kind == "marginal":
        return f"{name} ends at {signed(goal.h)} on the edge: multiplier {signed(goal.multiplier)}, forgotten ever more slowly"
    ends = sum(point.kind == "stable" for point in unit.fixed_points)
    if ends > 1:
        return f"{name} latches at {signed(goal.h)}: it keeps one bit of h₀, and {loss_per_step(goal.multiplier)}"
    return f"{name} forgets: whatever h₀ was, it ends at {signed(goal.h)}, and {loss_per_step(goal.multiplier)}"


def rate(multiplier: float) -> str:
    return f"× {signed(multiplier)}"


def loss_per_step(multiplier: float) -> str:
    """What the gradient does near the goal."""
    if multiplier == 0.0:
        return "the gradient is exactly 0"
    return f"the gradient fades by {rate(abs(multiplier))} per step"


def growth(unit: OneUnit) -> str:
    """How a ReLU unit without a goal grows."""
    if unit.leaves is None:
        return f"it adds {signed(unit.b)} at every step for ever, and the gradient stays as it is"
    return f"state and gradient grow by {rate(unit.w)} per step, out of float64's range at step {unit.leaves:,}"


def unit_words(unit: OneUnit) -> str:
    """The sentences beside the one-unit memory: what one sees, why, what to try."""
    return (
        "One unit hears h₀ and nothing after it; the dotted path follows h_t = φ(w h_{t−1} + b) to where the curve crosses "
        "the diagonal: filled where that is stable, hollow where not. "
        "The number there is the slope of the curve, w φ′(h*), by which a difference in h₀, and the gradient that reaches it, "
        "is multiplied at every step near h*. "
        f"{TRY[unit.activation]}"
    )


TRY = {
    "tanh": "Try w from 0.9 to 1.5: at 1 the one fixed point splits in three, and the unit can keep a sign, but no gradient.",
    "sigmoid": "Try w = 6 and b = −3: above w = 4 a sigmoid unit can latch too.",
    "relu": "Try w just below, at and above 1: only exactly 1 keeps h₀.",
}
