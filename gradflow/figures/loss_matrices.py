"""Which loss reaches which step: the matrix of one network, what is left by lag, and the sequence types side by side."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from gradflow.figures.flow_curves import beside_line, reference_line
from gradflow.figures.theme import (
    CELL_COLOURS,
    CELL_DASHES,
    MAGNITUDE,
    REFERENCE,
    colour_bar,
    columns,
    decades,
    figure,
    log_ticks,
    mode_of,
    said_inside,
    translucent,
)
from gradflow.findings import NAMES, power_of_ten
from gradflow.loss_matrix import LossMatrix

SMALL = {"showgrid": False, "tickfont": {"size": 13}}
WITH = "with 10^%{z:.1f}<extra></extra>"
THUMBNAIL = 64  # rows and columns that a small map can show
FITTING = {"x": 44, "y": 16}  # so many inputs, or words, can be read along an axis


def loss_matrix_map(by_type: Mapping[str, LossMatrix], loss: int, height: int = 460) -> go.Figure:
    """‖∂L_k/∂h_t‖ of every loss k (down) at every state t (across), and under it the row of one loss with the total.

    Drawn is the many-to-many matrix, on the colour scale of all types.

    The reader should conclude how far back a loss is heard: to the left of the black line less than 1/100 of it is left; a
    loss without one is heard all the way, or until it is blank, which is exactly zero, as above the diagonal.
    """
    m = by_type["many-to-many"]
    low, high = value_range(list(by_type.values()))
    names = axis_names(m.steps)
    hover = f"loss at %{{y}}<br>reaches %{{x}}<br>{WITH}"
    named = {**heatmap(m, ""), "x": names, "y": names, "hovertemplate": hover}
    row = m.log10_norm[loss]
    rows_low, rows_high = decades(lowest(row, m.log10_total), highest(row, m.log10_total))
    rows = rows_high - rows_low
    border = reach_border(m)
    return figure(
        [named, *row_lines(m, loss, names)],
        height,
        xaxis={
            **step_axis(names),
            "anchor": "y2",
            "range": [-0.5, m.length + 0.5],
            **step_ticks(m.steps, FITTING["x"]),
            "title": {"text": "← gradient     state h<sub>t</sub>     loss →"},
            "automargin": "height",  # on a phone the words stand upright
        },
        yaxis={
            **step_axis(names),
            "domain": [0.3, 1.0],
            "range": [m.length + 0.5, -0.5],
            **step_ticks(m.steps, FITTING["y"]),
            "title": {"text": "loss L<sub>k</sub>"},
        },
        yaxis2={
            "domain": [0.0, 0.26],
            **log_ticks(rows_low - 0.08 * rows, rows_high + 0.4 * rows, 3),
            "title": {"text": f"‖∂L<sub>{loss}</sub>/∂h<sub>t</sub>‖", "standoff": 12},
        },
        coloraxis={"colorscale": MAGNITUDE, "cmin": low, "cmax": high, "colorbar": inside_bar(low, high)},
        annotations=[note(bool(border)), total_label(m)],
        shapes=reach_lines(border),
        hovermode="closest",
        showlegend=False,
        margin={"l": 112, "r": 16, "t": 10, "b": 58},
    )


def step_axis(names: list[str]) -> dict:
    """An axis whose categories are the states, so that hovering names them."""
    return {**SMALL, "type": "category", "categoryorder": "array", "categoryarray": names}


def inside_bar(low: float, high: float) -> dict:
    """The colour scale in the empty corner of the matrix."""
    place = {"orientation": "h", "thickness": 12, "len": 0.34, "x": 1.0, "xanchor": "right", "y": 1.0, "yanchor": "top"}
    return colour_bar("‖∂L<sub>k</sub>/∂h<sub>t</sub>‖", log_ticks(low, high, 2), **place)


def heatmap(m: LossMatrix, k: str) -> dict:
    """The matrix on axes k; blank where it is exactly zero."""
    return {
        "type": "heatmap",
        "z": np.where(np.isfinite(m.log10_norm), m.log10_norm, np.nan).astype(np.float32),
        "coloraxis": "coloraxis",
        "xaxis": f"x{k}",
        "yaxis": f"y{k}",
        "hoverongaps": False,
    }


def reach_border(m: LossMatrix) -> dict[int, int]:
    """Loss → the last state at which 1/100 of it is left; without losses that reach all the way, or whose rest is blank."""
    ends = {int(k): int(k - m.reaches[k]) for k in np.flatnonzero(np.isfinite(m.reaches))}
    return {k: t for k, t in ends.items() if t > 0 and np.isfinite(m.log10_norm[k, t - 1])}


def reach_lines(border: Mapping[int, int]) -> list[dict]:
    """The border's edges of cells as one line, black on white so that it shows on any colour; it breaks between losses."""
    path = ""
    for k, t in border.items():
        path += f"H{t - 0.5}" if k - 1 in border else f"M{t - 0.5},{k - 0.5}"
        path += f"V{k + 0.5}"
    looks = [{"color": "#FFFFFF", "width": 4}, {"color": "#000000", "width": 2}] if border else []
    return [{"type": "path", "path": path, "line": look} for look in looks]


