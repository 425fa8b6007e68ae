"""The forget-gate lesson's sentences: each says what its numbers say."""

import math
from dataclasses import replace

import numpy as np
import pytest

import gradflow as gf
from gradflow.findings import percent
from gradflow.memory import LOGIT_EDGES, Memory
from gradflow.memory_findings import (
    ONE_SIDED,
    entry_title,
    gates_title,
    kept_title,
    memory_title,
    per_step,
    price,
    seen,
)

EXP = gf.Experiment(input="text", length=100, hidden=32, batch=1)
CUT_OFF = replace(EXP, spectral_radius=0.0)


def memory(cell="lstm", bias=1.0, factor=0.9, law=0.8, length=100, **fields):
    """A gradient that every step multiplies by `factor`, above or below its law."""
    quantities = ("dL/dc", "dL/dh", "joint") if cell == "lstm" else ("dL/dh",)
    k = np.arange(length, -1, -1.0)
    log10_factor = math.log10(factor) if factor else -math.inf
    density = np.zeros(len(LOGIT_EDGES) - 1)
    density[60:70] = 0.1
    facts = {"written": 0.5, "newest": 0.2, "size": 0.2, "passed": 0.9, "density": density, **fields}
    return Memory(
        cell=cell,
        bias=bias,
        curves=dict.fromkeys(quantities, k * (log10_factor if factor else -1.0)),
        law=k * math.log10(law),
        log10_factors=dict.fromkeys(quantities, log10_factor),
        **facts,
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.8739, "0.874"),
        (0.8601, "0.860"),
        (1.5, "1.50"),
        (1.0357, "1.036"),
        (0.99331, "0.9933"),
        (0.9999541, "0.999954"),
        (1.0, "1"),
        (1.00042, "1.00042"),
    ],
)
def test_a_factor_near_1_keeps_the_digits_that_count(value, said):
    assert per_step(value) == said


def test_a_factor_of_any_size_is_said():
    assert per_step(0.0) == "0"
    assert per_step(4.5e-5) == "4.5·10⁻⁵"
    assert per_step(math.nan) == "no gradient"
    assert percent(0.0076) == "0.76\N{NO-BREAK SPACE}%"
    assert percent(math.nan) == "0\N{NO-BREAK SPACE}%"


def test_the_title_compares_what_is_kept_with_the_gate():
    assert memory_title(memory(), "dL/dc") == (
        "b_f = 1: the LSTM keeps 0.900 of ∂L/∂c_t per step; its gate at rest would keep 0.800"
    )
    assert "multiplies ∂L/∂h_t by 1.040 per step; its gate at rest would keep 0.9933" in memory_title(
        memory(factor=1.04, law=0.9933), "dL/dh"
    )
    assert memory_title(memory(factor=0.801), "joint").endswith("of ∂L/∂(h_t, c_t) per step, as its gate at rest would")
    assert memory_title(memory(bias=None), "dL/dc").startswith("Chrono: the LSTM")
    assert memory_title(memory("gru"), "dL/dc").startswith("b = 1: the GRU keeps 0.900 of ∂L/∂h_t")


def test_the_title_says_where_there_is_no_number():
    assert "exactly nothing of ∂L/∂h_t" in memory_title(memory(factor=0.0), "dL/dh")
    nothing = replace(memory(), log10_factors=dict.fromkeys(("dL/dc", "dL/dh", "joint"), math.nan))
    assert "∂L/∂c_t is exactly 0 at the last step" in memory_title(nothing, "dL/dc")
    assert "nan" not in seen(EXP, nothing, "dL/dc")


def test_agreement_is_a_factor_of_2_at_the_first_step():
    inside, outside = (memory(factor=0.8 * 10 ** (decades / 100)) for decades in (0.29, 0.32))
    assert "as its gate at rest would" in memory_title(inside, "dL/dc")
    assert "would keep 0.800" in memory_title(outside, "dL/dc")


def test_the_words_say_which_side_of_the_law_the_line_is_on():
    assert "shaded rest came through h" in seen(EXP, memory(factor=0.9), "dL/dc")
    assert "shaded part is lost" in seen(EXP, memory(factor=0.7), "dL/dc")
    assert "agree" in seen(EXP, memory(factor=0.8), "dL/dc")
    assert "None of it" in seen(EXP, memory(factor=0.0), "dL/dh")
    assert "Try ρ = 0" in seen(EXP, memory(), "dL/dc")
    assert "Try ρ = 0" not in seen(EXP, memory(bias=None), "dL/dc")


def test_the_rest_came_by_the_ways_that_are_open():
    through_h, held_open = "through h, which feeds", "gates that the input holds open"
    both = seen(EXP, memory(), "dL/dc")
    assert through_h in both
    assert held_open in both
    cut_off = seen(CUT_OFF, memory(), "dL/dc")
    assert through_h not in cut_off
    assert "the input holds those of some units open" in cut_off
    for exp, m in (
        (EXP, memory(size=0.0)),
        (replace(EXP, input="impulse"), memory()),
        (replace(EXP, input="noise"), memory()),
    ):
        assert through_h in seen(exp, m, "dL/dc")
        assert held_open not in seen(exp, m, "dL/dc")
    dead = seen(replace(EXP, activation="relu"), memory(factor=0.0, size=0.0), "dL/dc")
    assert "every unit is off" in dead


