"""Activation functions at work: φ and φ′ over the network's own pre-activations, and the gradient curves that follow."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gradflow.activations import ACTIVATIONS
from gradflow.figures.flow_curves import Look, total_curves
from gradflow.figures.theme import ACTIVATION_COLOURS, ACTIVATION_DASHES, REFERENCE, columns, figure
from gradflow.findings import number
from gradflow.operating_points import SATURATED, VISIBLE, OperatingPoint

BOTTOM, TOP = -1.15, 1.5  # of φ's axis: all of tanh, and as much of ReLU as its slope needs
POINTS = 401
PHI: dict[str, Any] = {"width": 3.5}
SLOPE: dict[str, Any] = {"width": 2.5, "dash": "dash"}
MEAN: dict[str, Any] = {"width": 2.5, "dash": "dot"}
BARS = 0.36  # the histograms' share of the height


def activation_panels(points: Mapping[str, OperatingPoint], height: int = 370) -> go.Figure:
    """φ and φ′ above the histogram of the pre-activations that the network has, one panel per activation on the same axes.

    The reader should conclude which part of φ′ the network uses: its mean there, not its maximum, is what a step back
    multiplies by. Pale bars lie where φ′ is under a tenth of its maximum.
    """
    places = columns(len(points), gap=0.025)
    panels = [
        (point, f"x{k}", f"y{k}", f"y{len(points) + n}")
        for n, ((k, _, _), point) in enumerate(zip(places, points.values(), strict=True), start=1)
    ]
    tallest = max((100.0 * float(point.share.max(initial=0.01)) for point in points.values()), default=1.0)
    functions = {"domain": [BARS + 0.05, 1.0], "range": [BOTTOM, TOP], "tickvals": [-1, 0, 1], "showgrid": False}
    bars = {"domain": [0.0, BARS], "range": [0.0, 1.1 * tallest], "ticksuffix": " %", "nticks": 4, "showgrid": False}
    reach = max((point.edges[-1] for point in points.values()), default=1.0)
    inner = [-reach / 2.0, 0.0, reach / 2.0]  # no label at an edge, where the next panel's would touch it
    axes: dict[str, dict] = {}
    for n, (k, left, right) in enumerate(places, start=1):
        below = f"{len(points) + n}"
        axes[f"xaxis{k}"] = {
            "domain": [left, right],
            "anchor": f"y{below}",
            "title": {"text": "pre-activation a<sub>t</sub>" if n == (len(points) + 1) // 2 else ""},
            "showgrid": False,
            "tickvals": inner,
        }
        first = {"showticklabels": not k}
        axes[f"yaxis{k}"] = {**functions, **first, "anchor": f"x{k}", "title": {"text": "" if k else "φ, φ′"}}
        axes[f"yaxis{below}"] = {**bars, **first, "anchor": f"x{k}", "title": {"text": "" if k else "share"}}
    return figure(
        legend()
        + [t for point, x, y, _ in panels for t in functions_at_work(point, x, y)]
        + [histogram(point, x, y) for point, x, _, y in panels],
        height,
        **axes,
        shapes=[mean_line(point, x, y) for point, x, y, _ in panels if point.share.size],
        annotations=[a for point, x, y, below in panels for a in notes(point, x, y, below)],
        hovermode="closest",
        bargap=0.0,
    )


def legend() -> list[dict]:
    """What the kinds of line say; their colours say which activation."""
    kinds = {"φ": PHI, "φ′": SLOPE, "mean φ′ at work": MEAN}
    return [
        {"x": [None], "y": [None], "mode": "lines", "name": name, "line": {"color": REFERENCE, **kind}}
        for name, kind in kinds.items()
    ]


def functions_at_work(point: OperatingPoint, x: str, y: str) -> list[dict]:
    """φ and φ′."""
    phi = ACTIVATIONS[point.activation]
    a = np.linspace(point.edges[0], point.edges[-1], POINTS)
    value = phi.value(a)
    return [
        {
            "x": a,
            "y": curve,
            "xaxis": x,
            "yaxis": y,
            "mode": "lines",
            "line": {"color": ACTIVATION_COLOURS[point.activation], **kind},
            "showlegend": False,
            "hovertemplate": f"{name}(%{{x:.2f}}) = %{{y:.3f}}<extra>{phi.title}</extra>",
        }
        for name, curve, kind in (("φ", value, PHI), ("φ′", phi.slope(a, value), SLOPE))
    ]


def histogram(point: OperatingPoint, x: str, y: str) -> dict:
    """The pre-activations, pale where the unit is saturated."""
    phi = ACTIVATIONS[point.activation]
    middle = ((point.edges[:-1] + point.edges[1:]) / 2.0)[: point.share.size]
    saturated = phi.slope(middle, phi.value(middle)) < SATURATED * phi.max_slope
    return {
        "type": "bar",
        "x": middle,
        "y": 100.0 * point.share,
        "xaxis": x,
        "yaxis": y,
        "marker": {
            "color": ACTIVATION_COLOURS[point.activation],
            "line": {"width": 0},
            "opacity": np.where(saturated, 0.4, 1.0),
        },
        "showlegend": False,
        "hovertemplate": f"%{{y:.2f}} % around a = %{{x:.2f}}<extra>{phi.title}</extra>",
    }


def mean_line(point: OperatingPoint, x: str, y: str) -> dict:
    """The mean of φ′ at work, across the panel."""
    level = {"y0": point.mean_slope, "y1": point.mean_slope}
    line = {"color": ACTIVATION_COLOURS[point.activation], **MEAN}
    return {"type": "line", "xref": f"{x} domain", "yref": y, "x0": 0, "x1": 1, **level, "line": line}


def notes(point: OperatingPoint, x: str, y: str, below: str) -> list[dict]:
    """The panel's name, the mean slope at its line, and what lies beyond either end of the axis."""
    name = {
        "text": f"<b>{ACTIVATIONS[point.activation].title}</b>",
        "yref": f"{y} domain",
        "y": 0.0,
        "yanchor": "bottom",
    }
    mean = (
        {"text": number(point.mean_slope), "yref": y, "y": point.mean_slope, "yanchor": "bottom"}
        if point.share.size
        else {}
    )
    beyond = {"yref": f"{below} domain", "y": 1.0, "yanchor": "top"}
    placed = [
        ({**name, "font": {"size": 18}}, 1.0, "right", True),
        ({**mean, "font": {"size": 17}}, 0.0, "left", bool(mean)),
        ({**beyond, "text": f"← {number(100.0 * point.below)} %"}, 0.0, "left", point.below >= VISIBLE),
        ({**beyond, "text": f"{number(100.0 * point.above)} % →"}, 1.0, "right", point.above >= VISIBLE),
    ]
    common = {"xref": f"{x} domain", "showarrow": False}
    return [{**common, **note, "x": at, "xanchor": side} for note, at, side, there in placed if there]


def activation_curves(points: Mapping[str, OperatingPoint], height: int = 320) -> go.Figure:
    """‖∂L/∂h_t‖ over time, one curve per activation of the same RNN.

    The reader should conclude that the activations with the larger slopes at work carry the gradient further.
    """
    looks = {name: Look(ACTIVATIONS[name].title, ACTIVATION_COLOURS[name], ACTIVATION_DASHES[name]) for name in points}
    return total_curves({looks[name]: point.gradient for name, point in points.items()}, height)