def row_lines(m: LossMatrix, loss: int, names: list[str]) -> list[dict]:
    """The chosen loss's row: a line across the matrix as far as it is not zero, and its curve below over all losses' total."""
    row = m.log10_norm[loss, : loss + 1]
    total = np.where(np.isfinite(m.log10_total), m.log10_total, np.nan)
    there = [names[t] for t in np.flatnonzero(np.isfinite(row))]
    return [
        {
            "x": there,
            "y": [names[loss]] * len(there),
            "mode": mode_of(row),
            "line": {"color": CELL_COLOURS[m.cell], "width": 2.5},
            "hoverinfo": "skip",
        },
        {
            "x": names,
            "y": total,
            "yaxis": "y2",
            "mode": mode_of(total),
            "line": {"color": REFERENCE, "width": 2, "dash": "dot"},
            "customdata": [power_of_ten(v) for v in m.log10_total],
            "hovertemplate": "all losses: %{customdata} at %{x}<extra></extra>",
        },
        {
            "x": names[: loss + 1],
            "y": np.where(np.isfinite(row), row, np.nan),
            "yaxis": "y2",
            "mode": mode_of(row),
            "line": {"color": CELL_COLOURS[m.cell], "width": 3.5},
            "customdata": [power_of_ten(v) for v in row],
            "hovertemplate": f"loss {loss}: %{{customdata}} at %{{x}}<extra></extra>",
        },
    ]


def lag_curves(by_cell: Mapping[str, LossMatrix], height: int = 320) -> go.Figure:
    """What is left of a loss d steps back, the median over all losses as a line and 10–90 % as a band, one colour per cell.

    The reader should conclude in which cell a step's own loss teaches the steps furthest back.
    """
    drawn = [m for m in by_cell.values() if m.lag_band[1].size]
    bands = [edge for m in drawn for edge in m.lag_band]
    low, high = decades(lowest(*bands), highest(*bands))
    room = 0.04 * (high - low)
    length = max((m.longest for m in drawn), default=1)
    lines = [(0.0, "1: unchanged", "solid"), (-2.0, "1/100", "dash")]
    curves = [(np.arange(len(m.lag_band[1])), m.lag_band[1]) for m in drawn]
    return figure(
        [trace for m in drawn for trace in (*lag_band(m), lag_line(m))],
        height,
        xaxis={
            "title": {"text": "← steps back from the loss, k − t"},
            "range": [length + 0.5, -0.5],
            "showgrid": False,
            "dtick": 1 if length < 8 else None,
        },
        yaxis={
            "title": {"text": "‖∂L<sub>k</sub>/∂h<sub>t</sub>‖ / ‖∂L<sub>k</sub>/∂h<sub>k</sub>‖", "standoff": 8},
            **log_ticks(low - room, high + 2.0 * room),
        },
        shapes=[reference_line(y, dash) for y, _, dash in lines],
        annotations=[
            *(beside_line(y, text, (length, 0.0), curves, high - low) for y, text, _ in lines),
            *([] if drawn else [said_inside("no loss has a gradient")]),
        ],
    )


def lag_band(m: LossMatrix) -> list[dict]:
    """10 to 90 % as a filled area."""
    low, _, high = m.lag_band
    lag = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    edge = {
        "x": lag,
        "mode": "lines",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": NAMES[m.cell],
    }
    filled = {"fill": "tonexty", "fillcolor": translucent(CELL_COLOURS[m.cell], 0.16)}
    return [{**edge, "y": low[lag]}, {**edge, **filled, "y": high[lag]}]


def lag_line(m: LossMatrix) -> dict:
    """The median."""
    middle = m.lag_band[1]
    return {
        "x": np.arange(len(middle)),
        "y": np.where(np.isfinite(middle), middle, np.nan),
        "mode": mode_of(middle),
        "name": NAMES[m.cell],
        "legendgroup": NAMES[m.cell],
        "line": {"color": CELL_COLOURS[m.cell], "width": 3.5, "dash": CELL_DASHES[m.cell]},
        "customdata": [power_of_ten(v) if not np.isnan(v) else "" for v in middle],
        "hovertemplate": "%{customdata} is left %{x} steps back",
    }


