"""What truncation costs, in words and in a table computed from the comparisons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradflow.findings import NAMES, listed, number, percent, steps
from gradflow.truncation import ROUNDING, Truncation, path_depths, steps_back


@dataclass(frozen=True)
class Style:
    """One way to truncate a sequence of T steps: its name, k1 and k2."""

    name: str
    k1: int
    k2: int

    @property
    def heading(self) -> str:
        return f"{self.name}<br>k₁ = {self.k1}<br>k₂ = {self.k2}"


def styles(length: int, k1: int, k2: int) -> tuple[Style, ...]:
    """The chosen truncation, the same k2 as chunks and at every step, and no truncation; none reaches beyond the length."""
    k1, k2 = min(k1, length), min(k2, length)
    return (
        Style("chosen", k1, k2),
        Style("chunks", k2, k2),
        Style("every step", 1, k2),
        Style("full", length, length),
    )


def bias_title(by_cell: Mapping[str, Truncation], chosen: Style) -> str:
    """The finding: how far the truncated ∂L/∂W_hh is off in each cell."""
    length = next(iter(by_cell.values())).length
    if chosen.k2 == length:
        return f"With k₂ = T = {length} nothing is cut: ∂L/∂W_hh is the full gradient"
    biases = {NAMES[cell]: float(t.at(chosen.k2).bias[0]) for cell, t in by_cell.items()}
    if any(np.isnan(bias) for bias in biases.values()):
        names = listed(name for name, bias in biases.items() if np.isnan(bias))
        return f"In the {names} the full ∂L/∂W_hh is zero or leaves float64's range: there is nothing to compare with"
    passes = f"With passes of {steps(chosen.k2)} every {chosen.k1}"
    if max(biases.values()) <= ROUNDING:
        return f"{passes}, ∂L/∂W_hh is the full gradient but for rounding"
    off = [f"{percent(bias if bias > ROUNDING else 0.0)} in the {name}" for name, bias in biases.items()]
    return f"{passes}, ∂L/∂W_hh is off by {listed(off)}"


def comparison(t: Truncation, k2: int) -> str:
    """Norm ratio and angle of one cell with one k2."""
    one = t.at(k2)
    ratio, angle = float(one.ratio[0]), float(one.angle[0])
    if np.isnan(ratio):
        return "–"
    # on a phone a cell breaks after its comma, not before its ×
    times = f"{f'{ratio:.2f}' if 0.01 <= ratio < 100.0 else number(ratio)}\N{NO-BREAK SPACE}×"
    return times if np.isnan(angle) else f"{times}, {angle:.1f}°"


def table(length: int, chosen: Sequence[Style], compared: Mapping[str, Sequence[Truncation]]) -> str:
    """Markdown: a column per style, rows for its cost and for every cell's gradient against the full one."""
    head = ["", *(style.name for style in chosen)]
    costs = [
        ["steps back in all", *(f"{steps_back(length, s.k1, s.k2):,}" for s in chosen)],
        ["steps kept in memory", *(f"{s.k2:,}" for s in chosen)],
        ["losses lost", *(str(int((path_depths(length, s.k1, s.k2) == 0).sum())) for s in chosen)],
    ]
    cells = [
        [f"{NAMES[cell]}: norm, angle", *(comparison(t, s.k2) for t, s in zip(row, chosen, strict=True))]
        for cell, row in compared.items()
    ]
    lines = [head, ["---"] * len(head), *costs, *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def paths_finding(chosen: Style, length: int) -> str:
    """What the picture of the paths shows."""
    kept = path_depths(length, chosen.k1, chosen.k2).sum() / path_depths(length, length, length).sum()
    return (
        f"Passes of {steps(chosen.k2)} every {chosen.k1} keep {percent(kept)} of the ways from a loss to earlier steps"
    )


def paths_words(chosen: Style, length: int) -> str:
    """The sentences beside the paths."""
    if chosen.k2 == length:
        other = "a smaller k₂" if length > 1 else "a longer sequence"
        return f"A violet line is one loss on its way back, here as far as the first step: nothing is cut. Try {other}."
    lost = int((path_depths(length, chosen.k1, chosen.k2) == 0).sum())
    told = f"; with k₁ > k₂ {lost} of {length} losses (crosses) never go back and are lost" if lost else ""
    in_all = steps_back(length, chosen.k2, chosen.k2)
    against = "as many as without a cut" if in_all == length else f"against {length:,} without a cut"
    return (
        "A violet line is one loss on its way back to where it is cut, grey is what it no longer reaches: "
        f"h there counts as a constant{told}. "
        f"Chunks go back {in_all:,} steps in all, {against}, and keep only {chosen.k2:,} in memory, but leave the losses just "
        "after a cut hardly any past; overlapping passes repair that at the price of more steps back. "
        f"Try {'k₁ = 1' if chosen.k1 > 1 else 'a larger k₂'}, then forget-gate biases from 0 to 4: the higher, the larger the k₂ "
        "that the LSTM needs."
    )


BIAS = (
    "The gradient of W_hh sums what every loss sends to every step; a cut drops the far part of that sum. "
    "In a cell that forgets fast the far part is small, in one that remembers it is what truncation takes away."
)
COUNTS = (
    "Losses by the number of times that W_hh is used on their way (Williams & Peng 1990, BPTT(k₂; k₁)); grey: lost."
)
