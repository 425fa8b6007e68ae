"""The cliff and the descents on it, walked step by step."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import sample_colorscale, unlabel_rgb

from gradflow.activations import Array
from gradflow.cliff import Descent, Surface
from gradflow.clipping import CLIPPED
from gradflow.figures.frames import AT_ONCE, animated
from gradflow.figures.pictures import png
from gradflow.figures.theme import CLIPPING_COLOURS, MAGNITUDE, REFERENCE, colour_bar, log_ticks
from gradflow.findings import number

LOW, HIGH = -4.0, 0.0  # log10 of the error from the brightest colour to the darkest
WIDTHS = {"none": 10.0, "norm": 6.0, "value": 2.5}  # where two paths are one, both are seen
LABEL = "#1B1A22"  # on its white label, in light and in dark
STEP = {"duration": 150, "redraw": False}  # milliseconds
Part = dict[str, Any]


def cliff_paths(surface: Surface, by_kind: Mapping[str, Descent], height: int = 520) -> go.Figure:
    """The error over (w, b) as a map, a path for each kind of clipping, and a player that walks them step by step.

    The reader should conclude that the unclipped descent is thrown away by one step at the cliff's edge, and that the
    clipped ones stay near it. A path that leaves the picture for good ends in words that say where it went.
    """
    view, steps = by_kind["none"].view, len(by_kind["none"].w)
    unlabelled = {"ticklen": 0, "minorticklen": 0, "font": {"size": 1, "color": "rgba(0,0,0,0)"}}
    value = {"prefix": "step ", "xanchor": "right", "font": {"size": 15, "color": REFERENCE}}
    return animated(
        [scale()],
        [*(trace for kind, descent in by_kind.items() for trace in walk(kind, descent)), *together(by_kind)],
        [str(step) for step in range(steps)],
        steps - 1,
        height,
        {"currentvalue": value, "pad": {"t": 66}, **unlabelled},
        xaxis={"title": {"text": "weight w"}, "range": view["w"], "showgrid": False},
        yaxis={"title": {"text": "bias b"}, "range": view["b"], "showgrid": False},
        images=[error_map(surface)],
        annotations=landings(by_kind),
        updatemenus=[buttons()],
        margin={"l": 64, "r": 110, "t": 46, "b": 136},
        hovermode="closest",
        font={"size": 15},
    )


def error_map(surface: Surface) -> Part:
    """The surface as a picture: where a line moves, Plotly would wipe a heatmap away."""
    (left, right), (bottom, top) = surface.w[[0, -1]], surface.b[[0, -1]]
    return {
        "source": png(levels(surface.log10_error[::-1]), palette()),
        "xref": "x",
        "yref": "y",
        "x": left,
        "y": top,
        "sizex": right - left,
        "sizey": top - bottom,
        "sizing": "stretch",
        "layer": "below",
    }


def levels(log10_error: Array) -> NDArray[np.uint8]:
    """log10 values as rows of the palette."""
    return np.round(255 * np.clip((HIGH - log10_error) / (HIGH - LOW), 0.0, 1.0)).astype(np.uint8)  # the goal is bright


def palette() -> NDArray[np.uint8]:
    """MAGNITUDE in 256 levels, opaque."""
    ramp = np.array([unlabel_rgb(c) for c in sample_colorscale(MAGNITUDE, 256)])
    return np.column_stack([ramp, np.full(256, 255)]).round().astype(np.uint8)


def scale() -> Part:
    """The picture's colours, beside it; an empty trace carries them."""
    bar = colour_bar("error E", log_ticks(LOW, HIGH, 5))
    bar["ticktext"][0] = f"≤ {bar['ticktext'][0]}"
    look = {"colorscale": MAGNITUDE, "reversescale": True, "showscale": True, "colorbar": bar}
    colours = {"color": [LOW], "cmin": LOW, "cmax": HIGH, **look}
    return {"x": [None], "y": [None], "mode": "markers", "marker": colours, "showlegend": False, "hoverinfo": "skip"}


