"""What clipping changes and what it does not: ∂L/∂h_t over time, and the length of ∂L/∂θ."""

import numpy as np
import plotly.graph_objects as go

from gradflow.clipped_run import ClippedRun
from gradflow.figures.theme import (
    EXPLODING,
    REFERENCE,
    TIME_AXIS,
    VANISHING_LINE,
    decades,
    figure,
    log_ticks,
    subscripted,
    translucent,
)
from gradflow.findings import number


def clipped_runs(strong: ClippedRun, weak: ClippedRun, threshold: float, height: int = 430) -> go.Figure:
    """Above, ‖∂L/∂h_t‖ before and after clipping, one curve on the other; below, ‖∂L/∂θ‖ before and after.

    The reader should conclude that clipping shortens ∂L/∂θ and does nothing to how much of the gradient arrives where.
    """
    runs = ((strong, EXPLODING), (weak, VANISHING_LINE))
    curves = np.concatenate([run.log10_norm for run, _ in runs])
    low, high = decades(float(curves.min()), float(curves.max()))
    lengths = np.log10([length for run, _ in runs for length in (run.norm_before, run.norm_after)])
    least, most = decades(float(lengths.min()), float(lengths.max()))
    length, c = len(strong.log10_norm) - 1, float(np.log10(threshold))
    line = {"type": "line", "line": {"color": REFERENCE, "width": 1.5}}
    return figure(
        [trace for run, colour in runs for trace in traces(run, colour)],
        height,
        xaxis={"title": {"text": TIME_AXIS}, "range": [-0.5, length + 0.5], "showgrid": False, "anchor": "y"},
        yaxis={
            "title": {"text": subscripted("‖∂L/∂h_t‖"), "standoff": 24},
            "domain": [0.48, 1.0],
            **log_ticks(low, high + 1.0, 6),
        },
        xaxis2={
            "title": {"text": "‖∂L/∂θ‖ before clipping → after"},
            "anchor": "y2",
            **log_ticks(least - 0.5, most + max(1.5, 0.25 * (most - least)), 8),  # room for the last number on a phone
        },
        yaxis2={
            "type": "category",
            "range": [1.6, -0.6],
            "domain": [0.0, 0.24],
            "anchor": "x2",
            "showgrid": False,
        },
        shapes=[
            {**line, "xref": "x domain", "x0": 0, "x1": 1, "y0": 0, "y1": 0},
            {**line, "xref": "x2", "yref": "y2 domain", "x0": c, "x1": c, "y0": 0, "y1": 1},
        ],
        hovermode="closest",
        margin={"l": 96, "r": 16, "t": 46, "b": 58},
        font={"size": 15},
    )


def traces(run: ClippedRun, colour: str) -> list[dict]:
    """One network's curve, wide for before and thin for after, and its two lengths joined."""
    curve = {"x": np.arange(len(run.log10_norm)), "y": run.log10_norm, "mode": "lines"}
    name = f"ρ = {run.spectral_radius:g}"
    pale = translucent(colour, 0.35)
    return [
        {
            **curve,
            "name": f"{name}, {run.verdict}: before",
            "line": {"color": pale, "width": 12},
            "hoverinfo": "skip",
        },
        {
            **curve,
            "name": "after",
            "line": {"color": colour, "width": 2.5},
            "hovertemplate": "10^%{y:.1f} at step %{x}",
        },
        {
            "x": np.log10([run.norm_before, run.norm_after]),
            "y": [name, name],
            "xaxis": "x2",
            "yaxis": "y2",
            "mode": "lines+markers+text",
            "text": [f"  {number(run.norm_before)}", ""],
            "textposition": "middle right",
            "textfont": {"size": 15},
            "line": {"color": colour, "width": 2.5},
            "marker": {"color": [pale, colour], "size": 14},
            "cliponaxis": False,
            "showlegend": False,
            "hoverinfo": "skip",
        },
    ]
