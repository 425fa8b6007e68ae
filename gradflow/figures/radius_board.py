"""Everything that the spectral radius moves, in one figure with one slider, so that dragging it asks no server."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gradflow.figures.frames import animated
from gradflow.figures.radius_traces import (
    PANELS,
    Studies,
    Trace,
    lefts,
    maps,
    moving,
    one_of,
    standing,
)
from gradflow.figures.theme import (
    REFERENCE,
    decades,
    log_ticks,
    subscripted,
)

REACH = 40.0  # decades either way: a curve beyond them has left its picture
POWER_REACH = 2.0
STOP = 0.1  # the slider's step in ρ: each stop is a frame, and frames are most of what a browser has to read
# where the panels are: left and right, bottom and top, as shares of the figure
Place = tuple[list[float], list[float]]
SIDE_BY_SIDE: dict[str, Place] = {
    "plane": ([0.0, 0.2], [0.61, 0.97]),
    "powers": ([0.3, 0.56], [0.61, 0.97]),
    "factor": ([0.67, 1.0], [0.61, 0.97]),
    "curves": ([0.0, 0.4], [0.0, 0.36]),
    "maps": ([0.5, 1.0], [0.0, 0.36]),
}
STACKED: dict[str, Place] = {
    "curves": ([0.0, 1.0], [0.85, 0.98]),
    "factor": ([0.0, 1.0], [0.63, 0.77]),
    "maps": ([0.0, 1.0], [0.42, 0.54]),
    "plane": ([0.0, 1.0], [0.19, 0.35]),
    "powers": ([0.0, 1.0], [0.0, 0.115]),
}
HEADINGS = {
    "plane": "Eigenvalues of W<sub>hh</sub>",
    "powers": "‖W<sub>hh</sub><sup>k</sup>‖, no activation",
    "factor": "Gradient kept per step",
    "curves": "Gradient that reaches step t",
}
LEGEND = {"orientation": "h", "yanchor": "bottom", "font": {"size": 14}}
ON_A_SCREEN: dict[str, Any] = {
    "height": 560,
    "margin": {"l": 60, "r": 48, "t": 51, "b": 136, "autoexpand": False},
    "legend": {**LEGEND, "x": -0.06, "y": 1.02},
}
SLIDER_ON_A_SCREEN: dict[str, Any] = {"pad": {"t": 40}}
ON_A_PHONE: dict[str, Any] = {
    "height": 1400,
    "margin": {"l": 60, "r": 48, "t": 216, "b": 58, "autoexpand": False},
    "legend": {**LEGEND, "x": -0.2, "y": 1.105},
}
SLIDER_ON_A_PHONE: dict[str, Any] = {"pad": {"b": 24}, "x": -0.16, "len": 1.28, "y": 1.0, "yanchor": "bottom"}


def radius_board(studies: Studies, radius: float, narrow: bool = False) -> go.Figure:
    """Eigenvalues, powers of W_hh, per-step factors with theory, gradient curves and ρ × time maps, moved by one slider.

    The reader should conclude that crossing ρ = 1 takes the eigenvalues out of the unit circle but not yet the gradient
    past "unchanged", that starts with the same ρ differ, and that powers of a Gaussian W_hh grow before they fade.
    `radius`, one of the studies' radii, is where the slider begins; `narrow` puts the panels below one another, for a phone.
    """
    radii = one_of(studies).radii
    present = radii.index(radius)
    tenths = np.array(radii) / STOP
    stops = [r for r, whole in enumerate(np.isclose(tenths, tenths.round())) if whole or r == present]
    where = STACKED if narrow else SIDE_BY_SIDE
    slider = SLIDER_ON_A_PHONE if narrow else SLIDER_ON_A_SCREEN
    shape = ON_A_PHONE if narrow else ON_A_SCREEN
    return animated(
        standing(studies),
        moving(studies, stops),
        [f"{radii[r]:.2f}" for r in stops],
        stops.index(present),
        slider={"currentvalue": {"prefix": "ρ = ", "font": {"size": 18}}, **slider},
        **axes(studies, where),
        annotations=[heading(where[panel], text) for panel, text in HEADINGS.items()],
        shapes=references(),
        images=[maps(studies)],
        font={"size": 14},
        hovermode="closest",
        **shape,
    )


def axes(studies: Studies, domains: Mapping[str, Place]) -> Trace:
    """Every panel's two axes, by their names in a layout."""
    some = one_of(studies)
    last, top = some.log10_share.shape[1] - 1, some.radii[-1]
    highest = max(np.nanmax(s.per_step_factor, initial=1.3) for s in studies.values())
    # square by its place, not by its range: a range that Plotly widens is new to it when the page is drawn again
    plane: Trace = {"range": [-1.1 * top, 1.1 * top], "dtick": 2, "constrain": "domain"}
    time: Trace = {"range": [-0.5, last + 0.5], "showgrid": False, "nticks": 4}
    back_in_time = {"title": {"text": "← gradient      step t      loss →"}}
    unchanged = {"zeroline": True, "zerolinecolor": REFERENCE, "zerolinewidth": 1.5}
    share = {"title": {"text": subscripted("‖∂L/∂h_t‖")}, **log_ticks(*reach(studies), 6), **unchanged}
    *starts, end = lefts(studies)
    quarters = [round(last / 4), round(3 * last / 4)]
    out: dict[str, tuple[Trace, Trace]] = {
        "plane": (
            {**plane, "constraintoward": "left", "title": {"text": "Re λ"}},
            {**plane, "title": {"text": "Im λ"}, "scaleanchor": "x"},
        ),
        "powers": (
            {"range": [0, len(some.log10_powers) - 1], "dtick": 20, "title": {"text": "k steps back"}},
            {**log_ticks(-POWER_REACH, 1.1 * POWER_REACH, 3), **unchanged},
        ),
        "factor": ({"range": [0, 1.02 * top], "title": {"text": "ρ"}}, {"range": [0, 1.08 * highest]}),
        "curves": ({**time, **back_in_time}, share),
        "maps": (
            {
                "range": [-0.5, end - 0.5],
                "showgrid": False,
                "tickvals": [left + t for left in starts for t in quarters],
                "ticktext": quarters * len(starts),
                "title": {"text": "step t", "standoff": 8},
            },
            {"range": [0, top], "showgrid": False, "dtick": 1, "title": {"text": "ρ"}},
        ),
    }
    layout: Trace = {}
    for panel, parts in out.items():
        n = PANELS[panel]
        for name, other, part, domain in zip("xy", "yx", parts, domains[panel], strict=True):
            title = {"font": {"size": 14}, "standoff": 2, **part.get("title", {})}
            look = {"tickfont": {"size": 13}, **part, "title": title, "domain": domain, "anchor": f"{other}{n}"}
            layout[f"{name}axis{n}"] = look
    return layout


def reach(studies: Studies) -> tuple[float, float]:
    """Decades that hold the curves, as far as REACH."""
    shares = np.concatenate([s.log10_share[np.isfinite(s.log10_share)] for s in studies.values()])
    low, high = decades(max(-REACH, float(shares.min())), min(REACH, float(shares.max())))
    return low, high + 0.04 * (high - low)


def heading(place: Place, text: str) -> Trace:
    """A panel's name, above its left end."""
    (left, _), (_, top) = place
    at = {"x": left, "y": top, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    return {**at, "text": f"<b>{text}</b>", "showarrow": False, "font": {"size": 14}}


def references() -> list[Trace]:
    """The unit circle, and "unchanged" where a factor is one; where logarithms are zero, an axis' own line says it."""
    look = {"line": {"color": REFERENCE, "width": 1.5}}
    circle = {**look, "type": "circle", "x0": -1, "x1": 1, "y0": -1, "y1": 1}
    n = PANELS["factor"]
    line = {**look, "type": "line", "xref": f"x{n} domain", "yref": f"y{n}", "x0": 0, "x1": 1, "y0": 1, "y1": 1}
    return [circle, line]
