"""Figures: they draw the summary and nothing else, on axes that hold it."""

import math
import re
import runpy
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from charts import decoded
from hypothesis import assume, given
from hypothesis import strategies as st
from made_up import CASES, DEAD, OVERFLOWED, STABLE, VANISHING, by_cell, summary

from gradflow.cells import CELLS
from gradflow.figures import direct_curves, flow_curves, theme, unit_maps
from gradflow.figures.theme import decades, log_ticks

OKABE_ITO = {"RNN": "#D55E00", "LSTM": "#0072B2", "GRU": "#009E73"}
FLOAT32_TINY = math.log10(float(np.finfo(np.float32).tiny))


def lines(figure):
    return {trace.name: trace for trace in figure.data if trace.name}


def power(text):
    """The exponent that a tick says."""
    match = re.fullmatch(r"10<sup>(-?\d+)</sup>", text.replace("−", "-"))
    return int(match[1]) if match else {"1": 0, "10": 1}[text]


@pytest.mark.parametrize("name", CASES)
def test_the_line_is_the_summary_s_median(name):
    drawn = lines(flow_curves(CASES[name]))
    want = {s.cell.upper(): s for s in CASES[name].values() if s.middle.size}
    assert list(drawn) == list(want)
    for cell, s in want.items():
        np.testing.assert_array_equal(drawn[cell].x, np.arange(s.length + 1))
        np.testing.assert_array_equal(decoded(drawn[cell].y), np.where(np.isfinite(s.middle), s.middle, np.nan))
        assert not drawn[cell].connectgaps


@pytest.mark.parametrize("name", CASES)
def test_the_band_is_between_low_and_high(name):
    figure = flow_curves(CASES[name])
    edges = [trace for trace in figure.data if not trace.name]
    want = [s for s in CASES[name].values() if s.middle.size]
    assert len(edges) == 2 * len(want)
    for s, low, high in zip(want, edges[::2], edges[1::2], strict=True):
        finite = np.isfinite(s.low) & np.isfinite(s.high)
        np.testing.assert_array_equal(low.y, s.low[finite])
        np.testing.assert_array_equal(high.y, s.high[finite])
        np.testing.assert_array_equal(low.x, np.flatnonzero(finite))
        np.testing.assert_array_equal(high.x, np.flatnonzero(finite))
        assert high.fill == "tonexty"
        assert low.legendgroup == high.legendgroup == s.cell.upper()


def test_exact_zeros_end_a_line():
    y = decoded(lines(flow_curves(by_cell(DEAD)))["RNN"].y)
    assert np.isnan(y[:13]).all()
    assert np.isfinite(y[13:]).all()


@pytest.mark.parametrize("name", CASES)
def test_the_axes_hold_the_data(name):
    figure = flow_curves(CASES[name])
    low, high = figure.layout.yaxis.range
    first, last = figure.layout.xaxis.range
    assert low < 0.0 < high
    for trace in figure.data:
        y = np.asarray(trace.y, float)[np.isfinite(np.asarray(trace.y, float))]
        assert (low < y).all()
        assert (y < high).all()
        assert (first <= np.asarray(trace.x)).all()
        assert (np.asarray(trace.x) <= last).all()


@pytest.mark.parametrize("name", CASES)
def test_ticks_are_powers_of_ten(name):
    axis = flow_curves(CASES[name]).layout.yaxis
    assert axis.type != "log"
    assert [power(text) for text in axis.ticktext] == list(axis.tickvals)
    assert 1 <= len(axis.tickvals) <= 12
    assert all(axis.range[0] <= value <= axis.range[1] for value in axis.tickvals)


@pytest.mark.parametrize("name", CASES)
def test_float32_s_line_is_there_only_where_it_is_in_range(name):
    figure = flow_curves(CASES[name])
    heights = [shape.y0 for shape in figure.layout.shapes]
    said = [note.text for note in figure.layout.annotations if "float32" in note.text]
    in_range = figure.layout.yaxis.range[0] < FLOAT32_TINY
    at_tiny = [y for y in heights if y == pytest.approx(FLOAT32_TINY)]
    assert len(said) == len(at_tiny) == int(in_range or bool(at_tiny))
    assert not at_tiny or figure.layout.yaxis.range[0] < FLOAT32_TINY
    assert 0.0 in heights


def test_float32_s_line_appears_with_the_data():
    deep, shallow = summary("rnn", 0.1, length=45), summary("rnn", 0.1, length=20)
    assert any("float32" in note.text for note in flow_curves(by_cell(deep)).layout.annotations)
    assert not any("float32" in note.text for note in flow_curves(by_cell(shallow)).layout.annotations)


