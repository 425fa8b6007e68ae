"""One gradient, clipped by norm and by value."""

import numpy as np
import plotly.graph_objects as go

from gradflow.cliff import Steepest
from gradflow.clipping import CLIPPED
from gradflow.figures.theme import CLIPPING_COLOURS, CLIPPING_DASHES, REFERENCE, styled
from gradflow.findings import number

REACH = 1.75  # thresholds from the middle to an edge


def clipped_vector(s: Steepest, height: int = 330) -> go.Figure:
    """The gradient in the (∂E/∂w, ∂E/∂b) plane, inside or beyond the circle and the square that clipping allows.

    The reader should conclude that clipping by norm shortens the arrow along itself, and that clipping by value moves its
    tip into the square, which turns it. A gradient longer than the picture runs out of it.
    """
    figure = go.Figure()
    c, reach = s.threshold, REACH * s.threshold
    bound = {"line": {"color": REFERENCE, "width": 1.5, "dash": "dot"}, "x0": -c, "x1": c, "y0": -c, "y1": c}
    figure.add_shape(type="circle", **bound)
    figure.add_shape(type="rect", **bound)
    lengths = {"none": s.gradient, "value": s.by_value, "norm": s.by_norm}
    for kind, (x, y) in lengths.items():
        colour = CLIPPING_COLOURS[kind]
        figure.add_scatter(
            x=[0.0, x],
            y=[0.0, y],
            name=f"{CLIPPED[kind]}: {number(float(np.hypot(x, y)))}",
            mode="lines+markers",
            line={"color": colour, "width": 3, "dash": CLIPPING_DASHES[kind]},
            marker={"symbol": "arrow", "angleref": "previous", "size": [0, 16], "color": colour},
            hovertemplate="(%{x:.3g}, %{y:.3g})",
        )
    axis = {"range": [-reach, reach], "zeroline": True, "zerolinecolor": REFERENCE, "showgrid": False, "nticks": 5}
    figure.update_xaxes(title="∂E/∂w", constrain="domain", **axis)
    figure.update_yaxes(title="∂E/∂b", scaleanchor="x", **axis)
    styled(figure, height)
    return figure.update_layout(hovermode="closest", legend_font_size=15, margin={"l": 64, "r": 8, "t": 84, "b": 44})
