"""What the lesson on activations finds, in words computed from its numbers."""

import math
from collections.abc import Mapping

from gradflow.activations import ACTIVATIONS
from gradflow.experiment import Experiment
from gradflow.findings import arrival, cut_off, listed, many_losses, note, number, power_of_ten
from gradflow.measures import RULE
from gradflow.one_unit import Cycle, OneUnit
from gradflow.operating_points import VISIBLE, OperatingPoint
from gradflow.radii import WIDE


def activations_title(points: Mapping[str, OperatingPoint]) -> str:
    """The finding of the panels: every activation's mean slope at work, and what it could be at most."""
    means = [
        f"{ACTIVATIONS[name].title} {number(point.mean_slope)} of {point.max_slope:g}"
        for name, point in points.items()
        if point.share.size
    ]
    return f"Mean slope φ′ at work: {', '.join(means)}" if means else "Every state leaves float64's range"


def panels_words(exp: Experiment, points: Mapping[str, OperatingPoint], seeds: int) -> str:
    """The sentences beside the panels: what one sees, why, what to try; then what the numbers are."""
    text = [
        "Bars: where on φ the RNN works, pale where φ′ is under a tenth of its maximum.",
        "A step back multiplies by W_hhᵀ diag(φ′) at these a_t: the slopes there count, max φ′ is only a bound.",
        panels_to_try(exp),
    ]
    text += [
        f"{ACTIVATIONS[name].title}: {number(100.0 * (point.below + point.above))} % of a_t lie beyond the axis."
        for name, point in points.items()
        if point.below + point.above >= VISIBLE
    ]
    details = (
        f"All units, steps and {seeds} seeds. Saturated: φ′ under a tenth of max φ′ at that step; such a tanh or sigmoid unit "
        "still passes a little. Off: a_t ≤ 0, where ReLU passes exactly nothing. Dead: off at every step of a sequence; "
        "only a ReLU unit can be."
    )
    return f"{' '.join(text)}\n\n:small[:gray[{details}]]"


def panels_to_try(exp: Experiment) -> str:
    """Another size of the input than the present one."""
    if exp.init == "pytorch":  # which has an input scale of its own
        return "Choose a Gaussian start and an input scale of 2: tanh and sigmoid move onto their flat ends."
    if exp.input_scale < 2.0:
        return "Try an input scale of 2: tanh and sigmoid move onto their flat ends."
    return "Try an input scale of 0.5: tanh and sigmoid move back to their steep middle."


def curves_title(points: Mapping[str, OperatingPoint]) -> str:
    """The finding of the gradient curves: what a step back keeps with each activation, most first."""
    curves = {
        ACTIVATIONS[name].title: p.gradient for name, p in points.items() if not math.isnan(p.gradient.log10_factor)
    }
    order = sorted(curves.items(), key=lambda named: -named[1].log10_factor)
    if not order:
        return "The last state has no gradient to carry"
    if many_losses(order[0][1]):
        shares = ", ".join(f"{arrival(s)} with {name}" for name, s in order)
        return f"Losses at many steps: ‖∂L/∂h₀‖ / ‖∂L/∂h_T‖ is {shares}"
    if all(s.log10_factor == -math.inf for s in curves.values()):
        return f"Exactly nothing of the gradient arrives at the first step with {listed(curves)}"
    factors = ", ".join(f"{power_of_ten(s.log10_factor)} with {name}" for name, s in order)
    return f"One step back multiplies the gradient by {factors}"


def curves_words(exp: Experiment, points: Mapping[str, OperatingPoint], seeds: int) -> str:
    """The sentences beside the gradient curves: what one sees, why, what to try; then what must not be misread."""
    text = ["Same weights, input and loss; only φ differs.", why(exp, points), curves_to_try(exp), *notes(points)]
    return f"{' '.join(filter(None, text))}\n\n:small[:gray[Line: median over {seeds} seeds; band: 10–90 %. {RULE}]]"


def why(exp: Experiment, points: Mapping[str, OperatingPoint]) -> str:
    """What wide random weights are expected to keep per step, of a gradient that comes from the last step alone."""
    if cut_off(exp):
        return "At ρ = 0 W_hh is zero: no step hears the one before it, and the gradient has no way back."
    at_work = {ACTIVATIONS[name].title: point for name, point in points.items() if point.share.size}
    if exp.init != "gaussian" or exp.sequence_type != "many-to-one" or exp.hidden < WIDE or not at_work:
        return ""
    sigma_w = next(iter(at_work.values())).sigma_w
    expected = ", ".join(f"{number(point.expected_factor)} with {title}" for title, point in at_work.items())
    return (
        f"With random weights a step keeps about σ_w = ‖W_hh‖_F / √H = {number(sigma_w)} times the root mean square of φ′ at "
        f"work: {expected}."
    )


