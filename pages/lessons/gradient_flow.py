"""Type a sentence, see where its gradient goes: RNN, LSTM and GRU on the same input, seeds and loss."""

import streamlit as st

from gradflow.experiment import Experiment, Knob, build_cell
from gradflow.figures import flow_curves, unit_maps
from gradflow.findings import NAMES, UNITS, words
from gradflow.findings import title as headline
from gradflow.summary import QUANTITIES, summaries_frame, summarise
from gradflow.ui.cache import shared
from gradflow.ui.cards import cards_html
from gradflow.ui.chart import draw
from gradflow.ui.controls import control
from gradflow.ui.frame import experiment, own_more, problems_told, setting, title
from gradflow.ui.share import experiment_code, share
from gradflow.ui.sources import cell_classes, show_sources
from gradflow.ui.strip import strip_html


def python_code(exp: Experiment, cells: tuple[str, ...], seeds: tuple[int, ...], quantity: str) -> str:
    """A program that prints the page's numbers."""
    last = "" if quantity == "dL/dh" else f"    quantity={quantity!r},\n"
    return (
        f"import gradflow as gf\n\n{experiment_code(exp, 'cell')}"
        f"by_cell = gf.summarise(\n    exp,\n    cells={cells!r},\n    seeds=range({seeds[0]}, {seeds[-1] + 1}),\n{last})\n"
        "for cell, s in by_cell.items():\n"
        "    print(cell, s.verdict, s.per_step_factor, s.half_life)\n\n"
        "# s.low, s.middle, s.high: the curves, log10 at steps 0 … T\n"
    )


QUANTITY = Knob(
    "Gradient of",
    "Total derivatives, through every path to the loss. c_t exists in the LSTM only.",
    choices=tuple(QUANTITIES),
)
SEEDS = 20

with own_more():
    quantity = control("quantity", "dL/dh", QUANTITY)

cells = tuple(setting("cells"))
if not cells:
    title("Choose at least one cell")
    st.stop()
seeds = tuple(range(setting("seed"), setting("seed") + SEEDS))
with problems_told("Gradient flow"):
    exp = experiment()
    by_cell = shared(summarise)(exp, cells, seeds, quantity)
if not by_cell:
    title("Only the LSTM has a cell state c_t: choose it, or the gradient of h_t")
    st.stop()

finding = headline(by_cell)
title(finding)
st.html(cards_html(by_cell))
draw(flow_curves(by_cell), key="curves", alt=finding)
st.html(strip_html(by_cell, is_text=exp.input == "text"))
st.markdown(words(exp, by_cell, SEEDS))

st.subheader("Which units carry it", anchor=False)
draw(unit_maps(by_cell), key="units", alt="Gradient of every unit over time, one map per cell")
st.markdown(UNITS)

share(
    csv=lambda: summaries_frame(by_cell).to_csv(index=False).encode(),
    python=python_code(exp, cells, seeds, quantity),
    name="gradient-flow",
)
show_sources({NAMES[cell]: cell_classes(build_cell(exp, cell)) for cell in by_cell})
