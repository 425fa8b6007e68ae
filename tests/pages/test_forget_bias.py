"""The forget-gate lesson: every control changes what it should and only that, and every number is the library's."""

import io
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from charts import curves
from visit import Visit

import gradflow as gf
from gradflow.experiment import KNOBS
from gradflow.memory_findings import memory_title, per_step

BIASES = tuple(map(float, range(-2, 9)))
SEEDS = 5
measured, swept = cache(gf.measure_memory), cache(gf.sweep_memory)

# what a control may change: the present LSTM, the GRU beside it, and the two sweeps
LSTM, GRU, LSTM_SWEEP, GRU_SWEEP = "the LSTM", "the GRU", "the LSTM's sweep", "the GRU's sweep"
ALL = {LSTM, GRU, LSTM_SWEEP, GRU_SWEEP}
EFFECTS = [
    ("memory_quantity", "dL/dh", {LSTM}, {}),
    ("memory_quantity", "joint", {LSTM}, {}),
    ("forget_bias", 4.0, {LSTM}, {}),
    ("forget_bias", 4.0, set(), {"chrono": True}),
    ("update_bias", 2.0, {GRU}, {}),
    ("update_bias", 2.0, set(), {"chrono": True}),
    ("chrono", True, {LSTM, GRU}, {}),
    ("spectral_radius", 0.5, ALL, {}),
    ("spectral_radius", 0.5, set(), {"rescale": False}),
    ("length", 20, ALL, {}),
    ("activation", "sigmoid", ALL, {}),
    ("input", "noise", ALL, {}),
    ("text", "A shorter sentence.", ALL, {}),
    ("init", "orthogonal", ALL, {}),
    ("rescale", False, ALL, {}),
    ("input_scale", 2.0, ALL, {}),
    ("hidden", 12, ALL, {}),
    ("seed", 7, ALL, {}),
    ("gru_reset", "before", {GRU, GRU_SWEEP}, {}),
    ("gru_update", "write", {GRU, GRU_SWEEP}, {}),
    ("update_bias", 2.0, {GRU}, {"gru_update": "write"}),
    # kept for other pages, without effect here: the loss is read once, at the last step
    ("cells", ["rnn"], set(), {}),
    ("sequence_type", "many-to-many", set(), {}),
    ("loss", "prediction", set(), {}),
    ("reduction", "sum", set(), {}),
]
ELSEWHERE = {"cells", "sequence_type", "loss", "reduction"}


@pytest.fixture
def page():
    """A small network, so that a test takes no time; the defaults have a test of their own."""
    return Visit("forget_bias", length="30", hidden="8")


def wanted(page):
    """The library's own numbers for the controls' values."""
    knobs = {field: value for field, value in page.settings.items() if field in KNOBS}
    exp = gf.Experiment(**{**knobs, "batch": 1, "sequence_type": "many-to-one", "loss": "probe", "reduction": "mean"})
    seeds = range(exp.seed, exp.seed + SEEDS)
    bare = replace(exp, forget_bias=0.0, update_bias=0.0, chrono=False)  # what a sweep does not depend on
    sweeps = {cell: swept(bare, cell, BIASES, seeds) for cell in ("lstm", "gru")}

    def present(cell, bias):  # where it is one of the swept networks, it is that one, to the last digit
        return sweeps[cell][BIASES.index(bias)] if bias in BIASES and not exp.chrono else measured(exp, cell, seeds)

    return {
        LSTM: present("lstm", exp.forget_bias),
        GRU: present("gru", exp.update_bias if exp.gru_update == "keep" else -exp.update_bias),
        LSTM_SWEEP: sweeps["lstm"],
        GRU_SWEEP: sweeps["gru"],
    }


def same(a, b):
    """To the last digits: a network alone and in a sweep may differ there."""
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-12, atol=1e-13, equal_nan=True)


