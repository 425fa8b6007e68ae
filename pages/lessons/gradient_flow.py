"""Type a sentence, see where its gradient goes: RNN, LSTM and GRU on the same input, seeds and loss."""

from dataclasses import replace

import streamlit as st

from gradflow.experiment import Experiment, Knob, build_cell
from gradflow.figures import direct_curves, flow_curves, unit_maps
from gradflow.findings import NAMES, UNITS, direct_title, words
from gradflow.findings import title as headline
from gradflow.gradient_check import check_gradients
from gradflow.presets import PRESETS
from gradflow.summary import QUANTITIES, summaries_frame, summarise
from gradflow.ui.cache import shared
from gradflow.ui.cards import cards_html
from gradflow.ui.chart import draw
from gradflow.ui.controls import control
from gradflow.ui.frame import SHARED, experiment, own_controls, own_more, problems_told, setting, title
from gradflow.ui.share import experiment_code, share
from gradflow.ui.sources import show_sources
from gradflow.ui.strip import strip_html
from gradflow.unroll import ForwardOverflow


def python_code(exp: Experiment, cells: tuple[str, ...], seeds: tuple[int, ...], quantity: str, direct: bool) -> str:
    """A program that prints the page's numbers."""
    last = "" if quantity == "dL/dh" else f"    quantity={quantity!r},\n"
    more = "    print(cell, 'direct', len(s.direct_sizes), min(s.direct_sizes), max(s.direct_sizes))\n" * direct
    return (
        f"import gradflow as gf\n\n{experiment_code(exp, 'cell')}"
        f"by_cell = gf.summarise(\n    exp,\n    cells={cells!r},\n    seeds=range({seeds[0]}, {seeds[-1] + 1}),\n{last})\n"
        "for cell, s in by_cell.items():\n"
        f"    print(cell, s.verdict, s.per_step_factor, s.half_life)\n{more}\n"
        f"# s.low, s.middle, s.high{', s.direct' * direct}: the curves, log10 at steps 0 … T\n"
    )


def choose(preset: str) -> None:
    """Sets every control but the visitor's own, so that a preset keeps its promise whatever was set before."""
    defaults = {**{key: default for key, (default, _) in SHARED.items() if key not in KEPT}, **OWN_DEFAULTS}
    for key, value in {**defaults, **PRESETS[preset]}.items():
        st.session_state[key] = list(value) if isinstance(value, tuple) else value


def checked(exp: Experiment) -> str:
    """What the gradient check found, as a sentence."""
    try:
        return shared(check_gradients)(exp).sentence
    except ForwardOverflow as problem:
        return f"{NAMES[exp.cell]}: no gradient to check, {problem}."


QUANTITY = Knob(
    "Gradient of",
    "Total derivatives, through every path to the loss. Only an LSTM has a c_t.",
    choices=tuple(QUANTITIES),
)
DERIVATIVE = Knob(
    "Derivative",
    "Total: through every path from h_t to the loss. Direct: through the readout at step t only, of h_t.",
    choices=("total", "direct"),
)
KEPT = ("text", "seed", "cells", "length")  # what a preset leaves as it is: on what it is shown, not what happens
OWN_DEFAULTS = {"quantity": "dL/dh", "derivative": "total"}
SEEDS = 20

with own_controls(), st.container(horizontal=True, gap="xsmall"):
    for preset in PRESETS:
        st.button(preset, on_click=choose, args=(preset,))
with own_more():
    derivative = control("derivative", "total", DERIVATIVE)
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
    title("Only an LSTM has a cell state c_t: choose one, or the gradient of h_t")
    st.stop()

direct = derivative == "direct"
finding = direct_title(by_cell) if direct else headline(by_cell)
title(finding)
st.html(cards_html(by_cell))
draw(direct_curves(by_cell) if direct else flow_curves(by_cell), key="curves", alt=finding)
st.html(strip_html(by_cell, is_text=exp.input == "text"))
st.markdown(words(exp, by_cell, SEEDS, direct))

st.subheader("Which units carry it", anchor=False)
draw(unit_maps(by_cell), key="units", alt="Gradient of every unit over time, one map per cell")
st.markdown(UNITS)

if st.button("Check these gradients", icon=":material/fact_check:"):
    st.session_state["checked"] = exp, cells
if st.session_state.get("checked") == (exp, cells):  # until a setting changes
    st.markdown("\n".join(f"- {checked(replace(exp, cell=cell))}" for cell in by_cell))
    st.caption(
        f"Network of seed {exp.seed}. Every parameter along random directions; h_t and c_t at steps T, T − 1, T − 2, T − 4, … 0, "
        "from where the forward pass is run anew with its units nudged. "
        "Step by step: `gf.check_gradients(exp).to_frame()`."
    )
share(
    csv=lambda: summaries_frame(by_cell).to_csv(index=False).encode(),
    python=python_code(exp, cells, seeds, quantity, direct),
    name="gradient-flow",
)
show_sources({**{NAMES[cell]: build_cell(exp, cell) for cell in by_cell}, "The check": [check_gradients]})
