"""How much of the gradient reaches each earlier step: one curve per cell."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from gradflow.figures.theme import (
    CELL_COLOURS,
    CELL_DASHES,
    FLOAT32_SMALLEST,
    REFERENCE,
    TIME_AXIS,
    decades,
    figure,
    log_ticks,
    mode_of,
    subscripted,
    translucent,
)
from gradflow.findings import NAMES, power_of_ten
from gradflow.summary import QUANTITIES, Summary


class Look(NamedTuple):
    """What tells one curve from the others."""

    name: str
    colour: str
    dash: str


CELL_LOOKS = {cell: Look(name, CELL_COLOURS[cell], CELL_DASHES[cell]) for cell, name in NAMES.items()}


def flow_curves(summaries: Mapping[str, Summary], height: int = 300) -> go.Figure:
    """‖∂L/∂h_t‖ over time on a log axis, the median as a line and 10–90 % as a band, one colour per cell.

    The reader should conclude how fast the gradient fades on its way back, and which cell carries it furthest. Exact
    zeros end a line: a log axis has no place for them.
    """
    return total_curves({CELL_LOOKS[s.cell]: s for s in summaries.values()}, height)


def total_curves(summaries: Mapping[Look, Summary], height: int) -> go.Figure:
    """One median with its band per summary."""
    drawn = {look: s for look, s in summaries.items() if s.middle.size}
    at_one = "1: unchanged" if all(abs(s.middle[-1]) < 0.01 for s in drawn.values()) else "1"
    symbols = " and ".join(f"‖{subscripted(QUANTITIES[q])}‖" for q in dict.fromkeys(s.quantity for s in drawn.values()))
    traces = [trace for look, s in drawn.items() for trace in (*band(s, look), line(s, look))]
    return over_time(list(drawn.values()), traces, symbols, at_one, height)


def direct_curves(summaries: Mapping[str, Summary], height: int = 300) -> go.Figure:
    """The direct derivative of every cell over time, with the total one as a pale line behind it.

    The reader should conclude that the direct derivative does not show how far the gradient flows: where a loss is read
    it is as large however far back, and elsewhere it is exactly zero, for which there is a tick below the powers of ten.
    """
    drawn = [s for s in summaries.values() if s.middle.size]
    low, high = y_range(drawn)
    zero, faint = low - 0.1 * (high - low), {"opacity": 0.45, "showlegend": False}
    traces = [
        *({**line(s, CELL_LOOKS[s.cell]), "name": f"{NAMES[s.cell]}, total", **faint} for s in drawn),
        *(direct_line(s, rank) for rank, s in enumerate(drawn)),
        *(zeros(s, zero) for s in drawn[:1]),
    ]
    symbols = f"‖direct {subscripted(QUANTITIES['dL/dh'])}‖"
    return over_time(drawn, traces, symbols, "", height, zero)


def over_time(
    drawn: Sequence[Summary], traces: list[dict], symbols: str, at_one: str, height: int, zero: float | None = None
) -> go.Figure:
    """The traces on decades over steps, with the lines that one reads them against; `zero` is where a tick says 0."""
    low, high = y_range(drawn)
    room = 0.04 * (high - low)  # so that a curve along an edge is whole
    ticks = log_ticks(low - room, high + 2.0 * room)
    if zero is not None:
        ticks = {
            "tickvals": [zero, *ticks["tickvals"]],
            "ticktext": ["0", *ticks["ticktext"]],
            "range": [zero - room, high + 2.0 * room],
        }
    length = max((s.length for s in drawn), default=1)
    lines = [(0.0, at_one, "solid")]
    if low < FLOAT32_SMALLEST:
        lines.append((FLOAT32_SMALLEST, "1.2·10⁻³⁸: where float32 training stops seeing it", "dash"))
    if -0.1 * (high - low) < FLOAT32_SMALLEST:  # no room between the two lines: both are told above them
        told = " · dashed ".join(text for _, text, _ in lines if text)
        lines = [(y, told if y == 0.0 else "", dash) for y, _, dash in lines]
    return figure(
        traces,
        height,
        xaxis={
            "title": {"text": TIME_AXIS},
            "range": [-0.5, length + 0.5],
            "showgrid": False,
            "dtick": 1 if length < 12 else None,
        },
        yaxis={"title": {"text": symbols, "standoff": 10}, **ticks},
        shapes=[reference_line(y, dash) for y, _, dash in lines],
        annotations=[
            beside_line(y, text, (0.0, length), [(np.arange(s.length + 1), s.middle) for s in drawn], high - low)
            for y, text, _ in lines
            if text
        ],
    )


def band(s: Summary, look: Look) -> list[dict]:
    """10 to 90 % as a filled area."""
    t, finite = np.arange(s.length + 1), np.isfinite(s.low) & np.isfinite(s.high)
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "legendgroup": look.name}
    filled = {"fill": "tonexty", "fillcolor": translucent(look.colour, 0.16)}
    return [{**edge, "x": t[finite], "y": s.low[finite]}, {**edge, **filled, "x": t[finite], "y": s.high[finite]}]


def line(s: Summary, look: Look) -> dict:
    """The median."""
    return {
        "x": np.arange(s.length + 1),
        "y": np.where(np.isfinite(s.middle), s.middle, np.nan),
        "mode": mode_of(s.middle),
        "name": look.name,
        "legendgroup": look.name,
        "line": {"color": look.colour, "width": 3.5, "dash": look.dash},
        "customdata": [[power_of_ten(v), heard] for v, heard in zip(s.middle, inputs(s), strict=True)],
        "hovertemplate": "%{customdata[0]} at step %{x}%{customdata[1]}",
    }


def inputs(s: Summary) -> list[str]:
    """What hovering says of the input at steps 0 … T."""
    return [" “h₀”", *(f" “{name}”" if name else ", no input" for name in s.steps)]


def direct_line(s: Summary, rank: int) -> dict:
    """The direct derivative's median, a line; where it stands alone a marker, the later the smaller, so that all are seen."""
    t = np.flatnonzero(np.isfinite(s.direct))
    return {
        **line(s, CELL_LOOKS[s.cell]),
        "x": t,
        "y": s.direct[t],
        "mode": "lines" if len(t) > 1 else "lines+markers",
        "marker": {"size": 15 - 5 * rank},
        "customdata": [[power_of_ten(s.direct[k]), inputs(s)[k]] for k in t],
    }


