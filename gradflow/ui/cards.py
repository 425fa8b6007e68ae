"""The verdict of each cell, or of each activation, side by side."""

import math
from collections.abc import Mapping
from html import escape

from gradflow.activations import ACTIVATIONS
from gradflow.figures.theme import ACTIVATION_COLOURS, CELL_COLOURS
from gradflow.findings import NAMES, arrival, many_losses, number, power_of_ten, steps
from gradflow.measures import verdict
from gradflow.operating_points import OperatingPoint
from gradflow.summary import Summary

LONG = 100  # steps


def cards_html(summaries: Mapping[str, Summary]) -> str:
    """HTML: name and verdict, per-step factor, half-life, and what share arrives at the first step."""
    return f'<div class="cards">{"".join(map(card, summaries.values()))}</div>'


def card(s: Summary) -> str:
    if not s.middle.size:
        facts = f"state leaves float64's range at step {min(s.overflow_steps)}"
    elif math.isnan(s.log10_factor):
        facts = "the loss does not depend on the last state"
    elif many_losses(s):
        facts = f"‖∂L/∂h₀‖ is {arrival(s)} × ‖∂L/∂h_T‖"
    elif math.isinf(s.log10_factor):
        facts = "exactly 0 arrives"
    else:
        life = f"half-life {steps(s.half_life)}" if math.isfinite(s.half_life) else "it does not shrink"
        facts = f"<span>{number(s.per_step_factor)} per step</span> · <span>{life}</span> · <span>{arrival(s)} arrives</span>"
    return boxed(CELL_COLOURS[s.cell], f"{NAMES[s.cell]}: {said_verdict(s)}", facts)


def activation_cards_html(points: Mapping[str, OperatingPoint]) -> str:
    """HTML: name and verdict, mean against largest slope, share of saturated and of dead units."""
    return f'<div class="cards">{"".join(map(activation_card, points.values()))}</div>'


def activation_card(point: OperatingPoint) -> str:
    name, s = point.activation, point.gradient
    if not s.middle.size:
        facts = f"state leaves float64's range at step {min(s.overflow_steps)}"
    else:
        at_work = [f"mean φ′ {number(point.mean_slope)} of {point.max_slope:g}"]
        at_work.append(f"{number(100.0 * point.saturated)} % {'off' if name == 'relu' else 'saturated'}")
        if name == "relu":
            at_work.append(f"{number(100.0 * point.dead)} % dead")
        facts = " · ".join(f"<span>{fact}</span>" for fact in at_work)
    per_step = s.verdict in ("vanishing", "stable", "exploding") and not many_losses(s)
    kept = f", {power_of_ten(s.log10_factor)} per step" if per_step else ""
    return boxed(ACTIVATION_COLOURS[name], f"{ACTIVATIONS[name].title}: {said_verdict(s)}{kept}", facts)


def said_verdict(s: Summary) -> str:
    """The verdict, but for a gradient that losses at many steps feed: it has none. A short sequence's holds for it alone."""
    if s.verdict in ("overflow", "no gradient"):
        return s.verdict
    if many_losses(s):
        return "fed by many losses"
    over = f" over {steps(s.length)}" if s.verdict != verdict(s.log10_factor, max(s.length, LONG)) else ""
    return f"{s.verdict}{over}"


def boxed(colour: str, heading: str, facts: str) -> str:
    return f'<div style="border-color:{colour}"><b>{escape(heading)}</b><br>{facts}</div>'