@pytest.mark.parametrize(
    ("exp", "m", "tried"),
    [
        (EXP, memory(), "Try ρ = 0, which closes every way but the gate, then Chrono"),
        (CUT_OFF, memory(), "Try an input scale of 0, which leaves the gates at rest, then Chrono"),
        (CUT_OFF, memory(size=0.0), "Try ρ = 1, which opens the way through h."),
        (CUT_OFF, memory("gru"), "Try ∂L/∂c_t, or ρ = 1"),
        (replace(CUT_OFF, init="pytorch"), memory(), "Try Chrono"),
        (replace(EXP, rescale=False), memory(), "Try Chrono"),
        (replace(EXP, activation="relu"), memory(size=0.0), "Try an input scale of 0.5"),
        (EXP, memory(bias=None), "turn it off and try b_f = 5"),
    ],
)
def test_what_is_to_be_tried_is_not_yet_so(exp, m, tried):
    assert tried in seen(exp, m, "dL/dc")


@pytest.mark.parametrize(("kind", "holds"), [("text", True), ("series", True), ("noise", False), ("impulse", False)])
def test_which_inputs_hold_gates_open(kind, holds):
    """Without W_hh nothing but the input can make more of the gradient arrive than gates at rest would leave."""
    m = gf.measure_memory(replace(CUT_OFF, input=kind), "lstm", range(5))
    assert (m.factor() > 1.003 * m.law_factor) == holds
    assert (kind in ONE_SIDED) == holds


def test_gates_at_rest_follow_the_law_and_an_input_moves_them_off_it():
    """What the words send the reader through, ρ = 0 and then an input scale of 0, shows what they say."""
    moved, rested = (gf.measure_memory(exp, "lstm", range(5)) for exp in (CUT_OFF, replace(CUT_OFF, input_scale=0.0)))
    assert moved.factor() > 1.02 * moved.law_factor
    assert rested.factor() == pytest.approx(rested.law_factor, rel=1e-12)
    assert "its gate at rest would keep 0.731" in memory_title(moved, "dL/dc")
    assert "as its gate at rest would" in memory_title(rested, "dL/dc")


def test_the_price_is_told_only_where_it_is_paid():
    full, closed = memory(bias=5.0, size=8.0, newest=0.015, passed=0.11), memory("gru", bias=5.0, written=0.0076)
    chrono, unbiased = memory(bias=None, written=0.047, size=0.1), memory(bias=0.0)
    paid = price(full, closed, chrono, unbiased)
    for said in (
        "b = 5",
        "0.76\N{NO-BREAK SPACE}%",
        "nothing new gets in",
        "50\N{NO-BREAK SPACE}%",
        "8.0 instead of 0.20",
        "1.5\N{NO-BREAK SPACE}%",
        "11\N{NO-BREAK SPACE}%",
        "4.7\N{NO-BREAK SPACE}%",
    ):
        assert said in paid
    for lstm, gru in ((full, memory("gru", bias=5.0, written=0.31)), (memory(bias=5.0, size=0.3), closed)):
        cheap = price(lstm, gru, chrono, unbiased)
        assert "costs little" in cheap
        assert "nothing new" not in cheap


def test_where_nothing_is_written_no_memory_is_full():
    exp = replace(EXP, input_scale=0.0)
    (unbiased, lstm), (gru,) = (
        gf.sweep_memory(exp, cell, biases, range(2)) for cell, biases in (("lstm", (0.0, 5.0)), ("gru", (5.0,)))
    )
    said = price(lstm, gru, gf.measure_memory(replace(exp, chrono=True), "lstm", range(2)), unbiased)
    assert said.startswith("Nothing is written here, since every candidate is zero: |c_t| is 0 at b = 5 as at b = 0.")
    assert "full" not in said
    assert "newest" not in said


def test_the_headings_hold_the_numbers():
    lstm, gru = memory(bias=5.0, factor=1.0357), memory("gru", bias=5.0, factor=0.9925, written=0.0076)
    assert kept_title(lstm, gru) == "Kept per step at b = 5: GRU 0.9925, LSTM 1.036"
    assert entry_title(lstm, gru) == "Written at b = 5: GRU 0.76\N{NO-BREAK SPACE}%, LSTM 50\N{NO-BREAK SPACE}%"
    low, high = (1.0 + math.exp(edge) for edge in (LOGIT_EDGES[61], LOGIT_EDGES[69]))
    assert gates_title(memory(), memory(bias=None)).startswith(
        f"Gates hold for {low:.1f} to {high:.1f} steps at b_f = 1"
    )
