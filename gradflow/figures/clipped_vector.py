"""One gradient, clipped by norm and by value."""

import numpy as np
import plotly.graph_objects as go

from gradflow.cliff import Steepest
from gradflow.clipping import CLIPPED
from gradflow.figures.theme import CLIPPING_COLOURS, CLIPPING_DASHES, REFERENCE, figure
from gradflow.findings import number

REACH = 1.75  # thresholds from the middle to an edge


def clipped_vector(s: Steepest, height: int = 330) -> go.Figure:
    """The gradient in the (∂E/∂w, ∂E/∂b) plane, inside or beyond the circle and the square that clipping allows.

    The reader should conclude that clipping by norm shortens the arrow along itself, and that clipping by value moves its
    tip into the square, which turns it. A gradient longer than the picture runs out of it.
    """
    c, reach = s.threshold, REACH * s.threshold
    bound = {"line": {"color": REFERENCE, "width": 1.5, "dash": "dot"}, "x0": -c, "x1": c, "y0": -c, "y1": c}
    axis = {"range": [-reach, reach], "zeroline": True, "zerolinecolor": REFERENCE, "showgrid": False, "nticks": 5}
    return figure(
        [arrow("none", *s.gradient), arrow("value", *s.by_value), arrow("norm", *s.by_norm)],
        height,
        xaxis={**axis, "title": {"text": "∂E/∂w"}, "constrain": "domain"},
        yaxis={**axis, "title": {"text": "∂E/∂b"}, "scaleanchor": "x"},
        shapes=[{"type": "circle", **bound}, {"type": "rect", **bound}],
        hovermode="closest",
        margin={"l": 64, "r": 8, "t": 86, "b": 58},
        font={"size": 15},
    )


def arrow(kind: str, x: float, y: float) -> dict:
    """A gradient from the origin, its length beside its name."""
    colour = CLIPPING_COLOURS[kind]
    return {
        "x": [0.0, x],
        "y": [0.0, y],
        "name": f"{CLIPPED[kind]}: {number(float(np.hypot(x, y)))}",
        "mode": "lines+markers",
        "line": {"color": colour, "width": 3, "dash": CLIPPING_DASHES[kind]},
        "marker": {"symbol": "arrow", "angleref": "previous", "size": [0, 16], "color": colour},
        "hovertemplate": "(%{x:.3g}, %{y:.3g})",
    }
