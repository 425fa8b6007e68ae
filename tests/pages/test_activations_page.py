"""The lesson on activations: every control does what it says and nothing else, and every number is the library's."""

import io
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from charts import assert_shows, bands, curves, decoded
from visit import Visit, extremes

import gradflow as gf

PANELS, CURVES, MAP, TIME = range(4)
NETWORK, UNIT = {PANELS, CURVES}, {MAP, TIME}
TITLES = {"tanh": "tanh", "sigmoid": "sigmoid", "relu": "ReLU"}
STEPS = 50

# control, its new value, the figures that change, and what must be set before
EFFECTS = [
    ("spectral_radius", 1.5, NETWORK, {}),
    ("spectral_radius", 1.5, set(), {"rescale": False}),
    ("input_scale", 2.0, NETWORK, {}),
    ("length", 50, NETWORK, {}),
    ("input", "noise", NETWORK, {}),
    ("text", "A shorter sentence.", NETWORK, {}),
    ("sequence_type", "many-to-many", {CURVES}, {}),
    ("sequence_type", "one-to-many", NETWORK, {}),
    ("sequence_type", "encoder-decoder", NETWORK, {}),
    ("loss", "prediction", NETWORK, {}),
    ("reduction", "sum", set(), {}),
    ("reduction", "sum", {CURVES}, {"sequence_type": "many-to-many"}),
    ("init", "orthogonal", NETWORK, {}),
    ("rescale", False, NETWORK, {}),
    ("hidden", 8, NETWORK, {}),
    ("seed", 7, NETWORK, {}),
    ("unit_activation", "sigmoid", UNIT, {}),
    ("unit_weight", -2.0, UNIT, {}),
    ("unit_bias", 0.5, UNIT, {}),
    ("unit_start", -0.4, UNIT, {}),
    # those of other pages
    ("activation", "relu", set(), {}),
    ("cells", ["lstm"], set(), {}),
    ("forget_bias", 3.0, set(), {}),
    ("update_bias", 3.0, set(), {}),
    ("chrono", True, set(), {}),
    ("gru_reset", "before", set(), {}),
    ("gru_update", "write", set(), {}),
]
operating_points = cache(gf.operating_points)


@pytest.fixture
def page():
    return Visit("activations", length="40", hidden="12")


def wanted(page):
    """The library's own numbers for the controls' values."""
    s = page.settings
    exp = replace(page.experiment, activation="tanh")  # which one is set makes no difference here
    points = operating_points(exp, range(s["seed"], s["seed"] + 20))
    return points, gf.one_unit(s["unit_activation"], s["unit_weight"], s["unit_bias"], s["unit_start"], STEPS)


def assert_the_library_s(page):
    """What is drawn equals `gf.operating_points` and `gf.one_unit` for the values of the controls."""
    points, unit = wanted(page)
    figures = page.figures
    bars = [trace for trace in figures[PANELS]["data"] if trace.get("type") == "bar"]
    assert len(bars) == 3
    for bar, point in zip(bars, points.values(), strict=True):
        np.testing.assert_allclose(decoded(bar["y"]), 100.0 * point.share)
    means = [shape["y0"] for shape in figures[PANELS]["layout"]["shapes"]]
    assert means == [point.mean_slope for point in points.values()]
    drawn, drawn_bands = curves(figures[CURVES]["data"]), bands(figures[CURVES]["data"])
    for name, point in points.items():
        s = point.gradient
        np.testing.assert_array_equal(drawn[TITLES[name]][1], np.where(np.isfinite(s.middle), s.middle, np.nan))
        x, low, high = drawn_bands[TITLES[name]]
        np.testing.assert_array_equal(low, s.low[x])
        np.testing.assert_array_equal(high, s.high[x])
    for card, point in zip(page.cards, points.values(), strict=True):
        assert card.startswith(TITLES[point.activation])
    fixed = [t for t in figures[MAP]["data"] if "fixed point" in t.get("hovertemplate", "")]
    assert [decoded(t["x"])[0] for t in fixed] == [point.h for point in unit.fixed_points]
    *others, state, memory = (decoded(t["y"]) for t in figures[TIME]["data"])
    np.testing.assert_array_equal(state, unit.h)
    np.testing.assert_array_equal(memory, np.where(np.isfinite(unit.log10_memory), unit.log10_memory, np.nan))
    np.testing.assert_array_equal(np.stack(others, axis=1), unit.others)


def test_the_defaults_show_the_phenomenon(page):
    points, unit = wanted(page)
    assert page.warning is None
    assert points["tanh"].max_slope == points["relu"].max_slope == 1.0
    assert points["relu"].mean_slope < 0.6 < points["tanh"].mean_slope < 0.9
    assert all(f"{point.mean_slope:.2f}" in page.heading for point in points.values())
    assert [point.kind for point in unit.fixed_points] == ["stable", "unstable", "stable"]
    assert_the_library_s(page)


def test_the_words_expect_what_the_title_says():
    page = Visit("activations", spectral_radius="1.5")
    points, _ = wanted(page)
    said = dict(
        zip(("tanh", "sigmoid", "relu"), re.findall(r"([\d.]+) with (?:tanh|sigmoid|ReLU)", page.words), strict=True)
    )
    for name, point in points.items():
        assert_shows(said[name], np.log10(point.sigma_w * point.rms_slope))
        assert float(said[name]) == pytest.approx(point.gradient.per_step_factor, rel=0.1)
    assert max(map(float, said.values())) < 1.0
    assert "Try ρ = 0.5" in page.words