def walk(kind: str, descent: Descent) -> tuple[Part, Part]:
    """A path up to each of its steps: a line, and the point where it stands."""
    colour, ends = CLIPPING_COLOURS[kind], range(1, len(descent.w) + 1)
    line = {
        "mode": "lines",
        "name": CLIPPED[kind],
        "legendgroup": kind,
        "line": {"color": colour, "width": WIDTHS[kind]},
        "hovertemplate": "w %{x:.3f}, b %{y:.3f}",
        "moves": {"x": [descent.w[:end] for end in ends], "y": [descent.b[:end] for end in ends]},
    }
    return line, point(colour, kind, descent.w, descent.b)


def point(colour: str, group: str, w: Array, b: Array) -> Part:
    """Where a path stands at each step."""
    return {
        "mode": "markers",
        "legendgroup": group,
        "marker": {"color": colour, "size": 14, "line": {"color": "#FFFFFF", "width": 2}},
        "showlegend": False,
        "hoverinfo": "skip",
        "moves": {"x": w[:, None], "y": b[:, None]},
    }


def together(by_kind: Mapping[str, Descent]) -> tuple[Part, Part]:
    """A path for as long as it is everyone's, over the three that would blend there into a colour of none of them."""
    first, *others = by_kind.values()
    alike = np.logical_and.reduce([(d.w == first.w) & (d.b == first.b) for d in others])
    shared = int(np.argmin(np.append(alike, False)))
    ends = [min(end, shared) for end in range(1, len(first.w) + 1)]
    line = {
        "mode": "lines",
        "name": "all three",
        "legendgroup": "all",
        "line": {"color": REFERENCE, "width": WIDTHS["none"]},
        "hoverinfo": "skip",
        "moves": {"x": [first.w[:end] for end in ends], "y": [first.b[:end] for end in ends]},
    }
    w, b = (np.where(np.arange(len(ends)) < shared, of_all, np.nan) for of_all in (first.w, first.b))
    return line, point(REFERENCE, "all", w, b)


def landings(by_kind: Mapping[str, Descent]) -> list[Part]:
    """The words where paths leave the view for good, below one another: at which step, and where it lands."""
    gone = [kind for kind, descent in by_kind.items() if descent.leaves is not None]
    return [landing(kind, by_kind[kind], line) for line, kind in enumerate(gone)]


def landing(kind: str, descent: Descent, line: int) -> Part:
    assert descent.exit is not None
    assert descent.leaves is not None
    (w, b), landed, view = descent.exit, descent.leaves, descent.view
    left, low = w < sum(view["w"]) / 2, b < sum(view["b"]) / 2
    return {
        "x": w,
        "y": b,
        "text": f'<b style="color:{LABEL}">step {landed} → ({number(descent.w[landed])}, {number(descent.b[landed])})</b>',
        "showarrow": False,
        "xanchor": "left" if left else "right",
        "yanchor": "bottom" if low else "top",
        "xshift": 8 if left else -8,
        "yshift": 30 * line * (1 if low else -1),
        "bgcolor": "#FFFFFF",
        "borderpad": 3,
        "font": {"size": 15},
        "bordercolor": CLIPPING_COLOURS[kind],
        "borderwidth": 2,
    }


def buttons() -> Part:
    """Play and pause; like the slider they work in the browser, without the server."""
    play = {**AT_ONCE, "frame": STEP, "fromcurrent": True}
    return {
        "type": "buttons",
        "direction": "left",
        "x": 0.0,
        "y": 0.0,
        "xanchor": "left",
        "yanchor": "top",
        "pad": {"t": 58},
        "showactive": False,
        "buttons": [
            {"label": "▶", "method": "animate", "args": [None, play]},
            {"label": "❚❚", "method": "animate", "args": [[None], AT_ONCE]},
        ],
    }
