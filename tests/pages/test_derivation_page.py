"""The derivation: every control does what it says, every equation has its line, every value is the library's."""

import io
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from charts import assert_shows, decoded
from visit import Visit

from gradflow.cells import CELLS
from gradflow.derivation import derive
from gradflow.derivation_findings import WORDS, title_of
from gradflow.experiment import KNOBS
from gradflow.figures.theme import subscripted
from gradflow.ui.lines import SAME

derived = cache(derive)

# control, its new value, whether the values change, and what must be set before
GRU = {"derivation_cell": "gru"}
EFFECTS = [
    ("derivation_cell", "peephole", True, {}),
    ("derivation_step", 20, False, {}),
    ("derivation_unit", 5, False, {}),
    ("derivation_part", "forward", False, {}),
    ("derivation_part", "local", False, {}),
    ("activation", "sigmoid", True, {}),
    ("spectral_radius", 1.5, True, {}),
    ("spectral_radius", 1.5, False, {"rescale": False}),
    ("forget_bias", 4.0, True, {}),
    ("forget_bias", 4.0, True, {"derivation_cell": "peephole"}),
    ("forget_bias", 4.0, False, GRU),
    ("text", "A shorter sentence.", True, {}),
    ("length", 60, True, {}),
    ("hidden", 8, True, {}),
    ("seed", 7, True, {}),
    ("input", "noise", True, {}),
    ("sequence_type", "many-to-many", True, {}),
    ("loss", "prediction", True, {}),
    ("reduction", "sum", False, {}),
    ("reduction", "sum", True, {"sequence_type": "many-to-many"}),
    ("init", "orthogonal", True, {}),
    ("rescale", False, True, {}),
    ("input_scale", 2.0, True, {}),
    ("update_bias", 2.0, False, {}),
    ("update_bias", 2.0, True, GRU),
    ("chrono", True, True, {}),
    ("gru_reset", "before", False, {}),
    ("gru_reset", "before", True, GRU),
    ("gru_update", "write", False, {}),
    ("gru_update", "write", True, {**GRU, "update_bias": 2.0}),
]
NOT_SHOWN = {"cells"}


@pytest.fixture
def page():
    return Visit("derivation")


def library(page):
    """The library's own numbers for the controls' values, and the step pointed at."""
    settings = page.settings
    exp = replace(page.experiment, cell=settings["derivation_cell"])
    d = derived(exp, min(settings["derivation_unit"], exp.hidden - 1))
    return d, min(settings["derivation_step"], len(d.steps))


