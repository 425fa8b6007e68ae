"""Everything that the spectral radius moves, in one figure with one slider, so that dragging it asks no server."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gradflow.activations import Array
from gradflow.figures.theme import EXPLODING, REFERENCE, VANISHING, decades, log_ticks, styled, subscripted, translucent
from gradflow.findings import number, significant
from gradflow.radii import RadiusStudy

# one cell, three starts: shades of the RNN's colour, told apart by dash and by marker as well
INKS = {
    "gaussian": ("#D55E00", "solid", "circle"),
    "orthogonal": ("#B5651D", "dash", "square-open"),
    "identity": ("#F0803C", "dot", "diamond"),
    "pytorch": ("#D55E00", "dashdot", "x"),
}
TITLES = {"gaussian": "Gaussian", "orthogonal": "Orthogonal", "identity": "Identity", "pytorch": "PyTorch's"}
FAINT = (0.5, 0.75, 1.25, 1.5, 2.0, 3.0)  # radii whose curves stand behind the present one's
REACH = 40.0  # decades either way: a curve beyond them has left its picture
MAP_REACH = 10.0  # decades from unchanged to the deepest colour
COLUMNS = 100  # of a map at most
MAP_COLOURS = [[0.0, VANISHING], [0.5, "rgba(128, 128, 128, 0)"], [1.0, EXPLODING]]
# the panels' places as (left, right), (bottom, top)
PANELS = {
    "plane": ((0.0, 0.2), (0.62, 0.97)),
    "powers": ((0.29, 0.55), (0.62, 0.97)),
    "factor": ((0.65, 1.0), (0.62, 0.97)),
    "curves": ((0.0, 0.40), (0.0, 0.38)),
    "maps": ((0.48, 1.0), (0.0, 0.38)),
}
GAP = 0.02  # between two maps


def radius_board(studies: Mapping[str, RadiusStudy], radius: float, height: int = 560) -> go.Figure:
    """Eigenvalues, powers of W_hh, per-step factors with theory, gradient curves and ρ × time maps, moved by one slider.

    The reader should conclude that crossing ρ = 1 takes the eigenvalues out of the unit circle but not yet the gradient
    past "unchanged", that three starts with the same ρ differ, and that powers of a Gaussian W_hh grow before they fade.
    """
    figure = go.Figure()
    lay_out(figure, studies)
    figure.add_traces(standing(studies))
    radii = next(iter(studies.values())).radii
    moving = [at_radius(studies, r) for r in range(len(radii))]
    at = radii.index(radius)
    behind = len(figure.data)
    figure.add_traces([go.Scatter(**styles, **data) for styles, data in zip(looks(studies), moving[at], strict=True)])
    figure.frames = [
        {"name": f"{r:g}", "data": data, "traces": list(range(behind, behind + len(data)))}
        for r, data in zip(radii, moving, strict=True)
    ]
    styled(figure, height)
    figure.update_layout(
        margin={"l": 64, "r": 72, "t": 44, "b": 128},
        font_size=14,
        hovermode="closest",
        legend={"y": 1.02, "font_size": 14, "entrywidth": 0},
        sliders=[slider(radii, at)],
    )
    figure.update_xaxes(tickfont_size=13, title_font_size=14, title_standoff=2, showgrid=False, zeroline=False)
    figure.update_yaxes(tickfont_size=13, title_font_size=14, title_standoff=4, zeroline=False)
    return figure


def axes_of(studies: Mapping[str, RadiusStudy]) -> dict[str, str]:
    """Panel, or start for its map, → the number at the end of its axes' names."""
    names = [*list(PANELS)[:-1], *studies]
    return {name: str(k) if k > 1 else "" for k, name in enumerate(names, start=1)}


def on(axes: Mapping[str, str], panel: str) -> dict[str, str]:
    return {"xaxis": f"x{axes[panel]}", "yaxis": f"y{axes[panel]}"}


def slider(radii: Sequence[float], at: int) -> dict[str, Any]:
    """Plotly's own slider: it goes to a frame without redrawing the maps, and without a word to the server."""
    now = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
    steps = [{"method": "animate", "label": f"{r:.2f}", "args": [[f"{r:g}"], now]} for r in radii]
    return {
        "active": at,
        "steps": steps,
        "pad": {"t": 54, "l": 0},
        "currentvalue": {"prefix": "Drag: spectral radius ρ(W<sub>hh</sub>) = ", "font": {"size": 18}},
        "ticklen": 4,
        "font": {"size": 12},
    }


