"""Which way the gradient takes back through a cell: by the highway, by the gates, or by both in turn."""

import streamlit as st

from gradflow.experiment import Experiment, Knob, build_cell
from gradflow.figures import gate_map, path_routes, path_steps
from gradflow.findings import NAMES
from gradflow.memory import GATED
from gradflow.path_findings import gates_heading, gates_words, headline, routes_words, steps_words
from gradflow.path_summary import WEIGHTS, paths_frame, summarise_paths
from gradflow.paths import split_routes, split_steps
from gradflow.ui.cache import shared
from gradflow.ui.chart import draw
from gradflow.ui.controls import control
from gradflow.ui.frame import experiment, own_controls, own_more, problems_told, title
from gradflow.ui.share import experiment_code, share
from gradflow.ui.sources import show_sources

NAME = "Paths through a cell"
CELL = Knob("Cell", "Cells with a highway.", choices=GATED)
WEIGHT = Knob(
    "Weights",
    "As the controls draw them, or trained to add up two marked numbers: then only length, seed and start have an effect.",
    choices=tuple(WEIGHTS),
)
LAG = Knob(
    "Start before the loss",
    "From how many steps before the last one the routes are followed back; step 1 at the earliest.",
    low=0,
    high=299,
    step=1,
)


def python_code(exp: Experiment, weights: str, lag: int) -> str:
    """A program that prints the page's numbers."""
    more = "".join(
        f", {name}={value!r}"
        for name, value, default in (("weights", weights, "random"), ("lag", lag, 0))
        if value != default
    )
    return (
        f"import gradflow as gf\n\n{experiment_code(exp)}"
        f"s = gf.summarise_paths(exp{more})\n"
        "print(s.highway_per_step, s.log10_highway_alone, s.error)\n\n"
        "# s.routes, s.by_step: norms and shares of the parts; s.kept: the memory gate, (T, H)\n"
    )


with own_controls():
    cell = control("path_cell", "lstm", CELL)
    weights = control("path_weights", "random", WEIGHT)
with own_more():
    lag = control("path_start", 0, LAG)

with problems_told(NAME):
    exp = experiment(cell=cell, sequence_type="many-to-one", loss="probe", reduction="mean")
    summary = shared(summarise_paths)(exp, weights, lag)

finding = headline(summary)
title(finding)
draw(path_routes(summary), key="path_routes", alt=finding)
st.markdown(routes_words(summary))

st.subheader("One step back, path by path", anchor=False)
draw(path_steps(summary), key="path_steps", alt=steps_words(summary))
st.markdown(steps_words(summary))

st.subheader(gates_heading(summary), anchor=False)
draw(gate_map(summary), key="path_gates", alt=gates_words(summary))
st.markdown(gates_words(summary))

share(
    csv=lambda: paths_frame(summary).to_csv(index=False).encode(),
    python=python_code(exp, weights, lag),
    name="paths-through-a-cell",
)
show_sources({NAMES[cell]: build_cell(exp), "Parts and routes": [split_steps, split_routes]})
