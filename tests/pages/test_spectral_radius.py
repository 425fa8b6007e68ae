"""The spectral radius lesson: every control does what it says, every number is the library's, every frame is whole."""

import io
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
from charts import SHOWN, assert_shows, decoded
from visit import Visit

import gradflow as gf
from gradflow.experiment import KNOBS
from gradflow.radii import RADII, STARTS, study_radii

SEEDS = 5
study = cache(study_radii)

# control, its new value, what of the study changes, and what must be set before
EVERYTHING = {"log10_share", "per_step_factor", "mean_field", "bound"}
MEASURED = {"log10_share", "per_step_factor"}
WEIGHTS = {"eigenvalue_real", "eigenvalue_imaginary", "log10_power"}
EFFECTS = [
    ("spectral_radius", 1.5, set(), {}),
    ("activation", "sigmoid", EVERYTHING, {}),
    ("activation", "relu", EVERYTHING - {"bound"}, {}),
    ("length", 60, MEASURED, {}),
    ("input_scale", 0.0, MEASURED | {"mean_field"}, {}),
    ("hidden", 20, EVERYTHING | WEIGHTS, {}),
    ("seed", 7, EVERYTHING | WEIGHTS, {}),
    ("text", "Another sentence of other characters.", MEASURED, {}),
    ("input", "noise", MEASURED, {}),
    ("input", "series", MEASURED | {"mean_field"}, {}),
]


def visit():
    return Visit("spectral_radius", length="20", hidden="8")


@pytest.fixture
def page():
    return visit()


def studies(page):
    """The library's own numbers for the controls' values."""
    knobs = {key: value for key, value in page.settings.items() if key in KNOBS and key != "spectral_radius"}
    exp = gf.Experiment(**{"input": "text", **knobs, "batch": 1})
    seeds = tuple(range(exp.seed, exp.seed + SEEDS))
    return study(exp, tuple(sorted({*RADII, page.settings["spectral_radius"]})), seeds)


def drawn(page):
    (figure,) = page.figures
    return figure


def now(page):
    """What the figure shows before its own slider is touched: the traces that move, in their order."""
    figure = drawn(page)
    return figure["data"][figure["frames"][0]["traces"][0] :]


def assert_the_library_s(page):
    """Every line, every frame and the place of the slider are those of `gf.study_radii`."""
    want, figure = studies(page), drawn(page)
    radii = want["gaussian"].radii
    present = page.settings["spectral_radius"]
    stops = [r for r, radius in enumerate(radii) if radius == present or f"{radius:.2f}".endswith("0")]
    assert [frame["name"] for frame in figure["frames"]] == [f"{radii[r]:.2f}" for r in stops]
    lines = {trace["name"]: decoded(trace["y"]) for trace in figure["data"] if trace.get("name")}
    for name, start in zip(("Gaussian", "Orthogonal", "Identity"), STARTS, strict=True):
        close(lines[name], want[start].per_step_factor)
    close(lines["γσ<sub>max</sub>: bound"], want["gaussian"].bound)
    close(lines["ρ: linear"], radii)
    assert ("√χ: mean field" in lines) == bool(np.isfinite(want["gaussian"].mean_field).any())
    if "√χ: mean field" in lines:
        close(lines["√χ: mean field"], want["gaussian"].mean_field)
    (slider,) = figure["layout"]["sliders"]
    at = slider.get("active", 0)
    assert radii[stops[at]] == present
    assert len(slider["steps"]) == len(stops)
    for k in (0, at, len(stops) - 1):
        assert_frame_shows(figure["frames"][k]["data"], want, stops[k])
    assert_frame_shows(now(page), want, stops[at])


