"""The lesson's figures: they draw the results and nothing else, on axes that hold what they are about."""

import numpy as np
import pytest
from charts import decoded

import gradflow as gf
from gradflow.figures import activation_curves, activation_panels, unit_map, unit_time
from gradflow.figures.theme import ACTIVATION_COLOURS, CELL_COLOURS, EXPLODING, VANISHING

EXP = gf.Experiment(length=20, hidden=8, batch=1, input_scale=3.0)
POINTS = {
    "usual": gf.operating_points(EXP, range(3)),
    "one": gf.operating_points(EXP, range(3), ["sigmoid"]),
    "no input": gf.operating_points(gf.Experiment(length=5, hidden=4, batch=1, input_scale=0.0), range(3)),
    "exploding": gf.operating_points(gf.Experiment(length=60, hidden=8, batch=1, spectral_radius=3.0), range(3)),
    "none": {},
}
UNITS = {
    "latch": ("tanh", 1.5, 0.0, 0.2),
    "edge": ("tanh", 1.0, 0.0, 0.9),
    "cycle": ("sigmoid", -8.0, 4.0, 0.3),
    "far start": ("sigmoid", 1.0, 0.0, -2.0),
    "line": ("relu", 1.0, 0.0, 0.9),
    "grows": ("relu", 8.0, 8.0, 2.0),
    "no fixed point": ("relu", 1.0, 1.0, 0.9),
    "dead": ("relu", 0.5, -1.0, 0.9),
    "high fixed point": ("relu", 0.9, 8.0, 0.0),
}


@pytest.mark.parametrize("name", POINTS)
def test_panels_have_the_bars_and_the_mean_of_every_activation(name):
    points = POINTS[name]
    figure = activation_panels(points)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    for bar, (activation, point) in zip(bars, points.items(), strict=True):
        np.testing.assert_allclose(bar.y, 100.0 * point.share)
        assert bar.marker.color == ACTIVATION_COLOURS[activation]
    assert [shape.y0 for shape in figure.layout.shapes] == [point.mean_slope for point in points.values()]
    said = [note.text for note in figure.layout.annotations]
    assert sum(text.endswith("% →") for text in said) == sum(point.above >= 0.005 for point in points.values())
    assert sum(text.startswith("← ") for text in said) == sum(point.below >= 0.005 for point in points.values())


def test_bars_are_pale_just_where_the_slope_is_small():
    figure = activation_panels(POINTS["usual"])
    for bar, name in zip([t for t in figure.data if t.type == "bar"], POINTS["usual"], strict=True):
        a, pale = np.asarray(bar.x), np.asarray(bar.marker.opacity) < 1.0
        slope = {"tanh": 1.0 - np.tanh(a) ** 2, "sigmoid": 1.0 / (2.0 + 2.0 * np.cosh(a)), "relu": 1.0 * (a > 0.0)}[
            name
        ]
        np.testing.assert_array_equal(pale, slope < 0.1 * POINTS["usual"][name].max_slope)


def test_panels_stand_on_the_same_axes():
    layout = activation_panels(POINTS["usual"]).layout
    upper, lower = (layout.yaxis, layout.yaxis2, layout.yaxis3), (layout.yaxis4, layout.yaxis5, layout.yaxis6)
    for axes in (upper, lower):
        assert len({axis.range for axis in axes}) == 1
        assert len({axis.domain for axis in axes}) == 1
    traces = [t for t in activation_panels(POINTS["usual"]).data if t.type == "bar"]
    assert len({tuple(t.x) for t in traces}) == 1


@pytest.mark.parametrize("name", POINTS)
def test_curves_are_the_medians(name):
    drawn = {t.name: t for t in activation_curves(POINTS[name]).data if t.name}
    for point in POINTS[name].values():
        line, middle = drawn[point.activation.replace("relu", "ReLU")], point.gradient.middle
        np.testing.assert_array_equal(decoded(line.y), np.where(np.isfinite(middle), middle, np.nan))
    assert len({line.line.dash for line in drawn.values()}) == len(drawn)


