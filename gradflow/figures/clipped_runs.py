"""What clipping changes and what it does not: ∂L/∂h_t over time, and the length of ∂L/∂θ."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gradflow.clipped_run import ClippedRun
from gradflow.figures.theme import (
    EXPLODING,
    REFERENCE,
    TIME_AXIS,
    VANISHING_LINE,
    decades,
    log_ticks,
    styled,
    subscripted,
    translucent,
)
from gradflow.findings import number


def clipped_runs(exploding: ClippedRun, vanishing: ClippedRun, threshold: float, height: int = 430) -> go.Figure:
    """Above, ‖∂L/∂h_t‖ before and after clipping, one curve on the other; below, ‖∂L/∂θ‖ before and after.

    The reader should conclude that clipping shortens ∂L/∂θ and does nothing to how much of the gradient arrives where.
    """
    figure = make_subplots(2, 1, vertical_spacing=0.24, row_heights=[0.68, 0.32])
    cases = {"exploding": (exploding, EXPLODING), "vanishing": (vanishing, VANISHING_LINE)}
    for name, (run, colour) in cases.items():
        label = f"{name}, ρ = {run.spectral_radius:g}"
        t = np.arange(len(run.log10_norm))
        curve = {"x": t, "y": run.log10_norm, "mode": "lines", "row": 1, "col": 1}
        figure.add_scatter(
            name=f"{label}: before", line={"color": translucent(colour, 0.35), "width": 12}, hoverinfo="skip", **curve
        )
        figure.add_scatter(
            name="after", line={"color": colour, "width": 2.5}, hovertemplate="10^%{y:.1f} at step %{x}", **curve
        )
        figure.add_scatter(
            x=np.log10([run.norm_before, run.norm_after]),
            y=[name, name],
            mode="lines+markers+text",
            text=[f"  {number(run.norm_before)}", ""],
            textposition="middle right",
            textfont_size=15,
            line={"color": colour, "width": 2.5},
            marker={"color": [translucent(colour, 0.35), colour], "size": 14},
            cliponaxis=False,
            showlegend=False,
            hoverinfo="skip",
            row=2,
            col=1,
        )
    curves = np.concatenate([run.log10_norm for run, _ in cases.values()])
    figure.add_hline(y=0.0, row=1, col=1, line={"color": REFERENCE, "width": 1.5})
    low, high = decades(float(curves.min()), float(curves.max()))
    figure.update_xaxes(title=TIME_AXIS, range=[-0.5, len(t) - 0.5], showgrid=False, zeroline=False, row=1)
    figure.update_yaxes(title=subscripted("‖∂L/∂h_t‖"), zeroline=False, row=1, **log_ticks(low, high + 1.0, 6))
    lengths = np.log10([n for run, _ in cases.values() for n in (run.norm_before, run.norm_after)])
    low, high = decades(float(lengths.min()), float(lengths.max()))
    figure.add_vline(
        x=float(np.log10(threshold)), row=2, col=1, line={"color": REFERENCE, "dash": "dash", "width": 1.5}
    )
    figure.update_xaxes(
        title="‖∂L/∂θ‖ before clipping → after", zeroline=False, row=2, **log_ticks(low - 0.5, high + 1.5, 8)
    )
    figure.update_yaxes(range=[1.6, -0.6], showgrid=False, row=2)
    styled(figure, height)
    figure.update_yaxes(title_standoff=24, row=1)
    return figure.update_layout(hovermode="closest", legend_font_size=15, margin={"l": 96, "r": 16, "t": 32, "b": 48})
