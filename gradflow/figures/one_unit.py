"""The one-unit memory: its map with the fixed points, and its state and gradient over time."""

import numpy as np
import plotly.graph_objects as go

from gradflow.activations import ACTIVATIONS
from gradflow.figures.flow_curves import reference_line
from gradflow.figures.theme import ACTIVATION_COLOURS, REFERENCE, decades, figure, log_ticks
from gradflow.findings import number, power_of_ten
from gradflow.one_unit import RANGES, FixedPoint, OneUnit

SYMBOLS = {"stable": "circle", "unstable": "circle-open", "marginal": "diamond-open"}
LEVELS = {"stable": "solid", "unstable": "dash", "marginal": "dashdot"}
POINTS = 401


def window(unit: OneUnit) -> tuple[float, float]:
    """The states that are shown: all that φ can give, for ReLU as far as the points that matter; and h_0."""
    h0 = float(unit.h[0])
    low, high = RANGES[unit.activation]
    if unit.activation == "relu":
        marks = [point.h for point in unit.fixed_points] + ([unit.cycle.high] if unit.cycle else [])
        high = max(high, 1.25 * max([h0, *marks]))
    low, high = min(low, h0), max(high, h0)
    room = 0.08 * (high - low)
    return low - room, high + room


def unit_map(unit: OneUnit, height: int = 400) -> go.Figure:
    """h_t against h_{t−1} with the orbit as a cobweb; fixed points filled where stable, hollow where not.

    The reader should conclude where the orbit ends, and that the map's slope there, the multiplier, is what a difference
    in h_0 is multiplied by at every step.
    """
    colour, title = ACTIVATION_COLOURS[unit.activation], ACTIVATIONS[unit.activation].title
    low, high = window(unit)
    grid = np.linspace(low, high, POINTS)
    shown = unit.h[: 1 + int(np.argmax(np.append(unit.h > high, True)))]  # until the orbit leaves the window
    ends = {"x": [low, high], "y": [low, high], "mode": "lines", "hoverinfo": "skip"}
    diagonal = {**ends, "line": {"color": REFERENCE, "width": 1.5}}
    mapped = {
        "x": grid,
        "y": unit.step(grid),
        "mode": "lines",
        "line": {"color": colour, "width": 3.5},
        "hovertemplate": f"{title} maps %{{x:.3f}} to %{{y:.3f}}<extra></extra>",
    }
    cobweb = {
        "x": np.repeat(shown, 2)[:-1],
        "y": np.concatenate([shown[:1], np.repeat(shown[1:], 2)]),
        "mode": "lines",
        "line": {"color": REFERENCE, "width": 2.5},
        "hoverinfo": "skip",
    }
    start = {
        "x": unit.h[:1],
        "y": unit.h[:1],
        "mode": "markers+text",
        "marker": {"symbol": "square", "size": 10, "color": REFERENCE},
        "text": ["h₀"],
        "textposition": "bottom right",
        "hovertemplate": "h₀ = %{x:.3f}<extra></extra>",
    }
    kept = [
        {**ends, "x": [p.h, high], "y": [p.h, high], "line": {"color": colour, "width": 9}, "opacity": 0.5}
        for p in unit.fixed_points
        if p.up_to is not None
    ]
    axis = {"range": [low, high], "showgrid": False, "nticks": 6}
    points = [marked(point, colour, low, high) for point in unit.fixed_points]
    names = []
    if unit.w < 0.0:  # the path winds around the one fixed point, and no words have room beside it
        names = [led(start, low, "bottom"), *(led(point, high, "top") for point in points)]
        start, *points = ({**trace, "mode": "markers"} for trace in (start, *points))
    return figure(
        [diagonal, *kept, mapped, cobweb, start, *points, *cycle(unit, colour)],
        height,
        annotations=names,
        xaxis={**axis, "title": {"text": "h<sub>t−1</sub>"}},
        yaxis={**axis, "title": {"text": "h<sub>t</sub>", "standoff": 10}},
        hovermode="closest",
        showlegend=False,
    )