def lay_out(figure: go.Figure, studies: Mapping[str, RadiusStudy]) -> None:
    """Axes, headings and reference lines."""
    axes = axes_of(studies)
    some = next(iter(studies.values()))
    steps = some.log10_share.shape[1] - 1
    (left, right), rows = PANELS["maps"]
    width = (right - left - GAP * (len(studies) - 1)) / len(studies)
    places = {name: PANELS[name] for name in axes if name in PANELS}
    for k, init in enumerate(studies):
        places[init] = ((left + k * (width + GAP), left + k * (width + GAP) + width), rows)
    time = {"range": [-0.5, steps + 0.5], "title": "← gradient   step t   loss →"}
    tops = [s.per_step_factor[np.isfinite(s.per_step_factor)].max(initial=1.4) for s in studies.values()]
    x = {
        "plane": {"range": [-3.3, 3.3], "title": "Re λ", "tickvals": [-2, 0, 2]},
        "powers": {"range": [0, len(some.log10_powers) - 1], "title": "power k, steps back"},
        "factor": {"range": [0, some.radii[-1]], "title": "spectral radius ρ"},
        "curves": time,
    }
    y = {
        "plane": {"range": [-3.3, 3.3], "title": "Im λ", "tickvals": [-2, 0, 2], "scaleanchor": "x"},
        "powers": log_ticks(-2.0, 2.2, 5),
        "factor": {"range": [0, 1.08 * max(tops)], "title": "factor per step"},
        "curves": {"title": subscripted("‖∂L/∂h_t‖"), **log_ticks(*curve_range(studies), 6)},
    }
    for name, (across, up) in places.items():
        map_y = {"range": [0, some.radii[-1]], "showticklabels": name == next(iter(studies))}
        if map_y["showticklabels"]:
            map_y["title"] = "ρ"
        own_x = x.get(name, {"range": time["range"], "title": "step t", "nticks": 3})
        n = axes[name]
        figure.layout[f"xaxis{n}"] = {**own_x, "domain": across, "anchor": f"y{n}"}
        figure.layout[f"yaxis{n}"] = {**y.get(name, map_y), "domain": up, "anchor": f"x{n}"}
        heading = {"plane": "Eigenvalues of W<sub>hh</sub>", "powers": "‖W<sub>hh</sub><sup>k</sup>‖, no activation", "factor": "Kept per step back", "curves": "Gradient that reaches step t"}.get(name, TITLES.get(name))
        figure.add_annotation(text=f"<b>{heading}</b>", x=across[0], y=up[1], xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False, font={"size": 14})
    line = {"color": REFERENCE, "width": 1.5}
    for panel, level in (("powers", 0.0), ("factor", 1.0), ("curves", 0.0)):
        ref = f"x{axes[panel]} domain"
        figure.add_shape(type="line", x0=0, x1=1, y0=level, y1=level, xref=ref, yref=f"y{axes[panel]}", line=line)
    figure.add_shape(type="circle", x0=-1, x1=1, y0=-1, y1=1, xref="x", yref="y", line=line)
    figure.update_layout(
        coloraxis={
            "colorscale": MAP_COLOURS,
            "cmin": -MAP_REACH,
            "cmax": MAP_REACH,
            "colorbar": {
                "x": 1.01,
                "y": rows[0],
                "yanchor": "bottom",
                "len": rows[1] - rows[0],
                "thickness": 10,
                "tickvals": [-MAP_REACH, 0, MAP_REACH],
                "ticktext": ["≤10<sup>−10</sup>", "1", "≥10<sup>10</sup>"],
                "tickfont": {"size": 12},
            },
        }
    )


def curve_range(studies: Mapping[str, RadiusStudy]) -> tuple[float, float]:
    """Decades that hold the curves, as far as REACH."""
    shares = np.concatenate([s.log10_share[np.isfinite(s.log10_share)] for s in studies.values()])
    low, high = decades(max(-REACH, float(shares.min())), min(REACH, float(shares.max())))
    return low, high + 0.04 * (high - low)


