"""The first lesson: every control does what it says and nothing else, and every number is the library's."""

import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from charts import SHOWN, assert_shows, decoded, read_number
from first_page import assert_the_library_s
from visit import Visit, extremes

import gradflow as gf
from gradflow.equations import lines
from gradflow.experiment import build_cell
from gradflow.findings import NAMES
from gradflow.presets import PRESETS
from gradflow.summary import QUANTITIES
from gradflow.ui.frame import SHARED

ALL = {"RNN", "LSTM", "GRU"}

# control, its new value, the cells whose curve changes, and what must be set before
EFFECTS = [
    ("cells", ["lstm"], set(), {}),
    ("cells", ["rnn", "lstm", "gru", "peephole"], set(), {}),
    ("activation", "sigmoid", ALL, {}),
    ("length", 50, ALL, {}),
    ("spectral_radius", 1.5, ALL, {}),
    ("spectral_radius", 1.5, set(), {"rescale": False}),
    ("forget_bias", 4.0, {"LSTM"}, {}),
    ("forget_bias", 4.0, {"Peephole LSTM"}, {"cells": ["rnn", "peephole"]}),
    ("seed", 7, ALL, {}),
    ("quantity", "dL/dc", {"LSTM"}, {}),
    ("quantity", "joint", {"LSTM"}, {}),
    ("derivative", "direct", ALL, {}),
    ("input", "noise", ALL, {}),
    ("input", "series", ALL, {}),
    ("input", "impulse", ALL, {}),
    ("sequence_type", "many-to-many", ALL, {}),
    ("sequence_type", "one-to-many", ALL, {}),
    ("sequence_type", "encoder-decoder", ALL, {}),
    ("loss", "prediction", ALL, {}),
    ("reduction", "sum", set(), {}),
    ("reduction", "sum", ALL, {"sequence_type": "many-to-many"}),
    ("init", "orthogonal", ALL, {}),
    ("rescale", False, ALL, {}),
    ("input_scale", 2.0, ALL, {}),
    ("hidden", 8, ALL, {}),
    ("update_bias", 2.0, {"GRU"}, {}),
    ("chrono", True, {"LSTM", "GRU"}, {}),
    ("forget_bias", 4.0, set(), {"chrono": True}),
    ("update_bias", 2.0, set(), {"chrono": True}),
    ("gru_reset", "before", {"GRU"}, {}),
    ("gru_update", "write", {"GRU"}, {"update_bias": 2.0}),
    ("text", "A shorter sentence.", ALL, {}),
]
DRAWN = {("quantity", "'dL/dc'"): {"LSTM"}}


def test_the_defaults_show_the_phenomenon():
    page = Visit()
    assert set(page.curves) == ALL
    assert page.settings["input"] == "text"
    assert page.warning is None
    assert_the_library_s(page)
    lost = {name: y[0] - y[-1] for name, y in page.curves.items()}
    assert lost["RNN"] < -2.0
    assert lost["RNN"] < lost["LSTM"]
    assert page.summaries["rnn"].verdict == "vanishing"


def test_there_is_a_test_for_every_control(page):
    assert {key for key, *_ in EFFECTS} == set(page.controls)


@pytest.mark.parametrize(
    ("key", "value", "changes", "before"), EFFECTS, ids=[f"{k}={v!r}{b or ''}" for k, v, _, b in EFFECTS]
)
def test_a_control_changes_what_it_should_and_only_that(page, key, value, changes, before):
    page.set(**before)
    values, curves, figures = page.settings, page.curves, page.figures
    assert values[key] != value
    page.set(**{key: value})
    after = page.settings
    assert after.pop(key, None) == value
    assert all(values[other] == there for other, there in after.items())
    assert set(values) - set(after) - {key} <= {"text"}
    expected = DRAWN.get((key, repr(value)), {NAMES[cell] for cell in page.settings["cells"]})
    assert set(page.curves) == expected
    for name in expected & set(curves):
        assert np.array_equal(page.curves[name], curves[name], equal_nan=True) == (name not in changes)
    if not changes and expected == set(curves):
        assert page.figures == figures
    assert_the_library_s(page)


