"""The forget-gate lesson's sentences: each says what its numbers say."""

import math
from dataclasses import replace

import numpy as np
import pytest

from gradflow.findings import percent
from gradflow.memory import LOGIT_EDGES, Memory
from gradflow.memory_findings import (
    entry_title,
    gates_title,
    kept_title,
    memory_title,
    per_step,
    price,
    seen,
)


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
        (1.0357, "1.04"),
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
        "b_f = 1: the LSTM keeps 0.9 of ∂L/∂c_t per step; its gate alone would keep 0.8"
    )
    assert "multiplies ∂L/∂h_t by 1.04 per step; its gate alone would keep 0.9933" in memory_title(
        memory(factor=1.04, law=0.9933), "dL/dh"
    )
    assert memory_title(memory(factor=0.801), "joint").endswith("of ∂L/∂(h_t, c_t) per step, as its gate alone would")
    assert memory_title(memory(bias=None), "dL/dc").startswith("Chrono: the LSTM")
    assert memory_title(memory("gru"), "dL/dc").startswith("b = 1: the GRU keeps 0.9 of ∂L/∂h_t")


def test_the_title_says_where_there_is_no_number():
    assert "exactly nothing of ∂L/∂h_t" in memory_title(memory(factor=0.0), "dL/dh")
    nothing = replace(memory(), log10_factors=dict.fromkeys(("dL/dc", "dL/dh", "joint"), math.nan))
    assert "∂L/∂c_t is exactly 0 at the last step" in memory_title(nothing, "dL/dc")
    assert "nan" not in seen(nothing, "dL/dc")


def test_agreement_is_a_factor_of_2_at_the_first_step():
    inside, outside = (memory(factor=0.8 * 10 ** (decades / 100)) for decades in (0.29, 0.32))
    assert "as its gate alone would" in memory_title(inside, "dL/dc")
    assert "would keep 0.8" in memory_title(outside, "dL/dc")


def test_the_words_say_which_side_of_the_law_the_line_is_on():
    assert "shaded rest came another way" in seen(memory(factor=0.9), "dL/dc")
    assert "shaded part is lost" in seen(memory(factor=0.7), "dL/dc")
    assert "agree" in seen(memory(factor=0.8), "dL/dc")
    assert "None of it" in seen(memory(factor=0.0), "dL/dh")
    assert "Try ρ = 0" in seen(memory(), "dL/dc")
    assert "Try ρ = 0" not in seen(memory(bias=None), "dL/dc")


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


def test_the_headings_hold_the_numbers():
    lstm, gru = memory(bias=5.0, factor=1.0357), memory("gru", bias=5.0, factor=0.9925, written=0.0076)
    assert kept_title(lstm, gru) == "Kept per step at b = 5: GRU 0.9925, LSTM 1.04"
    assert entry_title(lstm, gru) == "Written at b = 5: GRU 0.76\N{NO-BREAK SPACE}%, LSTM 50\N{NO-BREAK SPACE}%"
    low, high = (1.0 + math.exp(edge) for edge in (LOGIT_EDGES[61], LOGIT_EDGES[69]))
    assert gates_title(memory(), memory(bias=None)).startswith(
        f"Gates hold for {low:.1f} to {high:.1f} steps at b_f = 1"
    )
