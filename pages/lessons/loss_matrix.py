"""Which loss reaches which step: every step's own loss on its way back through one network."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from gradflow.cells import CELLS
from gradflow.experiment import Experiment, Knob
from gradflow.figures import lag_curves, loss_matrix_map, type_maps
from gradflow.findings import NAMES
from gradflow.loss_findings import LAGS, TYPES, matrix_words, reach_title
from gradflow.loss_matrix import each_alone, loss_matrix
from gradflow.losses import SEQUENCE_TYPES
from gradflow.ui.cache import shared
from gradflow.ui.chart import draw
from gradflow.ui.controls import control
from gradflow.ui.frame import experiment, own_controls, problems_told, setting, title
from gradflow.ui.share import experiment_code, share
from gradflow.ui.sources import show_sources

MATRIX_CELL = Knob("Matrix of", "Whose matrix is drawn; the chosen cells are compared by lag.", choices=tuple(CELLS))
LOSS_STEP = Knob(
    "Loss at step",
    "The row drawn under the matrix; beyond the last step it is the last.",
    symbol="k",
    low=1,
    high=300,
    step=1,
)


def python_code(exp: Experiment, cells: tuple[str, ...], cell: str, types: list[str]) -> str:
    """A program that prints the page's numbers."""
    return (
        f"import gradflow as gf\nfrom dataclasses import replace\n\n{experiment_code(exp, 'cell')}"
        f"for cell in {cells!r}:\n"
        "    m = gf.loss_matrix(replace(exp, cell=cell))\n"
        "    print(cell, m.reach, m.longest, m.sum_error.max())\n\n"
        f"for sequence_type in {types!r}:\n"
        f"    m = gf.loss_matrix(replace(exp, cell={cell!r}, sequence_type=sequence_type))\n"
        "    print(sequence_type, m.reach, m.longest, m.sum_error.max())\n\n"
        "# m.log10_norm[k, t]: loss k at state t; m.lag_band: the curves by lag, log10 at lags 0 … T\n"
    )


with own_controls():
    cell = control("matrix_cell", "rnn", MATRIX_CELL)
    loss_step = control("loss_step", 60, LOSS_STEP)

cells = tuple(name for name in CELLS if name == cell or name in setting("cells"))
with problems_told("Which loss reaches which step"):
    exp = experiment(sequence_type="many-to-many", reduction="sum")
    by_cell = {name: shared(loss_matrix)(replace(exp, cell=name)) for name in cells}
    matrix = by_cell[cell]
    types = [name for name in SEQUENCE_TYPES if name != "encoder-decoder" or matrix.length > 1]
    by_type = {name: shared(loss_matrix)(replace(exp, cell=cell, sequence_type=name)) for name in types}

finding = reach_title(by_cell)
title(finding)
draw(loss_matrix_map(by_type, min(loss_step, matrix.length)), key="loss_matrix", alt=finding)
st.markdown(matrix_words(matrix))

by_lag, by_sequence_type = st.columns([2, 3])
with by_lag:
    st.subheader("What is left of a loss, by lag", anchor=False)
    draw(lag_curves(by_cell), key="loss_lags", alt=finding)
    st.markdown(LAGS)
with by_sequence_type:
    st.subheader(f"The {NAMES[cell]} under each sequence type", anchor=False)
    draw(type_maps(by_type), key="loss_types", alt=f"Matrices of the {NAMES[cell]} under {len(by_type)} sequence types")
    st.markdown(TYPES)


def data() -> bytes:
    """Everything the figures show: the matrices under each sequence type, then every cell's curves by lag."""
    parts = {
        "matrix": pd.concat([m.to_frame() for m in by_type.values()]),
        "lag": pd.concat([m.lags_to_frame() for m in by_cell.values()]),
    }
    frame = pd.concat(parts, names=["figure"]).reset_index("figure")
    return frame.astype(dict.fromkeys(("loss_step", "step", "lag"), "Int64")).to_csv(index=False).encode()


share(
    csv=data,
    python=python_code(exp, cells, cell, types),
    name="which-loss-reaches-which-step",
)
show_sources({"One loss to a column": [each_alone], "The matrix": [loss_matrix]})
