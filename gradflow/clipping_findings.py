"""What the lesson on clipping says, computed from its numbers."""

import math
from collections.abc import Mapping, Sequence

from gradflow.cliff import KNOBS, Descent, Steepest
from gradflow.clipped_run import ClippedRun
from gradflow.findings import number, power_of_ten
from gradflow.training import BASELINE, Learning, Training

NO_DIFFERENCE = 0.05  # losses that differ by less than this share of the baseline count as equal
LEARNT = 0.9  # a loss below this share of the baseline is better than always answering 1 by more than chance


def cliff_title(by_kind: Mapping[str, Descent], threshold: float) -> str:
    """Where the descents end: the unclipped one, then the one clipped by norm."""
    none, norm = by_kind["none"], by_kind["norm"]
    if not norm.clipped.any():
        return (
            f"No gradient on this path is longer than {threshold:g}: clipping changes nothing, "
            f"the error ends at {number(none.error[-1])}"
        )
    clipped = f"clipped by norm at {threshold:g}, the error ends at {number(norm.error[-1])}"
    if none.leaves is None:
        return f"Unclipped, the error ends at {number(none.error[-1])}; {clipped}"
    return (
        f"Unclipped, a gradient of length {number(none.norm[none.leaves - 1])} throws (w, b) {landing(none)}; {clipped}"
    )


def landing(descent: Descent) -> str:
    """Where a descent lands with the step that leaves the view."""
    assert descent.leaves is not None
    return f"to ({number(descent.w[descent.leaves])}, {number(descent.b[descent.leaves])})"


def cliff_words(by_kind: Mapping[str, Descent], threshold: float, rate: float) -> str:
    """What one sees, why, and what to try."""
    none = by_kind["none"]
    stays = (
        f"a step clipped by norm is at most η·c = {number(rate * threshold)} long, "
        f"one clipped by value √2·η·c = {number(math.sqrt(2.0) * rate * threshold)}"
    )
    if none.leaves is not None:
        stays += f"; the unclipped descent ends where the gradient is {number(none.norm[-1])}"
    return (
        "Along the dark edge a slightly smaller b tips the unit, after 50 steps, from its high state into its low one: "
        f"the error is a cliff there. The gradient on the cliff is true but holds only nearby: {stays}. "
        f"Press ▶, then {to_try(by_kind, threshold)}."
    )


def to_try(by_kind: Mapping[str, Descent], threshold: float) -> str:
    """The change that leads to where clipping begins, or ceases, to save the descent."""
    if by_kind["none"].leaves is None:
        return "start at w = 5.5 and b = −2 with η = 0.5, where the unclipped descent is thrown out of the picture"
    if by_kind["norm"].leaves is None and threshold == KNOBS["threshold"].high:
        return "lower the threshold, and watch the steps become shorter"
    if by_kind["norm"].leaves is not None and threshold == KNOBS["threshold"].low:
        return "lower the learning rate, for the threshold is at its lowest"
    way = "raise" if by_kind["norm"].leaves is None else "lower"
    return f"{way} the threshold, and look for the last one with which clipping saves the descent"


def steepest_title(s: Steepest) -> str:
    """What each kind of clipping does to the direction."""
    if not (s.by_value != s.gradient).any():
        return f"No entry is larger than {s.threshold:g}: by value keeps this gradient as it is"
    return f"By norm keeps the direction, by value turns it by {s.turned_by_value:.1f}°"


def steepest_words(s: Steepest) -> str:
    return (
        f"The longest gradient on the path clipped by norm, at step {s.step + 1}. "
        "By norm scales both entries alike, onto the circle; by value cuts each on its own, into the square."
    )


