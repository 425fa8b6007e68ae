"""Findings in words, computed from the numbers: titles, verdicts and the sentences beside a picture."""

import math
from collections.abc import Iterable, Mapping

from gradflow.cells import CELLS
from gradflow.experiment import Experiment
from gradflow.losses import LOSSES, SEQUENCE_TYPES
from gradflow.measures import RULE
from gradflow.sequences import characters
from gradflow.summary import Summary

NAMES = {name: cell().title for name, cell in CELLS.items()}
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float) -> str:
    """A number to two digits as one would say it: 0.79, 3.7, 1.2e-38 as 1.2·10⁻³⁸."""
    if math.isnan(value):
        raise ValueError("value must be a number, got nan")
    if value == 0.0:
        return "0"
    if value < 0.0:
        return f"−{number(-value)}"
    if math.isinf(value):
        return "∞"
    return significant(value) if 0.01 <= value < 1e4 else power_of_ten(math.log10(value))


def significant(value: float) -> str:
    """Two significant digits, three on either side of 1, no exponent: 1.04 per step is not 1."""
    if 0.9 <= value < 0.9995:
        return f"{value:.3f}"
    if 1.005 <= value < 1.095:
        return f"{value:.2f}"
    digits = max(0, 1 - math.floor(math.log10(abs(float(f"{value:.1e}")))))
    return f"{value:.{digits}f}"


def power_of_ten(log10: float) -> str:
    """10^log10 to two digits for any size: 3.1·10⁻¹², 10⁻¹²; "exactly 0" for −inf."""
    if log10 == -math.inf:
        return "exactly 0"
    if -2.0 <= log10 < 4.0:
        return significant(10.0**log10)
    exponent = math.floor(log10)
    mantissa = f"{10.0 ** (log10 - exponent):.1f}"
    if mantissa == "10.0":
        mantissa, exponent = "1.0", exponent + 1
    return f"{'' if mantissa == '1.0' else mantissa + '·'}10{str(exponent).translate(SUPERSCRIPTS)}"


def steps(count: float) -> str:
    """1 step, 40 steps; a measured time to two digits."""
    if isinstance(count, int):
        return f"{count} step{'s' * (count != 1)}"
    return f"{number(count)} steps"


def listed(names: Iterable[str]) -> str:
    """A, B and C."""
    return " and ".join(", ".join(names).rsplit(", ", 1))


def percent(share: float) -> str:
    """A share as one would say it; where there is none, as in a memory that nothing was ever written into, 0."""
    return f"{number(0.0 if math.isnan(share) else 100.0 * share)}\N{NO-BREAK SPACE}%"


def arrival(s: Summary) -> str:
    """What share of the gradient at the last step the first step gets: the per-step factor to the power T."""
    return power_of_ten(s.log10_factor * s.length)


