"""Every line of a cell, forward and back: its equation, its source, and its value at the step that is pointed at."""

import streamlit as st

from gradflow.cells import CELLS
from gradflow.derivation import derive, replay
from gradflow.derivation_findings import PART_TITLES, WORDS, title_of
from gradflow.equations import Notation
from gradflow.experiment import Experiment, Knob, build_cell
from gradflow.figures.line_sizes import line_sizes
from gradflow.findings import NAMES
from gradflow.ui.cache import shared
from gradflow.ui.chart import draw
from gradflow.ui.controls import control
from gradflow.ui.frame import experiment, own_controls, problems_told, title
from gradflow.ui.lines import lines_table
from gradflow.ui.share import experiment_code, share
from gradflow.ui.sources import show_sources
from gradflow.unroll import ForwardOverflow


def python_code(exp: Experiment, unit: int, step: int) -> str:
    """A program that prints the page's numbers."""
    return (
        "import gradflow as gf\nfrom gradflow.derivation import derive\n\n"
        f"{experiment_code(exp)}d = derive(exp, unit={unit})\n"
        f"at = {step} - 1  # column t − 1 belongs to step t\n"
        "for number, symbol in enumerate(d.symbols):\n"
        "    print(symbol, d.log10_norm[number, at], d.least[number, at], d.greatest[number, at], d.unit_value[number, at])\n"
    )


OWN = {
    "derivation_cell": Knob("Cell", "Whose lines are shown.", choices=tuple(CELLS)),
    "derivation_step": Knob(
        "Step", "The step whose values are shown; of a shorter sequence the last.", symbol="t", low=1, high=300, step=1
    ),
    "derivation_unit": Knob(
        "Unit", "The hidden unit whose value is shown; of a smaller network the last.", symbol="i", high=127, step=1
    ),
    "derivation_part": Knob(
        "Lines",
        "Of one step: its way forward, the derivatives it multiplies with, its way back.",
        choices=tuple(PART_TITLES),
    ),
}
with own_controls():
    cell = control("derivation_cell", "lstm", OWN["derivation_cell"])
    step = control("derivation_step", 50, OWN["derivation_step"])
    unit = control("derivation_unit", 0, OWN["derivation_unit"])
picture, table = st.container(), st.container(key="derivation")
with table:
    # one part at a time: a browser takes longer to set its formulas than to draw the picture
    part = control("derivation_part", "back", OWN["derivation_part"])

with problems_told("The derivation"):
    exp = experiment(cell=cell)
    unit = min(unit, exp.hidden - 1)
    try:
        d = shared(derive)(exp, unit)
    except ForwardOverflow as overflow:
        title(f"{NAMES[cell]} has no gradient: {overflow}")
        st.stop()
step = min(step, len(d.steps))

finding = title_of(d, step)
title(finding)
with picture:
    draw(line_sizes(d, step), key="line_sizes", alt=finding, presenter_scale=1.12)  # its rows have no room for more
    st.markdown(WORDS)
with table:
    st.subheader(PART_TITLES[part], anchor=False)
    st.markdown(lines_table(d, part, step))

share(
    csv=lambda: d.to_frame().to_csv(index=False).encode(),
    python=python_code(exp, unit, step),
    name="derivation",
)
show_sources({NAMES[cell]: build_cell(exp), "How the lines are read and run": [Notation, replay]})