def assert_frame_shows(traces, want, r):
    three = list(want.values())
    radius = three[0].radii[r]
    plane, *others = traces
    count = len(others) - 6  # powers, peaks, factors, three curves, level
    powers, (peaks, factors), curves, level = others[:count], others[count : count + 2], others[-4:-1], others[-1]
    shown = decoded(plane["x"]) + 1j * decoded(plane["y"])
    values = radius * np.concatenate([s.eigenvalues for s in three])
    scale = max(radius, 1.0)
    assert all(np.abs(shown - value).min() < 1e-6 * scale for value in values)  # equal ones are one point
    assert all(np.abs(values - value).min() < 1e-6 * scale for value in shown)
    close(decoded(factors["y"])[1:-1], [s.per_step_factor[r] for s in three])
    close(decoded(factors["x"]), [radius] * 5)
    for s, curve in zip(three, curves, strict=True):
        close(decoded(curve["y"]), s.log10_share[r])
    drawn = [decoded(power["y"]) for power in powers]
    for s in three:
        all_powers = s.log10_powers_at(radius)
        all_powers = np.where(np.isfinite(all_powers), all_powers, np.nan)
        assert any(np.allclose(line, all_powers, rtol=1e-6, atol=1e-6, equal_nan=True) for line in drawn)
    for line, k, log, named in zip(drawn, decoded(peaks["x"]), decoded(peaks["y"]), peaks["text"], strict=True):
        assert k == np.nanargmax(line)
        close([log], [np.nanmax(line)])
        assert named.endswith(f" at k = {k:g}") if named else k in (0, len(line) - 1) or log <= 0.01
    lines = decoded(level["y"])[:-3].reshape(3, 5)  # the scale's words come last
    for s, (left, right, *_), words in zip(three, lines, above(level), strict=True):
        close([left, right], [radius] * 2)
        shown = re.search(rf"×({SHOWN})/step", words)[1]
        if s.per_step_factor[r] == 0.0:
            assert shown == "0"
        else:
            assert_shows(shown, s.log10_factor[r])


def above(level):
    """The words above each map."""
    return np.reshape(level["text"][:-3], (3, 5))[:, 3]


def close(got, want):
    """As near as float32 is; what is not finite is not drawn."""
    want = np.asarray(want, float)
    np.testing.assert_allclose(got, np.where(np.isfinite(want), want, np.nan), rtol=1e-6, atol=1e-7)


def test_the_defaults_show_the_phenomenon(page):
    assert_the_library_s(page)
    s = studies(page)["gaussian"]
    factor = s.per_step_factor[s.radii.index(1.0)]
    assert factor < 0.9
    assert_shows(re.search(rf"keeps ({SHOWN}) of", page.heading)[1], np.log10(factor))
    assert float(re.search(r"ρ ≈ (\d\.\d\d)", page.heading)[1]) == pytest.approx(s.unchanged_at, abs=0.005)
    assert page.warning is None


def test_the_title_is_about_the_radius_of_the_sidebar(page):
    page.set(spectral_radius=1.37)
    s = studies(page)["gaussian"]
    assert page.heading.startswith("At ρ = 1.37 a tanh RNN keeps")
    shown = re.search(rf"keeps ({SHOWN}) of", page.heading)[1]
    assert_shows(shown, s.log10_factor[s.radii.index(1.37)])
    page.set(spectral_radius=0.9)
    assert "Try ρ = 0.9" not in page.words


def test_three_starts_that_agree_are_one_sentence(page):
    page.set(activation="sigmoid")
    assert "passes unchanged at no ρ, whatever the start." in page.words


def test_at_most_six_controls_are_in_view():
    from gradflow.ui.lessons import LESSONS

    (lesson,) = (lesson for lesson in LESSONS if lesson.url == "spectral-radius")
    assert len(lesson.controls) <= 6


@pytest.mark.parametrize(
    ("key", "value", "changes", "before"), EFFECTS, ids=[f"{k}={v!r}{b or ''}" for k, v, _, b in EFFECTS]
)
def test_a_control_changes_what_it_should_and_only_that(page, key, value, changes, before):
    page.set(**before)
    assert page.settings[key] != value
    values, was = page.settings, table(page)
    page.set(**{key: value})
    assert {k: v for k, v in page.settings.items() if k not in (key, "text")} == {
        k: v for k, v in values.items() if k not in (key, "text")
    }
    is_now = table(page)
    for quantity in was.keys() | is_now.keys():
        same = quantity in was and quantity in is_now and was[quantity].equals(is_now[quantity])
        assert same == (quantity not in changes), quantity
    assert_the_library_s(page)


