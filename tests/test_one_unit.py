"""The one-unit memory against published numbers, the network's own loops, brute force on a fine grid, and long iteration."""

import math

import numpy as np
import pytest
from helpers import one_unit_rnn
from hypothesis import assume, given
from hypothesis import strategies as st

import gradflow as gf

PHI = {"tanh": math.tanh, "sigmoid": lambda a: (1.0 + math.tanh(a / 2.0)) / 2.0, "relu": lambda a: max(a, 0.0)}
ACTIVATIONS = st.sampled_from(sorted(PHI))
TENTHS = st.integers(-80, 80).map(lambda n: n / 10.0)
PUBLISHED = [
    ("sigmoid", 1.0, 0.0, 0.65905, 0.2247),
    ("sigmoid", 2.0, -1.0, 0.5, 0.5),
    ("tanh", 0.9, 0.0, 0.0, 0.9),
    ("tanh", 1.5, 0.0, 0.85856, 0.3943),
]


def unit_map(activation, w, b):
    return lambda h: PHI[activation](w * h + b)


def after(f, h, steps):
    for _ in range(steps):
        h = f(h)
    return h


@pytest.mark.parametrize(("activation", "w", "b", "h", "multiplier"), PUBLISHED)
def test_the_published_fixed_points(activation, w, b, h, multiplier):
    """The activation lecture of CMU 11-785, from 0.9."""
    goal = gf.one_unit(activation, w, b).goal
    assert goal.h == pytest.approx(h, abs=5e-6)
    assert goal.multiplier == pytest.approx(multiplier, abs=5e-5)
    assert goal.kind == "stable"


def test_tanh_at_weight_one_decays_as_the_published_power_law():
    h = gf.one_unit("tanh", 1.0, 0.0, h0=1.0, steps=1000).h
    np.testing.assert_allclose(h[[10, 100, 1000]], [0.35625, 0.12118, 0.03868], atol=5e-6)
    assert h[1000] == pytest.approx(math.sqrt(3.0 / 2000.0), rel=2e-3)


@pytest.mark.parametrize("activation", PHI)
@pytest.mark.parametrize(("w", "b"), [(1.5, 0.0), (-1.7, 0.4), (0.6, -0.2), (4.0, -2.0)])
def test_orbit_and_memory_are_the_network_s_own(activation, w, b):
    unit = gf.one_unit(activation, w, b, h0=0.7, steps=40)
    trace = one_unit_rnn(w, b, activation, 40, 0.7)
    np.testing.assert_allclose(unit.h, trace.h[:, 0, 0], rtol=1e-13, atol=1e-300)
    for t in (1, 7, 40):
        direct = np.zeros((t + 1, 1, 1))
        direct[-1] = 1.0
        flow = gf.backward(one_unit_rnn(w, b, activation, t, 0.7), direct)
        np.testing.assert_allclose(unit.log10_memory[t], flow.log10_norm[0, 0], rtol=1e-12, atol=1e-12)


def test_memory_far_below_float64_keeps_its_digits():
    unit = gf.one_unit("sigmoid", 0.01, 0.0, steps=400)
    assert unit.log10_memory[-1] < -1000.0
    slope = np.diff(unit.log10_memory)[-1]
    assert slope == pytest.approx(math.log10(unit.goal.multiplier), rel=1e-12)


def by_brute_force(activation, w, b):
    """Where φ(w h + b) − h changes sign on a fine grid: the middles of its cells."""
    top = 1.01 if activation != "relu" else 101.0
    grid = np.linspace(-1.01, top, 200_001) + 1e-7 * math.pi  # shifted, so that no fixed point lies on it
    a = w * grid + b
    phi = {"tanh": np.tanh(a), "sigmoid": (1.0 + np.tanh(a / 2.0)) / 2.0, "relu": np.maximum(a, 0.0)}[activation]
    change = np.flatnonzero(np.diff(np.sign(phi - grid)))
    return (grid[change] + grid[change + 1]) / 2.0


@given(ACTIVATIONS, TENTHS, TENTHS)
def test_fixed_points_are_those_of_brute_force(activation, w, b):
    points = gf.fixed_points(activation, w, b)
    assume(all(point.up_to is None and abs(abs(point.multiplier) - 1.0) > 1e-3 for point in points))
    assume(all(point.h < 100.0 for point in points))
    want = by_brute_force(activation, w, b)
    if activation == "relu" and w > 1.0 and b == 0.0:
        want = np.array([0.0])  # the map touches the diagonal there from above on either side
    np.testing.assert_allclose([point.h for point in points], want, atol=2e-3)