def test_every_cell_has_its_colour_and_its_dash():
    drawn = lines(flow_curves(CASES["all three"]))
    assert {name: trace.line.color for name, trace in drawn.items()} == OKABE_ITO
    assert len({trace.line.dash for trace in drawn.values()}) == 3
    alone = lines(flow_curves(by_cell(STABLE)))["LSTM"]
    assert (alone.line.color, alone.line.dash) == (drawn["LSTM"].line.color, drawn["LSTM"].line.dash)


def test_the_axes_say_quantity_and_direction():
    for quantity, symbol in {"dL/dh": "∂L/∂h", "dL/dc": "∂L/∂c", "joint": "∂L/∂(h"}.items():
        layout = flow_curves(by_cell(replace(STABLE, quantity=quantity))).layout
        assert symbol in layout.yaxis.title.text
        assert "loss" in layout.xaxis.title.text
        assert "back" in layout.xaxis.title.text


def test_hover_says_the_number_and_the_character():
    trace = lines(flow_curves(by_cell(VANISHING)))["RNN"]
    assert len(trace.customdata) == 51
    assert list(trace.customdata[50]) == ["1.0", " “x”"]
    assert trace.customdata[0][0].startswith("8·10") or "10⁻⁶" in trace.customdata[0][0]  # 0.79⁵⁰ = 7.6e-6


@pytest.mark.parametrize("draw", [flow_curves, direct_curves])
def test_hover_says_where_the_network_reads_nothing(draw):
    one_input = replace(VANISHING, steps=("a", *[""] * 49))
    trace = lines(draw(by_cell(one_input)))["RNN"]
    assert trace.customdata[-1][1] == ", no input"
    assert trace.hovertemplate == "%{customdata[0]} at step %{x}%{customdata[1]}"


@pytest.mark.parametrize(
    ("zero_until", "mode"), [(0, "lines"), (47, "lines"), (48, "lines+markers"), (49, "lines+markers")]
)
def test_a_point_alone_is_marked(zero_until, mode):
    assert lines(flow_curves(by_cell(summary("rnn", 0.5, zero_until=zero_until))))["RNN"].mode == mode


def test_a_cell_beyond_the_palette_has_a_look_too(monkeypatch):
    for cell in ("fifth", "sixth", "seventh"):
        monkeypatch.setitem(CELLS, cell, CELLS["rnn"])
    looks = runpy.run_path(theme.__file__)
    assert len({(looks["CELL_COLOURS"][cell], looks["CELL_DASHES"][cell]) for cell in CELLS}) == 7


@pytest.mark.parametrize("units", [1, 2, 3, 7])
def test_few_units_are_counted_in_whole_numbers(units):
    figure = unit_maps(by_cell(summary("rnn", units=units), summary("gru", units=units)))
    assert figure.layout.yaxis.dtick == figure.layout.yaxis2.dtick == 1
    assert unit_maps(by_cell(summary("rnn", units=32))).layout.yaxis.dtick is None


@pytest.mark.parametrize("name", CASES)
def test_unit_maps_draw_every_unit_of_every_cell(name):
    figure = unit_maps(CASES[name])
    want = [s for s in CASES[name].values() if s.units.size]
    maps = [trace for trace in figure.data if isinstance(trace, go.Heatmap)]
    assert len(maps) == len(want)
    low, high = figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax
    for s, drawn in zip(want, maps, strict=True):
        z = np.asarray(drawn.z, float)
        assert z.shape == (4, s.length + 1)
        expected = np.where(np.isfinite(s.units), s.units, np.nan).T
        np.testing.assert_allclose(z, expected, rtol=1e-6)
        there = z[np.isfinite(z)]
        assert ((low <= there) & (there <= high)).all()
    headings = [note.text for note in figure.layout.annotations]
    names = [s.cell.upper() for s in want]
    assert headings == [f'<span style="color:{OKABE_ITO[name]}">■</span> {name}' for name in names]


@pytest.mark.parametrize("name", CASES)
def test_the_direct_derivative_is_drawn_over_a_pale_total_and_zeros_below_every_power_of_ten(name):
    figure = direct_curves(CASES[name])
    drawn = lines(figure)
    want = [s for s in CASES[name].values() if s.middle.size]
    assert set(drawn) == {label for s in want for label in (s.cell.upper(), f"{s.cell.upper()}, total")}
    for s in want:
        direct, total = drawn[s.cell.upper()], drawn[f"{s.cell.upper()}, total"]
        assert (list(direct.x), list(direct.y)) == ([s.length], [0.0])
        assert "markers" in direct.mode
        np.testing.assert_array_equal(decoded(total.y), np.where(np.isfinite(s.middle), s.middle, np.nan))
        assert total.opacity < 0.6
        assert total.line == direct.line
    axis = figure.layout.yaxis
    zero = axis.tickvals[axis.ticktext.index("0")]
    assert axis.range[0] < zero < min(at for at, text in zip(axis.tickvals, axis.ticktext, strict=True) if text != "0")
    for crosses in (trace for trace in figure.data if not trace.name):
        assert list(crosses.x) == list(range(want[0].length))
        assert set(crosses.y) == {zero}
    assert figure.layout.height == flow_curves(CASES[name]).layout.height
    assert figure.layout.margin == flow_curves(CASES[name]).layout.margin


