"""The gradient over time for several biases of the memory gate, each beside its pure-gate law."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from gradflow.activations import Array
from gradflow.figures.flow_curves import at_line, reference_line
from gradflow.figures.theme import (
    CELL_COLOURS,
    TIME_AXIS,
    decades,
    figure,
    log_ticks,
    spread,
    subscripted,
    translucent,
)
from gradflow.findings import NAMES, number, power_of_ten
from gradflow.memory import Memory
from gradflow.memory_findings import bias_name
from gradflow.summary import QUANTITIES

MEASURED_DASHES = {"lstm": "solid", "gru": "dot", "peephole": "dashdot"}  # dashed are the laws


def memory_curves(memories: Sequence[Memory], present: Memory, quantity: str, height: int = 380) -> go.Figure:
    """‖∂L/∂c_t‖ over time, one line per bias, thick for the present one, each with its pure-gate law thin and dashed.

    The reader should conclude that a higher bias carries the gradient further, and that the gate is not its only path: where
    a line leaves its law, the rest came through h, or by gates that are not at rest.
    """
    curves = [m.curves[m.own(quantity)] for m in memories]
    finite = np.concatenate([curve[np.isfinite(curve)] for curve in curves])
    low, high = decades(float(finite.min(initial=0.0)), float(finite.max(initial=0.0)))
    room = 0.04 * (high - low)  # so that a curve along an edge is whole
    length = present.length
    gap = next(gap for gap in (1, 2, 5, 10, 20, 50) if length <= 8 * gap)
    by_curve = list(zip(memories, curves, strict=True))
    return figure(
        [trace for m, curve in by_curve for trace in (law(m, curve, m is present, low), line(m, curve, m is present))],
        height,
        xaxis={
            "title": {"text": TIME_AXIS},
            "range": [-0.13 * length, 1.01 * length],  # left of step 0 the lines have their names
            "tickvals": list(range(0, length + 1, gap)),
            "showgrid": False,
        },
        yaxis={
            "title": {"text": subscripted(f"‖{QUANTITIES[quantity]}‖"), "standoff": 10},
            **log_ticks(low - room, high + 2.0 * room),
        },
        shapes=[reference_line(0.0, "solid")],
        annotations=[
            *names(by_curve, present, 0.065 * (high - low)),
            *name_of_law(present, present.curves[present.own(quantity)], 0.2 * (high - low)),
            at_line(length, 0.0, "1"),
        ],
        showlegend=False,
        margin={"t": 12},
    )


def line(m: Memory, curve: Array, is_present: bool) -> dict:
    """What arrives, with the gap to its law filled where it is the present one's."""
    colour = CELL_COLOURS[m.cell]
    gap = {"fill": "tonexty", "fillcolor": translucent(colour, 0.16)} if is_present else {}
    return {
        **gap,
        "x": np.arange(m.length + 1),
        "y": np.where(np.isfinite(curve), curve, np.nan),
        "mode": "lines",
        "name": f"{NAMES[m.cell]} {bias_html(m)}",
        "line": {"color": colour, "width": 5 if is_present else 2.5, "dash": MEASURED_DASHES[m.cell]},
        "customdata": [[power_of_ten(value)] for value in curve.tolist()],
        "hovertemplate": "%{customdata[0]}",
    }


def law(m: Memory, curve: Array, is_present: bool, lowest: float) -> dict:
    """What gates at rest would leave of the curve's last value, down to a little below the figure."""
    return {
        "x": np.arange(m.length + 1),
        "y": np.maximum(m.law + (curve[-1] if np.isfinite(curve[-1]) else np.nan), 1.5 * lowest),
        "mode": "lines",
        "legendgroup": f"law of {NAMES[m.cell]} {bias_html(m)}",
        "line": {
            "color": translucent(CELL_COLOURS[m.cell], 1.0 if is_present else 0.5),
            "width": 2 if is_present else 1.5,
            "dash": "dash",
        },
        "hoverinfo": "skip",
    }


def names(by_curve: Sequence[tuple[Memory, Array]], present: Memory, gap: float) -> list[dict]:
    """Each line's bias, or its cell if that is another than the present one, to the left of where it ends at step 0."""
    ends = [(m, float(curve[0])) for m, curve in by_curve if np.isfinite(curve[0])]
    heights = spread([y for _, y in ends], gap)
    return [
        {
            "x": 0,
            "y": y,
            "xshift": -6,
            "xanchor": "right",
            "showarrow": False,
            "text": bias_html(m) if m.cell == present.cell else NAMES[m.cell],
            "font": {"size": 15, "weight": 700 if m is present else 400},
        }
        for (m, _), y in zip(ends, heights, strict=True)
    ]


def name_of_law(m: Memory, curve: Array, room: float) -> list[dict]:
    """What a law is, in the gap above it, if there is one."""
    start = float(m.law[0] + curve[-1])
    if not np.isfinite(curve[0]) or curve[0] - start < room:
        return []
    text = "gates at rest" if m.bias is None else f"gate at rest: {number(m.law_factor)}<sup>k</sup>"
    return [
        {
            "x": 0,
            "y": start,
            "xshift": 6,
            "yshift": 20,
            "xanchor": "left",
            "yanchor": "bottom",
            "showarrow": False,
            "text": text,
            "font": {"color": CELL_COLOURS[m.cell], "size": 15},
        }
    ]


def bias_html(m: Memory) -> str:
    """The bias as Plotly writes it."""
    return bias_name(m).replace("b_f", "b<sub>f</sub>")