def marked(point: FixedPoint, colour: str, low: float, high: float) -> dict:
    """A fixed point with its multiplier, written on the side where there is room."""
    place = (point.h - low) / (high - low)
    return {
        "x": [point.h],
        "y": [point.h],
        "mode": "markers+text",
        "marker": {"symbol": SYMBOLS[point.kind], "size": 15, "color": colour, "line": {"width": 3, "color": colour}},
        "text": [f"<b> × {number(point.multiplier)} </b>"],
        "textposition": "top left" if place > 0.5 else "bottom right" if place > 0.1 else "middle right",
        "textfont": {"color": colour, "size": 18},
        "hovertemplate": f"{point.kind} fixed point %{{x:.5f}}, multiplier {point.multiplier:.5f}<extra></extra>",
    }


def led(trace: dict, end: float, anchor: str) -> dict:
    """A point's words away from it, at this end of the picture, with a line to it."""
    (h,) = trace["x"]
    line = {"axref": "x", "ayref": "y", "arrowhead": 0, "arrowwidth": 1, "arrowcolor": REFERENCE, "standoff": 8}
    words = {"text": trace["text"][0], "font": trace.get("textfont"), "yanchor": anchor}
    return {"x": h, "y": h, "ax": h, "ay": end, **line, **words}


def cycle(unit: OneUnit, colour: str) -> list[dict]:
    """The two states that are swapped, where there are such."""
    if unit.cycle is None:
        return []
    states = [unit.cycle.low, unit.cycle.high]
    marker = {"symbol": "square", "size": 12, "color": colour}
    hover = (
        f"%{{x:.5f}} and %{{y:.5f}} are swapped, multiplier {unit.cycle.multiplier:.5f} per two steps<extra></extra>"
    )
    return [{"x": states, "y": states[::-1], "mode": "markers", "marker": marker, "hovertemplate": hover}]


def unit_time(unit: OneUnit, height: int = 400) -> go.Figure:
    """h_t over time above |∂h_t/∂h_0| on a log axis; the levels are the fixed points.

    The reader should conclude that a state may stay for ever while the gradient that reaches h_0 vanishes.
    """
    low, high = window(unit)
    known = np.isfinite(unit.log10_memory)
    finite = unit.log10_memory[known]
    bottom, top = decades(float(finite.min()), float(finite.max()))
    room = 0.06 * (top - bottom)
    look = {
        "x": np.arange(len(unit.h)),
        "mode": "lines+markers",
        "line": {"color": ACTIVATION_COLOURS[unit.activation], "width": 2.5},
        "marker": {"size": 5},
    }
    state = {**look, "y": unit.h, "hovertemplate": "h = %{y:.5g} at step %{x}<extra></extra>"}
    memory = {
        **look,
        "y": np.where(known, unit.log10_memory, np.nan),
        "yaxis": "y2",
        "customdata": [[power_of_ten(float(value))] for value in unit.log10_memory],
        "hovertemplate": "%{customdata[0]} at step %{x}<extra></extra>",
    }
    levels = [reference_line(point.h, LEVELS[point.kind]) for point in unit.fixed_points]
    thin = {"mode": "lines", "line": {"color": REFERENCE, "width": 1}, "opacity": 0.7, "hoverinfo": "skip"}
    others = [{**thin, "x": look["x"], "y": np.where(np.isfinite(orbit), orbit, np.nan)} for orbit in unit.others.T]
    return figure(
        [*others, state, memory],
        height,
        xaxis={"title": {"text": "step t after the input"}, "showgrid": False, "anchor": "y2"},
        yaxis={
            "title": {"text": "h<sub>t</sub>", "standoff": 10},
            "range": [low, high],
            "domain": [0.54, 1.0],
            "showgrid": False,
            "nticks": 5,
        },
        yaxis2={
            "title": {"text": "|∂h<sub>t</sub>/∂h<sub>0</sub>|", "standoff": 10},
            "domain": [0.0, 0.46],
            **log_ticks(bottom - room, top + room, 5),
        },
        shapes=[*levels, reference_line(0.0, "solid", "y2")],
        showlegend=False,
    )
