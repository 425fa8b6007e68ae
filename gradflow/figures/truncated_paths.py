"""Truncated back-propagation: which error paths survive, how many of each depth, and what the cut costs the gradient."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from gradflow.figures.flow_curves import beside_line, reference_line
from gradflow.figures.loss_matrices import heading, highest, lowest
from gradflow.figures.theme import (
    CELL_COLOURS,
    CELL_DASHES,
    REFERENCE,
    columns,
    decades,
    figure,
    log_ticks,
    said_inside,
    translucent,
)
from gradflow.findings import NAMES, number
from gradflow.truncation import ROUNDING, Truncation

PATH = "#7B6CD0"  # the app's own violet, on white and on black; no cell's colour


def surviving_paths(styles: Mapping[str, NDArray[np.int_]], height: int = 340) -> go.Figure:
    """Each loss as a line from its own step back to where truncation cuts it, one panel per style; cut parts in grey.

    styles: heading → depth of each loss L_1 … L_T. The reader should conclude that chunks keep the losses after a cut short
    of past, and that only overlapping passes give every loss the same way back.
    """
    data, axes, headings = [], {}, []
    for (k, left, right), (name, depths) in zip(columns(len(styles), gap=0.025), styles.items(), strict=True):
        length = len(depths)
        data += paths(depths, k)
        inner = sorted({max(1, round(length / 4)), round(3 * length / 4)})
        axes[f"xaxis{k}"] = {
            "domain": [left, right],
            "anchor": f"y{k}",
            "range": [-0.02 * length, 1.02 * length],
            "showgrid": False,
            "tickvals": inner,
            "title": {"text": "step t"},
        }
        first = {"showticklabels": False} if k else {"title": {"text": "loss at step k", "standoff": 10}}
        axes[f"yaxis{k}"] = {
            "anchor": f"x{k}",
            "range": [1.02 * length + 1.0, -0.02 * length],
            "showgrid": False,
            "tickvals": inner,
            **first,
        }
        headings.append(heading(name, k))
    return figure(
        data,
        height,
        **axes,
        annotations=headings,
        hovermode="closest",
        showlegend=False,
        margin={"l": 76, "r": 16, "t": 64, "b": 58},
    )


def paths(depths: NDArray[np.int_], k: str) -> list[dict]:
    """The paths of all losses as two broken lines, cut and surviving, and a cross for every loss that is lost."""
    loss = np.arange(1, len(depths) + 1)
    cut, lost = loss - depths, loss[depths == 0]
    gap = np.full(len(loss), np.nan)
    common = {"mode": "lines", "xaxis": f"x{k}", "yaxis": f"y{k}"}
    down = np.column_stack([loss, loss, gap]).ravel()
    width = float(np.clip(210.0 / len(loss), 1.0, 4.0))
    return [
        {
            **common,
            "x": np.column_stack([np.zeros_like(cut), cut, gap]).ravel(),
            "y": down,
            "line": {"color": translucent(REFERENCE, 0.3), "width": width},
            "hoverinfo": "skip",
        },
        {
            **common,
            "x": np.column_stack([cut, loss, gap]).ravel(),
            "y": down,
            "line": {"color": PATH, "width": width},
            "hovertemplate": "loss at step %{y}, step %{x}<extra></extra>",
        },
        {
            **common,
            "mode": "markers",
            "x": lost,
            "y": lost,
            "marker": {"color": REFERENCE, "size": 5, "symbol": "x"},
            "hovertemplate": "loss at step %{y}: lost<extra></extra>",
        },
    ]


def bias_curves(by_cell: Mapping[str, Truncation], k2: int, height: int = 320) -> go.Figure:
    """‖truncated − full‖ / ‖full‖ of ∂L/∂W_hh against k2, one curve per cell, the chosen k2 as a line.

    The reader should conclude how far back each cell has to go for a gradient that is right to 1 %. Where only rounding is
    left a curve ends; where there is nothing else, words say so.
    """
    logs = {cell: log10_bias(t) for cell, t in by_cell.items()}
    low, high = decades(lowest(*logs.values()), highest(*logs.values()))
    room = 0.05 * (high - low)
    length = max(t.length for t in by_cell.values())
    references = [(0.0, "100 %", "solid"), (-2.0, "1 %", "dash")]
    exact = any(np.isfinite(t.bias).any() for t in by_cell.values())
    empty = "no difference above rounding" if exact else "no full gradient to compare with"
    there = any(np.isfinite(log).any() for log in logs.values())
    return figure(
        [bias_line(by_cell[cell], log) for cell, log in logs.items()],
        height,
        xaxis={
            "title": {"text": "steps back k<sub>2</sub>"},
            "range": [0.0, length + 0.5],
            "showgrid": False,
            "dtick": 1 if length < 8 else None,
        },
        yaxis={
            "title": {"text": "‖truncated − full‖ / ‖full‖", "standoff": 8},
            **log_ticks(low - room, high + 3.0 * room, 6),
        },
        shapes=[*(reference_line(y, dash) for y, _, dash in references), *([chosen_line(k2)] if there else [])],
        annotations=[
            *(
                beside_line(
                    y, text, (0.0, length), [(np.array(t.k2s), logs[cell]) for cell, t in by_cell.items()], high - low
                )
                for y, text, _ in references
            ),
            *([] if there else [said_inside(empty)]),
        ],
    )


def log10_bias(t: Truncation) -> NDArray:
    """log10 of the bias where it is more than rounding, else NaN."""
    there = t.bias > ROUNDING
    return np.log10(np.where(there, t.bias, 1.0), where=there, out=np.full(len(t.bias), np.nan))


def bias_line(t: Truncation, log10: NDArray) -> dict:
    """One cell's curve."""
    return {
        "x": t.k2s,
        "y": log10,
        "mode": "lines+markers",
        "name": NAMES[t.cell],
        "showlegend": bool(np.isfinite(log10).any()),
        "line": {"color": CELL_COLOURS[t.cell], "width": 3, "dash": CELL_DASHES[t.cell]},
        "marker": {"size": 6},
        "customdata": [number(100.0 * bias) if np.isfinite(bias) else "" for bias in t.bias],
        "hovertemplate": "%{customdata} % off with k<sub>2</sub> = %{x}",
    }


def chosen_line(k2: int) -> dict:
    """The chosen k2."""
    return {
        "type": "line",
        "yref": "y domain",
        "x0": k2,
        "x1": k2,
        "y0": 0,
        "y1": 1,
        "line": {"color": PATH, "width": 2},
    }


def path_counts(depths: NDArray[np.int_], height: int = 320) -> go.Figure:
    """How many losses go back how many steps, lost ones at 0.

    The reader should conclude how many of the losses get the whole k2 steps and how many are cut shorter.
    """
    count = np.bincount(depths)
    depth = np.arange(len(count))
    there = count > 0
    return figure(
        [
            {
                "type": "bar",
                "x": depth[there],
                "y": count[there],
                "marker": {"color": np.where(depth[there] > 0, PATH, REFERENCE)},
                "hovertemplate": "%{y} losses go back %{x} steps<extra></extra>",
            }
        ],
        height,
        xaxis={
            "title": {"text": "steps back = uses of W<sub>hh</sub>"},
            "range": [-0.6, len(count) - 0.4],
            "showgrid": False,
            "dtick": 1 if len(count) < 12 else None,
        },
        yaxis={
            "title": {"text": "error paths", "standoff": 8},
            "range": [0, 1.08 * count.max()],
            "dtick": 1 if count.max() < 6 else None,
        },
        bargap=0.15,
    )
