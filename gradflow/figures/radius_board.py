"""Everything that the spectral radius moves, in one figure with one slider, so that dragging it asks no server."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from gradflow.activations import Array
from gradflow.figures.frames import Moving
from gradflow.figures.pictures import png
from gradflow.figures.theme import (
    EXPLODING,
    REFERENCE,
    VANISHING,
    common_look,
    decades,
    log_ticks,
    subscripted,
    translucent,
)
from gradflow.findings import number
from gradflow.radii import RadiusStudy

# one cell, so shades of its one colour; dash and marker tell the starts apart
INKS = {
    "gaussian": ("#D55E00", "solid", "circle"),
    "orthogonal": ("#B5651D", "dash", "square-open"),
    "identity": ("#E8702A", "dot", "diamond"),
    "pytorch": ("#D55E00", "dashdot", "cross"),
}
STARTS = {"gaussian": "Gaussian", "orthogonal": "Orthogonal", "identity": "Identity", "pytorch": "PyTorch's"}
FAINT = (0.5, 0.75, 1.25, 1.5, 2.0, 3.0)  # radii whose curves stand behind the present one's
REACH = 40.0  # decades either way: a curve beyond them has left its picture
POWER_REACH = 2.0
MAP_REACH = 20.0  # decades from unchanged to the deepest colour
MAP_ROWS, MAP_COLUMNS = 61, 100
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
MAP_GAP = 0.02
LEGEND = {"orientation": "h", "yanchor": "bottom", "font": {"size": 14}}
ON_A_SCREEN: dict[str, Any] = {
    "height": 560,
    "margin": {"l": 60, "r": 70, "t": 51, "b": 136},
    "legend": {**LEGEND, "x": -0.06, "y": 1.02},
}
SLIDER_ON_A_SCREEN: dict[str, Any] = {"pad": {"t": 40}}
ON_A_PHONE: dict[str, Any] = {
    "height": 1400,
    "margin": {"l": 60, "r": 48, "t": 216, "b": 58},
    "legend": {**LEGEND, "x": -0.2, "y": 1.105},
}
SLIDER_ON_A_PHONE: dict[str, Any] = {"pad": {"b": 24}, "x": -0.16, "len": 1.28, "y": 1.0, "yanchor": "bottom"}
Trace = dict[str, Any]
Studies = Mapping[str, RadiusStudy]


def radius_board(studies: Studies, radius: float, narrow: bool = False) -> go.Figure:
    """Eigenvalues, powers of W_hh, per-step factors with theory, gradient curves and ρ × time maps, moved by one slider.

    The reader should conclude that crossing ρ = 1 takes the eigenvalues out of the unit circle but not yet the gradient
    past "unchanged", that starts with the same ρ differ, and that powers of a Gaussian W_hh grow before they fade.
    `radius`, one of the studies' radii, is where the slider begins; `narrow` puts the panels below one another, for a phone.
    """
    radii = one_of(studies).radii
    still = standing(studies)
    moving = [moving_at(studies, r) for r in range(len(radii))]
    followers = list(range(len(still), len(still) + len(moving[0])))
    at = radii.index(radius)
    where = STACKED if narrow else SIDE_BY_SIDE
    ramp, labels = scale(where["maps"])
    shape = ON_A_PHONE if narrow else ON_A_SCREEN
    drawn = common_look(
        [*still, *moving[at]],
        **axes(studies, places(studies, where)),
        annotations=[*(heading(where[panel], text) for panel, text in HEADINGS.items()), *labels],
        shapes=references(studies),
        images=[*(radius_map(studies, init) for init in studies), ramp],
        font={"size": 14},
        hovermode="closest",
        **shape,
    )
    frames = [
        {"name": f"{radius:.2f}", "traces": followers, "data": [changing(trace) for trace in traces]}
        for radius, traces in zip(radii, moving, strict=True)
    ]
    slider = SLIDER_ON_A_PHONE if narrow else SLIDER_ON_A_SCREEN
    return Moving(drawn, frames, at, currentvalue={"prefix": "ρ = ", "font": {"size": 18}}, **slider)


def one_of(studies: Studies) -> RadiusStudy:
    """The first study: radii, steps and powers are all the same."""
    return next(iter(studies.values()))


def changing(trace: Trace) -> Trace:
    """What of a moving trace a frame must say: arrays and words; lists and its look stay."""
    return {key: value for key, value in trace.items() if key == "text" or isinstance(value, np.ndarray)}


def axis_numbers(studies: Studies) -> dict[str, str]:
    """Panel, or start for its map, → the number at the end of its axes' names."""
    return {panel: str(k) if k > 1 else "" for k, panel in enumerate([*HEADINGS, *studies], start=1)}


