"""The gradient by the paths it takes through a cell: routes over many steps, parts of one step, and the memory gate."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from gradflow.activations import Array
from gradflow.cells.cell import HIGHWAY
from gradflow.figures.theme import (
    CELL_COLOURS,
    MAGNITUDE,
    REFERENCE,
    TIME_AXIS,
    decades,
    figure,
    log_ticks,
    mode_of,
    said_inside,
)
from gradflow.findings import power_of_ten
from gradflow.path_findings import INNER, product
from gradflow.path_summary import PathSummary
from gradflow.paths import DIRECT, GATES, MIXED

Look = tuple[str, str]  # colour and dash
ROUTE_LOOKS: dict[str, Look] = {
    HIGHWAY: ("#8C8C1A", "dash"),
    GATES: ("#AA3377", "dot"),
    MIXED: ("#6A5ACD", "dashdot"),
    DIRECT: (REFERENCE, "solid"),
}
# none of them a cell's colour; the gates that do the same work in two cells share one
GATE_LOOKS: dict[str, Look] = {
    **dict.fromkeys("gnh", ("#AA3377", "solid")),
    **dict.fromkeys("fz", ("#6A5ACD", "dot")),
    **dict.fromkeys("ir", ("#17A2B8", "dashdot")),
    "o": ("#8C564B", "longdash"),
}
BINS = 20
TWIN_MARKS = 16  # circles along the curve of the other convention


def path_routes(s: PathSummary, height: int = 440) -> go.Figure:
    """Above, the whole gradient at the memory and the routes it came by, norms on a log axis; below, the routes' shares.

    The reader should conclude that ∏f alone is not the gradient: over many steps most of it has changed roads.
    """
    t = np.arange(s.start + 1)
    split = s.routes
    whole = split.log10_whole[:, 0]
    drawn = [k for k in range(len(split.parts)) if np.isfinite(split.log10_norm[k, :-1]).any()]
    labels = {
        HIGHWAY: f"highway alone, {product(s)}",
        GATES: "W_hh at every step",
        MIXED: "mixed",
        DIRECT: "read at this step",
    }
    data: list[dict] = [
        line(t, whole, "whole gradient", CELL_COLOURS[s.cell], "solid", 4.0, power_of_ten, showlegend=True)
    ]
    for k in drawn:
        part = split.parts[k]
        look = (labels[part], *ROUTE_LOOKS[part], 2.5)
        norm, share = split.log10_norm[k, :, 0], split.share[k, :, 0]
        data.append(line(t, norm, *look, power_of_ten, showlegend=True))
        data.append({**line(t, np.where(np.isfinite(norm), share, np.nan), *look, "{:.3f}".format), "yaxis": "y2"})
    if s.twin is not None:
        data.append(twin_marks(s))
    low, high = decades(*extent(whole, *(split.log10_norm[k, :, 0] for k in drawn if split.parts[k] != GATES)))
    room = 0.04 * (high - low)
    return figure(
        data,
        height,
        xaxis={**time_axis(s), "anchor": "y2"},
        yaxis={
            "domain": [0.42, 1.0],
            "title": {"text": f"‖part of ∂L/∂{s.memory}<sub>t</sub>‖", "standoff": 10},
            **log_ticks(low - room, high + room, 6),
        },
        yaxis2={
            "domain": [0.0, 0.34],
            "title": {"text": "signed share", "standoff": 10},
            **share_axis(split.share[drawn]),
        },
        shapes=[*(level(y) for y in (0.0, 1.0)), *marked_steps(s)],
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "xanchor": "left"},
    )


def path_steps(s: PathSummary, height: int = 320) -> go.Figure:
    """How long every path's part of one step back is, as a multiple of the whole, on a log axis.

    The reader should conclude that the highway carries most of each single step, and which gate carries the rest.
    """
    split, t = s.by_step, np.arange(s.start)
    drawn = [k for k in range(len(split.parts)) if np.isfinite(split.log10_norm[k, : s.start]).any()]
    looks = step_looks(split.parts)
    ratio = {split.parts[k]: minus(split.log10_norm[k, : s.start, 0], split.log10_whole[: s.start, 0]) for k in drawn}
    data = [
        line(
            t,
            y,
            step_label(s, part),
            *looks[part],
            3.0 if part == HIGHWAY else 2.0,
            power_of_ten,
            showlegend=True,
        )
        for part, y in ratio.items()
    ]
    low, high = extent(*ratio.values())
    low, high = decades(max(low, -6.0), max(high, 0.0))
    room = 0.04 * (high - low)
    return figure(
        data,
        height,
        xaxis=time_axis(s),
        yaxis={
            "title": {"text": f"‖part‖ / ‖∂L/∂{s.memory}<sub>t</sub>‖", "standoff": 10},
            **log_ticks(low - room, high + room, 6),
        },
        shapes=[level(0.0, "y"), *marked_steps(s)],
        annotations=[] if drawn else [said_inside("exactly nothing arrives")],
    )


def step_label(s: PathSummary, part: str) -> str:
    """What a path of one step goes through; a gate that no name is known of is told by its letter."""
    named = {HIGHWAY: f"highway {s.gate}", DIRECT: "read at this step", **INNER}
    return named.get(part, f"gate {part}")


def step_looks(parts: Sequence[str]) -> dict[str, Look]:
    """A look for every path of one step; a gate without its own takes one that no other of this cell has."""
    known = {part: look for part, look in {**ROUTE_LOOKS, **GATE_LOOKS}.items() if part in parts}
    unused = [look for look in dict.fromkeys(GATE_LOOKS.values()) if look not in known.values()]
    more = cycle(unused or GATE_LOOKS.values())
    return {part: known.get(part) or next(more) for part in parts}


def gate_map(s: PathSummary, height: int = 320) -> go.Figure:
    """The memory gate of every unit over time, 0 to 1, and beside it how often it has which value, here and with the other
    weights.

    The reader should conclude whether the memory gate is open everywhere, in a few units, or nowhere.
    """
    assert s.kept is not None
    here, there = ("trained", "random") if s.weights == "trained" else ("random", "trained")
    data: list[dict[str, Any]] = [
        {
            "type": "heatmap",
            "x": np.arange(1, s.length + 1),
            "z": s.kept.T[s.units].astype(np.float32),
            "customdata": np.repeat(s.units[:, None], s.length, 1).astype(np.int32),  # Plotly has no int64
            "zmin": 0.0,
            "zmax": 1.0,
            "colorscale": MAGNITUDE,
            "showscale": False,
            "hovertemplate": f"{s.gate} of unit %{{customdata}} at step %{{x}}: %{{z:.3f}}<extra></extra>",
        },
        filled_histogram(s.kept, f"these weights ({here})"),
    ]
    if s.kept_other is not None:
        data.append(outlined_histogram(s.kept_other, there))
    highest = max(shares_by_class(kept)[0].max() for kept in (s.kept, s.kept_other) if kept is not None)
    labelled = max(0.05, np.floor(10.0 * highest) / 10.0)  # one share: on a phone there is no room for two
    return figure(
        data,
        height,
        hovermode="closest",
        bargap=0.0,
        xaxis={**time_axis(s), "title": {"text": "step t"}, "domain": [0.0, 0.6], "range": [0.5, s.length + 0.5]},
        yaxis={
            "title": {"text": "units, most open on top", "standoff": 10},
            "showgrid": False,
            "showticklabels": False,
        },
        xaxis2={
            "domain": [0.78, 1.0],
            "anchor": "y2",
            "title": {"text": f"of all {s.gate}"},
            "range": [0.0, 1.05 * highest],
            "tickvals": [0.0, labelled],
            "ticktext": ["0", f"{labelled:.0%}"],
        },
        yaxis2={
            "title": {"text": f"value of {s.gate}", "standoff": 2},
            "anchor": "x2",
            "range": [0.0, 1.0],
            "tickvals": [0.0, 0.5, 1.0],
        },
        legend={"orientation": "h", "x": 1.0, "y": 1.0, "yanchor": "bottom", "xanchor": "right"},
    )


def filled_histogram(values: Array, name: str) -> dict[str, Any]:
    """The share of values in each of BINS classes from 0 to 1, lying on its side; its colours are the map's scale."""
    share, edges = shares_by_class(values)
    middles = 0.5 * (edges[:-1] + edges[1:])
    return {
        "type": "bar",
        "orientation": "h",
        "x": share,
        "y": middles,
        "marker": {"color": middles, "colorscale": MAGNITUDE, "cmin": 0.0, "cmax": 1.0, "line": {"width": 0}},
        "name": name,
        "showlegend": False,
        "xaxis": "x2",
        "yaxis": "y2",
        "hovertemplate": f"{name}: %{{x:.1%}} near %{{y:.3f}}<extra></extra>",
    }