OWN = {
    "cells": [[], ["rnn"], ["gru", "lstm"], ["rnn", "lstm", "gru", "peephole"]],
    "quantity": list(QUANTITIES),
    "derivative": ["total", "direct"],
}


@pytest.mark.parametrize("key", sorted({key for key, *_ in EFFECTS}))
def test_the_extremes_of_a_control(page, key):
    if key == "hidden":  # many units take their time in every cell
        page.set(cells=["gru"])
    for value in extremes(page.controls[key], **OWN):
        page.set(**{key: value})
        if value == []:
            assert not page.figures
            assert "cell" in page.heading
        else:
            assert page.warning is None
            assert_the_library_s(page)


@pytest.mark.parametrize(
    "corner",
    [
        {"length": 1},
        {"length": 1, "loss": "prediction", "sequence_type": "many-to-many"},
        {"length": 1, "hidden": 1, "input": "impulse", "chrono": True},
        {"spectral_radius": 0.0, "input_scale": 0.0},
        {"spectral_radius": 0.0, "activation": "relu", "input": "impulse"},
        {"hidden": 1, "activation": "relu"},
        {"cells": ["rnn"], "hidden": 128, "length": 300, "input": "series", "spectral_radius": 3.0},
        {"forget_bias": -10.0, "update_bias": -10.0, "quantity": "joint"},
        {"forget_bias": 10.0, "update_bias": 10.0, "gru_update": "write", "gru_reset": "before"},
        {"cells": ["rnn"], "quantity": "dL/dc"},
    ],
    ids=str,
)
def test_corners_where_several_controls_are_extreme(page, corner):
    page.set(**corner)
    if page.figures:
        assert_the_library_s(page)
    assert page.heading


def test_a_quantity_that_no_chosen_cell_has_is_said(page):
    page.set(cells=["rnn", "gru"], quantity="dL/dc")
    assert not page.figures or not page.curves
    said = f"{page.heading} {page.warning or ''} {page.words}"
    assert "LSTM" in said
    page.set(quantity="dL/dh")
    assert set(page.curves) == {"RNN", "GRU"}


@pytest.mark.usefixtures("wide_range")
def test_overflow_is_said_in_words():
    page = Visit(hidden="12").set(activation="relu", length=300, input="noise", spectral_radius=100.0)
    s = page.summaries["rnn"]
    assert s.verdict == "overflow"
    assert "RNN" not in page.curves
    assert {"LSTM", "GRU"} & set(page.curves)
    assert_the_library_s(page)
    said = f"{page.heading} {page.words} {' '.join(page.cards)}"
    assert "float64" in said
    assert str(min(s.overflow_steps)) in page.cards[0]
    assert page.python
    assert {NAMES[cell] for cell in pd.read_csv(io.BytesIO(page.csv))["cell"]} == set(page.curves)
    page.set(cells=["rnn"])
    assert "float64" in page.heading
    assert not page.curves
    page.set(spectral_radius=1.0)
    assert_the_library_s(page)


@pytest.mark.usefixtures("wide_range")
def test_some_seeds_overflowing_is_said_and_counted():
    page = Visit().set(cells=["rnn"], activation="relu", length=300, input="noise", hidden=2)
    for radius in (20.0, 30.0, 50.0, 80.0, 100.0):
        page.set(spectral_radius=radius)
        s = page.summaries["rnn"]
        if 0 < len(s.overflow_steps) < s.seeds:
            break
    assert 0 < len(s.overflow_steps) < s.seeds
    assert_the_library_s(page)
    assert re.search(rf"\b{len(s.overflow_steps)} of {s.seeds}\b", page.words)
    assert re.search(rf"\b{min(s.overflow_steps)}\b", page.words)


