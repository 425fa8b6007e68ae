"""The figures and words on losses and truncation: they draw the results and nothing else, on axes that hold them."""

import re

import numpy as np
import pytest
from charts import decoded

import gradflow as gf
from gradflow.figures import bias_curves, lag_curves, loss_matrix_map, path_counts, surviving_paths, type_maps
from gradflow.figures.loss_matrices import FITTING, step_ticks
from gradflow.findings import percent
from gradflow.loss_findings import matrix_words, reach_title
from gradflow.loss_matrix import LossMatrix
from gradflow.losses import SEQUENCE_TYPES
from gradflow.truncation import Truncation
from gradflow.truncation_findings import Style, bias_title, paths_finding, paths_words, styles, table

TEXT = "The keys to the old cabinet are on the table, and nobody knows why."
NAN = float("nan")


def fading(cell, per_step, length=30, kind="many-to-many", loss_at=1):
    """A made-up matrix that keeps 10^per_step of a loss at each step back."""
    k, t = np.indices((length + 1, length + 1))
    log = np.where((t <= k) & (k >= loss_at), (k - t) * float(per_step), -np.inf)
    steps = tuple(TEXT[:length])
    return LossMatrix(cell, kind, steps, log, log.max(0), np.full(length + 1, 1e-16))


BY_TYPE = {name: fading("rnn", -0.3, kind=name, loss_at=1 if "many-to-many" in name else 20) for name in SEQUENCE_TYPES}
SILENT = LossMatrix("lstm", "many-to-many", ("a",), np.full((2, 2), -np.inf), np.full(2, -np.inf), np.zeros(2))


def heatmaps(figure):
    return [trace for trace in figure.data if trace.type == "heatmap"]


@pytest.mark.parametrize("per_step", [-0.3, 0.2, -30.0])
def test_the_matrix_is_drawn_with_its_diagonal_up_and_blank_above_it(per_step):
    m = fading("rnn", per_step)
    figure = loss_matrix_map({"many-to-many": m}, 12)
    z = np.asarray(heatmaps(figure)[0].z)
    assert z.dtype == np.float32
    assert np.isnan(z[np.triu_indices(31, 1)]).all()
    np.testing.assert_allclose(z, np.where(np.isfinite(m.log10_norm), m.log10_norm, np.nan), rtol=1e-6)
    top, bottom = figure.layout.yaxis.range[::-1]
    assert top < 0 < 30 < bottom  # the first loss is on top
    assert figure.layout.coloraxis.cmin <= np.nanmin(z)
    assert np.nanmax(z) <= figure.layout.coloraxis.cmax
    low, high = figure.layout.yaxis2.range
    rows = [np.asarray(trace.y, float) for trace in figure.data if trace.yaxis == "y2"]
    assert all(low < y[np.isfinite(y)].min() for y in rows)
    assert all(y[np.isfinite(y)].max() < high for y in rows)


def edges(figure):
    """The black line as (loss, its edge between two states), and the joints between losses."""
    (path,) = (shape.path for shape in figure.layout.shapes if shape.line.color == "#000000")
    x, rows, joined = 0.0, {}, []
    for letter, numbers in re.findall(r"([MHV])([\d.,]+)", path):
        *first, last = map(float, numbers.split(","))
        if letter == "V":
            rows[int(last - 0.5)] = x
        else:
            x = first[0] if first else last
            joined += [letter == "H"]
    return rows, joined


def test_the_black_line_is_where_one_hundredth_is_left():
    rows, joined = edges(loss_matrix_map(BY_TYPE, 12))
    assert rows == {k: k - 6.5 for k in range(7, 31)}  # −0.3 a step: six steps keep 10^−1.8
    assert joined == [False, *[True] * 23]  # the first six losses reach all the way: there is no such place


def test_the_black_line_breaks_where_a_loss_reaches_all_the_way():
    m = fading("rnn", -0.3)
    m.log10_norm[20, :21] = 0.0
    rows, joined = edges(loss_matrix_map({"many-to-many": m}, 12))
    assert set(rows) == {*range(7, 20), *range(21, 31)}
    assert joined.count(False) == 2


DEAD = fading("rnn", -0.3)
DEAD.log10_norm[~np.eye(31, dtype=bool)] = -np.inf  # what ρ = 0 leaves of a matrix


@pytest.mark.parametrize(("m", "bordered"), [(fading("rnn", -0.3), True), (fading("rnn", 0.2), False), (DEAD, False)])
def test_the_black_line_is_explained_where_there_is_one(m, bordered):
    layout = loss_matrix_map({"many-to-many": m}, 12).layout
    (note,) = (a.text for a in layout.annotations if "blank: exactly 0" in a.text)
    assert ("black line: 1/100 left" in note) == bordered
    assert len(layout.shapes) == 2 * bordered