def outlined_histogram(values: Array, name: str) -> dict[str, Any]:
    """The same as an outline."""
    share, edges = shares_by_class(values)
    return {
        "x": np.concatenate([[0.0], np.repeat(share, 2), [0.0]]),
        "y": np.repeat(edges, 2),
        "mode": "lines",
        "line": {"color": REFERENCE, "width": 2.5},
        "name": f"line: {name} weights",
        "showlegend": True,
        "xaxis": "x2",
        "yaxis": "y2",
        "hovertemplate": f"{name}: %{{x:.1%}} near %{{y:.2f}}<extra></extra>",
    }


def shares_by_class(values: Array) -> tuple[Array, Array]:
    counts, edges = np.histogram(values, BINS, (0.0, 1.0))
    return counts / counts.sum(), edges


def line(
    t: NDArray, y: Array, name: str, colour: str, dash: str, width: float, say: Any, showlegend: bool = False
) -> dict[str, Any]:
    """One curve over time; it ends where there is no number."""
    return {
        "x": t,
        "y": np.where(np.isfinite(y), y, np.nan),
        "mode": mode_of(y),
        "name": name,
        "showlegend": showlegend,
        "line": {"color": colour, "width": width, "dash": dash},
        "marker": {"size": 3.0 * width},
        "customdata": ["" if np.isnan(value) else say(value) for value in y.tolist()],
        "hovertemplate": "%{customdata} at step %{x}",
    }


