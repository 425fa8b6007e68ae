"""The verdict of each cell, side by side."""

import math
from collections.abc import Mapping
from html import escape

from gradflow.figures.theme import CELL_COLOURS
from gradflow.findings import NAMES, arrival, number, steps
from gradflow.summary import Summary


def cards_html(summaries: Mapping[str, Summary]) -> str:
    """HTML: name and verdict, per-step factor, half-life, and what share arrives at the first step."""
    return f'<div class="cards">{"".join(map(card, summaries.values()))}</div>'


def card(s: Summary) -> str:
    if not s.middle.size:
        facts = f"state leaves float64's range at step {min(s.overflow_steps)}"
    elif math.isnan(s.log10_factor):
        facts = "the loss does not depend on the last state"
    elif s.sequence_type != "many-to-one":
        facts = f"‖∂L/∂h₀‖ is {arrival(s)} × ‖∂L/∂h_T‖"
    elif math.isinf(s.log10_factor):
        facts = "exactly 0 arrives"
    else:
        life = f"half-life {steps(s.half_life)}" if math.isfinite(s.half_life) else "it does not shrink"
        facts = f"<span>{number(s.per_step_factor)} per step</span> · <span>{life}</span> · <span>{arrival(s)} arrives</span>"
    fed = s.sequence_type != "many-to-one" and s.verdict not in ("overflow", "no gradient")
    verdict = "fed by many losses" if fed else s.verdict
    colour = CELL_COLOURS[s.cell]
    return f'<div style="border-color:{colour}"><b>{escape(NAMES[s.cell])}: {verdict}</b><br>{facts}</div>'
