"""Which units carry the gradient: units × time, one map per cell."""

from collections.abc import Mapping
from math import ceil

import numpy as np
import plotly.graph_objects as go

from gradflow.figures.theme import (
    CELL_COLOURS,
    MAGNITUDE,
    colour_bar,
    columns,
    decades,
    figure,
    log_ticks,
    subscripted,
)
from gradflow.findings import NAMES
from gradflow.summary import Summary


def unit_maps(summaries: Mapping[str, Summary], height: int = 320) -> go.Figure:
    """|∂L/∂h_t[i]| of one sequence with one seed as a map of units × time, the cells side by side on one colour scale.

    The reader should conclude whether all units fade together or a few carry the rest. Blank says exactly zero.
    """
    drawn = [s for s in summaries.values() if s.units.size]
    finite = np.concatenate([s.units[np.isfinite(s.units)] for s in drawn] or [np.zeros(1)])
    low, high = decades(float(finite.min(initial=0.0)), float(finite.max(initial=0.0)))
    length = max((s.length for s in drawn), default=1)
    units = max((s.units.shape[1] for s in drawn), default=1)
    inner = [round(length / 4), round(3 * length / 4)]  # no label at an edge, where the next map's would touch it
    axes: dict[str, dict] = {}
    across = len(drawn) if len(drawn) <= 3 else 2  # four in a row have no room for their names on a phone
    rows = columns(ceil(len(drawn) / max(1, across)), gap=0.18)
    places = [str(n + 1) if n else "" for n in range(len(drawn))]
    for n, k in enumerate(places):
        (_, left, right), (_, top, bottom) = columns(across, gap=0.03)[n % across], rows[n // across]
        lowest = n + across >= len(drawn)
        axes[f"xaxis{k}"] = {
            "domain": [left, right],
            "anchor": f"y{k}",
            "title": {"text": "step t" if lowest else ""},
            "showticklabels": lowest,
            "showgrid": False,
            "tickvals": inner,
        }
        axes[f"yaxis{k}"] = {
            "domain": [1.0 - bottom, 1.0 - top],
            "anchor": f"x{k}",
            "title": {"text": "" if n % across else "unit i", "standoff": 10},
            "showticklabels": n % across == 0,
            "showgrid": False,
            "dtick": 1 if units < 8 else None,
            **({"matches": "y"} if k else {}),
        }
    return figure(
        [unit_map(s, k) for k, s in zip(places, drawn, strict=True)],
        height if len(rows) < 2 else round(1.5 * height),
        **axes,
        annotations=[heading(s, k) for k, s in zip(places, drawn, strict=True)],
        hovermode="closest",
        margin={"r": 116},
        coloraxis={
            "colorscale": MAGNITUDE,
            "cmin": low,
            "cmax": high,
            "colorbar": colour_bar(subscripted("|∂L/∂h_t[i]|"), log_ticks(low, high, 6)),
        },
    )


def heading(s: Summary, k: str) -> dict:
    """The cell's name above its map, beside its colour, which as the colour of words would be too dark on black.

    A long name is broken, and all are small: on a phone a map is as narrow as four letters.
    """
    return {
        "text": f'<span style="color:{CELL_COLOURS[s.cell]}">■</span> {NAMES[s.cell].replace(" ", "<br>")}',
        "font": {"size": 14},
        "xref": f"x{k} domain",
        "yref": f"y{k} domain",
        "x": 0.5,
        "y": 1.0,
        "xanchor": "center",
        "yanchor": "bottom",
        "showarrow": False,
    }


def unit_map(s: Summary, k: str) -> dict:
    """One cell's map, on axes k; blank where exactly nothing arrives."""
    return {
        "type": "heatmap",
        "z": np.where(np.isfinite(s.units), s.units, np.nan).T.astype(np.float32),
        "coloraxis": "coloraxis",
        "xaxis": f"x{k}",
        "yaxis": f"y{k}",
        "hovertemplate": "unit %{y}, step %{x}: 10^%{z:.1f}<extra></extra>",
    }
