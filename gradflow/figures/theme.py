"""One palette, one set of axes, for every figure."""

import base64
import math
import re
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import get_colorscale

from gradflow.activations import Array
from gradflow.cells import CELLS

OKABE_ITO = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
# RNN, LSTM, GRU, then whatever cell is added; the sixth has the first one's colour, but a dash of its own
CELL_COLOURS = dict(zip(CELLS, cycle(OKABE_ITO), strict=False))
CELL_DASHES = dict(zip(CELLS, cycle(DASHES), strict=False))
# activation functions stand beside one another in one cell: hues of their own, apart for colour-blind readers too
ACTIVATION_COLOURS = {"tanh": "#B5407F", "sigmoid": "#8C8C1A", "relu": "#1595AB"}
ACTIVATION_DASHES = {"tanh": "solid", "sigmoid": "dash", "relu": "dot"}
EXPLODING, VANISHING = "#E69F00", "#5E3C99"  # warm and cool, neither of them a cell's colour
VANISHING_LINE = "#9A7BD0"  # VANISHING as a line: readable on white and on black
CLIPPING_COLOURS = {"none": EXPLODING, "norm": "#56B4E9", "value": "#CC79A7"}
CLIPPING_DASHES = {"none": "solid", "norm": "solid", "value": "6px,2px"}
REFERENCE = "#808080"  # readable on white and on black
HANDLE = "#7A6FC0"  # so is this, and it is no cell's colour
FLOAT32_SMALLEST = math.log10(1.1754943508222875e-38)
MAGNITUDE = get_colorscale("Viridis")  # perceptually uniform, safe for colour-blind readers
MARGIN = {"l": 76, "r": 16, "t": 46, "b": 58, "pad": 8}
TIME_AXIS = "← gradient flows back      step t      loss →"

CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "scrollZoom": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "svg", "filename": "gradflow", "width": 1280, "height": 640},
}


def translucent(colour: str, alpha: float) -> str:
    """A "#RRGGBB" colour with transparency."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha})"


def subscripted(symbol: str) -> str:
    """h_t, h_{t−1} and a_n^x as Plotly writes them."""
    lowered = re.sub(r"_(?:\{([^}]*)\}|(\w))", lambda found: f"<sub>{found[1] or found[2]}</sub>", symbol)
    return re.sub(r"\^(\w)", r"<sup>\1</sup>", lowered)


def log_ticks(low: float, high: float, count: int = 8) -> dict[str, Any]:
    """Axis settings that show powers of ten for values that are log10s; they may lie far outside float64's range."""
    step = next(s * 10**k for k in range(6) for s in (1, 2, 5) if (high - low) / (s * 10**k) <= count)
    first, last = math.ceil(low / step), math.floor(high / step)
    at = [step * k for k in range(first, last + 1)]
    return {"tickvals": at, "ticktext": [f"10<sup>{k}</sup>" if k else "1" for k in at], "range": [low, high]}


def mode_of(y: Array) -> str:
    """How a curve is drawn: a line of a single point is not seen, and of two one can't tell it, so that few are marked."""
    return "lines" if np.count_nonzero(np.isfinite(y)) > 2 else "lines+markers"


def said_inside(text: str) -> dict[str, Any]:
    """Why a picture is empty, in its middle."""
    middle = {"xref": "x domain", "yref": "y domain", "x": 0.5, "y": 0.5, "showarrow": False}
    return {**middle, "text": text, "font": {"color": REFERENCE, "size": 15}}


def decades(lowest: float, highest: float) -> tuple[float, float]:
    """A range of decades around the values and around 1, rounded outwards so that it rests while values move a little."""
    lowest, highest = min(lowest, -1.0), max(highest, 0.0)
    unit = next(u * 10**k for k in range(6) for u in (1, 2, 5) if (highest - lowest) / (u * 10**k) <= 10)
    return unit * math.floor(lowest / unit), unit * math.ceil(highest / unit)


# room that an axis makes for itself costs Plotly a second pass over the whole figure; a legend that wraps may have it
AXIS = {
    "type": "linear",  # else Plotly reads all data to find out, twice
    "tickfont": {"size": 15},
    "zeroline": False,
    "ticks": "",
    "automargin": False,
    "gridcolor": translucent(REFERENCE, 0.2),
}
# the whole look, so that no template is needed, and none that differs between light and dark: the page inks the words
LOOK: dict[str, Any] = {
    "datarevision": 1,  # Streamlit hands each figure to Plotly twice, and so it can tell that nothing is new
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"family": "Source Sans, sans-serif", "size": 16},
    "hovermode": "x",
    "hoverlabel": {"bgcolor": "#2B2933", "bordercolor": REFERENCE, "font": {"color": "#FFFFFF", "size": 14}},
    "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": REFERENCE, "activecolor": HANDLE},
    "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "xanchor": "left", "font": {"size": 15}},
}


