"""Truncated BPTT: every control does what it says and nothing else, and every number is the library's."""

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

CURVES = {"RNN", "LSTM", "GRU"}
PATHS = {"depths", "costs"}
ALL = CURVES | PATHS

# control, its new value, which numbers change, and what must be set before
EFFECTS = [
    ("truncation_k1", 7, ALL, {}),
    ("truncation_k2", 20, PATHS, {}),
    ("truncation_k2", 24, ALL, {}),  # the curves get a point there
    ("truncation_k2", 200, set(), {"truncation_k2": 100}),  # beyond the length it is the length
    ("cells", ["gru"], set(), {}),
    ("length", 60, ALL, {}),
    ("spectral_radius", 1.5, CURVES, {}),
    ("spectral_radius", 1.5, set(), {"rescale": False}),
    ("forget_bias", 4.0, {"LSTM"}, {}),
    ("seed", 7, CURVES, {}),
    ("activation", "sigmoid", CURVES, {}),
    ("input", "noise", CURVES, {}),
    ("loss", "prediction", ALL, {"length": 100}),  # the last character is then only predicted: one step fewer
    ("loss", "prediction", CURVES, {"input": "noise"}),
    ("init", "orthogonal", CURVES, {}),
    ("rescale", False, CURVES, {}),
    ("input_scale", 2.0, CURVES, {}),
    ("hidden", 8, CURVES, {}),
    ("update_bias", 2.0, {"GRU"}, {}),
    ("chrono", True, {"LSTM", "GRU"}, {}),
    ("gru_reset", "before", {"GRU"}, {}),
    ("gru_update", "write", {"GRU"}, {"update_bias": 2.0}),
    ("text", "A shorter sentence.", ALL, {}),
]
DRAWN = {("cells", "['gru']"): PATHS | {"GRU"}}
UNSHOWN = {"sequence_type", "reduction"}

truncated = cache(gf.truncate)


def opened(**query):
    return Visit("truncation", **query)


@pytest.fixture
def page():
    """A small network, so that a test takes no time; the defaults have a test of their own."""
    return opened(length="40", hidden="12")


