"""Which loss reaches which step: every control does what it says and nothing else, and every number is the library's."""

import io
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from charts import decoded
from visit import Visit, extremes

import gradflow as gf
from gradflow.experiment import KNOBS
from gradflow.findings import NAMES
from gradflow.losses import SEQUENCE_TYPES

MATRIX, LAGS = {"matrix", "total", "row", "types"}, {"lag RNN", "lag LSTM", "lag GRU"}
ALL = MATRIX | LAGS

# control, its new value, which numbers change, and what must be set before
EFFECTS = [
    ("matrix_cell", "lstm", MATRIX, {}),
    ("loss_step", 30, {"row"}, {}),
    ("loss_step", 200, set(), {"loss_step": 100}),  # beyond the last step it is the last
    ("cells", ["gru"], set(), {}),
    ("length", 50, ALL, {}),
    ("spectral_radius", 1.5, ALL, {}),
    ("spectral_radius", 1.5, set(), {"rescale": False}),
    ("forget_bias", 4.0, {"lag LSTM"}, {}),
    ("forget_bias", 4.0, MATRIX | {"lag LSTM"}, {"matrix_cell": "lstm"}),
    ("seed", 7, ALL, {}),
    ("activation", "sigmoid", ALL, {}),
    ("input", "noise", ALL, {}),
    ("loss", "prediction", ALL, {}),
    ("init", "orthogonal", ALL, {}),
    ("rescale", False, ALL, {}),
    ("input_scale", 2.0, ALL, {}),
    ("hidden", 8, ALL, {}),
    ("update_bias", 2.0, {"lag GRU"}, {}),
    ("chrono", True, {"lag LSTM", "lag GRU"}, {}),
    ("gru_reset", "before", {"lag GRU"}, {}),
    ("gru_update", "write", {"lag GRU"}, {"update_bias": 2.0}),
    ("text", "A shorter sentence.", ALL, {}),
]
DRAWN = {("cells", "['gru']"): ALL - {"lag LSTM"}}

matrix_of = cache(gf.loss_matrix)


def opened(**query):
    return Visit("loss_matrix", **query)


@pytest.fixture
def page():
    """A small network, so that a test takes no time; the defaults have a test of their own."""
    return opened(length="40", hidden="12")


def numbers(page):
    """What the figures show, by name."""
    matrix, lags, types = (figure["data"] for figure in page.figures)
    (z,) = (decoded(trace["z"]) for trace in matrix if trace.get("type") == "heatmap")
    total, row = (decoded(trace["y"]) for trace in matrix if trace.get("yaxis") == "y2")
    by_lag = {f"lag {trace['name']}": decoded(trace["y"]) for trace in lags if trace.get("name")}
    every_type = np.stack([decoded(trace["z"]) for trace in types])
    return {"matrix": z, "total": total, "row": row, "types": every_type, **by_lag}


def experiment(page):
    return replace(page.experiment, sequence_type="many-to-many", reduction="sum")


def shown(values):
    return np.where(np.isfinite(values), values, np.nan)