@given(st.sampled_from(["tanh", "sigmoid"]), st.floats(-50.0, 50.0), st.floats(-50.0, 50.0))
def test_every_fixed_point_is_one_to_the_last_digits(activation, w, b):
    f = unit_map(activation, w, b)
    points = gf.fixed_points(activation, w, b)
    assert 1 <= len(points) <= 3
    assert sorted(points, key=lambda point: point.h) == list(points)
    for point in points:
        # an error in h shows in the residual times 1 − multiplier
        assert abs(f(point.h) - point.h) <= 1e-12 * max(1.0, abs(1.0 - point.multiplier))
        step = 1e-6
        slope = (f(point.h + step) - f(point.h - step)) / (2.0 * step)
        assert point.multiplier == pytest.approx(slope, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize(
    ("activation", "w", "b", "h"),
    [("tanh", 1.0, 0.0, 0.0), ("sigmoid", 4.0, -2.0, 0.5), ("tanh", -1.0, 0.0, 0.0), ("sigmoid", -4.0, 2.0, 0.5)],
)
def test_on_the_edge_the_fixed_point_is_exact(activation, w, b, h):
    (point,) = gf.fixed_points(activation, w, b)
    assert point.h == h
    assert abs(point.multiplier) == 1.0
    assert point.kind == "marginal"


@pytest.mark.parametrize("w", [1.01, 1.5, 3.0, 20.0])
def test_fixed_points_come_and_go_where_the_curve_touches_the_diagonal(w):
    turn = math.acosh(math.sqrt(w))
    edge = w * math.tanh(turn) - turn
    assert len(gf.fixed_points("tanh", w, edge * (1.0 - 1e-9))) == 3
    assert len(gf.fixed_points("tanh", w, edge * (1.0 + 1e-9))) == 1
    assert len(gf.fixed_points("sigmoid", 4.0 * w, 2.0 * edge * (1.0 - 1e-9) - 2.0 * w)) == 3
    assert len(gf.fixed_points("sigmoid", 4.0 * w, 2.0 * edge * (1.0 + 1e-9) - 2.0 * w)) == 1


RELU = {
    # (w, b): fixed points with their multipliers
    (0.5, 1.0): [(2.0, 0.5)],
    (0.5, -1.0): [(0.0, 0.0)],
    (0.5, 0.0): [(0.0, 0.5)],
    (1.5, 0.0): [(0.0, 1.5)],
    (1.5, -1.0): [(0.0, 0.0), (2.0, 1.5)],
    (1.5, 1.0): [],
    (1.0, 1.0): [],
    (1.0, -1.0): [(0.0, 0.0)],
    (-2.0, 3.0): [(1.0, -2.0)],
    (-2.0, 0.0): [(0.0, 0.0)],
    (0.0, 2.0): [(2.0, 0.0)],
    (0.0, -2.0): [(0.0, 0.0)],
}


@pytest.mark.parametrize(("w", "b"), RELU)
def test_relu_s_fixed_points(w, b):
    points = gf.fixed_points("relu", w, b)
    assert [(point.h, point.multiplier) for point in points] == RELU[w, b]
    assert all(point.up_to is None for point in points)


def test_relu_with_weight_one_and_no_bias_keeps_every_state():
    (point,) = gf.fixed_points("relu", 1.0, 0.0)
    assert (point.h, point.up_to, point.kind) == (0.0, math.inf, "marginal")
    assert gf.one_unit("relu", 1.0, 0.0, h0=0.35).goal.h == 0.35
    assert gf.one_unit("relu", 1.0, 0.0, h0=-0.35).goal.h == 0.0


@given(ACTIVATIONS, st.floats(-20.0, 20.0), st.floats(-20.0, 20.0))
def test_a_cycle_is_two_states_that_are_swapped(activation, w, b):
    cycle = gf.two_cycle(activation, w, b)
    f = unit_map(activation, w, b)
    (*_, middle) = gf.fixed_points(activation, w, b) or (None,)
    unstable = w < 0.0 and middle.multiplier < -1.0 - 1e-6
    assert (cycle is not None) == unstable or (w < 0.0 and abs(middle.multiplier + 1.0) <= 1e-6)
    if cycle:
        assert cycle.low < middle.h < cycle.high
        near = 1e-9 * max(1.0, abs(w), abs(b))
        assert f(cycle.low) == pytest.approx(cycle.high, abs=near)
        assert f(cycle.high) == pytest.approx(cycle.low, abs=near)
        assert 0.0 <= cycle.multiplier <= 1.0


@pytest.mark.parametrize("w", [-1.2, -2.0, -5.0])
def test_tanh_s_symmetric_cycle_is_the_latch_of_the_opposite_weight(w):
    cycle = gf.two_cycle("tanh", w, 0.0)
    low, _, high = gf.fixed_points("tanh", -w, 0.0)
    assert (cycle.low, cycle.high) == (pytest.approx(low.h, abs=1e-12), pytest.approx(high.h, abs=1e-12))
    assert cycle.multiplier == pytest.approx(high.multiplier**2, abs=1e-12)


@given(ACTIVATIONS, TENTHS, TENTHS, st.integers(-40, 40).map(lambda n: n / 20.0))
def test_the_goal_is_where_a_long_iteration_ends(activation, w, b, h0):
    goal = gf.one_unit(activation, w, b, h0).goal
    f = unit_map(activation, w, b)
    if goal is None:
        assert activation == "relu"
        assert after(f, h0, 400) > 30.0 * max(1.0, abs(b) / 1000.0)
        return
    assume(goal.multiplier == 1.0 or abs(abs(goal.multiplier) - 1.0) > 1e-3)
    end = after(f, h0, 20_000)
    if isinstance(goal, gf.Cycle):
        assert sorted((end, f(end))) == pytest.approx([goal.low, goal.high], abs=1e-9)
    elif goal.kind == "unstable":
        assert h0 == pytest.approx(goal.h, abs=1e-12)
    elif goal.kind == "stable":
        assert end == pytest.approx(goal.h, abs=1e-9)
    else:
        assert end == pytest.approx(goal.h, abs=0.02)  # a power law


@pytest.mark.parametrize(
    ("w", "b", "h0"), [(1.5, 0.0, 0.9), (8.0, 3.0, -2.0), (1.1, -0.05, 0.9), (1.1, 8.0, 0.0), (2.0, 1.0, -5.0)]
)
def test_the_step_at_which_relu_leaves_float64(w, b, h0):
    h, steps = h0, 0
    while math.isfinite(h):
        h, steps = max(w * h + b, 0.0), steps + 1
    unit = gf.one_unit("relu", w, b, h0, steps=steps + 10)
    assert unit.leaves == steps
    assert len(unit.h) == len(unit.log10_memory) == len(unit.others) == steps
    assert np.isfinite(unit.h).all()
    assert gf.one_unit("relu", w, b, h0, steps=3).leaves == steps


@pytest.mark.parametrize("kind", [int, np.float64, np.float32, np.int8])
def test_any_kind_of_number_is_a_number(kind):
    unit = gf.one_unit("relu", kind(2), kind(1), kind(1), steps=1100)
    assert (unit.w, unit.b, unit.leaves) == (2.0, 1.0, 1023)
    assert gf.fixed_points("sigmoid", kind(6), kind(-3)) == gf.fixed_points("sigmoid", 6.0, -3.0)
    assert gf.two_cycle("tanh", kind(-3), kind(1)) == gf.two_cycle("tanh", -3.0, 1.0)


def test_the_smallest_start_takes_longest_to_leave():
    assert gf.one_unit("relu", 2.0, 0.0, h0=2.0**-1074).leaves == 1074 + 1024


def test_a_unit_that_stays_finite_does_not_end_where_another_start_overflows():
    unit = gf.one_unit("relu", 2.0, -1.0, h0=0.5, steps=2000)
    assert len(unit.h) == 2001
    assert unit.leaves is None
    assert np.isposinf(unit.others[-1]).any()


def test_other_starts_follow_the_same_map():
    unit = gf.one_unit("sigmoid", 6.0, -3.0, steps=30)
    np.testing.assert_allclose(unit.others[1:], unit.step(unit.others[:-1]), rtol=1e-15)
    assert unit.others[0].min() == 0.0
    assert unit.others[0].max() == 1.0


def test_the_frame_is_the_orbit():
    unit = gf.one_unit("tanh", 0.9, 0.1, steps=12)
    frame = unit.to_frame()
    assert frame["step"].tolist() == list(range(13))
    np.testing.assert_array_equal(frame["h"], unit.h)
    np.testing.assert_array_equal(frame["log10_memory"], unit.log10_memory)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gelu", 1.0, 0.0), "activation must be one of tanh, sigmoid, relu, got 'gelu'"),
        (("tanh", math.nan, 0.0), "w must be in"),
        (("tanh", 1.0, math.inf), "b must be in"),
        (("tanh", 1.0, 0.0, "x"), "h0 must be in"),
        (("tanh", 1.0, 0.0, 0.9, 0), "steps must be a whole number in"),
    ],
)
def test_what_is_no_unit_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        gf.one_unit(*arguments)