def table(page):
    """Row name → the cells of the table."""
    (text,) = (m.value for m in page.app.markdown if m.value.startswith("|"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {row[0]: row[1:] for row in rows}


def depths_drawn(page):
    """How far back every loss goes in every panel, read off the lines."""
    panels = []
    for trace in page.figures[0]["data"][1::3]:
        x = decoded(trace["x"]).reshape(-1, 3)
        panels.append((x[:, 1] - x[:, 0]).tolist())
    return panels


def numbers(page):
    """What the figures and the table show, by name."""
    curves = {t["name"]: np.array([decoded(t["x"]), decoded(t["y"])]) for t in page.figures[1]["data"]}
    costs = {name: row for name, row in table(page).items() if name.startswith(("steps", "losses"))}
    return {"depths": depths_drawn(page), "costs": costs, **curves}


def same(a, b):
    return np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a == b


def experiment(page, cell):
    return replace(page.experiment, sequence_type="many-to-many", reduction="sum", cell=cell)


def shown_pairs(page):
    """k1 and k2 of the four columns."""
    length = len(gf.build(experiment(page, "rnn")).sequences.x)
    k1, k2 = (min(page.settings[key], length) for key in ("truncation_k1", "truncation_k2"))
    return length, [(k1, k2), (k2, k2), (1, k2), (length, length)]


def assert_the_library_s(page):
    """What is drawn and told is `gf.truncate` for the values of the controls."""
    length, pairs = shown_pairs(page)
    drawn = numbers(page)
    assert drawn["depths"] == [gf.path_depths(length, *pair).tolist() for pair in pairs]
    assert drawn["costs"] == {
        "steps back in all": [f"{gf.steps_back(length, *pair):,}" for pair in pairs],
        "steps kept in memory": [f"{k2:,}" for _, k2 in pairs],
        "losses lost": [str((gf.path_depths(length, *pair) == 0).sum()) for pair in pairs],
    }
    counts = page.figures[2]["data"][0]
    want = np.bincount(gf.path_depths(length, *pairs[0]))
    assert decoded(counts["x"]).tolist() == np.flatnonzero(want).tolist()
    assert decoded(counts["y"]).tolist() == want[want > 0].tolist()
    k1, k2 = pairs[0]
    for cell in page.settings["cells"]:
        k2s, log10_bias = drawn[NAMES[cell]]
        assert k2 in k2s
        t = truncated(experiment(page, cell), k1, tuple(int(k) for k in k2s))
        there = t.bias > 1e-12
        np.testing.assert_array_equal(log10_bias[there], np.log10(t.bias[there]))
        assert np.isnan(log10_bias[~there]).all()
        for told, (one_k1, one_k2) in zip(table(page)[f"{NAMES[cell]}: norm, angle"], pairs, strict=True):
            one = truncated(experiment(page, cell), one_k1, (one_k2,))
            assert_told(told, float(one.ratio[0]), float(one.angle[0]))


def assert_told(told, ratio, angle):
    if np.isnan(ratio):
        assert told == "–"
    elif 0.01 <= ratio < 100.0:
        # a no-break space, so that a narrow cell breaks after its comma
        times = f"{ratio:.2f}\N{NO-BREAK SPACE}×"
        assert told == (times if np.isnan(angle) else f"{times}, {angle:.1f}°")


def test_the_defaults_show_the_phenomenon():
    page = opened()
    assert page.warning is None
    assert_the_library_s(page)
    assert "off by" in page.heading
    by_cell = {cell: truncated(experiment(page, cell), 5, (10,)).bias[0] for cell in ("rnn", "lstm", "gru")}
    assert by_cell["lstm"] > 0.1 > by_cell["rnn"]


def test_the_published_path_counts_are_on_the_page():
    page = opened(length="49", truncation_k1="7", truncation_k2="7")
    counts = [np.bincount(np.array(depths, int)).tolist() for depths in depths_drawn(page)]
    assert counts[0] == counts[1] == [0] + 7 * [7]
    assert counts[2] == [0] + 6 * [1] + [43]
    assert counts[3] == [0] + 49 * [1]


def test_without_w_hh_an_rnn_is_not_off_by_rounding():
    page = opened(spectral_radius="0")
    assert_the_library_s(page)
    assert "off by 0\N{NO-BREAK SPACE}% in the RNN" in page.heading


def test_lost_losses_are_said_and_marked():
    page = opened(truncation_k1="20", truncation_k2="7")
    lost = np.flatnonzero(gf.path_depths(100, 20, 7) == 0) + 1
    assert f"{len(lost)} of 100 losses" in page.words
    assert decoded(page.figures[0]["data"][2]["x"]).tolist() == lost.tolist()


def test_there_is_a_test_for_every_control(page):
    assert {key for key, *_ in EFFECTS} == set(page.controls) - UNSHOWN


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
    assert {name for name in now if not same(now[name], earlier[name])} == changes
    assert_the_library_s(page)


@pytest.mark.parametrize("key", sorted(UNSHOWN))
def test_what_other_pages_choose_has_no_effect(page, key):
    before = page.figures
    assert opened(length="40", hidden="12", **{key: KNOBS[key].choices[-1]}).figures == before


@pytest.mark.parametrize("key", sorted({key for key, *_ in EFFECTS}))
def test_the_extremes_of_a_control(page, key):
    for value in extremes(page.controls[key], cells=[["rnn"], list(gf.CELLS)]):
        page.set(**{key: value})
        assert page.warning is None
        assert_the_library_s(page)


@pytest.mark.parametrize(
    "corner",
    [
        {"text": "xy", "loss": "prediction"},
        {"text": "aaaaaaaa", "loss": "prediction"},
        {"length": "1", "input": "Impulse", "hidden": "1", "chrono": "true"},
        {"spectral_radius": "0", "input_scale": "0", "activation": "ReLU"},
        {"spectral_radius": "3", "activation": "ReLU", "input": "Noise", "length": "300", "input_scale": "10"},
        {"truncation_k1": "1", "truncation_k2": "300", "length": "120", "input": "Sunspots", "cells": "LSTM"},
    ],
    ids=str,
)
def test_corners_where_several_controls_are_extreme(corner):
    page = opened(**corner)
    assert page.warning is None
    assert_the_library_s(page)


def test_a_gradient_of_zero_is_said_in_words():
    page = opened(text="aaaaaaaaaaaaaaaaaaaa", loss="prediction")
    assert "∂L/∂W_hh is zero" in page.heading


def test_no_cell_and_a_bad_sentence_are_answered(page):
    page.set(cells=[])
    assert page.heading == "Choose at least one cell"
    page.set(cells=["rnn"], text="   ")
    assert "5,000" in page.warning
    page.set(text="Fine again.")
    assert_the_library_s(page)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"truncation_k1": 20, "truncation_k2": 7, "cells": ["lstm"], "forget_bias": 4.0},
        {"input": "series", "length": 40, "gru_reset": "before", "truncation_k2": 300},
        {"text": "quotes ' and \" and \\ and é and 👍🏽", "loss": "prediction", "seed": 3},
    ],
    ids=lambda settings: ",".join(settings) or "defaults",
)
def test_the_python_that_makes_this_prints_the_page_s_numbers(page, tmp_path, settings):
    page.set(**settings)
    lines = page.printed(tmp_path)
    _, pairs = shown_pairs(page)
    told = table(page)
    assert [(int(line[0]), int(line[1]), line[3]) for line in lines] == [
        (*pair, cell) for pair in pairs for cell in page.settings["cells"]
    ]
    for line, column in zip(lines, np.repeat(range(4), len(page.settings["cells"])), strict=True):
        ratio, angle, bias = map(float, line[4:])
        assert told["steps back in all"][column] == f"{int(line[2]):,}"
        assert_told(told[f"{NAMES[line[3]]}: norm, angle"][column], ratio, angle)
        t = truncated(experiment(page, line[3]), int(line[0]), (int(line[1]),))
        np.testing.assert_equal([ratio, angle, bias], [t.ratio[0], t.angle[0], t.bias[0]])


def test_the_csv_is_the_curves_and_the_table(page):
    frame = pd.read_csv(io.BytesIO(page.csv))
    drawn, (_, pairs) = numbers(page), shown_pairs(page)
    for cell in ("rnn", "lstm", "gru"):
        rows = frame[frame["cell"] == cell]
        curve = rows[rows["k1"] == 5]
        k2s, log10_bias = drawn[NAMES[cell]]
        assert curve["k2"].tolist() == k2s.tolist()
        there = np.isfinite(log10_bias)
        np.testing.assert_allclose(np.log10(curve["bias"][there]), log10_bias[there], rtol=1e-12)
        assert {(row.k1, row.k2) for row in rows.itertuples()} >= set(pairs)