def type_maps(by_type: Mapping[str, LossMatrix], height: int = 320) -> go.Figure:
    """The matrix of one cell under each sequence type, side by side on the colour scale of `loss_matrix_map`.

    The reader should conclude that the type decides which losses there are, and the network how far each of them is heard.
    """
    low, high = value_range(list(by_type.values()))
    data, axes, headings = [], {}, []
    for (k, left, right), (sequence_type, m) in zip(columns(len(by_type), gap=0.025), by_type.items(), strict=True):
        data.append(thumbnail(m, k))
        inner = [round(m.length / 4), round(3 * m.length / 4)]
        axes[f"xaxis{k}"] = {
            **SMALL,
            "domain": [left, right],
            "anchor": f"y{k}",
            "range": [-0.5, m.length + 0.5],
            "tickvals": inner,
            "title": {"text": "step t"},
        }
        first = {"showticklabels": False} if k else {"title": {"text": "loss at step k", "standoff": 10}}
        axes[f"yaxis{k}"] = {
            **SMALL,
            "anchor": f"x{k}",
            "range": [m.length + 0.5, -0.5],
            "tickvals": inner,
            **first,
        }
        headings.append(heading(sequence_type.replace("-", "-<br>", 1), k))
    return figure(
        data,
        height,
        **axes,
        annotations=headings,
        hovermode="closest",
        margin={"t": 44},
        coloraxis={"colorscale": MAGNITUDE, "cmin": low, "cmax": high, "showscale": False},
    )


def thumbnail(m: LossMatrix, k: str) -> dict:
    """The matrix thinned to what a small map can show, its last row and column among them."""
    stride = -(-(m.length + 1) // THUMBNAIL)
    first = m.length % stride
    whole = heatmap(m, k)
    return {
        **whole,
        "z": whole["z"][first::stride, first::stride],
        **dict.fromkeys(("x0", "y0"), first),
        **dict.fromkeys(("dx", "dy"), stride),
        "hovertemplate": f"loss at step %{{y}}<br>reaches step %{{x}}<br>{WITH}",
    }


def heading(text: str, k: str) -> dict:
    """A name above a map."""
    return {
        "text": text,
        "xref": f"x{k} domain",
        "yref": f"y{k} domain",
        "x": 0.5,
        "y": 1.0,
        "xanchor": "center",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 14},
    }


def note(bordered: bool) -> dict:
    """How to read the matrix, in its empty half; of the black line only where there is one."""
    return {
        "text": "black line: 1/100 left<br>" * bordered + "blank: exactly 0",
        "xref": "x domain",
        "yref": "y domain",
        "x": 1.0,
        "y": 0.66,
        "align": "right",
        "xanchor": "right",
        "yanchor": "top",
        "showarrow": False,
        "font": {"color": REFERENCE, "size": 14},
    }


def total_label(m: LossMatrix) -> dict:
    """What the dotted line says, at its right end and above all of it that the words reach back to."""
    beneath = m.log10_total[2 * len(m.log10_total) // 5 :]  # on a phone the words take half of the width
    beneath = beneath[np.isfinite(beneath)]
    return {
        "text": "all losses: total ∂L/∂h<sub>t</sub>",
        "x": 1.0,
        "y": beneath.max() if beneath.size else 0.0,
        "xref": "x domain",
        "yref": "y2",
        "xanchor": "right",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"color": REFERENCE, "size": 13},
    }


def axis_names(steps: Sequence[str]) -> list[str]:
    """Every state by number and input, each name once: they are the categories of an axis, and what hovering shows."""
    return ["0 (h₀)", *(f"{t} “{escape(name, quote=False)}”" for t, name in enumerate(steps, start=1))]


def step_ticks(steps: Sequence[str], fitting: int) -> dict[str, list]:
    """Ticks under the states: every input where that many fit, else the words, each at its middle, else some inputs."""
    count = len(steps)
    starts = [t for t, name in enumerate(steps) if name.strip() and (t == 0 or not steps[t - 1].strip())]
    if count <= fitting or len(starts) < 2:  # one word only: numbers, years or a script without spaces
        shown = range(0, count, 1 if count <= fitting else -(-count // 8))
        return {"tickvals": [t + 1 for t in shown], "ticktext": [escape(steps[t], quote=False) for t in shown]}
    words = ["".join(steps[a:b]).strip() for a, b in zip(starts, [*starts[1:], count], strict=True)]
    thinned = slice(None, None, -(-len(words) // fitting))
    return {
        "tickvals": [start + (1 + len(word)) / 2 for start, word in zip(starts, words, strict=True)][thinned],
        "ticktext": [escape(shortened(word), quote=False) for word in words[thinned]],
    }


def shortened(word: str) -> str:
    return word if len(word) <= 12 else f"{word[:11]}…"


def value_range(matrices: Sequence[LossMatrix]) -> tuple[float, float]:
    """Decades that hold every entry."""
    values = [m.log10_norm for m in matrices]
    return decades(lowest(*values), highest(*values))


def lowest(*arrays: np.ndarray) -> float:
    """The smallest finite number, 0 if there is none."""
    return min((float(a[np.isfinite(a)].min()) for a in arrays if np.isfinite(a).any()), default=0.0)


def highest(*arrays: np.ndarray) -> float:
    """The largest finite number, 0 if there is none."""
    return max((float(a[np.isfinite(a)].max()) for a in arrays if np.isfinite(a).any()), default=0.0)
