"""φ and φ′ against 40-digit decimals, from the kink to deep saturation."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradflow.activations import ACTIVATIONS, complement, sigmoid


def in_decimals(name, a):
    """(φ, φ′) to 40 digits."""
    with localcontext() as context:
        context.prec = 60
        a = Decimal(a)
        if name == "relu":
            return max(a, Decimal(0)), Decimal(1 if a > 0 else 0)
        e = (-2 * abs(a) if name == "tanh" else -abs(a)).exp()
        if name == "tanh":
            value = (1 - e) / (1 + e)
            return value.copy_sign(a), 4 * e / (1 + e) ** 2
        return (1 if a >= 0 else e) / (1 + e), e / (1 + e) ** 2


@given(st.floats(1e-9, 340) | st.floats(-340, -1e-9))
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_and_slope_have_all_their_digits(name, a):
    phi = ACTIVATIONS[name]
    value, slope = in_decimals(name, a)
    y = phi.value(np.array([a]))
    assert y[0] == pytest.approx(float(value), rel=1e-13, abs=0)
    assert phi.slope(np.array([a]), y)[0] == pytest.approx(float(slope), rel=2e-13, abs=0)


@given(st.floats(-340, 340))
def test_what_a_sigmoid_leaves_has_all_its_digits(a):
    at = np.array([a])
    assert complement(at, sigmoid(at))[0] == pytest.approx(float(in_decimals("sigmoid", -a)[0]), rel=2e-13, abs=0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_arrays_of_any_layout_are_taken_element_by_element(name):
    """Saturated units are few and put back where they were taken from."""
    phi, a = ACTIVATIONS[name], np.random.default_rng(0).normal(size=(7, 3, 5)) * 8.0
    one_by_one = [[phi.value(np.array([v])), phi.slope(np.array([v]), phi.value(np.array([v])))] for v in a.ravel()]
    value, slope = np.array(one_by_one)[..., 0].T.reshape(2, *a.shape)
    turned = a.copy().transpose(2, 0, 1)
    out = np.empty_like(turned)
    np.testing.assert_allclose(phi.value(turned, out=out), value.transpose(2, 0, 1), rtol=1e-14)
    np.testing.assert_allclose(out, value.transpose(2, 0, 1), rtol=1e-14)
    np.testing.assert_allclose(phi.slope(turned, out), slope.transpose(2, 0, 1), rtol=1e-12)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_slope_exceeds_the_largest(name, a):
    phi = ACTIVATIONS[name]
    with np.errstate(over="ignore", under="ignore"):
        y = phi.value(np.array([a]))
        slope = phi.slope(np.array([a]), y)[0]
    assert 0.0 <= slope <= phi.max_slope * (1 + 1e-15)  # rounded


@pytest.mark.parametrize(("name", "largest"), [("tanh", 1.0), ("sigmoid", 0.25), ("relu", 1.0)])
def test_the_largest_slope(name, largest):
    phi = ACTIVATIONS[name]
    a = np.linspace(-3, 3, 601)
    assert phi.max_slope == largest
    assert phi.slope(a, phi.value(a)).max() == pytest.approx(largest, abs=1e-15)


def test_relus_kink_has_slope_zero():
    zero = np.zeros(1)
    assert ACTIVATIONS["relu"].slope(zero, zero)[0] == 0.0


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_complex_steps_go_through(name):
    phi = ACTIVATIONS[name]
    a = np.array([-2.0, -0.3, 0.7, 4.0])
    step = phi.value(a + 1e-30j)
    np.testing.assert_allclose(step.real, phi.value(a), rtol=1e-15)
    np.testing.assert_allclose(step.imag / 1e-30, phi.slope(a, phi.value(a)), rtol=1e-13)


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
@pytest.mark.parametrize("a", [-1e5, -800.0, 800.0, 1e5])
def test_a_slope_below_every_float64_is_zero_and_not_a_floor(name, a):
    phi, at = ACTIVATIONS[name], np.array([a])
    with np.errstate(over="ignore", under="ignore"):
        assert phi.slope(at, phi.value(at)) == 0.0
