"""Truncated back-propagation through time: which paths survive, what they cost, how far the gradient is off."""

from dataclasses import replace

import streamlit as st

from gradflow.experiment import Experiment, Knob, read_sequences
from gradflow.figures import bias_curves, path_counts, surviving_paths
from gradflow.truncation import go_back, path_depths, truncate, truncated_gradients, truncations_frame
from gradflow.truncation_findings import BIAS, COUNTS, bias_title, paths_finding, paths_words, styles, table
from gradflow.ui.cache import shared
from gradflow.ui.chart import draw
from gradflow.ui.controls import control
from gradflow.ui.frame import experiment, own_controls, problems_told, setting, title
from gradflow.ui.share import experiment_code, share
from gradflow.ui.sources import show_sources

K1 = Knob(
    "A pass every",
    "How many new losses each pass sends back; more than there are steps counts as all.",
    symbol="k₁",
    low=1,
    high=300,
    step=1,
)
K2 = Knob(
    "Goes back",
    "How many steps a pass goes back, uses of W_hh; more than there are steps counts as all.",
    symbol="k₂",
    low=1,
    high=300,
    step=1,
)
GRID = (1, 2, 3, 5, 7, 10, 14, 20, 30, 40, 50, 70, 100, 140, 200, 300)


def python_code(exp: Experiment, cells: tuple[str, ...], pairs: list[tuple[int, int]]) -> str:
    """A program that prints the page's numbers."""
    return (
        f"import gradflow as gf\nfrom dataclasses import replace\n\n{experiment_code(exp, 'cell')}"
        f"for k1, k2 in {pairs!r}:\n"
        f"    for cell in {cells!r}:\n"
        "        t = gf.truncate(replace(exp, cell=cell), k1, [k2])\n"
        "        print(k1, k2, gf.steps_back(t.length, k1, k2), cell, t.ratio[0], t.angle[0], t.bias[0])\n\n"
        "# gf.path_depths(t.length, k1, k2): how far every loss goes back\n"
    )


with own_controls():
    k1 = control("truncation_k1", 5, K1)
    k2 = control("truncation_k2", 10, K2)

cells = tuple(setting("cells"))
if not cells:
    title("Choose at least one cell")
    st.stop()
with problems_told("Truncated BPTT"):
    exp = experiment(sequence_type="many-to-many", reduction="sum")
    length = len(read_sequences(exp).x)
    chosen, *others = all_styles = styles(length, k1, k2)
    grid = tuple(sorted({*GRID, chosen.k2}))
    curves = {cell: shared(truncate)(replace(exp, cell=cell), chosen.k1, grid) for cell in cells}
    compared = {
        cell: [curves[cell], *(shared(truncate)(replace(exp, cell=cell), s.k1, (s.k2,)) for s in others)]
        for cell in cells
    }

finding = bias_title(curves, chosen)
title(finding)
draw(
    surviving_paths({style.heading: path_depths(length, style.k1, style.k2) for style in all_styles}),
    key="surviving_paths",
    alt=paths_finding(chosen, length),  # stays while the gradients change, and so does the picture
)
st.markdown(table(length, all_styles, compared))
st.markdown(paths_words(chosen, length))

bias, counts = st.columns(2)
with bias:
    st.subheader(f"How far off, with a pass every {chosen.k1}", anchor=False)
    draw(bias_curves(curves, chosen.k2), key="truncation_bias", alt=finding)
    st.markdown(BIAS)
with counts:
    st.subheader("How far the losses go back", anchor=False)
    draw(
        path_counts(path_depths(length, chosen.k1, chosen.k2)),
        key="truncation_counts",
        alt=f"Error paths by depth for k₁ = {chosen.k1}, k₂ = {chosen.k2}",
    )
    st.markdown(COUNTS)

share(
    csv=lambda: truncations_frame([t for row in compared.values() for t in row]).to_csv(index=False).encode(),
    python=python_code(exp, cells, [(style.k1, style.k2) for style in all_styles]),
    name="truncated-bptt",
)
show_sources({"The passes": [go_back, truncated_gradients], "The comparison": [truncate]})
