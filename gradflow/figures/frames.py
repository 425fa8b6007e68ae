"""A figure with frames that its own slider shows in the browser, without asking the server."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from gradflow.figures.theme import REFERENCE

HANDLE = "#7A6FC0"  # readable on white and on black, and no cell's colour


class Moving(go.Figure):
    """A figure whose frames go out as they are given, {"name", "traces", "data"}, with arrays `packed`.

    Plotly checks and copies every array of every frame, 0.3 s for 61 of them at every visit.
    """

    def __init__(self, still: go.Figure, moments: Sequence[dict[str, Any]]) -> None:
        super().__init__(still)
        self.__dict__["moments"] = list(moments)  # a figure takes no other attributes than Plotly's

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "frames": self.__dict__["moments"]}


def packed(values: ArrayLike) -> dict[str, str]:
    """Numbers as Plotly's typed array of float32, six digits: finer than any screen. What is not finite is not drawn."""
    numbers = np.asarray(values, float)
    single = np.where(np.isfinite(numbers), numbers, np.nan).astype("<f4")
    return {"dtype": "f4", "bdata": base64.b64encode(single.tobytes()).decode()}


def frame_slider(names: Sequence[str], at: int, prefix: str, **more: Any) -> dict[str, Any]:
    """Plotly's slider over frames, one step each; only the traces of a frame are painted, heatmaps stay as they are."""
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
    return {
        "active": at,
        "steps": [{"method": "animate", "label": name, "args": [[name], at_once]} for name in names],
        "currentvalue": {"prefix": prefix, "font": {"size": 18}},
        "bgcolor": HANDLE,
        "activebgcolor": HANDLE,
        "bordercolor": REFERENCE,
        "ticklen": 4,
        "font": {"size": 12},
        **more,
    }
