"""Two training runs side by side: the loss, and the gradient's length before and after clipping."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gradflow.activations import Array
from gradflow.clipping import CLIPPED
from gradflow.figures.theme import CLIPPING_COLOURS, REFERENCE, log_ticks, styled
from gradflow.training import BASELINE, BLOCK, Learning, Training

TOP_LOSS = 2.0 * BASELINE
TOP_NORM = 4.0  # log10; what is longer leaves the picture at the top


def race_curves(setup: Training, runs: Mapping[str, Learning], height: int = 470) -> go.Figure:
    """Loss above, gradient norm below, over the training steps; the baseline and the threshold as lines.

    The reader should conclude which run learns, and that the clipped run's gradients are as long as the other's before
    clipping, and never longer than the threshold after it. Axes are those of the whole run from the start.
    """
    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.55, 0.45])
    lowest = -1.0
    for kind, run in runs.items():
        colour = CLIPPING_COLOURS[kind]
        figure.add_scatter(
            x=run.step,
            y=run.loss,
            name=CLIPPED[kind],
            mode="lines",
            line={"color": colour, "width": 3},
            hovertemplate="%{y:.3f}",
            row=1,
            col=1,
        )
        before, after = np.log10(run.norm_before), np.log10(run.norm_after)
        lowest = min([lowest, *np.floor(after)])
        if kind != "none":
            dotted = {"color": colour, "width": 2, "dash": "dot"}
            figure.add_scatter(**norms(run.step, before, dotted, name="before clipping", showlegend=True))
        figure.add_scatter(**norms(run.step, after, {"color": colour, "width": 3}, name=CLIPPED[kind]))
    for value, text, row, place in (
        (BASELINE, "always answering 1: 1/6", 1, "top right"),
        (float(np.log10(setup.threshold)), f"threshold c = {setup.threshold:g}", 2, "bottom right"),
    ):
        figure.add_hline(
            y=value,
            row=row,
            col=1,
            line={"color": REFERENCE, "width": 1.5, "dash": "dash"},
            annotation={"text": text, "font": {"color": REFERENCE, "size": 14}},
            annotation_position=place,
        )
    figure.update_xaxes(range=[0, setup.steps], showgrid=False, zeroline=False)
    figure.update_xaxes(title="training step", row=2)
    figure.update_yaxes(title="loss", range=[0.0, TOP_LOSS], zeroline=False, row=1)
    figure.update_yaxes(title="‖∂L/∂θ‖", zeroline=False, row=2, **log_ticks(lowest, TOP_NORM, 5))
    return styled(figure, height).update_layout(legend_font_size=15)


def norms(step: Array, log10_norm: Array, line: dict[str, Any], **style: Any) -> dict[str, Any]:
    """A line of the lower panel."""
    hover = f"longest in {BLOCK} steps: 10^%{{y:.1f}}"
    panel = {"row": 2, "col": 1, "showlegend": False, "hovertemplate": hover}
    return {"x": step, "y": log10_norm, "mode": "lines", "line": line, **panel, **style}
