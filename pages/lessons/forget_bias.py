"""The memory gate's bias: what the LSTM and the GRU keep of the gradient, against σ(b)^k, and what a high bias costs."""

from collections.abc import Iterable
from dataclasses import replace

import streamlit as st

from gradflow.experiment import Experiment, Knob
from gradflow.figures import entry_against_bias, gate_values, kept_against_bias, memory_curves
from gradflow.memory import (
    Memory,
    entries,
    measure_memory,
    memories_frame,
    observe,
    pure_gate_law,
    remembering_bias,
    sweep_memory,
)
from gradflow.memory_findings import GATES, details, entry_title, gates_title, kept_title, memory_title, price, seen
from gradflow.ui.cache import shared
from gradflow.ui.chart import draw
from gradflow.ui.controls import control
from gradflow.ui.frame import experiment, own_controls, problems_told, setting, title
from gradflow.ui.share import experiment_code, share
from gradflow.ui.sources import show_sources

QUANTITY = Knob(
    "LSTM gradient of",
    "Total derivatives, through every path to the loss; the GRU has only ∂L/∂h_t, which is drawn with any of them.",
    choices=("dL/dc", "dL/dh", "joint"),
)
PRESETS = {  # name: forget-gate bias, Chrono, help
    "PyTorch: 0": (0.0, False, "PyTorch starts with b_f near 0."),
    "Gers: 1": (1.0, False, "b_f = 1 (Gers et al. 2000; Jozefowicz et al. 2015)."),
    "Long: 5": (5.0, False, "A memory horizon of 149 steps."),
    "Chrono": (1.0, True, "Every unit its own horizon, from 2 to T steps (Tallec & Ollivier 2018)."),
}
BIASES = tuple(float(b) for b in range(-2, 9))
SIDE_BY_SIDE, HIGH = (0.0, 1.0, 2.0, 5.0), 5.0
SEEDS = 5


def choose(forget_bias: float, chrono: bool) -> None:
    st.session_state["forget_bias"], st.session_state["chrono"] = forget_bias, chrono


def at(bias: float | None, memories: Iterable[Memory]) -> Memory:
    """The network with this bias."""
    return next(m for m in memories if m.bias == bias)


def chosen(exp: Experiment, cell: str, swept: tuple[Memory, ...], seeds: tuple[int, ...]) -> Memory:
    """The network that the controls describe: one of the swept ones where its bias is among theirs."""
    bias = remembering_bias(exp, cell)
    return at(bias, swept) if bias in BIASES else shared(measure_memory)(exp, cell, seeds)


def python_code(exp: Experiment, seeds: tuple[int, ...], quantity: str) -> str:
    """A program that prints the page's numbers."""
    lstm, gru = (
        f"{cell}_sweep[{BIASES.index(bias)}]" if bias in BIASES else f"gf.measure_memory(exp, '{cell}', seeds)"
        for cell, bias in ((cell, remembering_bias(exp, cell)) for cell in ("lstm", "gru"))
    )
    return (
        f"import gradflow as gf\n\n{experiment_code(exp, 'cell')}"
        f"seeds = range({seeds[0]}, {seeds[-1] + 1})\n"
        f"lstm_sweep = gf.sweep_memory(exp, 'lstm', {BIASES}, seeds)\n"
        f"gru_sweep = gf.sweep_memory(exp, 'gru', {BIASES}, seeds)\n"
        f"lstm = {lstm}\n"
        f"gru = {gru}\n\n"
        "for m in [lstm, gru, *lstm_sweep, *gru_sweep]:\n"
        f"    print(m.cell, m.bias, m.factor({quantity!r}), m.law_factor, m.written, m.newest, m.passed)\n\n"
        "# m.curves, m.law: log10 at steps 0 … T\n"
    )


with own_controls():
    for place, (name, (bias, chrono_on, what)) in zip([*st.columns(2), *st.columns(2)], PRESETS.items(), strict=True):
        place.button(
            name,
            on_click=choose,
            args=(bias, chrono_on),
            help=what,
            key=f"memory_preset_{name}",
            width="stretch",
        )
    quantity = control("memory_quantity", "dL/dc", QUANTITY)

seeds = tuple(range(setting("seed"), setting("seed") + SEEDS))
with problems_told("Forget-gate bias"):
    exp = experiment(sequence_type="many-to-one", loss="probe", reduction="mean")
    unbiased = replace(exp, forget_bias=0.0, update_bias=0.0, chrono=False)
    lstm_sweep = shared(sweep_memory)(unbiased, "lstm", BIASES, seeds)
    gru_sweep = shared(sweep_memory)(unbiased, "gru", BIASES, seeds)
    chrono = shared(measure_memory)(replace(unbiased, chrono=True), "lstm", seeds)
    lstm = chosen(exp, "lstm", lstm_sweep, seeds)
    gru = chosen(exp, "gru", gru_sweep, seeds)

others = [m for m in lstm_sweep if m.bias in SIDE_BY_SIDE and m.bias != lstm.bias]
side_by_side: list[Memory] = sorted([*others, lstm], key=lambda m: float("inf") if m.bias is None else m.bias)

finding = memory_title(lstm, quantity)
title(finding)
draw(memory_curves([*side_by_side, gru], lstm, quantity), key="memory_curves", alt=finding)
st.markdown(f"{seen(exp, lstm, quantity)}\n\n:small[:gray[{details(gru, SEEDS)}]]")

high_lstm, high_gru = at(HIGH, lstm_sweep), at(HIGH, gru_sweep)
kept, entering = st.columns(2)
with kept:
    finding = kept_title(high_lstm, high_gru)
    st.subheader(finding, anchor=False)
    draw(kept_against_bias(lstm_sweep, gru_sweep, (lstm, gru), quantity), key="memory_kept", alt=finding)
with entering:
    finding = entry_title(high_lstm, high_gru)
    st.subheader(finding, anchor=False)
    draw(entry_against_bias(lstm_sweep, gru_sweep, (lstm, gru)), key="memory_entry", alt=finding)
st.markdown(price(high_lstm, high_gru, chrono, at(0.0, lstm_sweep)))

one_bias = at(1.0, lstm_sweep) if lstm.bias is None else lstm
finding = gates_title(one_bias, chrono)
st.subheader(finding, anchor=False)
with_chrono = side_by_side if lstm.bias is None else [*side_by_side, chrono]
draw(gate_values([*with_chrono, gru], lstm), key="memory_gates", alt=finding)
st.markdown(GATES)

by_bias = {(m.cell, m.bias): m for m in (*lstm_sweep, *gru_sweep, chrono, lstm, gru)}  # each network once
share(
    csv=lambda: memories_frame(by_bias.values()).to_csv(index=False).encode(),
    python=python_code(exp, seeds, quantity),
    name="forget-gate-bias",
)
show_sources({"Pure-gate law": [pure_gate_law], "What gets in": [entries], "Measured": [measure_memory, observe]})
