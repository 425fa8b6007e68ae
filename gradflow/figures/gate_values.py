"""Where the memory gate's values lie, for several biases and with Chrono."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from gradflow.figures.memory_curves import bias_html
from gradflow.figures.theme import CELL_COLOURS, figure, translucent
from gradflow.findings import NAMES, number
from gradflow.memory import LOGIT_EDGES, Memory

TICKS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
FULL = 0.9  # how much of its row the highest bin takes
LEAST, MOST = -3.0, 8.0  # the logits that the axis holds in any case


def gate_values(memories: Sequence[Memory], present: Memory, height: int = 380) -> go.Figure:
    """The distribution of the share kept over steps, units and seeds, one row per network, on an axis of its logit.

    The reader should conclude that a bias moves all units' gates together, one time scale for all, and that Chrono spreads them
    over every time scale up to T.
    """
    held = np.flatnonzero(np.sum([m.density for m in memories], axis=0))
    rows = list(reversed(memories))  # the first on top
    return figure(
        [trace for row, m in enumerate(rows) for trace in ridge(m, row, m is present)],
        height,
        xaxis={
            "title": {"text": "share kept, and its horizon in steps"},
            "range": [min(LOGIT_EDGES[held[0]], LEAST), max(LOGIT_EDGES[held[-1] + 1], MOST)],
            "tickvals": [float(np.log(f / (1.0 - f))) for f in TICKS],
            "ticktext": [f"{f:g}<br>{number(1.0 / (1.0 - f))}" for f in TICKS],
            "showgrid": True,
        },
        yaxis={
            "tickvals": list(range(len(rows))),
            "ticktext": [f"{NAMES[m.cell]} {bias_html(m)}" for m in rows],
            "range": [-0.15, len(rows) + 0.05],
        },
        showlegend=False,
        hovermode=False,
        margin={"l": 112, "t": 12, "b": 68},
    )


def ridge(m: Memory, row: int, is_present: bool) -> list[dict]:
    """A base line and the bins above it, filled."""
    first, last = np.flatnonzero(m.density)[[0, -1]]
    inside = slice(max(0, first - 1), last + 2)
    x = ((LOGIT_EDGES[:-1] + LOGIT_EDGES[1:]) / 2.0)[inside]
    colour, top = CELL_COLOURS[m.cell], m.density[1:-1].max() or 1.0  # the outermost bins hold all that lies beyond
    return [
        {"x": x, "y": np.full(len(x), float(row)), "mode": "lines", "line": {"width": 0}},
        {
            "x": x,
            "y": row + FULL * np.minimum(m.density[inside] / top, 1.0),
            "name": f"{NAMES[m.cell]} {bias_html(m)}",
            "mode": "lines",
            "fill": "tonexty",
            "fillcolor": translucent(colour, 0.55 if is_present else 0.25),
            "line": {"color": colour, "width": 3.5 if is_present else 1.5, "shape": "hvh"},
        },
    ]