@pytest.mark.parametrize(
    ("m", "reaches", "mode"), [(BY_TYPE["many-to-many"], range(13), "lines"), (DEAD, [12], "lines+markers")]
)
def test_the_row_s_line_ends_where_the_row_is_zero(m, reaches, mode):
    figure = loss_matrix_map({"many-to-many": m}, 12)
    names, (across, _, below) = heatmaps(figure)[0].x, figure.data[1:]
    assert list(across.x) == [names[t] for t in reaches]
    assert set(across.y) == {names[12]}
    assert across.mode == below.mode == mode


def test_the_lower_panel_says_its_quantity():
    layout = loss_matrix_map(BY_TYPE, 12).layout
    assert layout.yaxis2.title.text == "‖∂L<sub>12</sub>/∂h<sub>t</sub>‖"
    assert layout.yaxis2.title.font.size == layout.yaxis.title.font.size


@pytest.mark.parametrize("per_step", [0.5, 1.0, 2.0])
def test_the_dotted_line_s_name_stands_clear_of_it(per_step):
    m = fading("rnn", per_step)
    (name,) = (
        a for a in loss_matrix_map({"many-to-many": m}, 12).layout.annotations if a.text.startswith("all losses")
    )
    assert (name.xanchor, name.yanchor) == ("right", "bottom")
    assert (m.log10_total[len(m.log10_total) // 2 :] <= name.y).all()


def test_all_types_share_the_colours_of_the_matrix():
    one, four = loss_matrix_map(BY_TYPE, 5), type_maps(BY_TYPE)
    assert (one.layout.coloraxis.cmin, one.layout.coloraxis.cmax) == (
        four.layout.coloraxis.cmin,
        four.layout.coloraxis.cmax,
    )
    assert len(heatmaps(four)) == 4
    for trace, m in zip(heatmaps(four), BY_TYPE.values(), strict=True):
        assert np.isfinite(np.asarray(trace.z)).sum() == np.isfinite(m.log10_norm).sum()


def test_lag_runs_to_the_loss_at_the_right():
    figure = lag_curves({"rnn": fading("rnn", -0.3), "gru": fading("gru", 0.1), "lstm": SILENT})
    left, right = figure.layout.xaxis.range
    assert left > right
    named = {trace.name: np.asarray(trace.y) for trace in figure.data if trace.name}
    assert set(named) == {"RNN", "GRU"}
    np.testing.assert_allclose(named["RNN"], np.arange(31) * -0.3)
    low, high = figure.layout.yaxis.range
    assert low < -9.0
    assert high > 3.0


def test_nothing_at_all_is_still_a_figure():
    for figure in (
        loss_matrix_map({"many-to-many": SILENT}, 1),
        lag_curves({"lstm": SILENT}),
        type_maps({"x": SILENT}),
    ):
        assert figure.layout.height


def test_ticks_are_inputs_words_or_some_of_them():
    assert step_ticks(("a", "<", " "), 5) == {"tickvals": [1, 2, 3], "ticktext": ["a", "&lt;", " "]}
    words = step_ticks(tuple(TEXT), FITTING["x"])
    assert words["ticktext"] == TEXT.split()
    for at, word in zip(words["tickvals"], TEXT.split(), strict=True):
        middle = TEXT.index(f"{word} ") if f"{word} " in TEXT else TEXT.index(word)
        assert at == middle + (1 + len(word)) / 2 or TEXT.count(word) > 1
    assert len(step_ticks(tuple(TEXT), 8)["ticktext"]) <= 8
    numbers = step_ticks(tuple(map(str, range(1, 301))), 44)
    assert numbers["tickvals"][:2] == [1, 39]
    assert step_ticks(tuple("x" * 100), 44)["ticktext"] == ["x"] * 8
    (long, _) = step_ticks(tuple("incomprehensibilities of"), 10)["ticktext"]
    assert long == "incomprehen…"


def test_the_title_says_how_far_a_loss_reaches():
    by_cell = {"rnn": fading("rnn", -0.3), "gru": fading("gru", -0.1)}
    assert reach_title(by_cell) == (
        "A loss reaches 6 steps back in the RNN, 20 in the GRU, then less than 1/100 of its gradient is left"
    )
    by_cell["lstm"] = fading("lstm", 0.0)
    assert reach_title(by_cell).endswith("; in the LSTM 1/100 or more is left all the way")
    assert reach_title({"lstm": by_cell["lstm"]}).startswith("Every loss reaches the first step")
    assert reach_title({"lstm": SILENT, "rnn": by_cell["rnn"]}).startswith("No loss has a gradient in the LSTM")
    assert "10⁻¹⁶ of it, at step 0" in matrix_words(by_cell["rnn"])


DEPTHS = {"chosen": gf.path_depths(20, 7, 4), "full": gf.path_depths(20, 20, 20)}


def test_paths_run_from_the_loss_to_the_cut():
    figure = surviving_paths(DEPTHS)
    for panel, depths in enumerate(DEPTHS.values()):
        cut, kept, lost = figure.data[3 * panel : 3 * panel + 3]
        x, y = (np.asarray(v, float).reshape(-1, 3) for v in (kept.x, kept.y))
        np.testing.assert_array_equal(y[:, 0], np.arange(1, 21))
        np.testing.assert_array_equal(x[:, 1], y[:, 1])
        np.testing.assert_array_equal(x[:, 1] - x[:, 0], depths)
        np.testing.assert_array_equal(np.asarray(cut.x, float).reshape(-1, 3)[:, 1], x[:, 0])
        np.testing.assert_array_equal(lost.x, np.flatnonzero(depths == 0) + 1)
    counts = path_counts(DEPTHS["chosen"]).data[0]
    assert dict(zip(counts.x, counts.y, strict=True)) == {0: 8, 1: 3, 2: 3, 3: 3, 4: 3}


def made_up(cell, *biases):
    k2s = tuple(range(1, len(biases) + 1))
    bias = np.array(biases)
    return Truncation(cell, 40, 5, k2s, ratio=1.0 - bias / 2, angle=bias * 30, bias=bias)


def test_a_bias_of_rounding_size_is_not_drawn():
    figure = bias_curves({"rnn": made_up("rnn", 0.9, 1e-3, 1e-15), "gru": made_up("gru", 2.0, NAN, 0.0)}, 2)
    np.testing.assert_allclose(decoded(figure.data[0].y), [np.log10(0.9), -3.0, NAN])
    np.testing.assert_allclose(decoded(figure.data[1].y), [np.log10(2.0), NAN, NAN])
    low, high = figure.layout.yaxis.range
    assert low < -3.0
    assert high > np.log10(2.0)


@pytest.mark.parametrize(
    ("biases", "said"),
    [
        ((0.9, 1e-15), None),
        ((1e-15, 0.0), "no difference above rounding"),
        ((NAN, NAN), "no full gradient to compare with"),
    ],
)
def test_where_no_bias_is_to_be_drawn_words_say_why(biases, said):
    figure = bias_curves({cell: made_up(cell, *biases) for cell in ("rnn", "gru")}, 1)
    assert [a.text for a in figure.layout.annotations if a.xref == "x domain"] == [said] * (said is not None)
    assert [trace.showlegend for trace in figure.data] == [said is None] * 2


def test_truncation_in_words():
    chosen, chunks, every, full = styles(40, 5, 2)
    assert [(s.k1, s.k2) for s in (chosen, chunks, every, full)] == [(5, 2), (2, 2), (1, 2), (40, 40)]
    assert styles(3, 5, 9)[0] == Style("chosen", 3, 3)
    by_cell = {"rnn": made_up("rnn", 0.9, 0.25), "lstm": made_up("lstm", 0.9, 0.5)}
    assert bias_title(by_cell, chosen) == (
        f"With passes of 2 steps every 5, ∂L/∂W_hh is off by {percent(0.25)} in the RNN and {percent(0.5)} in the LSTM"
    )
    assert "the full gradient" in bias_title(by_cell, full)
    assert "nothing to compare with" in bias_title({"rnn": made_up("rnn", NAN, NAN)}, chosen)
    text = table(40, [chosen, chosen], {"rnn": [by_cell["rnn"], made_up("rnn", 0.1, NAN)]})
    assert "| RNN: norm, angle | 0.88\N{NO-BREAK SPACE}×, 7.5° | – |" in text
    assert "| steps back in all | 16 | 16 |" in text
    assert "24 of 40 losses" in paths_words(chosen, 40)
    assert "100 % of the ways" in paths_finding(Style("full", 40, 40), 40)
    assert "3 steps every 3 keep 47 %" in paths_finding(Style("chunks", 3, 3), 8)  # 17 of 36
    assert "lost" not in paths_words(every, 40)


def test_one_step_is_singular():
    by_cell = {"rnn": fading("rnn", -1.5), "gru": fading("gru", -0.1)}
    assert reach_title(by_cell).startswith("A loss reaches 1 step back in the RNN, 20 in the GRU")
