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

# each with the number at the end of its axes' names
PANELS = {"plane": "", "powers": "2", "factor": "3", "curves": "4", "maps": "5"}
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
GAP_COLUMNS, RAMP_COLUMNS = 14, 8  # between two maps; of the colours' scale beside the last
UNCHANGED = 128  # the row of PALETTE that has no colour
APART = "\N{NO-BREAK SPACE}"  # between the colours' scale and its words
Trace = dict[str, Any]
Studies = Mapping[str, RadiusStudy]


def one_of(studies: Studies) -> RadiusStudy:
    """The first study: radii, steps and powers are all the same."""
    return next(iter(studies.values()))


def on(panel: str) -> Trace:
    """The axes that a trace in this panel belongs to."""
    return {"xaxis": f"x{PANELS[panel]}", "yaxis": f"y{PANELS[panel]}"}


def lefts(studies: Studies) -> list[float]:
    """Where on the maps' common axis of steps each start's map begins and, last, where their picture ends."""
    per_column = one_of(studies).log10_share.shape[1] / MAP_COLUMNS
    starts = [k * (MAP_COLUMNS + GAP_COLUMNS) * per_column for k in range(len(studies))]
    return [*starts, starts[-1] + (MAP_COLUMNS + 2 * RAMP_COLUMNS) * per_column]


def moving(studies: Studies, stops: list[int]) -> list[Trace]:
    """All that moves with the radius, and under "moves" where it is at some of the studies' radii, given by their indices."""
    radii = np.array(one_of(studies).radii)[stops]
    return [
        eigenvalues(studies, radii),
        *(powers(s, radii) for s in different_powers(studies)),
        peaks(studies, radii),
        factors(studies, stops),
        *(curve(s, stops) | on("curves") for s in studies.values()),
        level(studies, stops),
    ]


def quiet(mode: str) -> Trace:
    return {"mode": mode, "showlegend": False, "hoverinfo": "skip"}


def thick(s: RadiusStudy) -> Trace:
    colour, dash, _ = INKS[s.experiment.init]
    return {"color": colour, "dash": dash, "width": 3.5}


def eigenvalues(studies: Studies, radii: Array) -> Trace:
    """Every start's eigenvalues in the complex plane; with ρ they all move straight outwards."""
    at_one = {init: distinct(s.eigenvalues) for init, s in studies.items()}
    values = np.outer(radii, np.concatenate(list(at_one.values())))
    inks = [INKS[init] for init, some in at_one.items() for _ in some]
    marker = {"color": [ink[0] for ink in inks], "symbol": [ink[2] for ink in inks], "size": 6}
    return {**quiet("markers"), "marker": marker, "moves": {"x": values.real, "y": values.imag}}


def distinct(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Each value once: all eigenvalues of an identity are one point."""
    return values[np.sort(np.unique(np.round(values, 9), return_index=True)[1])]


def different_powers(studies: Studies) -> list[RadiusStudy]:
    """Starts whose powers are a line of their own: all normal ones, an orthogonal and an identity, have the same, ρ^k."""
    out: list[RadiusStudy] = []
    for s in studies.values():
        if not any(np.allclose(s.log10_powers, other.log10_powers, atol=1e-9) for other in out):
            out.append(s)
    return out


def powers(s: RadiusStudy, radii: Array) -> Trace:
    """‖W_hh^k‖ over k."""
    log = s.log10_powers_at(radii)
    return {**quiet("lines"), "x": list(range(log.shape[1])), "line": thick(s), "moves": {"y": log}, **on("powers")}


def peaks(studies: Studies, radii: Array) -> Trace:
    """The greatest of the powers, named where it is neither the first nor the last."""
    logs = np.stack([s.log10_powers_at(radii) for s in different_powers(studies)], axis=1)
    at, highest = logs.argmax(-1), logs.max(-1)
    inside = (at > 0) & (at < logs.shape[-1] - 1) & (highest > 0.01)
    words = [
        [f"{number(10.0**log)} at k = {k}" if ok else "" for k, log, ok in zip(*row, strict=True)]
        for row in zip(at, highest, inside, strict=True)
    ]
    moves = {"x": at, "y": highest, "text": words}
    return {**quiet("text"), "textposition": "top right", "moves": moves, **on("powers")}


def factors(studies: Studies, stops: list[int]) -> Trace:
    """A line at ρ with every start's per-step factor on it."""
    inks = [INKS[init] for init in studies]
    marker = {
        "color": [REFERENCE, *(ink[0] for ink in inks), REFERENCE],
        "symbol": ["circle", *(ink[2] for ink in inks), "circle"],
        "size": [0, *(11 for _ in inks), 0],
    }
    at, ones = np.array(one_of(studies).radii)[stops], np.ones(len(stops))
    y = np.stack([0.0 * ones, *(s.per_step_factor[stops] for s in studies.values()), 10.0 * ones], axis=1)
    return {
        **quiet("lines+markers"),
        "line": {"color": REFERENCE, "width": 1.5},
        "marker": marker,
        "moves": {"x": np.tile(at[:, None], y.shape[1]), "y": y},
        **on("factor"),
    }


def curve(s: RadiusStudy, stops: list[int]) -> Trace:
    """The gradient at every step, at one radius."""
    share = s.log10_share[stops]
    return {**quiet("lines"), "x": list(range(share.shape[1])), "line": thick(s), "moves": {"y": share}}


def level(studies: Studies, stops: list[int]) -> Trace:
    """A line across every map at one radius, over each map its start with the per-step factor there, and the scale's words."""
    some = one_of(studies)
    last, radii, top = some.log10_share.shape[1] - 1, np.array(some.radii)[stops], some.radii[-1]
    *starts, end = lefts(studies)
    ones = np.ones(len(radii))
    y = [radii, radii, np.nan * ones, top * ones, np.nan * ones] * len(starts) + [top * ones, top / 2 * ones, 0 * ones]
    scale = [f"{APART}{text}" for text in (f"10<sup>{MAP_REACH:g}</sup>", "1", f"10<sup>−{MAP_REACH:g}</sup>")]
    words = [[words_above(s, r) for s in studies.values()] for r in stops]
    return {
        **quiet("lines+text"),
        "x": [x for left in starts for x in (left, left + last, None, left, None)] + [end - 0.5] * 3,
        "textposition": ["top right"] * 5 * len(starts) + ["middle right"] * 3,
        "cliponaxis": False,
        "line": {"color": REFERENCE, "width": 3},
        "moves": {
            "y": np.stack(y, axis=1),
            "text": [[t for name in names for t in ("", "", "", name, "")] + scale for names in words],
        },
        **on("maps"),
    }


def words_above(s: RadiusStudy, r: int) -> str:
    factor = s.per_step_factor[r]
    return f"<b>{STARTS[s.experiment.init]}</b><br>" + ("" if np.isnan(factor) else f"×{number(factor)}/step")


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
        contours(studies),
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
        **on("factor"),
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
        **on("factor"),
    }


