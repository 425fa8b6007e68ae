"""What the paths through a cell say in words: titles and the sentences beside the pictures."""

import math

import numpy as np

from gradflow.activations import Array
from gradflow.adding import TRAINED
from gradflow.cells import CELLS
from gradflow.cells.cell import HIGHWAY
from gradflow.findings import NAMES, number, power_of_ten, steps
from gradflow.path_summary import OPEN, PathSummary
from gradflow.paths import DIRECT

CHAOTIC = 1e-6  # two ways to compute the same differ by more only where rounding has grown step by step
INNER = {"i": "input gate i", "f": "forget gate f itself", "g": "candidate g", "o": "output gate o"}
INNER |= {"r": "reset gate r", "z": "update gate z itself", "n": "candidate n", "h": "W_hh"}


def name(s: PathSummary) -> str:
    return f"Trained {NAMES[s.cell]}" if s.weights == "trained" else NAMES[s.cell]


def product(s: PathSummary) -> str:
    """The shortcut, as one writes it: ∏f or ∏(1 − z)."""
    return f"∏{s.gate}" if len(s.gate) == 1 else f"∏({s.gate})"


def headline(s: PathSummary) -> str:
    """How much of the gradient the highway carries in one step, and how much of it alone over all steps."""
    alone, far = s.log10_highway_alone, steps(s.start)
    if math.isnan(alone):
        return f"{name(s)}: exactly nothing of the gradient arrives {far} back"
    each = f"{name(s)}: each step back {number(s.highway_per_step)} of the gradient takes the highway"
    if alone < -1.0:
        return f"{each}, but after {far} {product(s)} alone shows only {power_of_ten(alone)} of what arrives"
    if alone > math.log10(1.1):
        return f"{each}, and after {far} {product(s)} alone claims {power_of_ten(alone)} times what arrives"
    return f"{each}, and after {far} {product(s)} alone is still {power_of_ten(alone)} of what arrives"


def routes_words(s: PathSummary) -> str:
    """What the routes show, why, what to try; then the checks."""
    text = (
        f"The gradient at {s.memory}_t by the way it came: the highway {s.gate} at every step (the usual {product(s)}), "
        "a gate and W_hh at every step, or both in turn. "
        "A long path rarely keeps to one of them, so the mixed ones soon carry the rest; the shares add up to 1, "
        "and a negative one points against the whole. "
    )
    if s.weights == "trained":
        text += (
            f"Look at the first marked number (dotted, step {s.marks[0]}): what the memory held before it matters less."
        )
    else:
        gate, bias = "forget" if s.memory == "c" else "update", "3" if len(s.gate) == 1 else "−3"
        text += f"Try biases of the {gate} gate from 0 to {bias}{', then trained weights' * (s.cell in TRAINED)}."
    return f"{text}\n\n:small[:gray[{checks(s)}]]"


def checks(s: PathSummary) -> str:
    """That the parts add up, and what the other update convention and the other cells make of it."""
    text = f"At every step the parts add up to the whole, which is computed apart, within {power_of_ten(log10(s.error))} of it. "
    if s.twin is not None:
        text += (
            "Circles: the GRU in its other update convention, with z's weights and biases negated; it is the same network, "
            f"and the two gradients differ by {power_of_ten(log10(s.twin_error))} at most"
            f"{', rounding that a chaotic network has amplified' * (s.twin_error > CHAOTIC)}. "
        )
    if s.weights == "trained":
        text += (
            "These weights have learned to add up the two marked numbers of a sequence. They bring their own size and input: "
            "of the controls, only length, seed and start have an effect. "
        )
    return text + "A vanilla RNN has one path, W_hh, at every step."


def log10(value: float) -> float:
    return math.log10(value) if value > 0.0 else -math.inf


def steps_words(s: PathSummary) -> str:
    """Which path carries most beside the highway."""
    sizes, peephole = mean_sizes(s), bool(CELLS[s.cell]().unit_weights)
    through = {part: size for part, size in sizes.items() if part not in (HIGHWAY, DIRECT)}
    if not any(through.values()):
        return f"Nothing comes through W_hh{' or a peephole' * peephole}: all that arrives has taken the highway."
    most = max(through, key=through.__getitem__)
    others = ", ".join(f"{part} {number(size)}" for part, size in through.items() if part != most)
    last = (
        "They peak at the marked numbers (dotted), where the network decides what to keep."
        if s.weights == "trained"
        else "They widen with the spectral radius: try it from 0.5 to 3."
    )
    longest = INNER.get(most, f"gate {most}")
    return (
        f"Beside the highway, {number(sizes[HIGHWAY])} as long as the whole, the path through the {longest} is the longest: "
        f"{number(through[most])}; the others: {others} (medians). "
        f"A gate adds a path because it has read h through W_hh{' or c through a peephole' * peephole}, "
        f"a narrow one because its slope is at most ¼. {last}"
    )


def mean_sizes(s: PathSummary) -> dict[str, float]:
    """Part → median over the steps back of its length as a multiple of the whole's."""
    whole = s.by_step.log10_whole[: s.start, 0]
    rows = np.isfinite(whole)
    sizes = {}
    for part, norm in zip(s.by_step.parts, s.by_step.log10_norm, strict=True):
        ratio = norm[: s.start, 0][rows] - whole[rows]
        sizes[part] = float(10.0 ** np.quantile(ratio, 0.5, method="inverted_cdf")) if ratio.size else 0.0
    return sizes


def gates_heading(s: PathSummary) -> str:
    return f"Is {s.gate} really close to 1?"


def gates_words(s: PathSummary) -> str:
    """How open the memory gate is, here and with the other weights."""
    assert s.kept is not None
    here = f"{'Trained' if s.weights == 'trained' else 'Random'} weights: {how_open(s.gate, s.kept)}. "
    other = "Random" if s.weights == "trained" else "Trained"
    there = "" if s.kept_other is None else f"{other} weights: {how_open(s.gate_other, s.kept_other)}. "
    return f"{here}{there}{lesson(s.kept if s.weights == 'trained' else s.kept_other)}"


def lesson(trained: Array | None) -> str:
    """What training has made of the memory gate."""
    if trained is None:
        return ""
    units = open_units(trained)
    if 0 < units <= trained.shape[1] // 4:
        return "It need not be open everywhere: a few units that keep their value are memory enough for one number."
    return "Training has opened it, but not for good: it closes where something new comes in." if units else ""


def how_open(gate: str, kept: Array) -> str:
    """The median, the share of open values, and the units that are open most of the time."""
    return (
        f"{gate} is {number(float(np.median(kept)))} in the median and above {OPEN:g} in {100.0 * (kept > OPEN).mean():.0f} % of "
        f"all values, and most of the time in {open_units(kept)} of {kept.shape[1]} units"
    )


def open_units(kept: Array) -> int:
    """How many units are open most of the time."""
    return int((np.median(kept, axis=0) > OPEN).sum())
