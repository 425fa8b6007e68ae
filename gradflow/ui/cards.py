"""The verdict of each cell, side by side."""

from collections.abc import Mapping
from html import escape

from gradflow.figures.theme import CELL_COLOURS
from gradflow.findings import NAMES, arrival, number, steps
from gradflow.summary import Summary


def cards_html(summaries: Mapping[str, Summary]) -> str:
    """HTML: name and verdict, per-step factor, half-life, and what share arrives at the first step."""
    return f'<div class="cards">{"".join(map(card, summaries.values()))}</div>'


def card(s: Summary) -> str:
    if s.middle is None:
        facts = f"state leaves float64's range at step {min(s.overflow_steps)}"
    else:
        life = "no half-life: it does not shrink" if s.half_life == float("inf") else f"half-life {steps(s.half_life)}"
        facts = f"<span>{number(s.per_step_factor)} per step</span> · <span>{life}</span> · <span>{arrival(s)} arrives</span>"
    colour = CELL_COLOURS[s.cell]
    return f'<div style="border-color:{colour}"><b>{escape(NAMES[s.cell])}: {s.verdict}</b><br>{facts}</div>'