def zeros(s: Summary, y: float) -> dict:
    """A cross for every step at which the direct derivative is exactly zero; these are the same steps in every cell."""
    t = np.flatnonzero(np.isneginf(s.direct))
    return {
        "x": t,
        "y": np.full(len(t), y),
        "mode": "markers",
        "showlegend": False,
        "marker": {"symbol": "x-thin", "size": 7, "line": {"width": 1.5, "color": REFERENCE}},
        "hovertemplate": "exactly 0 at step %{x}<extra></extra>",
    }


def reference_line(y: float, dash: str, axis: str = "y") -> dict:
    """A line across the whole width."""
    line = {"color": REFERENCE, "width": 1.5, "dash": dash}
    return {"type": "line", "xref": "x domain", "yref": axis, "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line}


def at_line(x: float, y: float, text: str) -> dict:
    """A reference line's words, at its right end, just above it."""
    return {
        "text": text,
        "x": x,
        "y": y,
        "showarrow": False,
        "xanchor": "right",
        "yanchor": "bottom",
        "font": {"color": REFERENCE, "size": 13},
    }


def beside_line(
    y: float, text: str, ends: tuple[float, float], curves: Sequence[tuple[NDArray, NDArray]], span: float
) -> dict:
    """A reference line's words, where they meet the fewest points of the curves: at its right end or its left, above it or
    below.

    ends: the x at its left and at its right. curves: x and y of each. span: what the y axis shows.
    """
    left, right = ends
    reach = abs(right - left) * len(text) / 45.0  # the width of so many letters on a phone

    def met(end: float, side: float) -> int:
        beyond = np.concatenate([side * (at[abs(x - end) < reach] - y) for x, at in curves] or [np.zeros(0)])
        return int(np.count_nonzero((beyond > 0.0) & (beyond < 0.1 * span)))

    places = [(right, 1.0), (left, 1.0), (right, -1.0), (left, -1.0)]
    end, side = min(places, key=lambda place: met(*place))  # the first of those that are as good
    anchors = {"xanchor": "right" if end == right else "left", "yanchor": "bottom" if side > 0.0 else "top"}
    return {**at_line(end, y, text), **anchors}


def y_range(summaries: Sequence[Summary]) -> tuple[float, float]:
    """Decades that hold every band, median and direct derivative."""
    curves = [curve for s in summaries for curve in (s.low, s.middle, s.high, s.direct)]
    values = np.concatenate([curve[np.isfinite(curve)] for curve in curves] or [np.zeros(1)])
    return decades(float(values.min(initial=0.0)), float(values.max(initial=0.0)))