def table(page):
    """The rows of the part shown: equation, source and place, norm, range, unit's value."""
    rows = [line for text in page.app.markdown for line in text.value.splitlines() if line.startswith("| $")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def drawn(page):
    (figure,) = page.figures
    return figure


def assert_the_library_s(page):
    d, step = library(page)
    assert page.heading == title_of(d, step)
    (sizes,) = drawn(page)["data"]
    z = d.log10_norm[list(d.drawn)]
    np.testing.assert_array_equal(decoded(sizes["z"]), np.where(np.isfinite(z), z, np.nan).astype(np.float32))
    assert list(decoded(sizes["x"])) == list(range(1, len(d.steps) + 1))
    layout = drawn(page)["layout"]
    assert layout["yaxis"]["ticktext"] == [subscripted(d.symbols[row]) for row in d.drawn]
    assert {(s["x0"], s["x1"]) for s in layout["shapes"] if s["type"] == "rect"} == {(step - 0.5, step + 0.5)}
    part = page.settings["derivation_part"]
    equations = enumerate((line, equation) for line in d.lines for equation in line.equations)
    shown = [(number, line, equation) for number, (line, equation) in equations if line.part == part]
    assert SAME.strip()  # a blank would look forgotten
    for (number, line, equation), row in zip(shown, table(page), strict=True):
        latex, source, norm, values, unit = row
        assert latex == f"${equation.latex}$"
        assert source.startswith(f"`{line.source}`") if equation is line.equations[0] else source == SAME
        assert_value(norm, 10.0 ** d.log10_norm[number, step - 1])
        least, greatest = values.split(" … ")
        assert_value(least, d.least[number, step - 1])
        assert_value(greatest, d.greatest[number, step - 1])
        assert_value(unit, d.unit_value[number, step - 1])


def assert_value(shown, value):
    assert shown.startswith("−") == (value < 0.0)
    shown = shown.removeprefix("−")
    if value == 0.0:
        assert shown in ("0", "exactly 0")
    else:
        assert_shows(shown, np.log10(abs(value)))


def test_the_defaults_show_the_phenomenon(page):
    assert_the_library_s(page)
    assert page.warning is None
    d, _ = library(page)
    sizes = dict(zip(d.symbols, d.log10_norm, strict=True))
    kept = [np.ptp(sizes[symbol][1:]) for symbol in ("f", "c_t", "∂h_t/∂a_o", "∂c_t/∂a_g")]
    assert max(kept) < 1.5
    assert np.ptp(sizes["∂L/∂h_{t−1}"]) > 3.0


def test_the_words_are_the_picture_s_key(page):
    z = drawn(page)["data"][0]["z"]
    assert np.isnan(decoded(z)).any()
    assert "blank is exactly 0" in WORDS
    assert WORDS.count(". ") + 1 <= 3


def test_there_is_a_test_for_every_control(page):
    assert {key for key, *_ in EFFECTS} | NOT_SHOWN == set(page.controls)


@pytest.mark.parametrize(
    ("key", "value", "changes", "before"), EFFECTS, ids=[f"{k}={v!r}{b or ''}" for k, v, _, b in EFFECTS]
)
def test_a_control_changes_what_it_should_and_only_that(page, key, value, changes, before):
    page.set(**before)
    settings, figure, rows = page.settings, drawn(page), table(page)
    assert settings[key] != value
    page.set(**{key: value})
    assert {k: v for k, v in page.settings.items() if k not in (key, "text")} == {
        k: v for k, v in settings.items() if k not in (key, "text")
    }
    assert (drawn(page)["data"] != figure["data"]) == changes
    if key == "derivation_unit":
        assert drawn(page) == figure
        assert [row[:-1] for row in table(page)] == [row[:-1] for row in rows]
        assert [row[-1] for row in table(page)] != [row[-1] for row in rows]
    elif key == "derivation_part":
        assert drawn(page) == figure
        assert not {row[0] for row in table(page)} & {row[0] for row in rows}
    elif key == "derivation_step":
        assert [row[:2] for row in table(page)] == [row[:2] for row in rows]
        assert table(page) != rows
    elif not changes:
        assert table(page) == rows
    assert_the_library_s(page)


EXTREMES = {
    "derivation_cell": list(CELLS),
    "derivation_step": [1, 300],
    "derivation_unit": [0, 127],
    "derivation_part": ["forward", "local", "back"],
    "text": ["xy", "y" * 5000],
}


@pytest.mark.parametrize("key", sorted({key for key, *_ in EFFECTS}))
def test_the_extremes_of_a_control(page, key):
    control = page.controls[key]
    page.set(derivation_cell="gru") if key.startswith(("gru", "update")) else None
    if control.type == "slider":
        values = [type(control.value)(control.min), type(control.value)(control.max)]
    elif control.type == "toggle":
        values = [True, False]
    else:
        values = EXTREMES.get(key) or KNOBS[key].choices
    for value in values:
        page.set(**{key: value})
        assert page.warning is None
        assert_the_library_s(page)


@pytest.mark.parametrize(
    "corner",
    [
        {"length": 1},
        {"hidden": 1, "derivation_unit": 100, "activation": "relu", "spectral_radius": 0.0},
        {"derivation_cell": "rnn", "activation": "relu", "spectral_radius": 3.0, "input": "noise", "length": 300},
        {
            "derivation_cell": "peephole",
            "derivation_part": "forward",
            "forget_bias": -10.0,
            "chrono": True,
            "length": 1,
        },
        {
            "derivation_cell": "gru",
            "derivation_part": "local",
            "gru_reset": "before",
            "gru_update": "write",
            "update_bias": 10.0,
        },
    ],
    ids=str,
)
def test_corners_where_several_controls_are_extreme(page, corner):
    page.set(**corner)
    assert_the_library_s(page)


@pytest.mark.usefixtures("wide_range")
def test_overflow_is_said_in_words():
    page = Visit("derivation").set(
        derivation_cell="rnn", activation="relu", length=300, input="noise", spectral_radius=100.0
    )
    assert "RNN has no gradient: the hidden state leaves float64's range at step" in page.heading
    assert not page.figures
    page.set(spectral_radius=1.0)
    assert_the_library_s(page)


def test_a_bad_sentence_is_answered_with_a_sentence(page):
    page.set(derivation_part="local", text="   ")
    assert "5,000" in page.warning
    assert not page.figures
    page.set(text="Fine again.")
    assert page.settings["derivation_part"] == "local"
    assert_the_library_s(page)


@pytest.mark.parametrize(
    "settings",
    [{}, {"derivation_cell": "peephole", "derivation_step": 7, "derivation_unit": 3}, {"length": 1, "hidden": 4}],
    ids=str,
)
def test_the_csv_is_what_is_drawn(page, settings):
    page.set(**settings)
    d, _ = library(page)
    frame = pd.read_csv(io.BytesIO(page.csv), keep_default_na=False)
    count = len(d.steps)
    assert len(frame) == len(d.symbols) * count
    np.testing.assert_array_equal(frame["log10_norm"].astype(float).to_numpy().reshape(-1, count), d.log10_norm)
    np.testing.assert_array_equal(frame["unit_value"].to_numpy().reshape(-1, count), d.unit_value)
    assert frame["symbol"].tolist()[::count] == list(d.symbols)
    assert frame["input"].astype(str).tolist()[:count] == list(d.steps)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"derivation_cell": "gru", "gru_reset": "before", "derivation_step": 300, "text": "quotes ' and \" and é"},
        {"derivation_cell": "peephole", "derivation_unit": 127, "hidden": 6, "sequence_type": "many-to-many"},
        {"derivation_cell": "rnn", "activation": "relu", "spectral_radius": 0.0, "derivation_step": 1},
    ],
    ids=str,
)
def test_the_python_that_makes_this_prints_the_page_s_numbers(page, tmp_path, settings):
    page.set(**settings)
    d, step = library(page)
    lines = page.printed(tmp_path)
    assert [line[0] for line in lines] == list(d.symbols)
    for number, (_, *values) in enumerate(lines):
        want = [array[number, step - 1] for array in (d.log10_norm, d.least, d.greatest, d.unit_value)]
        np.testing.assert_array_equal([float(value) for value in values], want)
