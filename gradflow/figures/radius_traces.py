"""The traces of the spectral radius board, panel by panel: those that move with the radius, and those that stay."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradflow.activations import Array
from gradflow.figures.pictures import png
from gradflow.figures.theme import EXPLODING, REFERENCE, VANISHING, translucent
from gradflow.findings import number
from gradflow.radii import RadiusStudy

PANELS = ("plane", "powers", "factor", "curves")  # then one map for each start
# one cell, so shades of its one colour; dash and marker tell the starts apart
INKS = {
    "gaussian": ("#D55E00", "solid", "circle"),
    "orthogonal": ("#B5651D", "dash", "square-open"),
    "identity": ("#E8702A", "dot", "diamond"),
    "pytorch": ("#D55E00", "dashdot", "cross"),
}
STARTS = {"gaussian": "Gaussian", "orthogonal": "Orthogonal", "identity": "Identity", "pytorch": "PyTorch's"}
FAINT = (0.5, 0.75, 1.25, 1.5, 2.0, 3.0)  # radii whose curves stand behind the present one's
MAP_REACH = 20.0  # decades from unchanged to the deepest colour
MAP_ROWS, MAP_COLUMNS = 61, 100
Trace = dict[str, Any]
Studies = Mapping[str, RadiusStudy]


def one_of(studies: Studies) -> RadiusStudy:
    """The first study: radii, steps and powers are all the same."""
    return next(iter(studies.values()))


def changing(trace: Trace) -> Trace:
    """What of a moving trace a frame must say: arrays and words; lists and its look stay."""
    return {key: value for key, value in trace.items() if key == "text" or isinstance(value, np.ndarray)}


def axis_numbers(studies: Studies) -> dict[str, str]:
    """Panel, or start for its map, → the number at the end of its axes' names."""
    return {panel: str(k) if k > 1 else "" for k, panel in enumerate([*PANELS, *studies], start=1)}


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
