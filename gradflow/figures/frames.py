"""A figure that its own slider moves in the browser."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from gradflow.activations import Array
from gradflow.figures.theme import HANDLE, REFERENCE, UNCHECKED, common_look

Trace = dict[str, Any]
AT_ONCE = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}


class Moving(go.Figure):
    """A figure with a slider of its own: `standing` traces, and `moving` ones that change at each of its steps, `names`.

    A moving trace says under "moves" what does: its attributes' values, step by step; `at` is the step to begin with. A step
    paints the moving traces alone, so what stands costs nothing, and asks no server. Frames go out as they are, their arrays
    packed: Plotly would check and copy each of their numbers, 0.3 s for 61 frames at every visit.
    """

    def __init__(
        self,
        standing: Sequence[Trace],
        moving: Sequence[Trace],
        names: Sequence[str],
        at: int,
        height: int,
        slider: dict[str, Any],
        **layout: Any,
    ) -> None:
        looks = [{key: value for key, value in trace.items() if key != "moves"} for trace in moving]
        moves = [trace["moves"] for trace in moving]
        present = [
            {**look, **{key: values[at] for key, values in move.items()}}
            for look, move in zip(looks, moves, strict=True)
        ]
        handle = {
            "active": at,
            "bgcolor": HANDLE,
            "activebgcolor": HANDLE,
            "bordercolor": REFERENCE,
            "ticklen": 4,
            "font": {"size": 12},
            **slider,
        }
        super().__init__(common_look([*standing, *present], height, sliders=[handle], **layout), **UNCHECKED)
        followers = list(range(len(standing), len(standing) + len(moving)))
        sent = [{key: packed(values) for key, values in move.items()} for move in moves]
        # a figure takes no other attributes than Plotly's
        self.__dict__["moving"] = [
            {
                "name": name,
                "traces": followers,
                "data": [{key: values[step] for key, values in move.items()} for move in sent],
            }
            for step, name in enumerate(names)
        ]

    def to_dict(self) -> dict[str, Any]:
        parts, frames = super().to_dict(), self.__dict__["moving"]
        parts["layout"]["sliders"][0]["steps"] = [
            {"method": "animate", "label": frame["name"], "args": [[frame["name"]], AT_ONCE]} for frame in frames
        ]
        return {**parts, "frames": frames}


def packed(values: Sequence[Any]) -> list[Any]:
    """An attribute's values, step by step, with arrays as Plotly's typed ones; words stay."""
    rows = (
        single(values)
        if isinstance(values, np.ndarray)
        else [single(v) if isinstance(v, np.ndarray) else v for v in values]
    )
    return [
        {"dtype": "f4", "bdata": base64.b64encode(row.tobytes()).decode()} if isinstance(row, np.ndarray) else row
        for row in rows
    ]


def single(numbers: Array) -> NDArray[np.float32]:
    """In float32, six digits: finer than any screen. Only numbers are drawn."""
    return np.where(np.isfinite(numbers), numbers, np.nan).astype("<f4")