def curves_to_try(exp: Experiment) -> str:
    """Another spectral radius than the present one."""
    if exp.rescale and exp.spectral_radius >= 1.5:
        return "Try ρ = 0.5: smaller weights leave tanh and sigmoid on steeper slopes, and still a step keeps less."
    first = "Try" if exp.rescale else "Turn on Rescale to ρ and try"
    return f"{first} ρ = 1.5: larger weights flatten the slopes of tanh and sigmoid, not those of ReLU."


def notes(points: Mapping[str, OperatingPoint]) -> list[str]:
    """What is to be said of the curves, each thing once for all the activations that it holds for."""
    names: dict[str, list[str]] = {}
    for name, point in points.items():
        _, _, said = note(point.gradient, ACTIVATIONS[name].title).partition(": ")
        names.setdefault(said, []).append(ACTIVATIONS[name].title)
    return [f"{listed(same)}: {said}" for said, same in names.items() if said]


def unit_title(unit: OneUnit) -> str:
    """What becomes of h_0 in the long run, and of the gradient that reaches it."""
    name, goal = ACTIVATIONS[unit.activation].title, unit.goal
    if goal is None and unit.leaves is None:
        return f"{name} grows for ever: it adds {signed(unit.b)} at every step"
    if goal is None:
        return f"{name} blows up: × {signed(unit.w)} per step, out of float64's range at step {unit.leaves:,}"
    own_cycle = f"h₀ from 0 to {signed(unit.b)} has a cycle of its own"  # of a ReLU unit with w = −1
    if isinstance(goal, Cycle) and goal.multiplier == 1.0:
        return f"{name} swaps {signed(goal.low)} and {signed(goal.high)} for ever: every {own_cycle}"
    if isinstance(goal, Cycle):
        kept = gradient_kept(math.sqrt(goal.multiplier))
        return f"{name} oscillates between {signed(goal.low)} and {signed(goal.high)}, and {kept}"
    end = signed(goal.h)
    if goal.kind == "unstable":
        return f"{name} balances on {end}: the least disturbance grows × {signed(goal.multiplier)} per step"
    if goal.kind == "marginal" and unit.activation == "relu":
        others = "every h ≥ 0 is a fixed point" if unit.w == 1.0 else f"every other {own_cycle}"
        return f"{name} keeps {end} for ever, and its gradient whole: {others}"
    if goal.kind == "marginal":
        return f"{name} on the edge: multiplier {signed(goal.multiplier)} at {end}, so it forgets more and more slowly"
    kept = gradient_kept(abs(goal.multiplier))
    if sum(point.kind == "stable" for point in unit.fixed_points) > 1:
        return f"{name} latches at {end}: one bit of h₀ lasts, but {kept}"
    if unit.activation == "relu" and len(unit.fixed_points) > 1:
        return f"{name} dies: from below {signed(unit.fixed_points[1].h)} it ends at 0, from above it would blow up"
    start = "any" if len(unit.fixed_points) == 1 else "this"
    return f"{name} forgets: from {start} h₀ it ends at {end}, and {kept}"


def gradient_kept(multiplier: float) -> str:
    """What the long run leaves of ∂h_t/∂h_0."""
    if multiplier == 0.0:
        return "no gradient comes back"
    return f"its gradient keeps {signed(multiplier)} per step"


def signed(value: float) -> str:
    """A number of either sign to three significant digits."""
    if abs(value) < 1e-12:
        return "0"
    return (
        f"{value:.3g}".replace("-", "−") if 0.001 <= abs(value) < 1000.0 else f"{'−' * (value < 0)}{number(abs(value))}"
    )


def unit_words(unit: OneUnit) -> str:
    """The sentences beside the one-unit memory: what one sees, why, what to try."""
    return (
        "One unit hears h₀, then only itself: the grey path goes between the curve hₜ = φ(w hₜ₋₁ + b) and the diagonal; where "
        "they cross is a fixed point, filled if stable. "
        "The number there is the curve's slope w φ′: a difference in h₀, and its gradient, is multiplied by that at every step "
        f"nearby. {TRY[unit.activation]}"
    )


TRY = {  # ranges, so that there is something to try whatever the present values are
    "tanh": "Try w from 0.9 to 1.5: at 1 the one fixed point splits in three, and the unit can keep a sign, but no gradient.",
    "sigmoid": "Try w from 3 to 6 with b = −w/2: above w = 4 a sigmoid unit can latch too.",
    "relu": "Try w just below, at and above 1: at exactly 1 every h₀ ≥ 0 stays.",
}
