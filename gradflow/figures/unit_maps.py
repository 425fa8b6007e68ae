"""Which units carry the gradient: units × time, one map per cell."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gradflow.figures.theme import CELL_COLOURS, MAGNITUDE, decades, log_ticks, styled, subscripted
from gradflow.findings import NAMES
from gradflow.summary import Summary


def unit_maps(summaries: Mapping[str, Summary], height: int = 320) -> go.Figure:
    """|∂L/∂h_t[i]| of one sequence with one seed as a map of units × time, the cells side by side on one colour scale.

    The reader should conclude whether all units fade together or a few carry the rest. Blank says exactly zero.
    """
    drawn = [s for s in summaries.values() if s.units.size]
    names = [NAMES[s.cell] for s in drawn]
    figure = make_subplots(1, max(1, len(drawn)), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=names)
    finite = np.concatenate([s.units[np.isfinite(s.units)] for s in drawn] or [np.zeros(1)])
    low, high = decades(float(finite.min(initial=0.0)), float(finite.max(initial=0.0)))
    for k, s in enumerate(drawn, start=1):
        z = np.where(np.isfinite(s.units), s.units, np.nan).T.astype(np.float32)
        figure.add_heatmap(
            z=z, coloraxis="coloraxis", row=1, col=k, hovertemplate="unit %{y}, step %{x}: 10^%{z:.1f}<extra></extra>"
        )
    ticks = log_ticks(low, high, 6)
    length = max((s.length for s in drawn), default=1)
    inner = [round(length / 4), round(3 * length / 4)]  # no label at an edge, where the next map's would touch it
    figure.update_xaxes(title="step t", showgrid=False, zeroline=False, tickvals=inner)
    figure.update_yaxes(title="unit i", col=1, showgrid=False, zeroline=False)
    figure.update_yaxes(showgrid=False, zeroline=False)
    styled(figure, height)
    for s, heading in zip(drawn, figure.layout.annotations, strict=False):
        heading.font.color = CELL_COLOURS[s.cell]
    figure.update_layout(
        hovermode="closest",
        coloraxis={
            "colorscale": MAGNITUDE,
            "cmin": low,
            "cmax": high,
            "colorbar": {
                "title": {"text": subscripted("|∂L/∂h_t[i]|"), "side": "right"},
                "tickvals": ticks["tickvals"],
                "ticktext": ticks["ticktext"],
                "thickness": 14,
            },
        },
    )
    return figure