def test_the_page_s_own_bounds_never_end_in_a_traceback(page):
    page.set(activation="relu", spectral_radius=3.0, length=300, input="noise", input_scale=10.0)
    assert_the_library_s(page)
    assert page.summaries["rnn"].verdict == "exploding"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"spectral_radius": 1.5, "cells": ["rnn"], "activation": "sigmoid"},
        {"quantity": "dL/dc", "forget_bias": 4.0, "seed": 11, "cells": ["lstm"]},
        {"input": "series", "length": 120, "gru_reset": "before", "quantity": "joint", "rescale": False},
        {"text": "quotes ' and \" and \\ and é and 👍🏽", "length": 12, "chrono": True},
        {"activation": "relu", "spectral_radius": 0.0, "input": "impulse"},
        {"activation": "relu", "spectral_radius": 3.0, "length": 150, "input": "noise"},
        {"derivative": "direct", "sequence_type": "many-to-many", "loss": "prediction"},
        {"derivative": "direct", "cells": ["gru"]},
        {"cells": ["peephole", "lstm"], "forget_bias": 3.0},
    ],
    ids=lambda settings: ",".join(settings) or "defaults",
)
def test_the_python_that_makes_this_prints_the_page_s_numbers(page, tmp_path, settings):
    page.set(**settings)
    lines = page.printed(tmp_path)
    want = page.summaries
    if page.settings["derivative"] == "direct":
        printed = {cell: (int(count), float(least), float(most)) for cell, _, count, least, most in lines[1::2]}
        assert printed == {c: (s.direct_sizes.size, *np.quantile(s.direct_sizes, [0, 1])) for c, s in want.items()}
        least, most = min(v[1] for v in printed.values()), max(v[2] for v in printed.values())
        for shown in re.search(rf"is ({SHOWN})(?: to ({SHOWN}))? at", page.heading).group(1, 4):
            assert shown is None or any(abs(read_number(shown)[0] - np.log10(v)) < 0.03 for v in (least, most))
        lines = lines[::2]
    assert [line[0] for line in lines] == list(want)
    for (cell, verdict, factor, half_life), s, card in zip(lines, want.values(), page.cards, strict=True):
        assert verdict == s.verdict
        assert card.startswith(NAMES[cell])
        assert (
            verdict if s.sequence_type == "many-to-one" or s.direct_sizes.size == 1 else "fed by many losses"
        ) in card
        np.testing.assert_equal(float(factor), s.per_step_factor)
        np.testing.assert_equal(float(half_life), s.half_life)
        per_step = find(rf"({SHOWN}) per step", card)
        if per_step and float(factor) > 0.0:
            assert_shows(per_step, np.log10(float(factor)))
        life = find(rf"half-life ({SHOWN})", card)
        if life:
            assert_shows(life, np.log10(float(half_life)))


def find(pattern, text):
    match = re.search(pattern, text)
    return match and match[1]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"text": 'commas, "quotes", = and é', "cells": ["gru", "rnn"]},
        {"text": "=1+1 first character of a formula"},
        {"activation": "relu", "spectral_radius": 0.0, "input": "impulse"},
        {"input": "series", "length": 30},
        {"quantity": "dL/dc"},
    ],
    ids=lambda settings: ",".join(settings) or "defaults",
)
def test_the_csv_is_the_curves(page, settings):
    page.set(**settings)
    want = page.summaries
    frame = pd.read_csv(io.BytesIO(page.csv), keep_default_na=False, na_values={"log10_median": [""]})
    assert list(frame["cell"].unique()) == list(want)
    for cell, s in want.items():
        rows = frame[frame["cell"] == cell]
        assert rows["step"].tolist() == list(range(s.length + 1))
        assert rows["input"].astype(str).tolist()[1:] == list(s.steps)
        for column, values in {
            "log10_low": s.low,
            "log10_median": s.middle,
            "log10_high": s.high,
            "log10_direct": s.direct,
        }.items():
            np.testing.assert_array_equal(rows[column].astype(float).to_numpy(), values)