def test_a_direct_derivative_at_every_step_is_a_line():
    s = replace(VANISHING, direct=np.append(-np.inf, np.full(50, -2.0)))
    drawn = lines(direct_curves(by_cell(s)))["RNN"]
    assert drawn.mode == "lines"
    np.testing.assert_array_equal(drawn.x, np.arange(1, 51))
    np.testing.assert_array_equal(drawn.y, -2.0)


def test_four_maps_are_two_rows_that_share_their_axes():
    four = by_cell(*(summary(cell, 0.9) for cell in CELLS))
    layout = unit_maps(four).layout
    boxes = {(layout[f"xaxis{k}"].domain, layout[f"yaxis{k}"].domain) for k in ("", "2", "3", "4")}
    assert len(boxes) == 4
    assert len({x for x, _ in boxes}) == len({y for _, y in boxes}) == 2
    for domains in ({x for x, _ in boxes}, {y for _, y in boxes}):
        (_, end), (start, _) = sorted(domains)
        assert end < start
    assert layout.height > unit_maps(CASES["all three"]).layout.height
    assert layout.yaxis3.matches == "y"
    assert [note.text.partition("</span> ")[2] for note in layout.annotations] == [
        "RNN",
        "LSTM",
        "GRU",
        "Peephole<br>LSTM",
    ]


@pytest.mark.parametrize("draw", [flow_curves, unit_maps])
@pytest.mark.parametrize("name", CASES)
def test_heights_and_margins_do_not_depend_on_the_data(draw, name):
    figure, other = draw(CASES[name]), draw(CASES["all three"])
    assert figure.layout.height == other.layout.height
    assert figure.layout.margin == other.layout.margin
    assert draw(CASES[name]).to_json() == draw(CASES[name]).to_json()


def test_a_figure_of_nothing_is_a_figure():
    assert not flow_curves(by_cell(OVERFLOWED)).data
    assert not unit_maps(by_cell(OVERFLOWED)).data


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_decades_hold_both_ends_and_one(a, b):
    lowest, highest = min(a, b), max(a, b)
    low, high = decades(lowest, highest)
    assert low <= lowest
    assert highest <= high
    assert low < 0.0 <= high
    # no more than one unit of empty room at either end, and the unit is at most a fifth of the range
    assert high - low <= 2.0 * (max(highest, 0.0) - min(lowest, -1.0)) + 2.0


@given(st.floats(-1e6, 1e6), st.floats(0.5, 2e6))
def test_ticks_are_whole_decades_inside_the_range(low, width):
    assume(low + width <= 2e6)
    ticks = log_ticks(low, low + width)
    assert len(ticks["tickvals"]) <= 10
    assert all(low <= value <= low + width and value == int(value) for value in ticks["tickvals"])
    assert [power(text) for text in ticks["ticktext"]] == ticks["tickvals"]


@pytest.mark.parametrize(
    ("factors", "place"),
    [
        ((0.7, 0.9), ("right", "bottom")),
        ((1.2, 0.7), ("left", "bottom")),
        ((1.2, 1.001), ("right", "top")),
        ((1.2, 1.001, 0.8), ("left", "top")),
    ],
)
def test_a_line_s_words_stand_where_no_curve_runs_through_them(factors, place):
    figure = flow_curves(
        {cell: summary(cell, factor) for cell, factor in zip(("rnn", "lstm", "gru"), factors, strict=False)}
    )
    words = next(note for note in figure.layout.annotations if note.text == "1: unchanged")
    assert (words.xanchor, words.yanchor) == place
    assert words.x == (0 if place[0] == "left" else figure.data[1].x[-1])


def test_words_of_lines_that_lie_close_are_told_together():
    figure = flow_curves(by_cell(summary("rnn", 0.1, length=300)))
    (note,) = figure.layout.annotations
    assert note.y == 0.0
    assert "unchanged" in note.text
    assert "float32" in note.text
    assert len(figure.layout.shapes) == 2