def faint(studies: Studies) -> Trace:
    """The first start's curves at some other radii, as background; one trace with gaps, which paints sooner than many."""
    some = one_of(studies)
    # hundredths of a decade: much finer than the picture
    shares = [some.log10_share[r].round(2) for r, radius in enumerate(some.radii) if radius in FAINT]
    gap = [np.nan]
    return {
        **quiet("lines"),
        "x": [*range(some.log10_share.shape[1]), None] * len(shares),
        "y": np.concatenate([part for share in shares for part in (share, gap)]),
        "line": {"color": translucent(REFERENCE, 0.5), "width": 1.2},
        **on("curves"),
    }


def contours(studies: Studies) -> Trace:
    """Where on each map the gradient is unchanged; at t = T it is so by definition."""
    steps = range(one_of(studies).log10_share.shape[1] - 1)
    return {
        **quiet("lines"),
        "x": [x for left in lefts(studies)[:-1] for x in (*(left + t for t in steps), None)],
        "y": np.concatenate([[*s.contour[:-1], np.nan] for s in studies.values()]),
        "line": {"color": REFERENCE, "width": 2},
        **on("maps"),
    }


def maps(studies: Studies) -> Trace:
    """The gradient over ρ × time of every start, side by side, and the colours' scale, as a picture.

    A heatmap would be wiped away where a line moves. No colour says unchanged, cool vanishing, warm exploding, grey exactly
    zero.
    """
    some, axes = one_of(studies), on("maps")
    count, top = some.log10_share.shape[1], some.radii[-1]
    rows = [int(np.abs(np.array(some.radii) - radius).argmin()) for radius in np.linspace(top, 0.0, MAP_ROWS)]
    columns = ((np.arange(MAP_COLUMNS) + 0.5) * count / MAP_COLUMNS).astype(int)
    ramp = np.tile(np.linspace(MAP_REACH, -MAP_REACH, MAP_ROWS)[:, None], RAMP_COLUMNS)
    parts = [levels(s.log10_share[rows][:, columns]) for s in studies.values()] + [levels(ramp)]
    gaps = [GAP_COLUMNS] * (len(studies) - 1) + [RAMP_COLUMNS, 0]
    edge = 0.5 * top / (MAP_ROWS - 1)
    return {
        "source": png(
            np.hstack(
                [np.pad(p, ((0, 0), (0, gap)), constant_values=UNCHANGED) for p, gap in zip(parts, gaps, strict=True)]
            ),
            PALETTE,
        ),
        "xref": axes["xaxis"],
        "yref": axes["yaxis"],
        "x": -0.5,
        "y": top + edge,
        "sizex": lefts(studies)[-1],
        "sizey": top + 2 * edge,
        "sizing": "stretch",
        "layer": "below",
    }


def levels(log: Array) -> NDArray[np.uint8]:
    """log10 values as rows of PALETTE: the further from 1, the deeper; the first row says exactly zero."""
    depth = np.clip(np.nan_to_num(log) / MAP_REACH, -1.0, 1.0)
    return np.where(np.isneginf(log), 0, UNCHANGED + np.round(127 * depth)).astype(np.uint8)


def palette() -> NDArray[np.uint8]:
    """Red, green, blue and opacity of exactly zero, then from deeply vanishing over unchanged to deeply exploding."""
    zero, vanishing, exploding = ([int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in (REFERENCE, VANISHING, EXPLODING))
    opacity = np.round(255 * np.abs(np.linspace(-1.0, 1.0, 255)))
    return np.column_stack([[zero] + [vanishing] * 127 + [exploding] * 128, [128, *opacity]]).astype(np.uint8)


PALETTE = palette()
