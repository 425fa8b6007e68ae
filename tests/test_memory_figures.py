"""The forget-gate figures draw the memories they are given, on axes that hold them."""

from dataclasses import replace

import numpy as np
import pytest
from charts import decoded

import gradflow as gf
from gradflow.figures import entry_against_bias, gate_values, kept_against_bias, memory_curves
from gradflow.figures.theme import spread
from gradflow.memory import LOGIT_EDGES
from gradflow.memory_findings import memory_title

BLUE, GREEN = "#0072B2", "#009E73"
EXP = gf.Experiment(length=40, hidden=8)
SEEDS = range(2)
LSTM, GRU = (gf.sweep_memory(EXP, cell, (-2.0, 0.0, 1.0, 5.0, 8.0), SEEDS) for cell in ("lstm", "gru"))
CHRONO = gf.measure_memory(gf.Experiment(length=40, hidden=8, chrono=True), "lstm", SEEDS)
SIDE = [*LSTM[1:4], GRU[1]]
DEAD = gf.sweep_memory(
    gf.Experiment(activation="relu", input_scale=0.0, spectral_radius=0.0, length=5, hidden=4),
    "lstm",
    (0.0, 1.0),
    SEEDS,
)


def lines(figure):
    return {trace.name: trace for trace in figure.data if trace.name}


@pytest.mark.parametrize("quantity", ["dL/dc", "dL/dh", "joint"])
def test_every_bias_has_its_line_and_its_law(quantity):
    figure = memory_curves(SIDE, LSTM[2], quantity)
    drawn = lines(figure)
    assert list(drawn) == ["LSTM b<sub>f</sub> = 0", "LSTM b<sub>f</sub> = 1", "LSTM b<sub>f</sub> = 5", "GRU b = 0"]
    laws = [trace for trace in figure.data if not trace.name]
    for m, line, law in zip(SIDE, drawn.values(), laws, strict=True):
        curve = m.curves["dL/dh" if m.cell == "gru" else quantity]
        np.testing.assert_array_equal(line.y, curve)
        assert line.line.color == (BLUE if m.cell == "lstm" else GREEN)
        assert law.line.dash == "dash" != line.line.dash
        seen = np.asarray(law.y) > figure.layout.yaxis.range[0]
        np.testing.assert_allclose(np.asarray(law.y)[seen], (m.law + curve[-1])[seen])
    widths = {name: trace.line.width for name, trace in drawn.items()}
    assert max(widths, key=widths.get) == "LSTM b<sub>f</sub> = 1"
    low, high = figure.layout.yaxis.range
    assert all((low < np.asarray(line.y)).all() and (np.asarray(line.y) < high).all() for line in drawn.values())
    assert "loss" in figure.layout.xaxis.title.text


def test_the_lines_are_named_where_they_end():
    figure = memory_curves(SIDE, LSTM[2], "dL/dc")
    names = {note.text: note for note in figure.layout.annotations if note.xanchor == "right" and note.x == 0}
    assert list(names) == ["b<sub>f</sub> = 0", "b<sub>f</sub> = 1", "b<sub>f</sub> = 5", "GRU"]
    assert [text for text, note in names.items() if note.font.weight == 700] == ["b<sub>f</sub> = 1"]
    heights = np.sort([note.y for note in names.values()])
    low, high = figure.layout.yaxis.range
    assert (np.diff(heights) > 0.05 * (high - low)).all()


@pytest.mark.parametrize("quantity", ["dL/dc", "dL/dh", "joint"])
def test_what_is_kept_is_drawn_for_both_cells_against_the_law(quantity):
    figure = kept_against_bias(LSTM, GRU, (LSTM[2], GRU[1]), quantity)
    drawn = lines(figure)
    assert len(drawn) == 5
    sigma = 1 / (1 + np.exp(-np.array([-2.0, 0.0, 1.0, 5.0, 8.0])))
    np.testing.assert_allclose(drawn["gate at rest: σ(b)"].y, sigma, rtol=1e-12)
    for q, (name, memories) in zip(
        ("dL/dc", "dL/dh", "joint", "dL/dh"),
        zip(drawn, (LSTM, LSTM, LSTM, GRU), strict=False),
        strict=True,
    ):
        np.testing.assert_array_equal(drawn[name].y, [m.factor(q) for m in memories])
        np.testing.assert_array_equal(drawn[name].x, [-2, 0, 1, 5, 8])
    dots = [(*trace.x, *trace.y) for trace in figure.data if trace.mode == "markers"]
    assert dots == [(1.0, LSTM[2].factor(quantity)), (0.0, GRU[1].factor())]