def on(studies: Studies, panel: str) -> Trace:
    """The axes that a trace in this panel belongs to."""
    n = axis_numbers(studies)[panel]
    return {"xaxis": f"x{n}", "yaxis": f"y{n}"}


def moving_at(studies: Studies, r: int) -> list[Trace]:
    """All that moves with the radius, at the r-th one."""
    radius = one_of(studies).radii[r]
    return [
        eigenvalues(studies, radius),
        *(powers(s, radius) | on(studies, "powers") for s in studies.values()),
        peaks(studies, radius),
        factors(studies, r),
        *(curve(s, r) | on(studies, "curves") for s in studies.values()),
        *(level(s, r) | on(studies, init) for init, s in studies.items()),
    ]


def quiet(mode: str) -> Trace:
    return {"mode": mode, "showlegend": False, "hoverinfo": "skip"}


def thick(s: RadiusStudy) -> Trace:
    colour, dash, _ = INKS[s.experiment.init]
    return {"color": colour, "dash": dash, "width": 3.5}


def eigenvalues(studies: Studies, radius: float) -> Trace:
    """Every start's eigenvalues in the complex plane; with ρ they all move straight outwards."""
    values = radius * np.concatenate([s.eigenvalues for s in studies.values()])
    inks = [INKS[init] for init, s in studies.items() for _ in s.eigenvalues]
    marker = {"color": [ink[0] for ink in inks], "symbol": [ink[2] for ink in inks], "size": 6}
    return {**quiet("markers"), "x": values.real, "y": values.imag, "marker": marker}


def powers(s: RadiusStudy, radius: float) -> Trace:
    """‖W_hh^k‖ over k."""
    log = s.log10_powers_at(radius)
    return {**quiet("lines"), "x": list(range(len(log))), "y": log, "line": thick(s)}


def peaks(studies: Studies, radius: float) -> Trace:
    """The greatest power of every start, named where it is neither the first nor the last."""
    logs = [s.log10_powers_at(radius) for s in studies.values()]
    at = [int(np.argmax(log)) for log in logs]
    inside = [0 < k < len(log) - 1 and log[k] > 0.01 for k, log in zip(at, logs, strict=True)]
    return {
        **quiet("text"),
        "x": np.array(at, float),
        "y": np.array([log[k] for k, log in zip(at, logs, strict=True)]),
        "text": [
            f"{number(10.0 ** log[k])} at k = {k}" if ok else "" for k, log, ok in zip(at, logs, inside, strict=True)
        ],
        "textposition": "top right",
        **on(studies, "powers"),
    }


def factors(studies: Studies, r: int) -> Trace:
    """A line at ρ with every start's per-step factor on it."""
    inks = [INKS[init] for init in studies]
    marker = {
        "color": [REFERENCE, *(ink[0] for ink in inks), REFERENCE],
        "symbol": ["circle", *(ink[2] for ink in inks), "circle"],
        "size": [0, *(11 for _ in inks), 0],
    }
    return {
        **quiet("lines+markers"),
        "x": np.full(len(studies) + 2, one_of(studies).radii[r]),
        "y": np.array([0.0, *(s.per_step_factor[r] for s in studies.values()), 10.0]),
        "line": {"color": REFERENCE, "width": 1.5},
        "marker": marker,
        **on(studies, "factor"),
    }


def curve(s: RadiusStudy, r: int) -> Trace:
    """The gradient at every step, at one radius."""
    share = s.log10_share[r]
    return {**quiet("lines"), "x": list(range(len(share))), "y": share, "line": thick(s)}


def level(s: RadiusStudy, r: int) -> Trace:
    """A line across a map at one radius, and above the map its start with the per-step factor there."""
    last, (radius, *_, top) = s.log10_share.shape[1] - 1, (s.radii[r], s.radii[-1])
    factor = s.per_step_factor[r]
    name = f"<b>{STARTS[s.experiment.init]}</b><br>{'' if np.isnan(factor) else f'×{number(factor)} per step'}"
    return {
        **quiet("lines+text"),
        "x": [0, last, None, 0],
        "y": np.array([radius, radius, np.nan, top]),
        "text": ["", "", "", name],
        "textposition": "top right",
        "cliponaxis": False,
        "line": {"color": REFERENCE, "width": 3},
    }