def assert_the_library_s(page):
    """What is drawn is `gf.loss_matrix` for the values of the controls."""
    drawn, exp, settings = numbers(page), experiment(page), page.settings
    exp = replace(exp, cell=settings["matrix_cell"])
    m = matrix_of(exp)
    np.testing.assert_allclose(drawn["matrix"], shown(m.log10_norm), rtol=1e-6)
    np.testing.assert_array_equal(drawn["total"], shown(m.log10_total))
    k = min(settings["loss_step"], m.length)
    np.testing.assert_array_equal(drawn["row"], shown(m.log10_norm[k, : k + 1]))
    types = [name for name in SEQUENCE_TYPES if m.length > 1 or name != "encoder-decoder"]
    small = page.figures[2]["data"][0]
    steps = [small["x0"] + small["dx"] * i for i in range(len(drawn["types"][0]))]
    assert steps[-1] == m.length
    assert len(steps) > min(m.length, 40)
    for z, name in zip(drawn["types"], types, strict=True):
        whole = shown(matrix_of(replace(exp, sequence_type=name)).log10_norm)
        np.testing.assert_allclose(z, whole[np.ix_(steps, steps)], rtol=1e-6)
    cells = {settings["matrix_cell"], *settings["cells"]}
    by_cell = {cell: matrix_of(replace(exp, cell=cell)) for cell in cells}
    heard = {f"lag {NAMES[cell]}": m for cell, m in by_cell.items() if m.reach is not None}
    assert {name for name in drawn if name.startswith("lag")} == set(heard)
    for name, other in heard.items():
        np.testing.assert_array_equal(drawn[name], shown(other.lag_band[1]))
        assert other.reach == other.longest or f"{other.reach}" in page.heading
    assert f"at step {int(m.sum_error.argmax())}." in page.words


def test_the_defaults_show_the_phenomenon():
    page = opened()
    assert page.warning is None
    assert_the_library_s(page)
    assert page.heading.startswith("A loss reaches 12 steps back in the RNN")


def test_there_is_a_test_for_every_control(page):
    assert {key for key, *_ in EFFECTS} == set(page.controls) - UNSHOWN


# shared controls that other pages show keep their values here
UNSHOWN = {"sequence_type", "reduction"}


@pytest.mark.parametrize(
    ("key", "value", "changes", "before"), EFFECTS, ids=[f"{k}={v!r}{b or ''}" for k, v, _, b in EFFECTS]
)
def test_a_control_changes_what_it_should_and_only_that(page, key, value, changes, before):
    page.set(**before)
    earlier = numbers(page)
    assert page.settings[key] != value
    page.set(**{key: value})
    now = numbers(page)
    assert set(now) == DRAWN.get((key, repr(value)), ALL)
    assert {name for name in now if not np.array_equal(now[name], earlier[name], equal_nan=True)} == changes
    assert_the_library_s(page)


@pytest.mark.parametrize("key", sorted(UNSHOWN))
def test_what_other_pages_choose_has_no_effect(page, key):
    before = page.figures
    assert opened(length="40", hidden="12", **{key: KNOBS[key].choices[-1]}).figures == before


OWN = {"cells": [[], ["rnn"], list(gf.CELLS)], "matrix_cell": list(gf.CELLS)}


@pytest.mark.parametrize("key", sorted({key for key, *_ in EFFECTS}))
def test_the_extremes_of_a_control(page, key):
    for value in extremes(page.controls[key], **OWN):
        page.set(**{key: value})
        assert page.warning is None
        assert_the_library_s(page)


@pytest.mark.parametrize(
    "corner",
    [
        {"text": "xy", "loss": "prediction"},
        {"spectral_radius": "0", "input_scale": "0", "activation": "relu"},
        {"length": "1", "input": "Impulse", "hidden": "1", "chrono": "true"},
        {"forget_bias": "10", "matrix_cell": "LSTM", "input": "Sunspots", "length": "150", "activation": "ReLU"},
        {"spectral_radius": "3", "activation": "ReLU", "input": "Noise", "length": "300", "input_scale": "10"},
    ],
    ids=str,
)
def test_corners_where_several_controls_are_extreme(corner):
    page = opened(**corner)
    assert_the_library_s(page)


def test_losses_without_a_gradient_are_said_in_words():
    page = opened(text="aaaaaaaaaaaaaaaa", loss="prediction")
    assert "No loss has a gradient" in page.heading
    assert_the_library_s(page)


