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
from gradflow.figures.frames import Moving
from gradflow.figures.pictures import png
from gradflow.figures.theme import CLIPPING_COLOURS, MAGNITUDE, REFERENCE, colour_bar, common_look, log_ticks
from gradflow.findings import number

LOW, HIGH = -4.0, 0.0  # log10 of the error from the brightest colour to the darkest
WIDTHS = {"none": 10.0, "norm": 6.0, "value": 2.5}  # where the paths are one, all three are seen
LABEL = "#1B1A22"  # on its white label, in light and in dark
AT_ONCE = {"mode": "immediate", "transition": {"duration": 0}}
STEP = {"duration": 150, "redraw": False}  # milliseconds
Part = dict[str, Any]


def cliff_paths(surface: Surface, by_kind: Mapping[str, Descent], height: int = 490) -> go.Figure:
    """The error over (w, b) as a map, a path for each kind of clipping, and a player that walks them step by step.

    The reader should conclude that the unclipped descent is thrown away by one step at the cliff's edge, and that the
    clipped ones stay near it. A path that leaves the picture for good ends in words that say where it went.
    """
    view, steps = by_kind["none"].view, len(by_kind["none"].w) - 1
    still = [scale()]
    walks = [walked(by_kind, step) for step in range(steps + 1)]
    drawn = common_look(
        [*still, *walks[-1]],
        height,
        xaxis={"title": {"text": "weight w"}, "range": view["w"], "showgrid": False},
        yaxis={"title": {"text": "bias b"}, "range": view["b"], "showgrid": False},
        images=[error_map(surface)],
        annotations=landings(by_kind),
        updatemenus=[buttons()],
        margin={"l": 64, "r": 110, "t": 46, "b": 136},
        hovermode="closest",
        font={"size": 15},
    )
    moving = list(range(len(still), len(drawn["data"])))
    frames = [
        {"name": str(step), "traces": moving, "data": [{"x": t["x"], "y": t["y"]} for t in walk]}
        for step, walk in enumerate(walks)
    ]
    value = {"prefix": "step ", "xanchor": "right", "font": {"size": 15, "color": REFERENCE}}
    unlabelled = {"ticklen": 0, "minorticklen": 0, "font": {"size": 1, "color": "rgba(0,0,0,0)"}}
    return Moving(drawn, frames, steps, currentvalue=value, pad={"t": 66}, **unlabelled)


def error_map(surface: Surface) -> Part:
    """The surface as a picture: where a line moves, Plotly would wipe a heatmap away."""
    (left, right), (bottom, top) = surface.w[[0, -1]], surface.b[[0, -1]]
    return {
        "source": png(coloured(surface.log10_error[::-1])),
        "xref": "x",
        "yref": "y",
        "x": left,
        "y": top,
        "sizex": right - left,
        "sizey": top - bottom,
        "sizing": "stretch",
        "layer": "below",
    }


def coloured(log10_error: Array) -> NDArray[np.uint8]:
    """log10 values as colours, (…, 4)."""
    ramp = np.array([unlabel_rgb(c) for c in sample_colorscale(MAGNITUDE, 256)]).round().astype(np.uint8)
    share = np.clip((HIGH - log10_error) / (HIGH - LOW), 0.0, 1.0)  # the goal is bright
    colours = ramp[np.round(255 * share).astype(int)]
    return np.concatenate([colours, np.full((*colours.shape[:-1], 1), 255, np.uint8)], axis=-1)


def scale() -> Part:
    """The picture's colours, beside it; an empty trace carries them."""
    bar = colour_bar("error E", log_ticks(LOW, HIGH, 5))
    bar["ticktext"][0] = f"≤ {bar['ticktext'][0]}"
    look = {"colorscale": MAGNITUDE, "reversescale": True, "showscale": True, "colorbar": bar}
    colours = {"color": [LOW], "cmin": LOW, "cmax": HIGH, **look}
    return {"x": [None], "y": [None], "mode": "markers", "marker": colours, "showlegend": False, "hoverinfo": "skip"}


def walked(by_kind: Mapping[str, Descent], step: int) -> list[Part]:
    """The paths up to a step: for each kind a line, and the point where it stands."""
    return [trace for kind, descent in by_kind.items() for trace in walk(kind, descent, step)]


def walk(kind: str, descent: Descent, step: int) -> tuple[Part, Part]:
    w, b, colour = descent.w[: step + 1], descent.b[: step + 1], CLIPPING_COLOURS[kind]
    line = {
        "x": w,
        "y": b,
        "mode": "lines",
        "name": CLIPPED[kind],
        "legendgroup": kind,
        "line": {"color": colour, "width": WIDTHS[kind]},
        "hovertemplate": "w %{x:.3f}, b %{y:.3f}",
    }
    point = {
        "x": w[-1:],
        "y": b[-1:],
        "mode": "markers",
        "legendgroup": kind,
        "marker": {"color": colour, "size": 14, "line": {"color": "#FFFFFF", "width": 2}},
        "showlegend": False,
        "hoverinfo": "skip",
    }
    return line, point


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
    pause = {**AT_ONCE, "frame": {**STEP, "duration": 0}}
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
            {"label": "❚❚", "method": "animate", "args": [[None], pause]},
        ],
    }
