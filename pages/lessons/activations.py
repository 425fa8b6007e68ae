"""tanh, sigmoid and ReLU where a network uses them, and what a single unit can remember with each."""

import pandas as pd
import streamlit as st

from gradflow.activation_findings import (
    activations_title,
    curves_title,
    curves_words,
    panels_words,
    unit_title,
    unit_words,
)
from gradflow.activations import ACTIVATIONS, complement, relu, relu_slope, sigmoid, sigmoid_slope, tanh_slope
from gradflow.experiment import Experiment, Knob
from gradflow.figures import activation_curves, activation_panels, unit_map, unit_time
from gradflow.one_unit import OneUnit, fixed_points, one_unit, tanh_roots, two_cycle
from gradflow.operating_points import OperatingPoint, operating_point, operating_points, operating_points_frame
from gradflow.ui.cache import shared
from gradflow.ui.cards import activation_cards_html
from gradflow.ui.chart import draw
from gradflow.ui.controls import control
from gradflow.ui.frame import experiment, problems_told, setting, title
from gradflow.ui.share import experiment_code, share
from gradflow.ui.sources import show_sources

SEEDS, UNIT_STEPS = 20, 50
UNIT = {
    "unit_activation": Knob(
        "Unit's activation", "The unit's activation function.", symbol="φ", choices=tuple(ACTIVATIONS)
    ),
    "unit_weight": Knob(
        "Unit's weight", "What its last state is multiplied by.", symbol="w", low=-8.0, high=8.0, step=0.1
    ),
    "unit_bias": Knob("Unit's bias", "What is added at every step.", symbol="b", low=-8.0, high=8.0, step=0.1),
    "unit_start": Knob("Unit's start", "What the one-time input leaves.", symbol="h₀", low=-2.0, high=2.0, step=0.05),
}
DEFAULT = "Latches"
PRESETS = {
    "Forgets": ("tanh", 0.9, 0.0, 0.9),
    "Latches": ("tanh", 1.5, 0.0, 0.2),
    "Sigmoid": ("sigmoid", 1.0, 0.0, 0.9),
    "Oscillates": ("tanh", -1.5, 0.0, 0.1),
    "Blows up": ("relu", 1.1, 0.0, 0.4),
}


def set_unit(*values: str | float) -> None:
    """One click sets the unit's controls."""
    st.session_state.update(zip(UNIT, values, strict=True))


def python_code(exp: Experiment, seeds: tuple[int, ...], unit: OneUnit) -> str:
    """A program that prints the page's numbers."""
    return (
        f"import gradflow as gf\n\n{experiment_code(exp, 'activation')}"
        f"points = gf.operating_points(exp, seeds=range({seeds[0]}, {seeds[-1] + 1}))\n"
        "for name, p in points.items():\n"
        "    print(name, p.mean_slope, p.max_slope, p.saturated, p.dead, p.gradient.per_step_factor)\n\n"
        f"unit = gf.one_unit({unit.activation!r}, w={unit.w!r}, b={unit.b!r}, h0={float(unit.h[0])!r}, steps={UNIT_STEPS})\n"
        "for point in unit.fixed_points:\n"
        "    print(point.h, point.multiplier, point.kind)\n\n"
        "# points[name].edges, .share: the bars; .gradient.low, .middle, .high: the curves, log10 at steps 0 … T\n"
        "# unit.h, unit.log10_memory: h_t and log10 |∂h_t/∂h_0|\n"
    )


def data(points: dict[str, OperatingPoint], unit: OneUnit) -> bytes:
    """All that the page draws as one table: activation, quantity, at, value."""
    orbit = unit.to_frame().melt("step", var_name="quantity").rename(columns={"step": "at"})
    orbit["activation"] = unit.activation
    orbit["quantity"] = "one unit: " + orbit["quantity"]
    return pd.concat([operating_points_frame(points), orbit]).to_csv(index=False).encode()


seeds = tuple(range(setting("seed"), setting("seed") + SEEDS))
with problems_told("Activations"):
    exp = experiment()
    points = shared(operating_points)(exp, seeds)

finding = activations_title(points)
title(finding)
st.html(activation_cards_html(points))
draw(activation_panels(points), key="activation_panels", alt=finding)
st.markdown(panels_words(exp, points, SEEDS))

finding = curves_title(points)
st.subheader(finding, anchor=False)
draw(activation_curves(points), key="activation_curves", alt=finding)
st.markdown(curves_words(exp, points, SEEDS))

heading = st.container()
with st.container(horizontal=True):
    for name, preset in PRESETS.items():
        st.button(name, on_click=set_unit, args=preset)
values = []
for column, (key, knob), default in zip(st.columns(len(UNIT)), UNIT.items(), PRESETS[DEFAULT], strict=True):
    with column:
        values.append(control(key, default, knob))
activation, w, b, h0 = values
unit = shared(one_unit)(activation, w, b, h0, UNIT_STEPS)
finding = unit_title(unit)
heading.subheader(finding, anchor=False)
left, right = st.columns([2, 3])
with left:
    draw(unit_map(unit), key="unit_map", alt=finding)
with right:
    draw(unit_time(unit), key="unit_time", alt=finding)
st.markdown(unit_words(unit))

share(csv=lambda: data(points, unit), python=python_code(exp, seeds, unit), name="activations")
show_sources(
    {
        "φ and φ′": [sigmoid, complement, sigmoid_slope, tanh_slope, relu, relu_slope],
        "At work": [operating_point],
        "One unit": [one_unit, fixed_points, tanh_roots, two_cycle],
    }
)