def crossing(s: Summary) -> str:
    """What share of the median gradient at the end of an encoder's half reaches step 0."""
    first, middle = float(s.middle[0]), float(s.middle[(s.length + 1) // 2])
    return power_of_ten(-math.inf if first == -math.inf else first - middle)


def verdict_sentence(s: Summary) -> str:
    """What one cell does to the gradient, without its name: "keeps 0.79 of the gradient per step: half is gone every …"."""
    if s.verdict == "overflow":
        return f"has no gradient: its state leaves float64's range at step {min(s.overflow_steps)}"
    if math.isnan(s.log10_factor):
        return "has no gradient to carry: the loss does not depend on the last state"
    if s.log10_factor == -math.inf:
        return f"loses it all: {nothing_arrives(s)}"
    if s.verdict == "exploding":
        doubling = math.log10(2.0) / s.log10_factor
        return f"multiplies the gradient by {number(s.per_step_factor)} per step: it doubles every {steps(doubling)}"
    if s.verdict == "stable":
        return f"keeps the gradient within a factor of 100: {number(s.per_step_factor)} per step"
    return f"keeps {number(s.per_step_factor)} of the gradient per step: half is gone every {steps(s.half_life)}"


def nothing_arrives(s: Summary) -> str:
    """In how many runs nothing does, as far as the band tells."""
    few = "" if s.high[0] == -math.inf else "in at least half of the runs "
    return f"{few}what reaches the first step is exactly zero"


def title(summaries: Mapping[str, Summary]) -> str:
    """The finding of a side-by-side picture: the cell that carries the gradient best, then the one that carries it worst."""
    order = sorted(summaries.values(), key=lambda s: -math.inf if math.isnan(s.log10_factor) else s.log10_factor)
    if not order:
        return "Choose at least one cell"
    worst, best = order[0], order[-1]
    if math.isnan(worst.log10_factor):
        return f"{NAMES[worst.cell]} {verdict_sentence(worst)}"
    if worst.sequence_type == "encoder-decoder":
        shares = ", ".join(f"{crossing(s)} in the {NAMES[s.cell]}" for s in summaries.values())
        return f"Of the gradient at the middle, step 0 gets {shares}"
    if many_losses(worst):
        shares = ", ".join(f"{arrival(s)} in the {NAMES[s.cell]}" for s in summaries.values())
        return f"Losses at many steps: ‖∂L/∂h₀‖ / ‖∂L/∂h_T‖ is {shares}"
    if len(order) == 1 or best.verdict == "exploding":
        return f"{NAMES[best.cell]} {verdict_sentence(best)}"
    if worst.verdict == "stable":
        factors = f"{number(worst.per_step_factor)} to {number(best.per_step_factor)}"
        names = listed(NAMES[cell] for cell in summaries)
        return f"{names} keep the gradient within a factor of 100: {factors} per step"
    if best.verdict == "vanishing" and worst.log10_factor > -math.inf:
        return (
            f"{NAMES[best.cell]} keeps {number(best.per_step_factor)} of the gradient per step, "
            f"{NAMES[worst.cell]} {number(worst.per_step_factor)}: "
            f"half is gone every {number(best.half_life)} and {steps(worst.half_life)}"
        )
    lost = [s.cell for s in summaries.values() if s.log10_factor == -math.inf]
    if 1 < len(lost) < len(order):
        rest = f"{listed(NAMES[cell] for cell in lost)} lose it all"
    else:
        rest = f"{NAMES[worst.cell]} {verdict_sentence(worst)}"
    return f"{NAMES[best.cell]} {verdict_sentence(best)}; {rest}"


def cut_off(exp: Experiment) -> bool:
    """Whether W_hh is zero, so that no step hears the one before it but through a memory of its own."""
    return exp.rescale and exp.spectral_radius == 0.0


def many_losses(s: Summary) -> bool:
    """Whether losses at several steps feed the gradient, so that what is left of it says nothing about how far it came."""
    return s.sequence_type != "many-to-one" and s.direct_sizes.size != 1


def direct_title(summaries: Mapping[str, Summary]) -> str:
    """The finding where the direct derivative is drawn: at how many steps it is, and how large."""
    drawn = [s for s in summaries.values() if s.direct_sizes.size]
    if not drawn:
        return title(summaries)
    read, length = drawn[0].direct_sizes.size, drawn[0].length
    sizes = [size for s in drawn for size in (float(s.direct_sizes.min()), float(s.direct_sizes.max()))]
    least, most = number(min(sizes)), number(max(sizes))
    size = least if least == most else f"{least} to {most}"
    if read == length > 1:
        return f"The direct derivative is {size} at every step, however far back: no flow to be seen"
    where = "the last step" if read == 1 else f"{read} of {length} steps"
    return f"The direct derivative is {size} at {where} and exactly zero before: no flow to be seen"


UNITS = (
    "One sequence, one seed: bright units still hear the loss, dark ones no longer do, blank is zero "
    "(or 300 decades below the brightest). "
    "In the GRU, rows that stay bright are the units whose update gate keeps them; "
    "the LSTM's units keep theirs in c_t, which this map of ∂L/∂h_t does not show."
)


def words(exp: Experiment, summaries: Mapping[str, Summary], seeds: int, direct: bool = False) -> str:
    """The sentences beside the curves: what one sees, why, what to try; then what the picture must not hide."""
    text = [DIRECT] if direct else [SEEN[exp.sequence_type], WHY]
    if exp.rescale and not exp.chrono and not direct:
        radius, bias = 0.5 if exp.spectral_radius == 1.5 else 1.5, 0 if exp.forget_bias == 4.0 else 4
        text.append(f"Try a spectral radius of {radius}, then a forget-gate bias of {bias}.")
    text += [note(s) for s in summaries.values() if note(s)]
    length, typed = max((s.length for s in summaries.values()), default=0), len(characters(exp.text))
    if exp.input == "text" and length < typed - (exp.loss == "prediction"):  # the last one is then predicted, not read
        read = "is" if length == 1 else f"{length} are"
        text.append(f"Of {typed} characters only the last {read} read, as many as the sequence length says.")
    elif exp.input == "text" and length < exp.length:
        text.append(f"The sentence is {steps(length)} long, so T is {length}.")
    details = (
        f"Line: median over {seeds} seeds; band: 10–90 %. "
        f"Loss: {LOSSES[exp.loss]}; {SEQUENCE_TYPES[exp.sequence_type]}."
    )
    if not all(map(many_losses, summaries.values())):
        details += f" {RULE}"
    return " ".join(text) + "\n\n:small[:gray[" + details + "]]"


DIRECT = (
    "The direct derivative counts the path through the readout at step t alone and leaves out every path through "
    "hₜ₊₁ and later. It misleads: where a loss is read it has that loss's size however far back, elsewhere it is zero, so "
    "it can neither vanish nor explode. The pale lines, the cards and the strip are the total derivative, which is what "
    "reaches the earlier steps."
)
SEEN = {
    "many-to-one": "The loss sits at the last step; the curve is how much of its gradient is still felt at each earlier one.",
    "many-to-many": (
        "Every step has a loss of its own, which feeds the gradient anew, so the curve need not fall even where none of it "
        "travels far; choose many-to-one to see how far it travels."
    ),
    "one-to-many": (
        "Only the first step has input and every step has a loss, so the first step must answer for all of them: the curve "
        "gathers towards it what the later losses send back."
    ),
    "encoder-decoder": (
        "Input comes in the first half, losses sit in the second; before the middle no loss feeds the gradient, and only what "
        "crosses it can teach the encoder anything."
    ),
}
WHY = "Each step back multiplies by its Jacobian: in the RNN W_hhᵀ diag(φ′); in gated cells a gate adds a path of its own."


def note(s: Summary, name: str = "") -> str:
    """What must be said beside a curve so that it is not misread: overflows and exact zeros. `name`: the curve's, if not the
    cell's."""
    notes = []
    if s.overflow_steps:
        earliest = min(s.overflow_steps)
        notes.append(
            f"{len(s.overflow_steps)} of {s.seeds} seeds leave float64's range (from step {earliest} on) and are left out"
        )
    if s.middle.size and math.isinf(float(s.middle[0])):
        last = max(t for t, value in enumerate(s.middle) if math.isinf(float(value)))
        by_c = ", which goes on through c" if CELLS[s.cell]().has_c and s.quantity == "dL/dh" else ""
        notes.append(f"up to step {last} at least half of the runs have a gradient of exactly zero{by_c}")
    return f"{name or NAMES[s.cell]}: {'; '.join(notes)}." if notes else ""