def standing(studies: Mapping[str, RadiusStudy]) -> list[Any]:
    """What stays where it is while the radius moves: theory, measured factors, other radii's curves, maps."""
    axes = axes_of(studies)
    plain = {"mode": "lines", "hoverinfo": "skip", "showlegend": False}
    traces: list[Any] = []
    for init, s in studies.items():
        colour, dash, _ = INKS[init]
        traces.append(
            go.Scatter(
                x=s.radii, y=visible(s.per_step_factor), mode="lines", name=TITLES[init], line={"color": colour, "dash": dash, "width": 2.5},
                hovertemplate="ρ %{x:.2f}: %{y:.3f} per step", **on(axes, "factor"),
            )
        )
    some = next(iter(studies.values()))
    theory = {
        "|λ| = ρ: linear": (np.array(some.radii), "longdash"),
        "√χ: mean field": (some.mean_field, "dashdot"),
        "γσ<sub>max</sub>: bound": (some.bound, "dot"),
    }
    for name, (values, dash) in theory.items():
        if np.isfinite(values).any():
            traces.append(
                go.Scatter(x=some.radii, y=visible(values), mode="lines", name=name, line={"color": REFERENCE, "dash": dash, "width": 2}, hovertemplate="ρ %{x:.2f}: %{y:.3f}", **on(axes, "factor"))
            )
    steps = np.arange(some.log10_share.shape[1])
    for r, radius in enumerate(some.radii):
        if radius in FAINT:
            traces.append(go.Scatter(x=steps, y=visible(some.log10_share[r]), line={"color": translucent(REFERENCE, 0.45), "width": 1.2}, **plain, **on(axes, "curves")))
    every = -(-len(steps) // COLUMNS)
    for init, s in studies.items():
        z = visible(s.log10_share)[:, ::-every][:, ::-1]
        shared = {"x": steps[::-every][::-1], "y": s.radii, "z": z, **on(axes, init)}
        traces.append(go.Heatmap(coloraxis="coloraxis", hovertemplate="ρ %{y:.2f}, step %{x}: 10^%{z:.1f}<extra></extra>", **shared))
        traces.append(
            go.Contour(contours={"coloring": "none", "start": 0.0, "end": 0.0, "size": 1.0}, line={"color": REFERENCE, "width": 2}, hoverinfo="skip", showlegend=False, **shared)
        )
    return traces


def looks(studies: Mapping[str, RadiusStudy]) -> list[dict[str, Any]]:
    """How the moving traces look, in the order of `at_radius`."""
    axes = axes_of(studies)
    quiet = {"showlegend": False, "hoverinfo": "skip"}
    thick = {init: {"color": c, "dash": d, "width": 3.5} for init, (c, d, _) in INKS.items()}
    dots = {init: {"color": c, "symbol": s, "size": 6} for init, (c, _, s) in INKS.items()}
    here = {"color": REFERENCE, "width": 2}
    words = {"mode": "text", "textposition": "bottom left", "textfont": {"size": 14}, **quiet}
    return [
        *({"mode": "markers", "marker": dots[init], **quiet, **on(axes, "plane")} for init in studies),
        *({"mode": "lines", "line": thick[init], **quiet, **on(axes, "powers")} for init in studies),
        {**words, **on(axes, "powers")},
        {"mode": "lines", "line": here, **quiet, **on(axes, "factor")},
        *({"mode": "markers+text", "marker": {**dots[init], "size": 10}, "textposition": "middle left", **quiet, **on(axes, "factor")} for init in studies),
        *({"mode": "lines", "line": thick[init], **quiet, **on(axes, "curves")} for init in studies),
        *({"mode": "lines", "line": here, **quiet, **on(axes, init)} for init in studies),
    ]


def at_radius(studies: Mapping[str, RadiusStudy], r: int) -> list[dict[str, Any]]:
    """What moves, at the r-th radius."""
    all_of = list(studies.values())
    some = all_of[0]
    radius, steps = some.radii[r], np.array([0, some.log10_share.shape[1] - 1])
    k = np.arange(len(some.log10_powers))
    time = np.arange(steps[1] + 1, dtype=np.float32)
    powers = [s.log10_powers_at(radius) for s in all_of]
    peak = int(np.argmax(powers[0]))
    words = f"peak {significant(10.0 ** powers[0][peak])} at k = {peak}" if peak < k[-1] else "grows"
    return [
        *({"x": thin(radius * s.eigenvalues.real), "y": thin(radius * s.eigenvalues.imag)} for s in all_of),
        *({"x": k, "y": visible(p)} for p in powers),
        {"x": [k[-1]], "y": [2.1], "text": [words]},
        {"x": [radius, radius], "y": [0.0, 9.0]},
        *({"x": [radius], "y": visible(s.per_step_factor[[r]]), "text": [number(s.per_step_factor[r])]} for s in all_of),
        *({"x": time, "y": visible(s.log10_share[r])} for s in all_of),
        *({"x": steps, "y": [radius, radius]} for _ in all_of),
    ]


def thin(values: Array) -> Any:
    """As a figure needs it: three digits are a pixel."""
    return values.astype(np.float32)


def visible(values: Array) -> Any:
    """Without what an axis has no place for: exact zeros and numbers that do not exist."""
    return thin(np.where(np.isfinite(values), values, np.nan))