def test_what_gets_in_is_drawn_on_a_log_axis():
    figure = entry_against_bias(LSTM, GRU, (LSTM[2], GRU[1]))
    drawn = list(lines(figure).values())
    for trace, memories, field in zip(
        drawn, (LSTM, LSTM, LSTM, GRU), ("written", "passed", "newest", "written"), strict=False
    ):
        np.testing.assert_allclose(10 ** np.asarray(trace.y), [getattr(m, field) for m in memories], rtol=1e-12)
    np.testing.assert_allclose(10 ** np.asarray(drawn[4].y), 1 / (1 + np.exp([-2.0, 0.0, 1.0, 5.0, 8.0])), rtol=1e-12)


def test_chrono_is_a_level_not_a_point():
    for figure, y in (
        (kept_against_bias(LSTM, GRU, (CHRONO, GRU[1]), "dL/dc"), CHRONO.factor()),
        (entry_against_bias(LSTM, GRU, (CHRONO, GRU[1])), np.log10(CHRONO.written)),
    ):
        assert y in [shape.y0 for shape in figure.layout.shapes]
        assert [note.text for note in figure.layout.annotations] == ["Chrono"]
        assert sum(trace.mode == "markers" for trace in figure.data) == 1


def test_the_horizons_stand_under_the_biases():
    for figure in (kept_against_bias(LSTM, GRU, (), "dL/dc"), entry_against_bias(LSTM, GRU, ())):
        assert figure.layout.xaxis.ticktext == ("−2<br>1.1", "0<br>2.0", "8<br>2982")


def test_the_gates_are_one_row_each():
    memories = [*LSTM[1:4], CHRONO, GRU[1]]
    figure = gate_values(memories, LSTM[2])
    drawn = list(lines(figure).values())
    assert list(figure.layout.yaxis.ticktext) == [trace.name for trace in drawn]
    assert drawn[-1].name == "LSTM b<sub>f</sub> = 0"
    middles = (LOGIT_EDGES[:-1] + LOGIT_EDGES[1:]) / 2
    for row, (m, trace) in enumerate(zip(reversed(memories), drawn, strict=True)):
        heights = np.asarray(trace.y) - row
        assert 0.0 <= heights.min() <= heights.max() <= 1.0
        share = dict(zip(np.round(middles, 6), m.density / m.density.max(), strict=True))
        np.testing.assert_allclose(heights / heights.max(), [share[x] for x in np.round(trace.x, 6)], atol=1e-12)
        low, high = figure.layout.xaxis.range
        assert low <= min(trace.x) <= max(trace.x) <= high


def test_no_gradient_at_all_is_a_figure_without_a_line():
    figure = memory_curves(DEAD, DEAD[0], "dL/dc")
    assert all(np.isnan(decoded(trace.y)).all() for trace in figure.data)
    for drawn in (kept_against_bias(DEAD, GRU[:2], DEAD, "dL/dc"), entry_against_bias(DEAD, GRU[:2], DEAD)):
        assert drawn.to_json()


@pytest.mark.parametrize(
    ("positions", "want"),
    [([], []), ([3.0], [3.0]), ([0.0, 5.0], [0.0, 5.0]), ([1.0, 1.0], [0.5, 1.5]), ([2.0, 0.0, 2.0], [1.5, 0.0, 2.5])],
)
def test_labels_are_spread_no_more_than_needed(positions, want):
    assert spread(positions, 1.0) == want


def test_spread_labels_push_their_neighbours():
    got = np.array(spread([0.0, 0.2, 0.4, 1.2, 9.0], 1.0))
    assert (np.diff(got) >= 1.0 - 1e-12).all()
    assert got[-1] == 9.0
    assert got[:4].mean() == pytest.approx(0.45)


@pytest.mark.parametrize(("factor", "top"), [(0.5, 1.15), (1.1, 1.15), (1.3, 1.5), (1.35, 1.5), (1.6, 1.75)])
def test_the_axis_holds_every_factor(factor, top):
    one = replace(LSTM[1], log10_factors=dict.fromkeys(LSTM[1].log10_factors, np.log10(factor)))
    figure = kept_against_bias([one, *LSTM[2:]], GRU, (one,), "dL/dc")
    assert figure.layout.yaxis.range == (0.0, top)
    assert all(np.nanmax(line.y) < top for line in figure.data)


def test_a_peephole_has_a_line_of_its_own():
    peephole = gf.sweep_memory(EXP, "peephole", (0.0, 5.0), SEEDS)
    figure = memory_curves([*peephole, *LSTM[1:3], GRU[1]], peephole[0], "dL/dc")
    names = [note.text for note in figure.layout.annotations if note.xanchor == "right" and note.x == 0]
    assert names == ["b<sub>f</sub> = 0", "b<sub>f</sub> = 5", "LSTM", "LSTM", "GRU"]
    assert len({trace.line.dash for trace in figure.data}) == 4  # one a cell, and the laws'
    assert memory_title(peephole[1], "dL/dc").startswith("b_f = 5: the Peephole LSTM")