SHARED_OR_OWN = {**{key: default for key, (default, _) in SHARED.items()}, "quantity": "dL/dh", "derivative": "total"}
PROMISED = {"Vanish": "vanishing", "Explode": "exploding", "On the edge": "stable", "LSTM's rescue": "stable"}


def click(page, label):
    (button,) = (b for b in page.app.button if b.label == label)
    button.click()
    page.run()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_one_click_from_anywhere_and_keeps_its_promise(page, preset):
    own = {"text": "A sentence of a visitor's own. " * 3, "seed": 9, "length": 80, "cells": ["rnn", "lstm"]}
    page.set(**own, input="noise", rescale=False, chrono=True, hidden=4, derivative="direct")
    click(page, preset)
    settings = page.settings
    for key, default in {**SHARED_OR_OWN, **own}.items():
        want = PRESETS[preset].get(key, default)
        assert settings[key] == (list(want) if isinstance(want, tuple) else want)
    assert_the_library_s(page)
    cell = "lstm" if "LSTM" in preset else "rnn"
    assert page.summaries[cell].verdict == PROMISED[preset]
    assert cell.upper() in page.heading
    assert {"vanishing": "half is gone", "exploding": "multiplies", "stable": "within a factor of 100"}[
        PROMISED[preset]
    ] in page.heading
    pictures = page.figures
    click(page, preset)
    assert page.figures == pictures


def test_the_direct_derivative_is_told_from_the_total_one(page):
    page.set(derivative="direct")
    assert "direct" in page.heading
    assert "exactly zero" in page.heading
    assert "misleads" in page.words
    assert not any(f"{name}:" in page.heading for name in ALL)
    ticks = page.figures[0]["layout"]["yaxis"]
    zero = next(at for at, text in zip(decoded(ticks["tickvals"]), ticks["ticktext"], strict=True) if text == "0")
    assert zero < min(t for t in decoded(ticks["tickvals"]) if t != zero)
    page.set(sequence_type="many-to-many")
    assert "every step" in page.heading
    assert_the_library_s(page)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_gradients_on_the_page_can_be_checked(page, activation):
    page.set(activation=activation, seed=3)
    assert "derivatives by" not in page.words
    click(page, "Check these gradients")
    for cell in page.settings["cells"]:
        check = gf.check_gradients(replace(page.experiment, cell=cell))
        assert check.largest <= 1e-9
        assert check.sentence in page.words
    page.set(seed=4)  # another network, not checked yet
    assert "derivatives by" not in page.words


@pytest.mark.usefixtures("wide_range")
def test_a_check_without_a_finite_pass_says_so():
    page = Visit(hidden="12").set(activation="relu", length=300, input="noise", spectral_radius=100.0)
    click(page, "Check these gradients")
    assert "RNN: no gradient to check" in page.words
    assert "float64" in page.words


def test_a_second_visitor_does_not_see_the_first_one_s_settings(page):
    page.set(forget_bias=4.0, text="mine")
    other = Visit().settings
    assert other["text"] != "mine"
    assert other["forget_bias"] != 4.0


def test_the_same_visit_twice_draws_the_same_figures(page):
    page.set(spectral_radius=1.2)
    assert Visit(length="40", hidden="12").set(spectral_radius=1.2).app.get("plotly_chart")[0].proto.spec == (
        page.app.get("plotly_chart")[0].proto.spec
    )


def test_the_equations_are_the_cell_s(page):
    page.app.session_state["equations"] = True
    page.run()
    words = "\n".join(part.value for part in page.app.markdown)
    for cell in page.settings["cells"]:
        equations = [e.latex for line in lines(build_cell(page.experiment, cell)) for e in line.equations]
        assert all(f"${latex}$" in words for latex in equations)
    assert r"W_{hi} h_{t-1}" in words