class Plain(go.Figure):
    """A figure that is sent as it was made, of plain dicts; Plotly reads them where somebody asks for what it makes of them.

    To check and copy each of their properties takes it longer than all else, at every move of a slider; the tests let it.
    """

    def __init__(self, parts: dict[str, Any]) -> None:
        self.__dict__["unread"] = parts

    def __getattr__(self, name: str) -> Any:
        if "unread" not in self.__dict__:
            raise AttributeError(name)
        super().__init__(self.__dict__.pop("unread"))
        return getattr(self, name)

    def to_dict(self) -> dict[str, Any]:
        if "unread" not in self.__dict__:
            return super().to_dict()
        parts = self.__dict__["unread"]
        return {**parts, "data": [{name: packed(value) for name, value in trace.items()} for trace in parts["data"]]}


def packed(part: Any) -> Any:
    """An array as Plotly's typed one; anything else as it is."""
    if not isinstance(part, np.ndarray):
        return part
    shape = {"shape": ", ".join(map(str, part.shape))} if part.ndim > 1 else {}
    return {"dtype": part.dtype.str[1:], "bdata": base64.b64encode(part.tobytes()).decode(), **shape}


def figure(data: Sequence[dict[str, Any]], height: int, **layout: Any) -> go.Figure:
    """A figure with the common look, see `common_look`."""
    return Plain(common_look(data, height, **layout))


def common_look(data: Sequence[dict[str, Any]], height: int, **layout: Any) -> dict[str, Any]:
    """What a figure is made of: fixed height and margins so that nothing jumps, no chrome.

    Traces and layout are plain dicts: Plotly's `add_…` and `update_…` methods validate anew at each call.
    """
    axes = {
        name: {
            **AXIS,
            "showgrid": name[0] == "y",
            **part,
            "title": {"font": {"size": 16}, "standoff": 6, **part.get("title", {})},
        }
        for name, part in layout.items()
        if name.startswith(("xaxis", "yaxis"))
    }
    whole = {part: {**usual, **layout.get(part, {})} for part, usual in (("font", LOOK["font"]), ("margin", MARGIN))}
    return {"data": listed(data), "layout": listed({"height": height, **LOOK, **layout, **axes, **whole})}


def listed(part: Any) -> Any:
    """A part of a figure with tuples and one-dimensional arrays as lists, None where there is no number.

    An array would be sent packed, and Plotly takes a packed one for new data each time the page around it is drawn.
    """
    if isinstance(part, dict):
        return {name: listed(value) for name, value in part.items() if value is not None}
    if isinstance(part, (list, tuple)):
        return [listed(value) if isinstance(value, (dict, list, tuple, np.ndarray)) else value for value in part]
    if isinstance(part, np.ndarray) and part.ndim == 1:
        return [value if part.dtype.kind != "f" or math.isfinite(value) else None for value in part.tolist()]
    return part


def colour_bar(quantity: str, ticks: dict[str, Any], **place: Any) -> dict[str, Any]:
    """The scale beside a map, with ticks from `log_ticks`."""
    look = {"thickness": 14, "outlinewidth": 0, "tickfont": {"size": 13}, "len": 0.75, **place}
    side = "top" if place.get("orientation") == "h" else "right"
    title = {"text": quantity, "side": side, "font": {"size": 15}}
    return {**look, "title": title, "tickvals": ticks["tickvals"], "ticktext": ticks["ticktext"]}


def columns(count: int, gap: float) -> list[tuple[str, float, float]]:
    """For `count` pictures side by side: the number behind an axis' name ("" for the first), left and right as shares."""
    width = (1.0 - gap * (count - 1)) / max(1, count)
    return [(str(k + 1) if k else "", k * (width + gap), k * (width + gap) + width) for k in range(count)]


def enlarged(figure: go.Figure, scale: float) -> go.Figure:
    """The figure with every word and margin larger, for a room that reads it from ten metres."""
    parts = figure.to_dict()
    return Plain({**parts, "layout": scaled(parts["layout"], scale)})


def scaled(part: Any, scale: float, name: str = "") -> Any:
    """Every size and margin in a part of a layout times `scale`."""
    if isinstance(part, dict):
        return {key: scaled(value, scale, f"{name}.{key}") for key, value in part.items()}
    if isinstance(part, (list, tuple)):
        return [scaled(value, scale, name) for value in part]
    sizes = ("font.size", ".margin.l", ".margin.b", ".margin.t")
    return part * scale if isinstance(part, (int, float)) and name.endswith(sizes) else part


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Label positions as near as possible to where they belong, at least `gap` apart, in the order given."""
    order = sorted(range(len(positions)), key=positions.__getitem__)
    groups: list[list[float]] = []  # [middle, how many labels stand around it]
    for i in order:
        groups.append([positions[i], 1.0])
        while len(groups) > 1 and groups[-1][0] - groups[-2][0] < gap * (groups[-1][1] + groups[-2][1]) / 2.0:
            (above, m), (below, n) = groups.pop(), groups.pop()
            groups.append([(above * m + below * n) / (m + n), m + n])
    heights = [middle + gap * (k - (n - 1.0) / 2.0) for middle, n in groups for k in range(int(n))]
    out = [0.0] * len(positions)
    for i, height in zip(order, heights, strict=True):
        out[i] = height
    return out
