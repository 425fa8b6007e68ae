"""Per-step factor, half-life, verdict and the band over seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradflow as gf
from gradflow.measures import band


@given(st.floats(-900, 900), st.integers(1, 5000))
def test_the_factor_is_the_geometric_mean_of_the_steps(total, steps):
    rng = np.random.default_rng(steps)
    norm = np.append(total, rng.normal(size=steps))[:, None]
    norm[-1] = 0.0
    per_step = norm[:-1, 0] - norm[1:, 0]
    assert gf.log10_factor(norm)[0] == pytest.approx(per_step.mean(), rel=1e-9, abs=1e-9)


def test_a_shorter_sequence_counts_its_own_steps():
    norm = np.array([[-6.0, np.nan], [-3.0, -6.0], [-1.0, -3.0], [0.0, 0.0]])
    np.testing.assert_array_equal(gf.log10_factor(norm, [3, 2]), [-2.0, -3.0])
    np.testing.assert_array_equal(gf.log10_factor(np.stack([norm, 2 * norm]), [3, 2]), [[-2.0, -3.0], [-4.0, -6.0]])


def test_exact_zeros_give_a_factor_of_zero_and_no_gradient_at_all_none():
    norm = np.array([[-np.inf, -np.inf], [0.0, -np.inf]])
    zero, none = gf.log10_factor(norm)
    assert np.isneginf(zero)
    assert np.isnan(none)


@pytest.mark.parametrize("shape", [(), (3,), (1, 2)])
def test_what_is_no_curve_is_refused(shape):
    with pytest.raises(ValueError, match="log10_norm must have shape"):
        gf.log10_factor(np.zeros(shape))


@given(st.floats(0.01, 0.99))
def test_after_a_half_life_half_is_left(factor):
    assert factor ** gf.half_life(np.log10(factor)) == pytest.approx(0.5, rel=1e-12)


def test_half_life_at_the_ends():
    np.testing.assert_array_equal(gf.half_life([0.0, 1.0, -np.inf, -1e-320]), [np.inf, np.inf, 0.0, np.inf])
    assert np.isnan(gf.half_life(np.nan))
    assert gf.half_life(np.log10(0.9)) == pytest.approx(np.log(2) / -np.log(0.9))


@pytest.mark.parametrize(
    ("total", "word"),
    [(-np.inf, "vanishing"), (-2.1, "vanishing"), (-1.9, "stable"), (0, "stable"), (1.9, "stable"), (2.1, "exploding")],
)
@pytest.mark.parametrize("steps", [1, 10, 5000])
def test_the_verdict_follows_its_rule(total, word, steps):
    """Less than 1/100 of the gradient is left, or more than 100 times as much: 2 decades over the whole length."""
    assert gf.verdict(total / steps, steps) == word


def test_a_verdict_needs_a_number():
    with pytest.raises(ValueError, match="log10_factor must be a number, got nan"):
        gf.verdict(np.nan, 10)


def test_the_band_takes_order_statistics_and_leaves_overflowed_runs_out():
    norm = np.arange(10.0)[:, None, None] * np.ones((10, 3, 1))
    norm[0] = -np.inf
    low, middle, high = band(norm)
    np.testing.assert_array_equal([low, middle, high], [[-np.inf] * 3, [4.0] * 3, [8.0] * 3])
    norm[9] = np.nan
    np.testing.assert_array_equal(band(norm)[2], 8.0)
    with pytest.raises(ValueError, match="log10_norm must hold at least one run"):
        band(np.full((2, 3, 1), np.nan))


def test_the_band_where_only_an_overflowed_run_is_long_enough():
    short = np.array([[np.nan], [np.nan], [-1.0], [0.0]])
    for curve in band(np.stack([np.full((4, 1), np.nan), short])):
        np.testing.assert_array_equal(curve, [np.nan, np.nan, -1.0, 0.0])


@given(st.lists(st.floats(-1e4, 1e4) | st.just(-np.inf), min_size=1, max_size=30))
def test_the_band_is_ordered_and_within_the_data(values):
    low, middle, high = (float(curve[0]) for curve in band(np.array(values)[:, None, None]))
    assert min(values) <= low <= middle <= high <= max(values)
    assert {low, middle, high} <= set(values)