def race_title(runs: Mapping[str, Learning]) -> str:
    """Where the two losses end, against the baseline."""
    none, norm = runs["none"], runs["norm"]
    against = f"; always answering 1 gives {number(BASELINE)}"
    if none.ended or norm.ended:
        told = "; ".join(f"{what}, {run.ended}" for what, run in (("unclipped", none), ("clipped", norm)) if run.ended)
        if not norm.ended:
            told += f"; clipped, the loss ends at {number(norm.final_loss)}{against}"
        return f"Clipping lets it learn: {told}" if not norm.ended and learns(norm) else told[0].upper() + told[1:]
    ends = f"{number(none.final_loss)} without it, {number(norm.final_loss)} with it"
    if abs(none.final_loss - norm.final_loss) < NO_DIFFERENCE * BASELINE:
        return f"Here clipping makes no difference: the loss ends at {ends}{against}"
    if none.final_loss < norm.final_loss:
        return f"Here clipping does harm: the loss ends at {ends}{against}"
    if not learns(norm):
        return f"Clipping keeps the loss lower, but neither learns: it ends at {ends}{against}"
    if learns(none):
        return f"Both learn, with clipping further: the loss ends at {ends}{against}"
    return f"Clipping lets it learn: the loss ends at {ends}{against}"


def stopped_title(runs: Mapping[str, Learning], step: int) -> str:
    """Where the two losses stand when somebody stops the training."""
    none, norm = runs["none"], runs["norm"]
    if none.ended or norm.ended:
        return f"Stopped at step {step}. {race_title(runs)}"
    stand = f"{number(none.final_loss)} without clipping, {number(norm.final_loss)} with it"
    return f"Stopped at step {step}: the loss stands at {stand}"


def learns(run: Learning) -> bool:
    """Whether a run ends clearly below what always answering 1 gives."""
    return run.final_loss < LEARNT * BASELINE


TRY = "Try other seeds, then a low and a high threshold, and look how many steps are cut."
IN_SILENCE = (
    "A run ends where a number is no longer finite; PyTorch's clip_grad_norm_ would by default go on in silence."
)


def race_words(setup: Training, runs: Mapping[str, Learning]) -> str:
    """What was trained, what clipping did, what to try."""
    none, norm = runs["none"], runs["norm"]
    seen = (
        f"A vanilla RNN ({setup.activation.replace('relu', 'ReLU')}, ρ = {setup.spectral_radius:g}) adds the two marked "
        f"numbers of {setup.length}: one start, one stream of data, learning rate {setup.rate:g}, seed {setup.seed}. "
    )
    if not len(norm.step) or not len(none.step):
        return f"{seen}The first step already leaves float64's range."
    longest = int(none.norm_before.argmax())
    pace = ": at this threshold clipping sets the pace" if norm.share_clipped > 0.5 else ""
    return (
        f"{seen}Without clipping the longest gradient was {number(none.norm_before[longest])}, around step "
        f"{none.step[longest]:.0f}; with it {number(norm.norm_before.max())}, and {norm.share_clipped:.0%} of the steps were "
        f"cut to {setup.threshold:g}{pace}. {IN_SILENCE if none.ended or norm.ended else TRY}"
    )


def clipped_title() -> str:
    """The lesson's last sentence."""
    return "Clipping changes ∂L/∂θ, not ∂L/∂h_t: it cures exploding, not vanishing"


def clipped_words(runs: Sequence[ClippedRun]) -> str:
    """What the picture shows of that, network by network, and why."""
    said = " ".join(f"At ρ = {run.spectral_radius:g} {what_clipping_does(run)}." for run in runs)
    lost = any(run.verdict == "vanishing" for run in runs)
    why = " One factor on ∂L/∂θ cannot restore what the backward pass has lost." if lost else ""
    return f"Each curve is drawn twice, before clipping (wide) and after (thin): one line. {said}{why}"


def what_clipping_does(run: ClippedRun) -> str:
    """What becomes of one network's step, and of its gradient on the way back, with clipping as without."""
    arrives = power_of_ten(float(run.log10_norm[0] - run.log10_norm[-1]))
    way = {
        "exploding": f"the gradient explodes, to {arrives} times the last step's at the first",
        "stable": f"the gradient neither explodes nor vanishes here, {arrives} times the last step's at the first",
        "vanishing": f"the gradient vanishes: only {arrives} of the last step's reaches the first",
    }[run.verdict]
    if run.norm_after < run.norm_before:
        return f"{way}, and ‖∂L/∂θ‖ is cut from {number(run.norm_before)} to {number(run.norm_after)}"
    return f"{way}, and ‖∂L/∂θ‖ stays {number(run.norm_before)}"
