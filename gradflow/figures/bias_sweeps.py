"""What is kept and what gets in, against the memory gate's bias."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gradflow.activations import Array
from gradflow.figures.flow_curves import reference_line
from gradflow.figures.memory_curves import MEASURED_DASHES
from gradflow.figures.theme import CELL_COLOURS, REFERENCE, figure, log_ticks, subscripted
from gradflow.findings import NAMES, number
from gradflow.memory import Memory
from gradflow.summary import QUANTITIES

QUANTITY_DASHES = {"dL/dc": "solid", "joint": "dash", "dL/dh": "dot"}
BLUE, GREEN = CELL_COLOURS["lstm"], CELL_COLOURS["gru"]
LAW = {"color": REFERENCE, "width": 2, "dash": "longdash"}
LOWEST = -4.5  # decades: at b = 8 an update gate still writes 3e-4


def kept_against_bias(
    lstm: Sequence[Memory], gru: Sequence[Memory], present: Sequence[Memory], quantity: str, height: int = 360
) -> go.Figure:
    """The per-step factor against the bias: every quantity of the LSTM, the GRU's ∂L/∂h, σ(b); the present biases marked.

    The reader should conclude that the GRU comes down to σ(b) as the bias grows, while the LSTM stays above it and passes 1.
    """
    lines = [
        line(
            memories,
            np.array([m.factor(q) for m in memories]),
            subscripted(f"{NAMES[memories[0].cell]} {QUANTITIES[q]}"),
            color=CELL_COLOURS[memories[0].cell],
            width=4 if q == memories[0].own(quantity) else 2,
            dash=QUANTITY_DASHES[q],
        )
        for memories in (lstm, gru)
        for q in memories[0].curves
    ]
    law = line(lstm, np.array([m.law_factor for m in lstm]), "gate at rest: σ(b)", **LAW)
    return against_bias(
        [*lines, law],
        lstm,
        [(m, m.factor(m.own(quantity))) for m in present],
        height,
        legend={"x": 1.0, "xanchor": "right"},
        yaxis={"title": {"text": "kept per step", "standoff": 10}, "range": [0.0, top(lines)]},
        shapes=[reference_line(1.0, "solid")],
    )


def top(lines: Sequence[dict]) -> float:
    """The upper end of an axis that holds every line; in steps of 0.25, so that it rests while they move a little."""
    values = np.concatenate([line["y"] for line in lines])
    highest = float(values[np.isfinite(values)].max(initial=0.0))
    return 1.15 if highest < 1.12 else 0.25 * math.ceil((highest + 0.03) / 0.25)


def entry_against_bias(
    lstm: Sequence[Memory], gru: Sequence[Memory], present: Sequence[Memory], height: int = 360
) -> go.Figure:
    """The weight of a new candidate against the bias, with what the LSTM's memory makes of it, on a log axis.

    The reader should conclude that a high bias shuts a GRU to anything new, and drowns it in an LSTM, whose input gate stays
    open: the newest step is an ever smaller part of c_t, and φ flattens what is left.
    """
    passed, newest = "LSTM: passed on, φ′(c<sub>T</sub>)", "LSTM: share of the newest in c<sub>T</sub>"
    lines = [
        log_line(lstm, [m.written for m in lstm], "LSTM: weight of the new, i", color=BLUE, width=4),
        log_line(lstm, [m.passed for m in lstm], passed, color=BLUE, width=2, dash="dot"),
        log_line(lstm, [m.newest for m in lstm], newest, color=BLUE, width=2, dash="dash"),
        log_line(gru, [m.written for m in gru], "GRU: weight of the new", color=GREEN, width=4, dash="dot"),
        log_line(lstm, [1.0 / m.horizon for m in lstm], "1 / (1 + e<sup>b</sup>)", **LAW),
    ]
    return against_bias(
        lines,
        lstm,
        [(m, float(log10([m.written])[0])) for m in present],
        height,
        legend={"x": 0.0, "xanchor": "left"},
        yaxis={"title": {"text": "what gets in", "standoff": 10}, **log_ticks(LOWEST, 0.25)},
    )


def log10(values: Sequence[float]) -> Array:
    """log10 where there is one to draw, a blank elsewhere."""
    array = np.array(values)
    return np.log10(array, where=array > 0.0, out=np.full(array.shape, np.nan))


def line(memories: Sequence[Memory], y: Array, name: str, **style: Any) -> dict:
    """One measure against the bias."""
    return {
        "x": [m.bias for m in memories],
        "y": y,
        "name": name,
        "mode": "lines",
        "line": style,
        "hovertemplate": "%{y:.3f}",
    }


def log_line(memories: Sequence[Memory], values: Sequence[float], name: str, **style: Any) -> dict:
    """One measure against the bias on a log axis; what is 0 or no number has no place there."""
    said = [number(value) if np.isfinite(value) else "" for value in values]
    return {**line(memories, log10(values), name, **style), "customdata": said, "hovertemplate": "%{customdata}"}


def against_bias(
    lines: list[dict],
    memories: Sequence[Memory],
    present: Sequence[tuple[Memory, float]],
    height: int,
    legend: dict[str, Any],
    yaxis: dict[str, Any],
    shapes: Sequence[dict] = (),
) -> go.Figure:
    """The common axis, each bias with its memory horizon under it, and the legend in the corner that the lines leave free.

    A dot says where a present network stands; Chrono's, which has no one bias, is a level.
    """
    biases = [m.bias for m in memories if m.bias is not None]
    labelled = [m for m in memories if m.bias is not None and m.bias % 2.0 == 0.0]
    levels = [(m, y) for m, y in present if m.bias is None and np.isfinite(y)]
    words = {
        "text": "Chrono",
        "x": 0.02,
        "xref": "x domain",
        "xanchor": "left",
        "yanchor": "top",
        "showarrow": False,
        "font": {"color": REFERENCE, "size": 14},
    }
    return figure(
        [*lines, *(dot(m, y) for m, y in present if m.bias is not None)],
        height,
        xaxis={
            "title": {"text": "bias b, and its horizon 1 + e<sup>b</sup> in steps"},
            "range": [min(biases), max(biases)],
            "tickvals": [m.bias for m in labelled],
            "ticktext": [f"{m.bias:g}<br>{number(m.horizon)}".replace("-", "−") for m in labelled],
        },
        yaxis=yaxis,
        legend={"y": 0.02, "yanchor": "bottom", "font": {"size": 13}, "bgcolor": "rgba(0,0,0,0)", **legend},
        margin={"t": 12, "b": 68},
        shapes=[*shapes, *(level(m, y) for m, y in levels)],
        annotations=[{**words, "y": min(y for _, y in levels)}] if levels else [],
    )


def dot(m: Memory, y: float) -> dict:
    """Where a present network stands."""
    return {
        "x": [m.bias],
        "y": [y],
        "mode": "markers",
        "marker": {"color": CELL_COLOURS[m.cell], "size": 13, "line": {"color": "white", "width": 2}},
        "showlegend": False,
        "hoverinfo": "skip",
    }


def level(m: Memory, y: float) -> dict:
    """Where a present network with many biases stands."""
    style = {"color": CELL_COLOURS[m.cell], "width": 2}
    return {**reference_line(y, MEASURED_DASHES[m.cell]), "line": {**style, "dash": MEASURED_DASHES[m.cell]}}