def test_no_activation_has_the_colour_of_something_else():
    assert not set(ACTIVATION_COLOURS.values()) & {*CELL_COLOURS.values(), EXPLODING, VANISHING}
    assert len(set(ACTIVATION_COLOURS.values())) == 3


@pytest.mark.parametrize("name", UNITS)
def test_the_map_marks_every_fixed_point(name):
    unit = gf.one_unit(*UNITS[name])
    figure = unit_map(unit)
    marked = [t for t in figure.data if "fixed point" in (t.hovertemplate or "")]
    assert [t.x[0] for t in marked] == [point.h for point in unit.fixed_points]
    for trace, point in zip(marked, unit.fixed_points, strict=True):
        assert ("open" in trace.marker.symbol) == (point.kind != "stable")
    low, high = figure.layout.xaxis.range
    assert figure.layout.yaxis.range == (low, high)
    assert all(low < point.h < high for point in unit.fixed_points)
    assert low < unit.h[0] < high
    assert any("swapped" in (t.hovertemplate or "") for t in figure.data) == (unit.cycle is not None)


@pytest.mark.parametrize(("w", "beside"), [(1.5, True), (-1.5, False), (-0.5, False)])
def test_words_keep_out_of_a_path_that_winds_around_the_fixed_point(w, beside):
    unit = gf.one_unit("tanh", w, 0.0, 0.1)
    figure = unit_map(unit)
    assert any("text" in (trace.mode or "") for trace in figure.data) == beside
    low, high = figure.layout.xaxis.range
    led = {note.text: note for note in figure.layout.annotations}
    assert len(led) == (0 if beside else 2)
    for text, note in led.items():
        assert (note.ay, note.yanchor) == ((low, "bottom") if text == "h₀" else (high, "top"))
        assert note.x == note.y == note.ax == (unit.h[0] if text == "h₀" else unit.fixed_points[0].h)


def test_the_cobweb_goes_from_the_curve_to_the_diagonal():
    unit = gf.one_unit("tanh", 1.5, 0.0, 0.2, steps=4)
    (cobweb,) = (t for t in unit_map(unit).data if len(t.x) == 9)
    h = unit.h
    np.testing.assert_array_equal(cobweb.x, [h[0], h[0], h[1], h[1], h[2], h[2], h[3], h[3], h[4]])
    np.testing.assert_array_equal(cobweb.y, [h[0], h[1], h[1], h[2], h[2], h[3], h[3], h[4], h[4]])


@pytest.mark.parametrize("name", UNITS)
def test_time_shows_state_and_memory(name):
    unit = gf.one_unit(*UNITS[name])
    figure = unit_time(unit)
    *others, state, memory = figure.data
    np.testing.assert_array_equal(state.y, unit.h)
    np.testing.assert_array_equal(
        decoded(memory.y), np.where(np.isfinite(unit.log10_memory), unit.log10_memory, np.nan)
    )
    assert len(others) == unit.others.shape[1]
    low, high = figure.layout.yaxis2.range
    finite = unit.log10_memory[np.isfinite(unit.log10_memory)]
    assert low < finite.min()
    assert finite.max() < high
    assert not any(np.isinf(np.asarray(t.y, float)).any() for t in figure.data)


def test_heights_and_margins_do_not_depend_on_the_data():
    for draw, results in {
        activation_panels: POINTS.values(),
        activation_curves: POINTS.values(),
        unit_map: [gf.one_unit(*unit) for unit in UNITS.values()],
        unit_time: [gf.one_unit(*unit) for unit in UNITS.values()],
    }.items():
        layouts = [draw(result).layout for result in results]
        assert len({layout.height for layout in layouts}) == 1
        assert len({layout.margin.to_plotly_json().__repr__() for layout in layouts}) == 1
