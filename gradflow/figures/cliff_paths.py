"""The cliff and the descents on it, walked step by step."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gradflow.cliff import Descent, Surface
from gradflow.clipping import CLIPPED
from gradflow.figures.theme import CLIPPING_COLOURS, MAGNITUDE, REFERENCE, log_ticks, styled
from gradflow.findings import number

EDGE = "#FFFFFF"  # around the points, so that they are seen on every colour of the surface
WIDTHS = {"none": 10.0, "norm": 6.0, "value": 2.5}  # where the paths are one, all three are seen
LEAST = -4.0  # log10 of the error below which the surface has one colour
FRAME = {"duration": 150, "redraw": True}  # milliseconds a step; without a redraw, Plotly takes the map away
AT_ONCE = {"mode": "immediate", "transition": {"duration": 0}}


def cliff_paths(surface: Surface, by_kind: Mapping[str, Descent], height: int = 490) -> go.Figure:
    """The error over (w, b) as a map, a path for each kind of clipping, and a player that walks them step by step.

    The reader should conclude that the unclipped descent is thrown away by one step at the cliff's edge, and that the
    clipped ones stay near it. A path that leaves the window ends in words that say where it went.
    """
    steps = len(by_kind["none"].w) - 1
    figure = go.Figure([error_map(surface), *walked(by_kind, steps)])
    moving = list(range(1, len(figure.data)))
    figure.frames = [
        go.Frame(name=str(k), data=[{"x": t.x, "y": t.y} for t in walked(by_kind, k)], traces=moving)
        for k in range(steps + 1)
    ]
    for kind, descent in by_kind.items():
        if descent.exit is not None:
            figure.add_annotation(**gone(kind, descent, line=len(figure.layout.annotations)))
    view = by_kind["none"].view
    figure.update_xaxes(title="weight w", range=view["w"], zeroline=False, showgrid=False)
    figure.update_yaxes(title="bias b", range=view["b"], zeroline=False, showgrid=False)
    styled(figure, height)
    figure.update_layout(
        hovermode="closest",
        legend_font_size=15,
        margin={"l": 64, "r": 8, "t": 32, "b": 136},
        updatemenus=[buttons()],
        sliders=[slider(steps)],
    )
    return figure


def error_map(surface: Surface) -> go.Heatmap:
    shown = np.maximum(surface.log10_error, LEAST).astype(np.float32)
    high = float(shown.max())
    ticks = log_ticks(LEAST, high, 5)
    return go.Heatmap(
        x=surface.w.astype(np.float32),
        y=surface.b.astype(np.float32),
        z=shown,
        colorscale=MAGNITUDE,
        reversescale=True,
        zmin=LEAST,
        zmax=high,
        hovertemplate="w %{x:.2f}, b %{y:.2f}: E = 10^%{z:.1f}<extra></extra>",
        colorbar={
            "title": {"text": "error E", "side": "right"},
            "tickvals": ticks["tickvals"],
            "ticktext": ["≤ " + ticks["ticktext"][0], *ticks["ticktext"][1:]],
            "thickness": 14,
        },
    )


def walked(by_kind: Mapping[str, Descent], step: int) -> list[go.Scatter]:
    """The paths up to a step: for each kind a line, and the point where it stands."""
    return [trace for kind, descent in by_kind.items() for trace in walk(kind, descent, step)]


def walk(kind: str, descent: Descent, step: int) -> tuple[go.Scatter, go.Scatter]:
    w, b = descent.w.astype(np.float32)[: step + 1], descent.b.astype(np.float32)[: step + 1]
    colour = CLIPPING_COLOURS[kind]
    line = go.Scatter(
        x=w,
        y=b,
        mode="lines",
        name=CLIPPED[kind],
        legendgroup=kind,
        line={"color": colour, "width": WIDTHS[kind]},
        hovertemplate="w %{x:.3f}, b %{y:.3f}",
    )
    marker = {"color": colour, "size": 14, "line": {"color": EDGE, "width": 2}}
    point = go.Scatter(
        x=w[-1:], y=b[-1:], mode="markers", marker=marker, hoverinfo="skip", showlegend=False, legendgroup=kind
    )
    return line, point


def gone(kind: str, descent: Descent, line: int) -> dict[str, Any]:
    """The words where a path leaves the view for good: at which step, and where it lands."""
    assert descent.exit is not None
    assert descent.leaves is not None
    (w, b), landed, view = descent.exit, descent.leaves, descent.view
    return {
        "x": w,
        "y": b,
        "text": f"step {landed} → ({number(descent.w[landed])}, {number(descent.b[landed])})",
        "showarrow": False,
        "xanchor": "left" if w < sum(view["w"]) / 2 else "right",
        "yanchor": "bottom" if b < sum(view["b"]) / 2 else "top",
        "yshift": 30 * line * (1 if b < sum(view["b"]) / 2 else -1),
        "xshift": 8 if w < sum(view["w"]) / 2 else -8,
        "bgcolor": "#FFFFFF",
        "borderpad": 3,
        "font": {"color": "#1B1A22", "size": 15},
        "bordercolor": CLIPPING_COLOURS[kind],
        "borderwidth": 2,
    }


def buttons() -> dict[str, Any]:
    """Play and pause; they work in the browser, without the server."""
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
            {"label": "▶", "method": "animate", "args": [None, {**AT_ONCE, "frame": FRAME, "fromcurrent": True}]},
            {
                "label": "❚❚",
                "method": "animate",
                "args": [[None], {**AT_ONCE, "frame": {**FRAME, "duration": 0}}],
            },
        ],
    }


def slider(steps: int) -> dict[str, Any]:
    """A slider over the steps, at the last one."""
    still = {**AT_ONCE, "frame": {**FRAME, "duration": 0}}
    return {
        "active": steps,
        "x": 0.0,
        "len": 1.0,
        "y": 0.0,
        "pad": {"t": 66},
        "currentvalue": {"prefix": "step ", "xanchor": "right", "font": {"size": 15, "color": REFERENCE}},
        "ticklen": 0,
        "minorticklen": 0,
        "font": {"size": 1, "color": "rgba(0,0,0,0)"},
        "steps": [{"label": str(k), "method": "animate", "args": [[str(k)], still]} for k in range(steps + 1)],
    }
