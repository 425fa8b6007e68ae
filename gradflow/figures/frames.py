"""A figure that its own slider moves in the browser."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from gradflow.activations import Array
from gradflow.figures.theme import HANDLE, REFERENCE, Plain, common_look, packed

Trace = dict[str, Any]
AT_ONCE = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}


def animated(
    standing: Sequence[Trace],
    moving: Sequence[Trace],
    names: Sequence[str],
    at: int,
    height: int,
    slider: dict[str, Any],
    **layout: Any,
) -> go.Figure:
    """A figure with a slider of its own: `standing` traces, and `moving` ones that change at each of its steps, `names`.

    A moving trace says under "moves" what does: its attributes' values, step by step; `at` is the step to begin with. A step
    paints the moving traces alone, so what stands costs nothing, and asks no server.
    """
    looks = [{key: value for key, value in trace.items() if key != "moves"} for trace in moving]
    moves = [trace["moves"] for trace in moving]
    present = [
        {**look, **{key: values[at] for key, values in move.items()}} for look, move in zip(looks, moves, strict=True)
    ]
    handle = {
        "active": at,
        "bgcolor": HANDLE,
        "activebgcolor": HANDLE,
        "bordercolor": REFERENCE,
        "ticklen": 4,
        "font": {"size": 12},
        "steps": [{"method": "animate", "label": name, "args": [[name], AT_ONCE]} for name in names],
        **slider,
    }
    followers = list(range(len(standing), len(standing) + len(moving)))
    sent = [{key: in_float32(values) for key, values in move.items()} for move in moves]
    frames = [
        {
            "name": name,
            "traces": followers,
            "data": [{key: packed(v[step]) for key, v in move.items()} for move in sent],
        }
        for step, name in enumerate(names)
    ]
    return Plain({**common_look([*standing, *present], height, sliders=[handle], **layout), "frames": frames})


def in_float32(values: Sequence[Any]) -> Sequence[Any]:
    """An attribute's values, step by step, their numbers with six digits, finer than any screen; words stay."""
    if isinstance(values, np.ndarray):
        return single(values)
    return [single(value) if isinstance(value, np.ndarray) else value for value in values]


def single(numbers: Array) -> NDArray[np.float32]:
    """In float32; only numbers are drawn."""
    return np.where(np.isfinite(numbers), numbers, np.nan).astype("<f4")