def drawn(page):
    """What the figures show of each of the four."""
    over_time = {name: y for name, (_, y) in curves(page.figures[0]["data"]).items()}
    kept = {name: y for name, (_, y) in curves(page.figures[1]["data"]).items()}
    (present,) = (t["name"] for t in page.figures[0]["data"] if t["line"]["width"] == 5)
    (gru,) = (name for name in over_time if name.startswith("GRU"))
    return {
        LSTM: over_time[present],
        GRU: over_time[gru],
        LSTM_SWEEP: np.stack([y for name, y in kept.items() if name.startswith("LSTM")]),
        GRU_SWEEP: next(y for name, y in kept.items() if name.startswith("GRU")),
    }


def assert_the_library_s(page):
    """What is drawn and said equals the library's numbers."""
    want, got, quantity = wanted(page), drawn(page), page.settings["memory_quantity"]
    for which in (LSTM, GRU):
        curve = want[which].curves[want[which].own(quantity)]
        np.testing.assert_array_equal(got[which], np.where(np.isfinite(curve), curve, np.nan))
    for which in (LSTM_SWEEP, GRU_SWEEP):
        factors = np.array([[m.factor(q) for m in want[which]] for q in want[which][0].curves])
        np.testing.assert_array_equal(np.atleast_2d(got[which]), factors)
    entering = curves(page.figures[2]["data"])
    gru_written = next(y for name, (_, y) in entering.items() if name.startswith("GRU"))
    np.testing.assert_allclose(10.0**gru_written, [m.written for m in want[GRU_SWEEP]], rtol=1e-12)
    assert page.heading == memory_title(want[LSTM], quantity)
    high = want[LSTM_SWEEP][BIASES.index(5.0)]
    assert f"LSTM {per_step(high.factor())}" in " ".join(s.value for s in page.app.subheader)


def test_the_defaults_show_the_phenomenon():
    page = Visit("forget_bias")
    assert page.warning is None
    assert_the_library_s(page)
    assert len(page.figures) == 4
    lstm = wanted(page)[LSTM]
    assert lstm.factor() > lstm.law_factor + 0.1
    assert "nothing new gets in" in page.words


def test_where_the_words_send_the_reader_they_say_what_is_true():
    page = Visit("forget_bias")
    assert "Try ρ = 0" in page.words
    page.set(spectral_radius=0.0)
    assert "its gate at rest would keep 0.731" in page.heading
    assert "through h" not in page.words
    assert "Try ρ = 0" not in page.words
    assert "Try an input scale of 0" in page.words
    page.set(input_scale=0.0)
    assert "as its gate at rest would" in page.heading
    assert "full memory" not in page.words
    assert "Try ρ = 1" in page.words


def test_there_is_a_test_for_every_control(page):
    assert {key for key, *_ in EFFECTS} == set(page.controls)


@pytest.mark.parametrize(
    ("key", "value", "changes", "before"), EFFECTS, ids=[f"{k}={v!r}{b or ''}" for k, v, _, b in EFFECTS]
)
def test_a_control_changes_what_it_should_and_only_that(page, key, value, changes, before):
    page.set(**before)
    values, was = page.settings, drawn(page)
    assert values[key] != value
    page.set(**{key: value})
    after = page.settings
    assert after.pop(key) == value
    assert all(values[other] == there for other, there in after.items())
    now = drawn(page)
    assert {which for which in ALL if not same(was[which], now[which])} == changes
    assert_the_library_s(page)


@pytest.mark.parametrize("key", sorted({key for key, *_ in EFFECTS} - {"text"} - ELSEWHERE))
def test_the_extremes_of_a_control(page, key):
    control = page.controls[key]
    if control.type == "slider":
        values = [type(control.value)(control.min), type(control.value)(control.max)]
    else:
        values = {"toggle": (True, False)}.get(control.type) or (
            KNOBS[key].choices if key in KNOBS else ("dL/dc", "dL/dh", "joint")
        )
    for value in values:
        page.set(**{key: value})
        assert page.warning is None
        assert_the_library_s(page)


