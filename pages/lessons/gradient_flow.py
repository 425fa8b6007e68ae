"""Type a sentence, see where its gradient goes: RNN, LSTM and GRU on the same input, seeds and loss."""

import streamlit as st

from gradflow.cells import CELLS
from gradflow.experiment import Experiment, build_cell
from gradflow.figures import CONFIG, flow_curves, unit_maps
from gradflow.findings import UNITS, title, words
from gradflow.summary import QUANTITIES, summaries_frame
from gradflow.ui import STYLE
from gradflow.ui.cache import summaries
from gradflow.ui.cards import cards_html
from gradflow.ui.controls import control, told, word
from gradflow.ui.share import experiment_code, share
from gradflow.ui.sources import show_equations
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


DEFAULTS = Experiment(input="text", batch=1)
MAX_LENGTH, MAX_HIDDEN, MAX_SEED, SEEDS = 300, 128, 99, 20

with st.sidebar:
    cells = st.pills(
        "Cells",
        tuple(CELLS),
        selection_mode="multi",
        default=tuple(CELLS),
        format_func=word,
        key="cells",
        help="Side by side on the same input, seeds and loss.",
        bind="query-params",
        width="stretch",
    )
    knobs = {"activation": control("activation", DEFAULTS)}
    knobs["length"] = control("length", DEFAULTS, high=MAX_LENGTH)
    knobs |= {field: control(field, DEFAULTS) for field in ("spectral_radius", "forget_bias")}
    knobs["seed"] = control("seed", DEFAULTS, high=MAX_SEED)
    with st.expander("More"):
        quantity = st.selectbox(
            "Gradient of",
            tuple(QUANTITIES),
            format_func=lambda q: QUANTITIES[q],
            key="quantity",
            bind="query-params",
            help="Total derivatives, through every path to the loss. c_t exists in the LSTM only.",
        )
        fields = ("input", "sequence_type", "loss", "reduction", "init", "rescale", "input_scale")
        knobs |= {field: control(field, DEFAULTS) for field in fields}
        knobs["hidden"] = control("hidden", DEFAULTS, high=MAX_HIDDEN)
        knobs |= {field: control(field, DEFAULTS) for field in ("update_bias", "chrono", "gru_reset", "gru_update")}

st.html(STYLE)
head = st.container()
if knobs["input"] == "text":
    knobs["text"] = " ".join(control("text", DEFAULTS).splitlines())  # a link may hold line breaks, a sentence has none

if not cells:
    head.header("Choose at least one cell", anchor=False)
    st.stop()
seeds = tuple(range(knobs["seed"], knobs["seed"] + SEEDS))
try:
    exp = Experiment(**{**knobs, "batch": 1})
    by_cell = summaries(exp, tuple(cells), seeds, quantity)
except ValueError as problem:
    head.header("Gradient flow", anchor=False)
    st.warning(told(problem), icon=":material/edit:")
    st.stop()
if not by_cell:
    head.header("Only the LSTM has a cell state c_t: choose it, or the gradient of h_t", anchor=False)
    st.stop()

finding = title(by_cell)
head.header(finding, anchor=False)
st.html(cards_html(by_cell))
st.plotly_chart(flow_curves(by_cell), key="curves", config=CONFIG, alt=finding)
st.html(strip_html(by_cell, is_text=exp.input == "text"))
st.markdown(words(exp, by_cell, SEEDS))

st.subheader("Which units carry it", anchor=False)
st.plotly_chart(
    unit_maps(by_cell), key="units", config=CONFIG, alt="Gradient of every unit over time, one map per cell"
)
st.markdown(UNITS)

share(
    csv=lambda: summaries_frame(by_cell).to_csv(index=False).encode(),
    python=python_code(exp, tuple(cells), seeds, quantity),
    name="gradient-flow",
)
show_equations([build_cell(exp, cell) for cell in by_cell])