def standing(studies: Studies) -> list[Trace]:
    """All that stays while the radius moves."""
    some = one_of(studies)
    theory: dict[str, tuple[ArrayLike, str]] = {
        "ρ: linear": (some.radii, "dash"),
        "√χ: mean field": (some.mean_field, "dashdot"),
        "γσ<sub>max</sub>: bound": (some.bound, "dot"),
    }
    return [
        *(measured(studies, init) for init in studies),
        *(
            predicted(studies, name, values, dash)
            for name, (values, dash) in theory.items()
            if np.isfinite(values).any()
        ),
        faint(studies),
        *(contour(studies, init) for init in studies),
    ]


def measured(studies: Studies, init: str) -> Trace:
    """One start's per-step factor over ρ."""
    s, (colour, dash, _) = studies[init], INKS[init]
    return {
        "x": s.radii,
        "y": s.per_step_factor,
        "mode": "lines",
        "name": STARTS[init],
        "line": {"color": colour, "dash": dash, "width": 2.5},
        "hovertemplate": "ρ %{x:.2f}: %{y:.3f} per step",
        **on(studies, "factor"),
    }


def predicted(studies: Studies, name: str, values: ArrayLike, dash: str) -> Trace:
    """A line of theory over ρ."""
    return {
        "x": one_of(studies).radii,
        "y": values,
        "mode": "lines",
        "name": name,
        "line": {"color": REFERENCE, "dash": dash, "width": 2},
        "hovertemplate": "ρ %{x:.2f}: %{y:.3f}",
        **on(studies, "factor"),
    }


def faint(studies: Studies) -> Trace:
    """The first start's curves at some other radii, as background; one trace with gaps, which paints sooner than many."""
    some = one_of(studies)
    shares = [some.log10_share[r] for r, radius in enumerate(some.radii) if radius in FAINT]
    gap = [np.nan]
    return {
        **quiet("lines"),
        "x": [*range(some.log10_share.shape[1]), None] * len(shares),
        "y": np.concatenate([part for share in shares for part in (share, gap)]),
        "line": {"color": translucent(REFERENCE, 0.5), "width": 1.2},
        **on(studies, "curves"),
    }


def contour(studies: Studies, init: str) -> Trace:
    """Where on a start's map the gradient is unchanged; at t = T it is so by definition."""
    line = {"color": REFERENCE, "width": 2}
    return {
        **quiet("lines"),
        "x": list(range(studies[init].log10_share.shape[1] - 1)),
        "y": studies[init].contour[:-1],
        "line": line,
        **on(studies, init),
    }


def radius_map(studies: Studies, init: str) -> Trace:
    """The gradient over ρ × time as a picture: where a line moves, Plotly would wipe a heatmap away.

    No colour says unchanged, cool vanishing, warm exploding, grey exactly zero.
    """
    s, n = studies[init], axis_numbers(studies)[init]
    last, top = s.log10_share.shape[1] - 1, s.radii[-1]
    rows = [int(np.abs(np.array(s.radii) - radius).argmin()) for radius in np.linspace(top, 0.0, MAP_ROWS)]
    some = np.linspace(0, last, min(last + 1, MAP_COLUMNS)).round().astype(int)
    edge = 0.5 * top / (MAP_ROWS - 1)
    return {
        "source": png(tinted(s.log10_share[rows][:, some])),
        "xref": f"x{n}",
        "yref": f"y{n}",
        "x": -0.5,
        "y": top + edge,
        "sizex": last + 1,
        "sizey": top + 2 * edge,
        "sizing": "stretch",
        "layer": "below",
    }


def tinted(log: Array) -> NDArray[np.uint8]:
    """log10 values as colours, (…, 4): the deeper, the further from 1."""
    ends = np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in (VANISHING, EXPLODING, REFERENCE)], np.uint8)
    which = np.where(np.isneginf(log), 2, (log > 0.0).astype(int))
    depth = np.where(np.isneginf(log), 0.5, np.clip(np.abs(np.nan_to_num(log, neginf=0.0)) / MAP_REACH, 0.0, 1.0))
    return np.concatenate([ends[which], np.round(255 * depth)[..., None].astype(np.uint8)], axis=-1)


