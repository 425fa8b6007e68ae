"""How much of the gradient reaches each earlier step: one curve per cell."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from gradflow.figures.theme import (
    CELL_COLOURS,
    CELL_DASHES,
    FLOAT32_SMALLEST,
    REFERENCE,
    TIME_AXIS,
    decades,
    log_ticks,
    styled,
    subscripted,
    translucent,
)
from gradflow.findings import NAMES, power_of_ten
from gradflow.summary import QUANTITIES, Summary


def flow_curves(summaries: Mapping[str, Summary], height: int = 340) -> go.Figure:
    """‖∂L/∂h_t‖ over time on a log axis, the median as a line and 10–90 % as a band, one colour per cell.

    The reader should conclude how fast the gradient fades on its way back, and which cell carries it furthest. Exact
    zeros end a line: a log axis has no place for them.
    """
    figure = go.Figure()
    drawn = [s for s in summaries.values() if s.middle.size]
    low, high = y_range(drawn)
    room = 0.04 * (high - low)  # so that a curve along an edge is whole
    for s in drawn:
        t = np.arange(s.length + 1)
        colour, name = CELL_COLOURS[s.cell], NAMES[s.cell]
        finite = np.isfinite(s.low) & np.isfinite(s.high)
        edge = {"mode": "lines", "line_width": 0, "hoverinfo": "skip", "showlegend": False, "legendgroup": name}
        figure.add_scatter(x=t[finite], y=s.low[finite], **edge)
        figure.add_scatter(x=t[finite], y=s.high[finite], fill="tonexty", fillcolor=translucent(colour, 0.16), **edge)
        figure.add_scatter(
            x=t,
            y=np.where(np.isfinite(s.middle), s.middle, np.nan),
            name=name,
            legendgroup=name,
            line={"color": colour, "width": 3.5, "dash": CELL_DASHES[s.cell]},
            customdata=[[power_of_ten(v), label] for v, label in zip(s.middle, ["h₀", *s.steps], strict=True)],
            hovertemplate="%{customdata[0]} at step %{x} “%{customdata[1]}”",
        )
    symbols = " and ".join(f"‖{subscripted(QUANTITIES[q])}‖" for q in dict.fromkeys(s.quantity for s in drawn))
    length = max((s.length for s in drawn), default=1)
    figure.add_hline(y=0.0, line={"color": REFERENCE, "width": 1.5})
    starts_at_1 = all(abs(s.middle[-1]) < 0.01 for s in drawn)
    figure.add_annotation(text="1: unchanged" if starts_at_1 else "1", **at_line(length, 0.0))
    if low < FLOAT32_SMALLEST:
        figure.add_hline(y=FLOAT32_SMALLEST, line={"color": REFERENCE, "width": 1.5, "dash": "dash"})
        text = "1.2·10⁻³⁸: where float32 training stops seeing it"
        figure.add_annotation(text=text, **at_line(length, FLOAT32_SMALLEST))
    figure.update_xaxes(
        title=TIME_AXIS, range=[-0.5, length + 0.5], showgrid=False, zeroline=False, dtick=1 if length < 12 else None
    )
    figure.update_yaxes(
        title=symbols,
        zeroline=False,
        **log_ticks(low - room, high + 2.0 * room),
    )
    return styled(figure, height)


def at_line(x: float, y: float) -> dict:
    """Where a reference line's words stand: at the right end, just above it."""
    return {
        "x": x,
        "y": y,
        "showarrow": False,
        "xanchor": "right",
        "yanchor": "bottom",
        "font": {"color": REFERENCE, "size": 13},
    }


def y_range(summaries: Sequence[Summary]) -> tuple[float, float]:
    """Decades that hold every band and median."""
    curves = [curve for s in summaries for curve in (s.low, s.middle, s.high)]
    values = np.concatenate([curve[np.isfinite(curve)] for curve in curves] or [np.zeros(1)])
    return decades(float(values.min(initial=0.0)), float(values.max(initial=0.0)))