@pytest.mark.parametrize(
    "corner",
    [
        {"length": 1, "spectral_radius": 0.0, "memory_quantity": "dL/dh"},
        {"length": 1, "chrono": True, "input": "impulse", "hidden": 1},
        {"activation": "relu", "spectral_radius": 0.0, "input_scale": 0.0},
        {"activation": "relu", "spectral_radius": 3.0, "input": "noise", "input_scale": 10.0, "length": 300},
        {"forget_bias": -10.0, "update_bias": -10.0, "input_scale": 10.0},
    ],
    ids=str,
)
def test_corners_where_several_controls_are_extreme(page, corner):
    page.set(**corner)
    assert len(page.figures) == 4
    assert_the_library_s(page)
    assert "nan" not in f"{page.heading} {page.words}".lower()


@pytest.mark.parametrize(
    ("name", "bias", "chrono"), [("PyTorch: 0", 0.0, False), ("Gers: 1", 1.0, False), ("Long: 5", 5.0, False)]
)
def test_a_preset_is_one_click(page, name, bias, chrono):
    page.set(forget_bias=3.0, chrono=True)
    next(button for button in page.app.button if button.label == name).click()
    page.run()
    assert (page.settings["forget_bias"], page.settings["chrono"]) == (bias, chrono)
    assert f"b_f = {bias:g}" in page.heading


def test_chrono_is_a_preset(page):
    next(button for button in page.app.button if button.label == "Chrono").click()
    page.run()
    assert page.settings["chrono"]
    assert page.heading.startswith("Chrono")
    assert_the_library_s(page)


def test_a_bad_sentence_is_answered_with_a_sentence(page):
    page.set(text="   ")
    assert page.warning
    assert not page.figures
    assert "Forget-gate bias" in page.heading


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"forget_bias": 5.0, "memory_quantity": "joint", "seed": 3},
        {"chrono": True, "gru_update": "write"},
        {"update_bias": 2.0, "gru_update": "write"},
    ],
    ids=str,
)
def test_the_python_that_makes_this_prints_the_page_s_numbers(page, tmp_path, settings):
    page.set(**settings)
    want = wanted(page)
    memories = [want[LSTM], want[GRU], *want[LSTM_SWEEP], *want[GRU_SWEEP]]
    for line, m in zip(page.printed(tmp_path), memories, strict=True):
        cell, bias, *numbers = line
        assert (cell, bias) == (m.cell, str(m.bias))
        factor = m.factor(m.own(page.settings["memory_quantity"]))
        np.testing.assert_array_equal(
            [float(n) for n in numbers], [factor, m.law_factor, m.written, m.newest, m.passed]
        )


def test_the_csv_is_what_is_shown(page):
    page.set(forget_bias=3.5)
    frame, want = pd.read_csv(io.BytesIO(page.csv)), wanted(page)
    rows = frame[(frame["bias"] == "3.5") & (frame["quantity"] == "dL/dc")]
    np.testing.assert_array_equal(rows["log10_median"], want[LSTM].curves["dL/dc"])
    of_gru = frame[(frame["cell"] == "gru") & (frame["bias"] == "5.0") & (frame["step"] == 0)]
    assert of_gru["written"].item() == want[GRU_SWEEP][BIASES.index(5.0)].written
    assert {"chrono"} < set(frame["bias"])


@pytest.mark.parametrize("chrono", [False, True])
def test_the_csv_holds_nothing_twice(page, chrono):
    page.set(forget_bias=2.0, chrono=chrono)
    frame = pd.read_csv(io.BytesIO(page.csv))
    assert not frame.duplicated(["cell", "bias", "quantity", "step"]).any()


def test_a_link_restores_the_page():
    page = Visit("forget_bias", forget_bias="2.5", chrono="false", memory_quantity="∂L/∂h_t")
    assert page.settings["forget_bias"] == 2.5
    assert page.settings["memory_quantity"] == "dL/dh"
    assert_the_library_s(page)