def places(studies: Studies, where: Mapping[str, Place]) -> dict[str, Place]:
    """The place of every panel and of every start's map."""
    left, right = where["maps"][0]
    width = (right - left - MAP_GAP * (len(studies) - 1)) / len(studies)
    starts = [left + k * (width + MAP_GAP) for k in range(len(studies))]
    return {**where, **{init: ([x, x + width], where["maps"][1]) for init, x in zip(studies, starts, strict=True)}}


def axes(studies: Studies, domains: Mapping[str, Place]) -> Trace:
    """Every panel's two axes, by their names in a layout."""
    some = one_of(studies)
    last, top = some.log10_share.shape[1] - 1, some.radii[-1]
    highest = max(np.nanmax(s.per_step_factor, initial=1.3) for s in studies.values())
    # square by its place, not by its range: a range that Plotly widens is new to it when the page is drawn again
    plane: Trace = {"range": [-1.1 * top, 1.1 * top], "dtick": 2, "constrain": "domain"}
    time: Trace = {"range": [-0.5, last + 0.5], "showgrid": False, "nticks": 4}
    back_in_time = {"title": {"text": "← gradient      step t      loss →"}}
    factor: Trace = {"range": [0, 1.08 * highest], "title": {"text": "factor per step"}}
    share = {"title": {"text": subscripted("‖∂L/∂h_t‖")}, **log_ticks(*reach(studies), 6)}
    out: dict[str, tuple[Trace, Trace]] = {
        "plane": (
            {**plane, "constraintoward": "left", "title": {"text": "Re λ"}},
            {**plane, "title": {"text": "Im λ"}, "scaleanchor": "x"},
        ),
        "powers": (
            {"range": [0, len(some.log10_powers) - 1], "title": {"text": "k steps back"}},
            log_ticks(-POWER_REACH, 1.1 * POWER_REACH, 5),
        ),
        "factor": ({"range": [0, 1.02 * top], "title": {"text": "ρ"}}, factor),
        "curves": ({**time, **back_in_time}, share),
    }
    for k, init in enumerate(studies):
        labels = {"showticklabels": False} if k else {"title": {"text": "ρ"}}
        map_time = {
            **time,
            "title": {"text": "step t", "standoff": 8},
            "tickvals": [round(last / 4), round(3 * last / 4)],
        }
        out[init] = (map_time, {"range": [0, top], "showgrid": False, "dtick": 1, **labels})
    layout: Trace = {}
    for panel, (x, y) in out.items():
        n = axis_numbers(studies)[panel]
        across, up = domains[panel]
        for name, part, domain, other in (("xaxis", x, across, "y"), ("yaxis", y, up, "x")):
            title = {"font": {"size": 14}, "standoff": 2, **part.pop("title", {})}
            small = {"tickfont": {"size": 13}, "title": title}
            layout[f"{name}{n}"] = {**small, **part, "domain": domain, "anchor": f"{other}{n}"}
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


def references(studies: Studies) -> list[Trace]:
    """The unit circle, and "unchanged" where it is a line."""
    look = {"line": {"color": REFERENCE, "width": 1.5}}
    numbers = axis_numbers(studies)
    circle = {**look, "type": "circle", "x0": -1, "x1": 1, "y0": -1, "y1": 1}
    levels = {"powers": 0.0, "factor": 1.0, "curves": 0.0}
    return [circle] + [
        {
            **look,
            "type": "line",
            "xref": f"x{numbers[p]} domain",
            "yref": f"y{numbers[p]}",
            "x0": 0,
            "x1": 1,
            "y0": y,
            "y1": y,
        }
        for p, y in levels.items()
    ]


def scale(maps: Place) -> tuple[Trace, list[Trace]]:
    """The maps' common colours beside them, as a picture and its labels."""
    _, (bottom, top) = maps
    ramp = tinted(np.linspace(MAP_REACH, -MAP_REACH, 41)[:, None])
    place = {"xref": "paper", "yref": "paper", "x": 1.01}
    picture = {**place, "y": top, "sizex": 0.012, "sizey": top - bottom, "source": png(ramp), "sizing": "stretch"}
    labels = {f"10<sup>{MAP_REACH:g}</sup>": (top, "top"), "1": ((top + bottom) / 2, "middle")}
    labels[f"10<sup>−{MAP_REACH:g}</sup>"] = (bottom, "bottom")
    look = {"xanchor": "left", "showarrow": False, "font": {"size": 12}}
    return picture, [{**place, **look, "x": 1.022, "y": y, "yanchor": at, "text": t} for t, (y, at) in labels.items()]
