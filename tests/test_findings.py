"""Sentences: the right numbers, read as a person would say them."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from charts import SUPERSCRIPTS, assert_shows, read_number
from hypothesis import given
from hypothesis import strategies as st
from made_up import CASES, DEAD, EXPLODING, ONE_STEP, OVERFLOWED, SOME_OVERFLOWED, STABLE, VANISHING, by_cell, summary

import gradflow as gf
from gradflow.findings import (
    NAMES,
    arrival,
    direct_title,
    many_losses,
    note,
    number,
    power_of_ten,
    steps,
    title,
    verdict_sentence,
    words,
)
from gradflow.ui.cards import cards_html

# ln 2 / −ln 0.79 = 2.9405; log 2 / log 1.3 = 2.6419; with a factor of 1/2 half is gone every step
NUMBERS = {
    "vanishing": ("0.79", "2.9"),
    "stable": ("0.980",),
    "exploding": ("1.3", "2.6"),
    "overflow": ("7",),
    "some overflowed": ("0.79", "2.9"),
    "one step": ("0.50",),
    "beyond float64": ("10⁻³", "0.10"),
    "far above": ("50", "0.18"),
    "level": ("1.0",),
    "all vanishing": ("0.900", "0.60", "6.6", "1.4"),
    "all stable": ("0.980", "1.01"),
    "overflow and stable": ("7",),
    "factor a half": ("0.50", "1.0"),
}


def reads_well(text):
    assert text
    assert text == text.strip()
    assert "  " not in text
    assert not re.search(r"nan|inf\b|None|[{}]|\(\)|-0\b", text)
    assert not re.search(r"(?<![.\d])[01] steps|[,;:] *[,;:.]|\.\.", text)
    assert text.count("(") == text.count(")")


@pytest.mark.parametrize("name", CASES)
def test_a_title_reads_well_and_names_its_cells(name):
    text = title(CASES[name])
    reads_well(text)
    assert text[0].isupper()
    assert not text.endswith(".")
    if CASES[name]:
        assert set(re.findall(r"[A-Z]{3,4}", text)) <= {NAMES[cell] for cell in CASES[name]}
        assert re.search(r"RNN|LSTM|GRU", text)
    else:
        assert "cell" in text


@pytest.mark.parametrize("name", NUMBERS)
def test_a_title_holds_the_numbers(name):
    said = re.findall(r"10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+|\d+\.\d+|\d+", title(CASES[name]).replace("float64", ""))
    for wanted in NUMBERS[name]:
        assert wanted in said


def test_the_title_s_first_cell_is_the_one_that_carries_the_gradient_best():
    text = title(CASES["all vanishing"])
    assert text.index("LSTM") < text.index("GRU")
    assert "RNN" not in text


@pytest.mark.parametrize("name", [name for name in CASES if name != "nothing"])
def test_a_direct_title_says_where_and_how_large_and_gives_no_verdict(name):
    text = direct_title(CASES[name])
    reads_well(text)
    if any(s.direct_sizes.size for s in CASES[name].values()):
        assert re.search(r"is 1\.0 at the last step and exactly zero before", text)
        assert not re.search(r"RNN|LSTM|GRU|per step", text)
    else:
        assert text == title(CASES[name])


def test_a_direct_title_tells_a_loss_at_every_step_from_one_at_some():
    everywhere = np.append(-np.inf, np.log10(np.linspace(0.01, 0.02, 50)))
    half = np.where(np.arange(51) > 25, np.log10(0.04), -np.inf)
    assert "0.010 to 0.020 at every step" in direct_title(by_cell(replace(VANISHING, direct=everywhere)))
    assert "0.040 at 25 of 50 steps" in direct_title(by_cell(replace(VANISHING, direct=half)))


def test_an_encoder_is_judged_from_the_middle_back():
    """0.79^25 = 2.8·10⁻³, whatever the second half does; nothing where nothing arrives."""
    s = replace(VANISHING, sequence_type="encoder-decoder")
    dead = replace(DEAD, sequence_type="encoder-decoder")
    assert "2.8·10⁻³ in the RNN" in title(by_cell(s))
    assert "exactly 0 in the RNN" in title(by_cell(dead))


def test_the_words_beside_a_direct_derivative_say_why_it_misleads():
    seen, _ = words(gf.Experiment(input="noise"), by_cell(VANISHING), 20, direct=True).split("\n\n")
    reads_well(seen)
    assert "misleads" in seen
    assert "total" in seen


@pytest.mark.parametrize(
    ("s", "verdict"),
    [
        (VANISHING, "vanishing"),
        (STABLE, "stable"),
        (EXPLODING, "exploding"),
        (DEAD, "vanishing"),
        (OVERFLOWED, "overflow"),
    ],
)
def test_the_verdict_is_the_one_of_the_rule(s, verdict):
    assert s.verdict == verdict
    reads_well(verdict_sentence(s))


def test_zero_small_and_overflow_are_three_different_sentences():
    zero, small = verdict_sentence(DEAD), verdict_sentence(summary("rnn", 1e-8, length=300))
    assert "zero" in zero
    assert "zero" not in small
    assert "float64" in verdict_sentence(OVERFLOWED)
    assert len({zero, small, verdict_sentence(OVERFLOWED)}) == 3


def test_arrival_is_the_first_step_over_the_last():
    assert_shows(arrival(VANISHING), 50 * math.log10(0.79))
    assert_shows(arrival(EXPLODING), 50 * math.log10(1.3))
    assert arrival(DEAD) == "exactly 0"
    assert arrival(ONE_STEP) == "0.50"


def test_a_note_counts_what_was_left_out():
    assert re.search(r"\b3 of 20\b", note(SOME_OVERFLOWED))
    assert re.search(r"\b9\b", note(SOME_OVERFLOWED))
    assert re.search(r"\b20 of 20\b", note(OVERFLOWED))
    assert re.search(r"step 12\b", note(DEAD))
    assert "zero" in note(DEAD)
    assert note(VANISHING) == ""


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("sequence_type", ["many-to-one", "many-to-many", "one-to-many", "encoder-decoder"])
def test_the_words_beside_the_curves_read_well(name, sequence_type):
    exp = gf.Experiment(input="noise", sequence_type=sequence_type)
    seen, details = words(exp, CASES[name], 20).split("\n\n")
    reads_well(seen)
    assert seen.endswith(".")
    assert "20 seeds" in details
    assert ("exploding: more than 100 times" in details) != all(map(many_losses, CASES[name].values()))


def test_all_that_lose_everything_are_named():
    dead = {cell: summary(cell, 0.5, zero_until=12) for cell in ("rnn", "lstm")}
    assert title({**dead, "gru": summary("gru", 0.5)}).endswith("; RNN and LSTM lose it all")
    assert title({"rnn": dead["rnn"]}) == "RNN loses it all: what reaches the first step is exactly zero"
    half = replace(dead["rnn"], high=np.zeros(51))
    assert title({"rnn": half, "gru": summary("gru", 0.5)}).endswith(
        "; RNN loses it all: in at least half of the runs what reaches the first step is exactly zero"
    )
    assert note(dead["lstm"]).endswith("exactly zero, which goes on through c.")
    assert "c" not in note(dead["rnn"]).split()


def test_what_is_to_be_tried_is_not_what_is_there():
    seen = by_cell(VANISHING)
    assert "Try a spectral radius of 1.5, then a forget-gate bias of 4." in words(gf.Experiment(), seen, 20)
    there = gf.Experiment(spectral_radius=1.5, forget_bias=4.0)
    assert "Try a spectral radius of 0.5, then a forget-gate bias of 0." in words(there, seen, 20)


def test_a_verdict_that_a_longer_sequence_would_change_names_its_length():
    for factor, length, said in ((0.41, 2, "stable over 2 steps"), (0.98, 50, "stable"), (0.7, 100, "vanishing")):
        assert f"RNN: {said}<" in cards_html(by_cell(summary("rnn", factor, length=length)))


def test_text_that_is_not_read_is_said():
    exp = gf.Experiment(input="text", text="x" * 80, length=50)
    text = words(exp, by_cell(summary(length=50)), 20)
    assert "Of 80 characters only the last 50 are read" in text
    assert "characters" not in words(gf.Experiment(input="text", text="x" * 50), by_cell(summary(length=50)), 20)
    exp = gf.Experiment(input="text", text="x" * 51, length=50)
    assert "Of 51 characters only the last 50 are read" in words(exp, by_cell(summary(length=50)), 20)
    predicted = replace(exp, loss="prediction")  # the last character is what the last step predicts
    assert "characters" not in words(predicted, by_cell(summary(length=50)), 20)


@given(st.floats(-2.0, 3.99))
def test_a_plain_number_keeps_two_digits(log10):
    value = 10.0**log10
    shown = number(value)
    assert re.fullmatch(r"\d+(\.\d+)?", shown)
    assert abs(float(shown) / value - 1.0) <= 0.0505
    assert len(shown.replace(".", "").lstrip("0")) >= 2
    assert_shows(shown, log10)


@given(st.floats(-1e6, 1e6))
def test_a_power_of_ten_reads_back_as_itself(log10):
    assert_shows(power_of_ten(log10), log10)
    assert abs(read_number(power_of_ten(log10))[0] - log10) <= math.log10(1.0505)


@given(st.floats(-300.0, 300.0))
def test_number_and_power_of_ten_agree(log10):
    value = 10.0**log10
    assert_shows(number(value), log10)
    assert_shows(power_of_ten(math.log10(value)), log10)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (math.inf, "∞"),
        (0.79, "0.79"),
        (3.7, "3.7"),
        (0.987, "0.987"),
        (0.9999999999999998, "1.0"),
        (1.001, "1.0"),
        (1.04, "1.04"),
        (1.096, "1.1"),
        (100.0, "100"),
        (9999.0, "9999"),
    ],
)
def test_numbers_by_hand(value, shown):
    assert number(value) == shown


@pytest.mark.parametrize(
    ("log10", "exponent"), [(-12.0, "-12"), (-2000.0, "-2000"), (2000.0, "2000"), (-12.0001, "-12"), (4.0, "4")]
)
def test_powers_by_hand(log10, exponent):
    shown = power_of_ten(log10).translate(SUPERSCRIPTS)
    assert shown.endswith(f"10{exponent}")
    assert np.isfinite(float(exponent))


def test_exactly_zero_is_not_a_number():
    assert power_of_ten(-math.inf) == "exactly 0"


@pytest.mark.parametrize(("count", "said"), [(1, "1 step"), (2, "2 steps"), (100, "100 steps"), (1.02, "1.02 steps")])
def test_whole_counts_of_steps_have_no_decimals(count, said):
    assert steps(count) == said
