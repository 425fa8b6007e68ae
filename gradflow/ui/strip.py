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
    scale = f'<div class="scale">{ends} of what the last step gets; no colour: unchanged</div>'
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
    cells = "".join(
        f'<i style="{colour(value, reach)}" title="step {t}, “{escape(name)}”: {power_of_ten(value)}"'
        f"{'' if is_text else ' class=blank'}>{escape(name) if is_text else ''}</i>"
        for t, (name, value) in enumerate(zip(s.steps, relative(s)[1:].tolist(), strict=True), start=1)
    )
    h0 = '<i class="h0"></i>' if aligned else ""  # the curves begin with h₀, which has no character
    name = f'<span class="name" style="border-color:{CELL_COLOURS[s.cell]}">{NAMES[s.cell]}</span>'
    said = f"{power_of_ten(float(relative(s)[1]))} of the last step's gradient at the first"
    kind = "cells" if aligned else "cells long"
    cells = f'<div class="{kind}" style="--steps:{s.length}" role="img" aria-label="{said}">{h0}{cells}</div>'
    return f'<div class="row">{name}{cells}</div>'


def colour(log10: float, reach: float) -> str:
    """CSS for one character: transparent at 1, the deeper the further from it; black where exactly nothing arrives."""
    if log10 == -np.inf:
        return "background:#000;color:#fff"
    depth = min(1.0, abs(log10) / reach)
    if log10 < 0.0:  # below these depths the theme's own text colour reads better, on white and on black
        return f"background:{translucent(VANISHING, round(depth, 3))}{';color:#fff' if depth > 0.7 else ''}"
    return f"background:{translucent(EXPLODING, round(depth, 3))}{';color:#000' if depth > 0.55 else ''}"
