"""How large everything is that a cell's lines compute: left-hand sides × time."""

from itertools import groupby

import numpy as np
import plotly.graph_objects as go

from gradflow.derivation import Derivation
from gradflow.figures.theme import MAGNITUDE, TIME_AXIS, colour_bar, decades, figure, log_ticks, subscripted

GROUPS = {"forward": "forward", "local": "local", "back": "gradients"}


def line_sizes(d: Derivation, step: int, height: int = 440) -> go.Figure:
    """The norm of every left-hand side at every step on one colour scale, the step pointed at framed.

    The reader should conclude that the forward values and the local derivatives keep their size from step to step, and that the
    gradients fade or grow because each step multiplies them again. Blank says exactly zero.
    """
    rows = list(d.drawn)
    z = d.log10_norm[rows]
    finite = z[np.isfinite(z)]
    low, high = decades(float(finite.min(initial=0.0)), float(finite.max(initial=0.0)))
    length, symbols = len(d.steps), d.symbols
    parts = [line.part for line in d.lines for _ in line.equations]
    by_part = groupby(range(len(rows)), lambda place: parts[rows[place]])
    groups = [(part, list(places)) for part, places in by_part]
    return figure(
        [
            {
                "type": "heatmap",
                "x": np.arange(1, length + 1),
                "z": np.where(np.isfinite(z), z, np.nan).astype(np.float32),
                "coloraxis": "coloraxis",
                "hovertemplate": "step %{x}: 10^%{z:.1f}<extra></extra>",
            }
        ],
        height,
        margin={"l": 92, "r": 140, "t": 12, "b": 58},
        xaxis={
            "title": {"text": TIME_AXIS},
            "range": [0.5, length + 0.5],
            "showgrid": False,
            "dtick": 1 if length < 12 else None,
        },
        yaxis={
            "range": [len(rows) - 0.5, -0.5],
            "tickvals": list(range(len(rows))),
            "ticktext": [subscripted(symbols[row]) for row in rows],
            "tickfont": {"size": 14 if len(rows) < 20 else 12},
            "showgrid": False,
        },
        shapes=[*(rule(group[0]) for _, group in groups[1:]), frame(step, "#000000", 5), frame(step, "#FFFFFF", 2)],
        annotations=[at_group(part, group) for part, group in groups],
        hovermode="closest",
        coloraxis={
            "colorscale": MAGNITUDE,
            "cmin": low,
            "cmax": high,
            "colorbar": colour_bar("norm", log_ticks(low, high, 6), x=1, xpad=34),  # pixels, on a phone too
        },
    )


def rule(place: int) -> dict:
    """A line above the first row of a group."""
    line = {"color": "#FFFFFF", "width": 3}
    return {"type": "line", "xref": "x domain", "x0": 0, "x1": 1, "y0": place - 0.5, "y1": place - 0.5, "line": line}


def at_group(part: str, places: list[int]) -> dict:
    """A group's name beside its rows."""
    return {
        "text": GROUPS[part],
        "textangle": 90,
        "xref": "x domain",
        "x": 1,
        "xanchor": "left",
        "xshift": 6,
        "y": (places[0] + places[-1]) / 2.0,
        "yanchor": "middle",
        "showarrow": False,
        "font": {"size": 14},
    }


def frame(step: int, colour: str, width: int) -> dict:
    """A frame around one step's column."""
    return {
        "type": "rect",
        "yref": "y domain",
        "x0": step - 0.5,
        "x1": step + 0.5,
        "y0": 0,
        "y1": 1,
        "line": {"color": colour, "width": width},
    }
