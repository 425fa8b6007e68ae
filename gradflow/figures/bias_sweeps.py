"""What is kept and what gets in, against the memory gate's bias."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gradflow.activations import Array
from gradflow.figures.memory_curves import MEASURED_DASHES
from gradflow.figures.theme import CELL_COLOURS, REFERENCE, log_ticks, styled, subscripted
from gradflow.findings import NAMES, number
from gradflow.memory import Memory
from gradflow.summary import QUANTITIES

QUANTITY_DASHES = {"dL/dc": "solid", "joint": "dash", "dL/dh": "dot"}
LAW = {"color": REFERENCE, "width": 2, "dash": "longdash"}
LOWEST = -4.5  # decades: an update gate at b = 8 still writes 3e-4


def kept_against_bias(
    lstm: Sequence[Memory], gru: Sequence[Memory], present: Sequence[Memory], quantity: str, height: int = 380
) -> go.Figure:
    """The per-step factor against the bias: every quantity of the LSTM, the GRU's ∂L/∂h, σ(b); the present biases marked.

    The reader should conclude that the GRU comes down to σ(b) as the bias grows, while the LSTM stays above it and passes 1.
    """
    figure = go.Figure()
    for memories in (lstm, gru):
        for q in memories[0].curves:
            line = {
                "color": CELL_COLOURS[memories[0].cell],
                "width": 4 if q == memories[0].own(quantity) else 2,
                "dash": QUANTITY_DASHES[q],
            }
            name = subscripted(f"{NAMES[memories[0].cell]} {QUANTITIES[q]}")
            add_line(figure, memories, [m.factor(q) for m in memories], name, line, "%{y:.3f}")
    add_line(figure, lstm, [m.law_factor for m in lstm], "gate alone: σ(b)", LAW, "%{y:.3f}")
    mark(figure, present, [m.factor(quantity) for m in present])
    figure.add_hline(y=1.0, line={"color": REFERENCE, "width": 1})
    figure.update_yaxes(title="kept per step", range=[0.0, 1.15], zeroline=False)
    return against_bias(figure, lstm, height, legend={"x": 1.0, "xanchor": "right"})


def entry_against_bias(
    lstm: Sequence[Memory], gru: Sequence[Memory], present: Sequence[Memory], height: int = 380
) -> go.Figure:
    """The weight of a new candidate against the bias, with what the LSTM's memory makes of it, on a log axis.

    The reader should conclude that a high bias shuts a GRU to anything new, and drowns it in an LSTM, whose input gate stays
    open: the newest step is an ever smaller part of c_t, and φ flattens what is left.
    """
    blue, green = CELL_COLOURS["lstm"], CELL_COLOURS["gru"]
    figure = go.Figure()
    lines = (
        ("LSTM: weight of the new, i", lstm, "written", {"color": blue, "width": 4}),
        ("LSTM: passed on, φ′(c<sub>T</sub>)", lstm, "passed", {"color": blue, "width": 2, "dash": "dot"}),
        ("LSTM: share of the newest in c<sub>T</sub>", lstm, "newest", {"color": blue, "width": 2, "dash": "dash"}),
        ("GRU: weight of the new", gru, "written", {"color": green, "width": 4, "dash": MEASURED_DASHES["gru"]}),
    )
    for name, memories, field, line in lines:
        values = np.array([getattr(m, field) for m in memories])
        add_line(
            figure, memories, log10(values), name, line, "%{customdata}", list(map(number_or_none, values.tolist()))
        )
    law = np.array([1.0 / m.horizon for m in lstm])
    add_line(figure, lstm, log10(law), "1 / (1 + e<sup>b</sup>)", LAW, "%{customdata}", list(map(number, law.tolist())))
    mark(figure, present, log10(np.array([m.written for m in present])))
    figure.update_yaxes(title="what gets in", zeroline=False, **log_ticks(LOWEST, 0.25))
    return against_bias(figure, lstm, height, legend={"x": 0.0, "xanchor": "left"})


def log10(values: Array) -> Array:
    """log10 where there is one to draw; a blank elsewhere."""
    drawn = values > 0.0
    return np.log10(values, where=drawn, out=np.full(values.shape, np.nan))


def number_or_none(value: float) -> str:
    return number(value) if np.isfinite(value) else ""


def add_line(
    figure: go.Figure,
    memories: Sequence[Memory],
    y: Sequence[float] | Array,
    name: str,
    line: dict[str, Any],
    hover: str,
    said: list[str] | None = None,
) -> None:
    """One line against the bias."""
    x = [m.bias for m in memories]
    figure.add_scatter(x=x, y=y, name=name, line=line, mode="lines", hovertemplate=hover, customdata=said)


def mark(figure: go.Figure, present: Sequence[Memory], y: Sequence[float] | Array) -> None:
    """A dot where each present network stands; Chrono's, which has no one bias, is a level."""
    for m, at in zip(present, y, strict=True):
        colour = CELL_COLOURS[m.cell]
        if m.bias is not None:
            marker = {"color": colour, "size": 13, "line": {"color": "white", "width": 2}}
            figure.add_scatter(x=[m.bias], y=[at], mode="markers", marker=marker, showlegend=False, hoverinfo="skip")
        elif np.isfinite(at):
            figure.add_hline(y=at, line={"color": colour, "width": 1.5, "dash": MEASURED_DASHES[m.cell]})
    levels = [at for m, at in zip(present, y, strict=True) if m.bias is None and np.isfinite(at)]
    if levels:
        words = {"text": "Chrono", "showarrow": False, "font_size": 14, "font_color": REFERENCE}
        figure.add_annotation(x=0.02, xref="x domain", xanchor="left", y=min(levels), yanchor="top", **words)


def against_bias(figure: go.Figure, memories: Sequence[Memory], height: int, legend: dict[str, Any]) -> go.Figure:
    """The common axis, each bias with its memory horizon under it, and a legend in the corner that the lines leave free."""
    biases = [m.bias for m in memories if m.bias is not None]
    ticks = [m for m in memories if m.bias is not None and m.bias % 2 == 0]
    figure.update_xaxes(
        title="bias b, and its horizon 1 + e<sup>b</sup> in steps",
        range=[min(biases), max(biases)],
        tickvals=[m.bias for m in ticks],
        ticktext=[f"{m.bias:g}<br>{number(m.horizon)}" for m in ticks],
        zeroline=False,
    )
    styled(figure, height)
    return figure.update_layout(
        legend={
            "orientation": "v",
            "y": 0.02,
            "yanchor": "bottom",
            "font_size": 13,
            "bgcolor": "rgba(0,0,0,0)",
            **legend,
        },
        margin_b=68,
        margin_t=12,
    )
