"""The arithmetic of gradients that carry a power-of-two exponent, against exact rational numbers."""

from fractions import Fraction
from math import log10

import numpy as np
import pytest
from helpers import scatter
from hypothesis import given
from hypothesis import strategies as st

from gradflow.exponents import exponent_of, log10_hypot, log10_norm, shift

FINITE = st.floats(allow_nan=False, allow_infinity=False)
EXPONENTS = st.integers(-30_000, 30_000)


def exact_log10(fraction):
    """log10 of a positive rational number of any size."""
    bits = fraction.numerator.bit_length() - fraction.denominator.bit_length()
    return log10(fraction / Fraction(2) ** bits) + bits * log10(2.0)


@given(st.lists(FINITE, min_size=1, max_size=5), EXPONENTS)
def test_the_norm_of_any_float64_vector_with_any_exponent(vector, exponent):
    got = log10_norm(np.array(vector)[:, None], np.array([exponent]))[0]
    square = sum((Fraction(v) * Fraction(2) ** exponent) ** 2 for v in vector)
    if square == 0:
        assert np.isneginf(got)
    else:
        assert got == pytest.approx(exact_log10(square) / 2, rel=1e-14, abs=1e-12)


@given(st.floats(-20_000, 20_000), st.floats(-20_000, 20_000))
def test_the_joint_norm_in_logarithms(p, q):
    high, gap = max(p, q), abs(p - q)
    small = 0.5 * log10(1.0 + 10.0 ** (-2.0 * min(gap, 100.0)))
    assert log10_hypot(np.array([p]), np.array([q]))[0] == pytest.approx(high + small, rel=1e-14, abs=1e-12)


def test_the_joint_norm_of_exact_zeros():
    zero, one = np.array([-np.inf]), np.array([0.0])
    assert np.isneginf(log10_hypot(zero, zero))
    assert log10_hypot(zero, one) == log10_hypot(one, zero) == 0.0


def test_shifting_rounds_nothing_and_saturates():
    mantissa = scatter((3, 4), 1)
    there = shift(mantissa, np.array([900, -900, 0, 5]))
    np.testing.assert_array_equal(shift(there, np.array([-900, 900, 0, -5])), mantissa)
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_array_equal(np.abs(shift(mantissa, np.full(4, 10**6))), np.inf)
        np.testing.assert_array_equal(shift(mantissa, np.full(4, -(10**6))), 0.0)


@given(st.floats(1e-300, 1e300))
def test_the_exponent_brings_a_norm_near_to_one(value):
    column = np.array([[value / 2], [-value]])
    e = exponent_of(column)
    assert 0.5 <= np.abs(shift(column, -e)).max() < 1.0