def twin_marks(s: PathSummary) -> dict[str, Any]:
    """Circles on the curve of the other update convention."""
    assert s.twin is not None
    t = np.unique(np.linspace(0, s.start, TWIN_MARKS).round().astype(int))
    y = s.twin[t]
    return {
        "x": t,
        "y": np.where(np.isfinite(y), y, np.nan),
        "mode": "markers",
        "name": "other convention, z negated",
        "cliponaxis": False,
        "marker": {"symbol": "circle-open", "size": 11, "color": CELL_COLOURS[s.cell], "line": {"width": 2}},
        "hoverinfo": "skip",
    }


def time_axis(s: PathSummary) -> dict[str, Any]:
    return {
        "title": {"text": TIME_AXIS},
        "range": [-0.5, s.start + 0.5],
        "showgrid": False,
        "dtick": 1 if s.start < 12 else None,
    }


def share_axis(shares: Array) -> dict[str, Any]:
    """An axis that holds 0 and 1, and what lies clearly outside of them as far as three wholes."""
    low, high = extent(*shares)
    low = np.floor(2.0 * max(low, -3.0)) / 2.0 if low < -0.05 else 0.0
    high = np.ceil(2.0 * min(high, 4.0)) / 2.0 if high > 1.05 else 1.0
    return {"range": [low - 0.06 * (high - low), high + 0.06 * (high - low)], "nticks": 5}


def level(y: float, axis: str = "y2") -> dict[str, Any]:
    """A thin line across at y."""
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "yref": axis,
        "y0": y,
        "y1": y,
        "line": {"color": REFERENCE, "width": 1},
    }


def marked_steps(s: PathSummary) -> list[dict[str, Any]]:
    """A dotted line through the whole figure at every number that a trained network has to remember."""
    across = {
        "type": "line",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"color": REFERENCE, "width": 1.5, "dash": "dot"},
    }
    return [{**across, "x0": t, "x1": t} for t in s.marks if t <= s.start]


def minus(p: Array, q: Array) -> Array:
    """p − q, NaN where q says that there is nothing to compare with."""
    return np.where(np.isfinite(q), p - np.where(np.isfinite(q), q, 0.0), np.nan)


def extent(*curves: Sequence[float] | Array) -> tuple[float, float]:
    """The least and the greatest finite number, 0 where there is none."""
    values = np.concatenate([np.ravel(curve) for curve in curves] or [np.zeros(1)])
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
