"""Two training runs side by side: the loss, and the gradient's length before and after clipping."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from gradflow.clipping import CLIPPED
from gradflow.figures.theme import CLIPPING_COLOURS, REFERENCE, figure, log_ticks
from gradflow.training import BASELINE, BLOCK, Learning, Training

TOP_LOSS = 2.0 * BASELINE
TOP_NORM = 4.0  # log10; what is longer leaves the picture at the top


def race_curves(setup: Training, runs: Mapping[str, Learning], height: int = 470) -> go.Figure:
    """Loss above, gradient norm below, over the training steps; the baseline and the threshold as lines.

    The reader should conclude which run learns, and that the clipped run's gradients are as long as the other's before
    clipping, and never longer than the threshold after it. Axes are those of the whole run from the start.
    """
    threshold = float(np.log10(setup.threshold))
    lowest = min([-1.0, *(np.floor(np.log10(n)) for run in runs.values() for n in run.norm_after)])
    steps = {"range": [0, setup.steps], "showgrid": False}
    return figure(
        [trace for kind, run in runs.items() for trace in traces(kind, run)],
        height,
        xaxis={**steps, "title": {"text": "training step"}},
        yaxis={"title": {"text": "‖∂L/∂θ‖", "standoff": 10}, "domain": [0.0, 0.42], **log_ticks(lowest, TOP_NORM, 5)},
        xaxis2={**steps, "anchor": "y2", "matches": "x", "showticklabels": False},
        yaxis2={
            "title": {"text": "loss", "standoff": 10},
            "domain": [0.48, 1.0],
            "anchor": "x2",
            "range": [0.0, TOP_LOSS],
        },
        shapes=[across("2", BASELINE), across("", threshold)],
        annotations=[
            at_right("2", BASELINE, "always answering 1: 1/6", "bottom"),
            at_right("", threshold, f"threshold c = {setup.threshold:g}", "top"),
        ],
        font={"size": 15},
    )


def traces(kind: str, run: Learning) -> list[dict]:
    """One run's loss, and its longest gradients: before clipping dotted, where there is clipping, and after it."""
    look = {"x": run.step, "mode": "lines", "line": {"color": CLIPPING_COLOURS[kind], "width": 3}}
    above = {"xaxis": "x2", "yaxis": "y2", "hovertemplate": "%{y:.3f}"}
    below = {"hovertemplate": f"longest in {BLOCK} steps: 10^%{{y:.1f}}"}
    dotted = {"color": CLIPPING_COLOURS[kind], "width": 2, "dash": "dot"}
    before = {**look, **below, "y": np.log10(run.norm_before), "line": dotted, "name": "before clipping"}
    return [
        {**look, **above, "y": run.loss, "name": CLIPPED[kind]},
        *([before] if kind != "none" else []),
        {**look, **below, "y": np.log10(run.norm_after), "name": CLIPPED[kind], "showlegend": False},
    ]


def across(panel: str, y: float) -> dict:
    """A reference line across a panel."""
    line = {"color": REFERENCE, "width": 1.5, "dash": "dash"}
    return {
        "type": "line",
        "xref": f"x{panel} domain",
        "yref": f"y{panel}",
        "x0": 0,
        "x1": 1,
        "y0": y,
        "y1": y,
        "line": line,
    }


def at_right(panel: str, y: float, text: str, anchor: str) -> dict:
    """A reference line's words at its right end."""
    place = {"xref": f"x{panel} domain", "yref": f"y{panel}", "x": 1, "y": y, "xanchor": "right", "yanchor": anchor}
    return {**place, "text": text, "showarrow": False, "font": {"color": REFERENCE, "size": 14}}
