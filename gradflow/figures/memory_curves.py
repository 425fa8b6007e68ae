"""The gradient over time for several biases of the memory gate, each beside its pure-gate law."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gradflow.figures.flow_curves import at_line
from gradflow.figures.theme import (
    CELL_COLOURS,
    REFERENCE,
    TIME_AXIS,
    decades,
    log_ticks,
    spread,
    styled,
    subscripted,
    translucent,
)
from gradflow.findings import NAMES, number, power_of_ten
from gradflow.memory import Memory
from gradflow.memory_findings import bias_name
from gradflow.summary import QUANTITIES

MEASURED_DASHES = {"lstm": "solid", "gru": "dot"}


def memory_curves(memories: Sequence[Memory], present: Memory, quantity: str, height: int = 380) -> go.Figure:
    """‖∂L/∂c_t‖ over time, one line per bias, thick for the present one, each with its pure-gate law thin and dashed.

    The reader should conclude that a higher bias carries the gradient further, and that the gate is not its only path: where
    a line leaves its law, the rest came through h_{t−1}.
    """
    figure = go.Figure()
    low, high = curve_range(memories, quantity)
    room = 0.04 * (high - low)
    for m in memories:
        curve, t = m.curves[m.own(quantity)], np.arange(m.length + 1)
        y = np.where(np.isfinite(curve), curve, np.nan)
        law = np.maximum(m.law + y[-1], low - 2.0 * room)  # what lies under the figure need not be drawn
        colour, is_present = CELL_COLOURS[m.cell], m is present
        name = f"{NAMES[m.cell]} {bias_html(m)}"
        figure.add_scatter(
            x=t,
            y=law,
            legendgroup=name,
            line={
                "color": translucent(colour, 1.0 if is_present else 0.5),
                "width": 2 if is_present else 1.5,
                "dash": "dash",
            },
            mode="lines",
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=t,
            y=y,
            name=name,
            legendgroup=name,
            line={"color": colour, "width": 5 if is_present else 2.5, "dash": MEASURED_DASHES[m.cell]},
            fill="tonexty" if is_present else None,
            fillcolor=translucent(colour, 0.16),
            mode="lines",
            customdata=[[power_of_ten(v)] for v in curve.tolist()],
            hovertemplate="%{customdata[0]}",
        )
    label_starts(figure, memories, present, quantity, gap=0.065 * (high - low))
    label_law(figure, present, quantity, 0.2 * (high - low))
    length = memories[0].length
    figure.add_hline(y=0.0, line={"color": REFERENCE, "width": 1.5})
    figure.add_annotation(text="1", **at_line(length, 0.0))
    figure.update_xaxes(
        title=TIME_AXIS, range=[-0.13 * length, 1.01 * length], showgrid=False, zeroline=False, **whole_steps(length)
    )
    figure.update_yaxes(
        title=subscripted(f"‖{QUANTITIES[quantity]}‖"), zeroline=False, **log_ticks(low - room, high + 2.0 * room)
    )
    return styled(figure, height).update_layout(showlegend=False, margin_t=12)


def label_starts(figure: go.Figure, memories: Sequence[Memory], present: Memory, quantity: str, gap: float) -> None:
    """Writes each bias to the left of where its line ends at step 0."""
    ends = [(float(m.curves[m.own(quantity)][0]), m) for m in memories]
    ends = [(y, m) for y, m in ends if np.isfinite(y)]
    for y, (_, m) in zip(spread([y for y, _ in ends], gap), ends, strict=True):
        text = bias_html(m) if m.cell == "lstm" else NAMES[m.cell]
        figure.add_annotation(
            x=0,
            y=y,
            xshift=-6,
            text=f"<b>{text}</b>" if m is present else text,
            showarrow=False,
            xanchor="right",
            font={"color": CELL_COLOURS[m.cell], "size": 15},
        )


def label_law(figure: go.Figure, m: Memory, quantity: str, room: float) -> None:
    """Writes into the gap above a law what it is, if there is room."""
    curve = m.curves[m.own(quantity)]
    law = m.law + curve[-1]
    if np.isfinite(curve[0]) and curve[0] - law[0] > room:
        figure.add_annotation(
            x=0,
            y=float(law[0]),
            text="gates alone" if m.bias is None else f"gate alone: {number(m.law_factor)}<sup>k</sup>",
            showarrow=False,
            xshift=6,
            yshift=20,
            xanchor="left",
            yanchor="bottom",
            font={"color": CELL_COLOURS[m.cell], "size": 15},
        )


def bias_html(m: Memory) -> str:
    """The bias as Plotly writes it."""
    return bias_name(m).replace("b_f", "b<sub>f</sub>")


def whole_steps(length: int) -> dict[str, Any]:
    """Ticks from step 0 on; the room to its left is for words."""
    gap = next(gap for gap in (1, 2, 5, 10, 20, 50) if length <= 8 * gap)
    return {"tickvals": list(range(0, length + 1, gap))}


def curve_range(memories: Sequence[Memory], quantity: str) -> tuple[float, float]:
    """Decades that hold every curve; a law may leave them."""
    values = np.concatenate([m.curves[m.own(quantity)] for m in memories])
    values = values[np.isfinite(values)]
    return decades(float(values.min(initial=0.0)), float(values.max(initial=0.0)))