def test_hovering_names_both_characters_and_the_axes_have_the_words():
    page = opened(hidden="12")
    matrix = page.figures[0]
    (heatmap,) = (trace for trace in matrix["data"] if trace.get("type") == "heatmap")
    text = page.settings["text"]
    assert heatmap["x"] == heatmap["y"] == ["0 (h₀)", *(f"{t} “{c}”" for t, c in enumerate(text, 1))]
    assert "%{x}" in heatmap["hovertemplate"]
    assert "%{y}" in heatmap["hovertemplate"]
    assert matrix["layout"]["xaxis"]["ticktext"] == text.split()
    assert set(matrix["layout"]["yaxis"]["ticktext"]) <= set(text.split())
    short = opened(text="short <b>").figures[0]["layout"]
    assert short["xaxis"]["ticktext"] == [*"short ", "&lt;", "b", "&gt;"]


def test_a_bad_sentence_is_answered_with_a_sentence(page):
    page.set(text="   ")
    assert "5,000" in page.warning
    assert not page.figures
    page.set(text="Fine again.")
    assert_the_library_s(page)


def test_overflow_is_said_in_words(monkeypatch):
    monkeypatch.setitem(KNOBS["spectral_radius"].__dict__, "high", 100.0)
    page = opened().set(activation="relu", length=300, input="noise", spectral_radius=100.0)
    assert "float64" in page.warning
    assert not page.figures


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"matrix_cell": "lstm", "forget_bias": 4.0, "cells": ["lstm"]},
        {"input": "series", "length": 40, "gru_reset": "before", "matrix_cell": "gru"},
        {"text": "quotes ' and \" and \\ and é and 👍🏽", "loss": "prediction", "seed": 3},
    ],
    ids=lambda settings: ",".join(settings) or "defaults",
)
def test_the_python_that_makes_this_prints_the_page_s_numbers(page, tmp_path, settings):
    page.set(**settings)
    lines = page.printed(tmp_path)
    mine = page.settings["matrix_cell"]
    assert {line[0] for line in lines} == {mine, *page.settings["cells"], *SEQUENCE_TYPES}
    for name, reach, longest, error in lines:
        of = {"cell": mine, "sequence_type": name} if name in SEQUENCE_TYPES else {"cell": name}
        m = matrix_of(replace(experiment(page), **of))
        assert (reach, int(longest), float(error)) == (str(m.reach), m.longest, m.sum_error.max())
        assert "sequence_type" in of or reach == longest or reach in page.heading


@pytest.mark.parametrize("settings", [{}, {"text": '=1+1 "commas", and é', "matrix_cell": "gru"}])
def test_the_csv_is_what_is_shown(settings):
    page = opened(hidden="12").set(**settings)
    whole = pd.read_csv(io.BytesIO(page.csv), keep_default_na=False)
    z = numbers(page)["matrix"]
    text, cell = page.settings["text"], page.settings["matrix_cell"]
    matrices = whole[whole["figure"] == "matrix"]
    assert set(matrices["cell"]) == {cell}
    for name, of_type in matrices.groupby("sequence_type"):
        m = matrix_of(replace(experiment(page), cell=cell, sequence_type=name))
        np.testing.assert_array_equal(of_type["log10_norm"].astype(float), m.to_frame()["log10_norm"])
    frame = matrices[matrices["sequence_type"] == "many-to-many"].astype(
        {"loss_step": int, "step": int, "log10_norm": float}
    )
    assert len(frame) == sum(range(2, len(text) + 2))
    np.testing.assert_allclose(z[frame["loss_step"], frame["step"]], frame["log10_norm"], rtol=1e-6)
    assert [text[k - 1] for k in frame["loss_step"]] == frame["loss_input"].tolist()
    assert ["" if t == 0 else text[t - 1] for t in frame["step"]] == frame["input"].tolist()
    lags = whole[whole["figure"] == "lag"]
    for name, curve in lags.groupby("cell"):
        want = matrix_of(replace(experiment(page), cell=name)).lag_band
        for column, values in zip(("log10_low", "log10_median", "log10_high"), want, strict=True):
            np.testing.assert_array_equal(curve[column].astype(float), values)
    assert set(lags["cell"]) == {cell, *page.settings["cells"]}