def table(page):
    """Quantity → its rows of the CSV."""
    frame = pd.read_csv(io.BytesIO(page.csv))
    return {q: rows.drop(columns="quantity").reset_index(drop=True) for q, rows in frame.groupby("quantity")}


def test_there_is_a_test_for_every_control(page):
    from gradflow.ui.lessons import LESSONS

    (lesson,) = (lesson for lesson in LESSONS if lesson.url == "spectral-radius")
    assert {key for key, *_ in EFFECTS} == {*lesson.controls, *lesson.more}


def test_the_radius_moves_the_slider_and_the_present_curves(page):
    was = drawn(page)
    page.set(spectral_radius=1.5)
    figure = drawn(page)
    assert figure["frames"] == was["frames"]
    first = figure["frames"][0]["traces"][0]
    assert figure["data"][:first] == was["data"][:first]
    assert all(new != old for new, old in zip(figure["data"][first:], was["data"][first:], strict=True))
    page.set(spectral_radius=1.03)  # between two frames: one more
    assert len(drawn(page)["frames"]) == len(figure["frames"]) + 1
    assert_the_library_s(page)


EXTREMES = [
    {"spectral_radius": 0.0},
    {"spectral_radius": 3.0},
    {"length": 1},
    {"length": 300},
    {"hidden": 1},
    {"input_scale": 0.0},
    {"input_scale": 10.0},
    {"seed": 99},
    {"input": "impulse"},
    {"activation": "relu", "input": "impulse", "spectral_radius": 0.0},
    {"activation": "relu", "length": 300, "input": "noise", "spectral_radius": 3.0},
    {"activation": "relu", "hidden": 1, "length": 1},
    {"activation": "sigmoid", "length": 300, "input_scale": 10.0},
    {"length": 1, "hidden": 128},
]


@pytest.mark.parametrize("settings", EXTREMES, ids=str)
def test_the_extremes_of_the_controls(page, settings):
    page.set(**settings)
    assert page.warning is None
    assert_the_library_s(page)
    assert page.heading
    assert not re.search(r"\b(nan|inf)\b", page.heading + page.words)


def test_settings_of_other_pages_do_not_disturb_it():
    page = Visit("spectral_radius", sequence_type="many-to-many", loss="prediction", rescale="false", init="orthogonal")
    assert page.figures == Visit("spectral_radius").figures


def test_a_bad_sentence_is_answered_with_a_sentence(page):
    page.set(text="  ")
    assert "5,000" in page.warning
    assert not page.figures


@pytest.mark.parametrize(
    "settings",
    [{}, {"spectral_radius": 1.37, "activation": "relu", "seed": 3}, {"input": "noise", "length": 40, "hidden": 8}],
    ids=lambda settings: ",".join(settings) or "defaults",
)
def test_the_python_that_makes_this_prints_the_page_s_numbers(page, tmp_path, settings):
    page.set(**settings)
    printed = {start: numbers for start, *numbers in page.printed(tmp_path)}
    shown = above(now(page)[-1])
    assert list(printed) == list(STARTS)
    for (start, (unchanged, factor, sigma)), words in zip(printed.items(), shown, strict=True):
        s = studies(page)[start]
        assert unchanged == str(s.unchanged_at)
        assert float(sigma) == s.sigma_max
        assert_shows(re.search(rf"×({SHOWN})/step", words)[1], np.log10(float(factor)))
        if s.unchanged_at is not None:
            assert f"at ρ ≈ {float(unchanged):.2f}" in page.words


def test_a_second_visitor_gets_the_first_one_s_figure(page):
    page.set(seed=5)
    spec = page.app.get("plotly_chart")[0].proto.spec
    assert visit().set(seed=5).app.get("plotly_chart")[0].proto.spec == spec


def test_the_figure_is_small_enough_to_send_at_every_move(page):
    assert len(page.app.get("plotly_chart")[0].proto.spec) < 1.0e6
    page.set(length=300, input="noise", hidden=64)
    assert len(page.app.get("plotly_chart")[0].proto.spec) < 1.5e6
