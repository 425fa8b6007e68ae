"""The sequence itself as a strip: every character coloured by the gradient that reaches it, aligned with the curves."""

import math
from collections.abc import Mapping
from html import escape

import numpy as np

from gradflow.activations import Array
from gradflow.figures.theme import CELL_COLOURS, EXPLODING, MARGIN, VANISHING, translucent
from gradflow.findings import NAMES, power_of_ten
from gradflow.summary import Summary

ALIGNED = 140  # steps: beyond this a column under the curves is too narrow for its character


def strip_html(summaries: Mapping[str, Summary], is_text: bool) -> str:
    """HTML of one row per cell, one column per step; cool where less arrives than at the last step, warm where more."""
    drawn = [s for s in summaries.values() if s.middle.size]
    reach = colour_reach(drawn)
    rows = "".join(row(s, is_text, reach) for s in drawn)
    ramp = (
        f'<span class="ramp" style="background:linear-gradient(to right,{VANISHING},transparent,{EXPLODING})"></span>'
    )
    ends = f"{power_of_ten(-reach)} {ramp} {power_of_ten(reach)}"
    zero = "; hatched: exactly 0" if any(np.isneginf(relative(s)[1:]).any() for s in drawn) else ""
    scale = f'<div class="scale">{ends} of what the last step gets; no colour: unchanged{zero}</div>'
    return f'<div class="strip" style="--left:{MARGIN["l"]}px;--right:{MARGIN["r"]}px">{rows}{scale}</div>'


def colour_reach(drawn: list[Summary]) -> float:
    """How many decades from 1 the colours reach: as far as the medians, rounded up to rest while they move a little."""
    values = np.concatenate([relative(s)[np.isfinite(relative(s))] for s in drawn] or [np.zeros(1)])
    furthest = float(np.abs(values).max(initial=1.0))
    unit = 10 ** max(0, math.floor(math.log10(furthest)))
    return unit * math.ceil(furthest / unit)


def relative(s: Summary) -> Array:
    """The median curve against its last step; where nothing arrives there, as it is."""
    return s.middle - s.middle[-1] if np.isfinite(s.middle[-1]) else s.middle


def row(s: Summary, is_text: bool, reach: float) -> str:
    aligned = s.length <= ALIGNED or not is_text
    values = relative(s)[1:].tolist()
    cells = "".join(step(t, s.steps[t - 1], value, is_text, reach) for t, value in enumerate(values, start=1))
    h0 = '<i class="h0"></i>' if aligned else ""  # the curves begin with h₀, which has no character
    name = f'<span class="name" style="border-color:{CELL_COLOURS[s.cell]}">{NAMES[s.cell]}</span>'
    said = f"{power_of_ten(float(relative(s)[1]))} of the last step's gradient at the first"
    kind = "cells" if aligned else "cells long"
    cells = f'<div class="{kind}" style="--steps:{s.length}" role="img" aria-label="{said}">{h0}{cells}</div>'
    return f'<div class="row">{name}{cells}</div>'


def step(t: int, name: str, log10: float, is_text: bool, reach: float) -> str:
    """One step's column: its character, a dot where the network reads none, nothing where the input is no text."""
    kinds = ["zero"] * (log10 == -np.inf) + ["blank"] * (not is_text)
    heard = f"“{escape(name)}”" if name else "no input"
    attributes = f'style="{colour(log10, reach)}" title="step {t}, {heard}: {power_of_ten(log10)}"'
    attributes += f' class="{" ".join(kinds)}"' * bool(kinds)
    return f"<i {attributes}>{(escape(name) or '·') if is_text else ''}</i>"


def colour(log10: float, reach: float) -> str:
    """CSS for one character: transparent at 1, the deeper the further from it; none for exact zeros, which are hatched."""
    if log10 == -np.inf:
        return ""
    depth = min(1.0, abs(log10) / reach)
    if log10 < 0.0:  # below these depths the theme's own text colour reads better, on white and on black
        return f"background:{translucent(VANISHING, round(depth, 3))}{';color:#fff' if depth > 0.7 else ''}"
    return f"background:{translucent(EXPLODING, round(depth, 3))}{';color:#000' if depth > 0.55 else ''}"
