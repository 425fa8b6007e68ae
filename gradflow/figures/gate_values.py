"""Where the memory gate's values lie, for several biases and with Chrono."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from gradflow.figures.memory_curves import bias_html
from gradflow.figures.theme import CELL_COLOURS, styled, translucent
from gradflow.findings import NAMES, number
from gradflow.memory import LOGIT_EDGES, Memory

TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
OVERLAP = 0.9  # how much of its row the highest bin fills


def gate_values(memories: Sequence[Memory], present: Memory, height: int = 380) -> go.Figure:
    """The distribution of the kept share over steps, units and seeds, one row per network, on an axis of its logit.

    The reader should conclude that a bias moves all units' gates together, one time scale for all, and that Chrono spreads them
    over every time scale up to T.
    """
    figure = go.Figure()
    middles = (LOGIT_EDGES[:-1] + LOGIT_EDGES[1:]) / 2.0
    held = np.flatnonzero(np.sum([m.density for m in memories], axis=0) > 0.0)
    left, right = min(float(LOGIT_EDGES[held[0]]), -3.0), max(float(LOGIT_EDGES[held[-1] + 1]), 8.0)
    for row, m in enumerate(reversed(memories)):
        colour = CELL_COLOURS[m.cell]
        some = m.density > 0.0
        first, last = np.flatnonzero(some)[[0, -1]]
        inside = slice(max(0, first - 1), last + 2)
        x, heights = middles[inside], OVERLAP * m.density[inside] / m.density.max()
        figure.add_scatter(x=x, y=np.full(len(x), float(row)), line_width=0, mode="lines", hoverinfo="skip")
        figure.add_scatter(
            x=x,
            y=row + heights,
            name=f"{NAMES[m.cell]} {bias_html(m)}",
            fill="tonexty",
            fillcolor=translucent(colour, 0.55 if m is present else 0.25),
            line={"color": colour, "width": 3.5 if m is present else 1.5, "shape": "hvh"},
            mode="lines",
            hoverinfo="skip",
        )
    names = [f"{NAMES[m.cell]} {bias_html(m)}" for m in reversed(memories)]
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=names,
        range=[-0.15, len(names) + 0.05],
        zeroline=False,
        showgrid=True,
    )
    ticks = [(float(np.log(f / (1.0 - f))), f) for f in TICKS]
    figure.update_xaxes(
        title="share kept, and its horizon in steps",
        range=[left, right],
        tickvals=[at for at, _ in ticks],
        ticktext=[f"{f:g}<br>{number(1.0 / (1.0 - f))}" for _, f in ticks],
        zeroline=False,
        showgrid=True,
    )
    styled(figure, height)
    return figure.update_layout(showlegend=False, margin={"l": 112, "t": 12, "b": 68, "r": 16})
