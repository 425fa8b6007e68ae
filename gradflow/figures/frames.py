"""A figure that its own slider moves in the browser."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gradflow.activations import Array
from gradflow.figures.theme import HANDLE, REFERENCE, UNCHECKED


class Moving(go.Figure):
    """A figure with a slider of its own over frames, one step each, {"name", "traces", "data"}.

    Frames and steps go out as they are, their arrays packed: Plotly would check and copy each of their numbers, 0.3 s for 61
    frames at every visit. A step paints only the traces of its frame, so what does not move costs nothing, and asks no server.
    """

    def __init__(self, still: dict[str, Any], frames: Sequence[dict[str, Any]], at: int, **slider: Any) -> None:
        look = {
            "active": at,
            "bgcolor": HANDLE,
            "activebgcolor": HANDLE,
            "bordercolor": REFERENCE,
            "ticklen": 4,
            "font": {"size": 12},
            **slider,
        }
        super().__init__({**still, "layout": {**still["layout"], "sliders": [look]}}, **UNCHECKED)
        # a figure takes no other attributes than Plotly's
        self.__dict__["moving"] = [{**frame, "data": [*map(packed, frame["data"])]} for frame in frames]

    def to_dict(self) -> dict[str, Any]:
        parts, frames = super().to_dict(), self.__dict__["moving"]
        at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
        parts["layout"]["sliders"][0]["steps"] = [
            {"method": "animate", "label": frame["name"], "args": [[frame["name"]], at_once]} for frame in frames
        ]
        return {**parts, "frames": frames}


def packed(trace: dict[str, Any]) -> dict[str, Any]:
    """A trace with its arrays as Plotly's typed ones of float32, six digits: finer than any screen. Only numbers are drawn."""
    return {name: as_bytes(value) if isinstance(value, np.ndarray) else value for name, value in trace.items()}


def as_bytes(numbers: Array) -> dict[str, str]:
    single = np.where(np.isfinite(numbers), numbers, np.nan).astype("<f4")
    return {"dtype": "f4", "bdata": base64.b64encode(single.tobytes()).decode()}
