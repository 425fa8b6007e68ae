"""Paths through a cell: every control does what it says and nothing else, and every number is the library's."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from charts import SHOWN, assert_shows, decoded
from visit import Visit, extremes

import gradflow as gf
from gradflow.experiment import KNOBS
from gradflow.path_summary import PathSummary
from gradflow.ui.frame import DEFAULTS, SHARED
from gradflow.ui.lessons import LESSONS

OWN = {"path_cell", "path_weights", "path_start"}
(LESSON,) = (lesson for lesson in LESSONS if lesson.path == "pages/lessons/paths.py")
FIXED = {"sequence_type": "many-to-one", "loss": "probe", "reduction": "mean", "batch": 1}
LABELS = {"highway": "highway alone", "gates": "W_hh at every step", "mixed": "mixed", "direct": "read at this step"}
SMALL = {"length": "40", "hidden": "12"}  # so that a test takes no time; the defaults have a test of their own
GATE_NAMES = {"i": "input gate i", "f": "forget gate f itself", "g": "candidate g", "o": "output gate o"}
GATE_NAMES |= {"r": "reset gate r", "z": "update gate z itself", "n": "candidate n", "direct": "read at this step"}


def summary_of(page) -> PathSummary:
    """The library's own numbers for the controls' values."""
    held = page.settings
    knobs = {field: value for field, value in held.items() if field in KNOBS}
    exp = gf.Experiment(**{**knobs, **FIXED, "cell": held["path_cell"]})
    return gf.summarise_paths(exp, held["path_weights"], held["path_start"])


def lines(figure):
    """Panel and name → what is drawn."""
    return {(t.get("yaxis", "y"), t["name"]): decoded(t["y"]) for t in figure["data"] if "lines" in t.get("mode", "")}


def shown(values):
    return np.where(np.isfinite(values), values, np.nan)


def assert_the_library_s(page):
    """What is drawn equals `gf.summarise_paths` for the values of the controls."""
    s = summary_of(page)
    routes, steps, gates = page.figures
    drawn = lines(routes)
    np.testing.assert_array_equal(drawn.pop(("y", "whole gradient")), shown(s.routes.log10_whole[:, 0]))
    for k, part in enumerate(s.routes.parts):
        norm, share = s.routes.log10_norm[k, :, 0], s.routes.share[k, :, 0]
        if np.isfinite(norm[:-1]).any():
            (name,) = {name for _, name in drawn if name.startswith(LABELS[part])}
            np.testing.assert_array_equal(drawn.pop(("y", name)), shown(norm))
            np.testing.assert_array_equal(drawn.pop(("y2", name)), np.where(np.isfinite(norm), share, np.nan))
    assert not drawn
    circles = [t for t in routes["data"] if t.get("mode") == "markers"]
    assert len(circles) == (s.twin is not None)
    for t in circles:
        np.testing.assert_array_equal(decoded(t["y"]), shown(s.twin[decoded(t["x"]).astype(int)]))

    drawn = lines(steps)
    for k, part in enumerate(s.by_step.parts):
        norm = s.by_step.log10_norm[k, : s.start, 0]
        if np.isfinite(norm).any():
            name = f"highway {s.gate}" if part == "highway" else GATE_NAMES[part]
            whole = s.by_step.log10_whole[: s.start, 0]
            with np.errstate(invalid="ignore"):
                np.testing.assert_array_equal(drawn.pop(("y", name)), shown(norm - whole))
    assert not drawn

    heat, bars, *outline = gates["data"]
    np.testing.assert_array_equal(decoded(heat["z"]), s.kept.T[s.units].astype(np.float32))
    assert (np.diff(np.median(s.kept.T[s.units], axis=1)) >= 0.0).all()
    assert decoded(bars["x"]).sum() == pytest.approx(1.0)
    counted = np.histogram(s.kept, 20, (0.0, 1.0))[0] / s.kept.size
    np.testing.assert_allclose(decoded(bars["x"]), counted, rtol=1e-12)
    assert len(outline) == (s.kept_other is not None)
    return s


def curve(page):
    """The whole gradient, as drawn."""
    return page.figures[0]["data"][0]


def test_the_defaults_show_what_the_shortcut_misses():
    page = Visit("paths")
    s = assert_the_library_s(page)
    assert page.warning is None
    assert s.cell == "lstm"
    assert 0.5 < s.highway_per_step < 1.0
    assert s.log10_highway_alone < -2.0
    per_step, alone = re.search(rf"back ({SHOWN}) of .* shows only ({SHOWN}) of", page.heading).group(1, 4)
    assert_shows(per_step, np.log10(s.highway_per_step))
    assert_shows(alone, s.log10_highway_alone)
    assert f"after {s.start} steps" in page.heading
    assert s.error <= 1e-12


@pytest.mark.parametrize(
    ("query", "tried"),
    [
        ({"forget_bias": "3"}, "Try biases of the forget gate from 0 to 3, then trained weights."),
        ({"path_cell": "GRU", "update_bias": "3"}, "Try biases of the update gate from 0 to 3, then trained weights."),
        (
            {"path_cell": "GRU", "gru_update": "write", "update_bias": "-3"},
            "Try biases of the update gate from 0 to −3, then trained weights.",
        ),
        ({"spectral_radius": "3"}, "They widen with the spectral radius: try it from 0.5 to 3."),
    ],
    ids=str,
)
def test_what_is_to_be_tried_is_a_range_so_that_it_never_holds_already(query, tried):
    assert tried in Visit("paths", **SMALL, **query).words


# control, its new value, the cell that it is tried on, whether its gradient changes, and what must be set before
EFFECTS = [
    ("path_cell", "gru", "lstm", True, {}),
    ("path_start", 20, "lstm", True, {}),
    ("path_start", 20, "gru", True, {"path_weights": "trained"}),
    ("path_weights", "trained", "lstm", True, {}),
    ("path_weights", "trained", "gru", True, {}),
    ("length", 50, "lstm", True, {}),
    ("length", 50, "gru", True, {"path_weights": "trained"}),
    ("seed", 7, "lstm", True, {}),
    ("seed", 7, "gru", True, {"path_weights": "trained"}),
    ("spectral_radius", 1.5, "lstm", True, {}),
    ("spectral_radius", 1.5, "gru", True, {}),
    ("spectral_radius", 1.5, "lstm", False, {"path_weights": "trained"}),
    ("forget_bias", 3.0, "lstm", True, {}),
    ("forget_bias", 3.0, "gru", False, {}),
    ("update_bias", 3.0, "lstm", False, {}),
    ("update_bias", 3.0, "gru", True, {}),
    ("activation", "sigmoid", "lstm", True, {}),
    ("activation", "relu", "gru", False, {"path_weights": "trained"}),
    ("input", "noise", "gru", True, {}),
    ("input", "noise", "lstm", False, {"path_weights": "trained"}),
    ("text", "A shorter sentence.", "lstm", True, {}),
    ("init", "orthogonal", "lstm", True, {}),
    ("rescale", False, "lstm", True, {}),
    ("input_scale", 2.0, "lstm", True, {}),
    ("hidden", 8, "lstm", True, {}),
    ("chrono", True, "lstm", True, {}),
    ("chrono", True, "gru", True, {}),
    ("gru_reset", "before", "lstm", False, {}),
    ("gru_reset", "before", "gru", True, {}),
    ("gru_update", "write", "lstm", False, {}),
    ("gru_update", "write", "gru", True, {"update_bias": 1.0}),
]


def test_there_is_a_test_for_every_control():
    assert {key for key, *_ in EFFECTS} == OWN | set(LESSON.controls) | set(LESSON.more)


@pytest.mark.parametrize(
    ("key", "value", "cell", "changes", "before"),
    EFFECTS,
    ids=[f"{cell}:{k}={v!r}{b or ''}" for k, v, cell, _, b in EFFECTS],
)
def test_a_control_changes_what_it_should_and_only_that(key, value, cell, changes, before):
    page = Visit("paths", path_cell=cell.upper(), **SMALL).set(**before)
    values, there = page.settings, curve(page)
    assert values[key] != value
    page.set(**{key: value})
    after = page.settings
    assert after.pop(key) == value
    assert all(values[other] == held for other, held in after.items() if other != "text")
    assert (curve(page) != there) == changes
    assert_the_library_s(page)


@pytest.mark.parametrize("key", sorted({*OWN, *LESSON.controls, *LESSON.more}))
def test_the_extremes_of_a_control(key):
    page = Visit("paths", path_cell="GRU" if key.startswith(("gru", "update", "path")) else "LSTM", **SMALL)
    for value in extremes(page.controls[key], path_cell=["lstm", "gru"], path_weights=["random", "trained"]):
        page.set(**{key: value})
        assert page.warning is None
        assert_the_library_s(page)


@pytest.mark.parametrize(
    "corner",
    [
        {"length": "1"},
        {"length": "2", "path_weights": "trained"},
        {"length": "300", "path_weights": "trained", "path_cell": "GRU", "path_start": "299"},
        {"length": "300", "hidden": "128", "path_cell": "GRU", "gru_reset": "before"},
        {"spectral_radius": "0", "input_scale": "0"},
        {"spectral_radius": "0", "activation": "ReLU", "input": "Impulse"},
        {"hidden": "1", "activation": "ReLU", "path_cell": "GRU"},
        {"activation": "ReLU", "spectral_radius": "3", "length": "300", "input": "Noise", "input_scale": "10"},
        {"forget_bias": "-10", "update_bias": "-10", "length": "300", "path_cell": "GRU"},
        {"forget_bias": "10", "spectral_radius": "3", "length": "300"},
        {"sequence_type": "many-to-many", "loss": "prediction"},
    ],
    ids=str,
)
def test_corners_where_several_controls_are_extreme(corner):
    page = Visit("paths", **corner)
    assert page.warning is None
    assert_the_library_s(page)
    assert "nan" not in f"{page.heading} {page.words}".lower()


def test_two_numbers_cannot_be_added_in_one_step():
    page = Visit("paths", length="1", path_weights="trained")
    assert "at least 2" in page.warning
    assert not page.figures
    page.set(length=2)
    assert page.warning is None


def test_a_state_that_overflows_is_said_in_words():
    knob = KNOBS["spectral_radius"]
    before = knob.high
    object.__setattr__(knob, "high", 100.0)
    try:
        page = Visit("paths", activation="ReLU", length="300", input="Noise").set(spectral_radius=100.0)
    finally:
        object.__setattr__(knob, "high", before)
    assert "float64" in page.warning
    assert page.heading == "Paths through a cell"


def test_the_gates_question_is_answered_for_random_and_for_trained_weights():
    page = Visit("paths", path_cell="GRU")
    s = summary_of(page)
    for kind, kept in (("Random", s.kept), ("Trained", s.kept_other)):
        said = re.search(
            rf"{kind} weights: z is ({SHOWN}) in the median and above 0\.9 in (\d+) % of all values, and most of the time in "
            r"(\d+) of (\d+) units",
            page.words,
        )
        assert_shows(said[1], np.log10(np.median(kept)))
        assert abs(int(said.group(4)) - 100.0 * (kept > 0.9).mean()) <= 0.5
        assert int(said.group(5)) == (np.median(kept, axis=0) > 0.9).sum()
        assert int(said.group(6)) == kept.shape[1]
    assert np.median(s.kept) < 0.6 < 0.95 < np.median(s.kept_other)


def test_the_checks_are_on_the_page():
    page = Visit("paths", path_cell="GRU")
    s = summary_of(page)
    assert s.twin_error <= 1e-14
    whole, twin = re.search(rf"apart, within ({SHOWN}) of it.*differ by ({SHOWN}) at most", page.words, re.S).group(
        1, 4
    )
    assert_shows(whole, np.log10(s.error))
    assert_shows(twin, np.log10(s.twin_error))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"path_cell": "GRU", "gru_update": "write", "seed": "11", "path_start": "30"},
        {"path_weights": "trained", "length": "60"},
        {"path_cell": "GRU", "path_weights": "trained"},
        {"input": "Text", "text": "quotes ' and \" and \\ and é", "length": "12", "chrono": "true"},
        {"activation": "ReLU", "spectral_radius": "0", "input": "Impulse"},
    ],
    ids=lambda settings: ",".join(settings) or "defaults",
)
def test_the_python_that_makes_this_prints_the_page_s_numbers(settings, tmp_path):
    page = Visit("paths", **settings)
    s = summary_of(page)
    np.testing.assert_equal(
        [float(value) for line in page.printed(tmp_path) for value in line],
        [s.highway_per_step, s.log10_highway_alone, s.error],
    )


@pytest.mark.parametrize(
    "settings", [{}, {"path_cell": "GRU", "path_weights": "trained"}, {"path_start": "40"}], ids=str
)
def test_the_csv_is_what_is_drawn(settings):
    page = Visit("paths", **settings)
    s = summary_of(page)
    frame = pd.read_csv(io.BytesIO(page.csv))
    for label, split in (("last step", s.by_step), ("routes", s.routes)):
        for k, part in enumerate(split.parts):
            rows = frame[(frame["split"] == label) & (frame["part"] == part)]
            np.testing.assert_array_equal(rows["share"], split.share[k, :, 0])
            np.testing.assert_array_equal(rows["log10_norm"], split.log10_norm[k, :, 0])
    np.testing.assert_array_equal(
        frame[frame["split"] == "gate"]["share"].to_numpy().reshape(s.kept.shape[::-1]), s.kept.T
    )


def test_what_other_pages_choose_does_not_reach_this_one():
    one = Visit("paths", sequence_type="many-to-many", reduction="sum", cells="RNN")
    assert one.figures == Visit("paths").figures
    assert set(SHARED) >= {"sequence_type", "reduction"}
    assert DEFAULTS.sequence_type == "many-to-one"