def test_without_a_way_back_it_is_said_once(page):
    page.set(spectral_radius=0.0)
    assert page.words.count("exactly zero") == 1
    assert page.app.subheader[0].value.startswith("Exactly nothing of the gradient arrives")


def test_there_is_a_test_for_every_control(page):
    assert {key for key, *_ in EFFECTS} == set(page.controls)


@pytest.mark.parametrize(
    ("key", "value", "changes", "before"), EFFECTS, ids=[f"{k}={v!r}{b or ''}" for k, v, _, b in EFFECTS]
)
def test_a_control_changes_what_it_should_and_only_that(page, key, value, changes, before):
    page.set(**before)
    values, figures = page.settings, page.figures
    assert values[key] != value
    page.set(**{key: value})
    after = page.settings
    assert after.pop(key) == value
    assert all(values[other] == there for other, there in after.items())
    assert {k for k, figure in enumerate(page.figures) if figure != figures[k]} == changes
    assert_the_library_s(page)


OWN = {"spectral_radius", "input_scale", "length", "hidden", "seed", "text", "unit_weight", "unit_bias", "unit_start"}


@pytest.mark.parametrize("key", sorted(OWN))
def test_the_extremes_of_a_control(page, key):
    for value in extremes(page.controls[key]):
        page.set(**{key: value})
        assert page.warning is None
        assert_the_library_s(page)


@pytest.mark.parametrize(
    "corner",
    [
        {"length": 1, "hidden": 1},
        {"spectral_radius": 0.0, "input_scale": 0.0},
        {"spectral_radius": 3.0, "input_scale": 10.0, "length": 300},
        {"unit_activation": "relu", "unit_weight": 8.0, "unit_bias": 8.0, "unit_start": 2.0},
        {"unit_activation": "relu", "unit_weight": -8.0, "unit_bias": 8.0, "unit_start": -2.0},
        {"unit_activation": "relu", "unit_weight": 1.0, "unit_bias": 0.0, "unit_start": -2.0},
        {"unit_activation": "sigmoid", "unit_weight": 8.0, "unit_bias": -4.0, "unit_start": 0.5},
        {"unit_activation": "sigmoid", "unit_weight": -8.0, "unit_bias": 4.0},
        {"unit_weight": 0.0, "unit_bias": 8.0},
    ],
    ids=str,
)
def test_corners_where_several_controls_are_extreme(page, corner):
    page.set(**corner)
    assert page.warning is None
    assert_the_library_s(page)


def test_presets_set_the_unit_in_one_click(page):
    before = page.settings
    for button in list(page.app.button):
        (button,) = (b for b in page.app.button if b.label == button.label)
        button.click()
        page.run()
        assert_the_library_s(page)
        fate = {"Forgets": "forgets", "Latches": "latches", "Sigmoid": "sigmoid", "Oscillates": "oscillates"}
        assert fate.get(button.label, "blows up") in page.app.subheader[1].value
        changed = {key for key, value in page.settings.items() if value != before[key]}
        assert changed <= {"unit_activation", "unit_weight", "unit_bias", "unit_start"}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"spectral_radius": 1.5, "seed": 11, "unit_activation": "sigmoid", "unit_weight": 6.0, "unit_bias": -3.0},
        {"input": "noise", "length": 30, "unit_activation": "relu", "unit_weight": 1.0},
        {"sequence_type": "many-to-many", "unit_weight": -1.5, "unit_start": 0.45},
    ],
    ids=lambda settings: ",".join(settings) or "defaults",
)
def test_the_python_that_makes_this_prints_the_page_s_numbers(page, tmp_path, settings):
    page.set(**settings)
    points, unit = wanted(page)
    lines = page.printed(tmp_path)
    for (name, *numbers), (want, p), card in zip(lines[:3], points.items(), page.cards, strict=True):
        assert name == want
        printed = [float(number) for number in numbers]
        assert printed == [p.mean_slope, p.max_slope, p.saturated, p.dead, p.gradient.per_step_factor]
        assert f"{printed[0]:.2f}" in page.heading
        assert re.search(rf"mean φ′ {printed[0]:.2f} of {printed[1]:g}", card)
    fixed = [(float(h), float(multiplier), kind) for h, multiplier, kind in lines[3:]]
    assert fixed == [(point.h, point.multiplier, point.kind) for point in unit.fixed_points]


def test_the_csv_is_what_is_drawn(page):
    page.set(unit_activation="sigmoid")
    points, unit = wanted(page)
    frame = pd.read_csv(io.BytesIO(page.csv))
    assert list(frame.columns) == ["activation", "quantity", "at", "value"]
    rows = frame.set_index(["quantity", "activation"])["value"].sort_index()
    for name, point in points.items():
        np.testing.assert_array_equal(rows["share of a_t", name], point.share)
        np.testing.assert_array_equal(rows["log10 dL/dh, 50 %", name], point.gradient.middle)
    np.testing.assert_array_equal(rows["one unit: h", "sigmoid"], unit.h)
    np.testing.assert_array_equal(rows["one unit: log10_memory", "sigmoid"], unit.log10_memory)


def test_a_link_restores_the_unit_and_names_what_it_cannot():
    page = Visit("activations", unit_activation="ReLU", unit_weight="1.5", unit_bias="99")
    assert page.settings["unit_activation"] == "relu"
    assert page.settings["unit_weight"] == 1.5
    assert page.settings["unit_bias"] == 0.0
    assert "Unit's bias in the link must be a number in [-8, 8]" in page.warning
