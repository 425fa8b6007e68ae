"""Gradients far outside float64's range: exact norms, exact zeros, sums over all steps, and what can't be told."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from helpers import (
    last_row,
    linear_rnn,
    one_unit_rnn,
    pair_of,
    scatter,
    zero_params,
)
from hypothesis import assume, given
from hypothesis import strategies as st

import gradflow as gf
from gradflow.activations import Activation
from gradflow.flow import elementwise, outer, summed


def backward(trace, direct):
    """`gf.backward` of one sequence, whose steps go back as matrices, once it agrees with that of a batch, whose do not."""
    flow = gf.backward(trace, direct)
    if trace.h.shape[1] == 1:
        pair = gf.backward(pair_of(trace), np.repeat(direct, 2, axis=1))
        for alone, both in ((flow.log10_norm, pair.log10_norm), (flow.log10_norm_joint, pair.log10_norm_joint)):
            np.testing.assert_allclose(both, np.repeat(alone, 2, axis=1), rtol=0, atol=1e-10)
    return flow


@pytest.mark.parametrize("radius", [0.5, 1.5, 1e-3, 1e3])
@pytest.mark.parametrize("hidden", [1, 4])
def test_five_thousand_steps_in_the_closed_form(radius, hidden):
    """An orthogonal W times ρ: ‖∂L/∂h_{T−k}‖ = ρ^k ‖∂L/∂h_T‖, from 1e-15000 to 1e+15000."""
    w = radius * (np.linalg.qr(scatter((hidden, hidden), 3))[0] if hidden > 1 else np.eye(1))
    trace = linear_rnn(w, 5000)
    flow = backward(trace, last_row(trace))
    want = np.log10(radius) * np.arange(5000, -1, -1)
    np.testing.assert_allclose(flow.log10_norm[:, 0], want, rtol=1e-14, atol=1e-9)
    assert np.isnan(flow.grad_h).sum() == 0
    np.testing.assert_allclose(flow.log10_abs_h.max(-1)[:, 0], want, rtol=0, atol=np.log10(hidden) / 2 + 1e-9)
    assert all(value.shape == flow.trace.params[key].shape for key, value in flow.grads.items())
    assert flow.grad_x.shape == (5000, 1, 1)
    assert len(flow.to_frame()) == 2 * 5001


def test_relu_with_positive_states_is_linear_too():
    """w = 1/2 with b = 1 keeps every state positive, so that the multiplier is 1/2 at every one of 5,000 steps."""
    trace = one_unit_rnn(0.5, 1.0, "relu", 5000, 2.0)
    assert (trace.h == 2.0).all()
    log = backward(trace, last_row(trace)).log10_norm[:, 0]
    np.testing.assert_allclose(log, np.log10(0.5) * np.arange(5000, -1, -1), rtol=0, atol=1e-9)


@pytest.mark.parametrize("factor", [1e-300, 1e-200, 1e200, 1e300])
@pytest.mark.parametrize("start", [1.0, 2.0**60, 2.0**-60, 1e300, 1e-300])
def test_one_step_may_take_a_gradient_across_the_whole_range(factor, start):
    trace = linear_rnn(np.eye(2) * factor, 10)
    flow = backward(trace, last_row(trace, [0.6 * start, 0.8 * start]))
    want = np.log10(start) + np.log10(factor) * np.arange(10, -1, -1)
    np.testing.assert_allclose(flow.log10_norm[:, 0], want, rtol=0, atol=1e-9)


@pytest.mark.parametrize("early", [1.0, 1e-300, 1e300])
@pytest.mark.parametrize("radius", [0.01, 0.5])
def test_a_direct_gradient_that_arrives_after_the_gradient_has_vanished(radius, early):
    """Two rows read: below the late one the gradient falls to 1e-2000, from the early one on it is the early one's."""
    steps = 1000 if radius == 0.01 else 7000
    middle = 40
    trace = linear_rnn([[radius]], steps)
    direct = last_row(trace)
    direct[middle] = early
    log = backward(trace, direct).log10_norm[:, 0]
    back = np.arange(steps, -1, -1)
    rate = np.log10(radius)
    np.testing.assert_allclose(log[middle + 1 :], rate * back[middle + 1 :], rtol=1e-14, atol=1e-9)
    want = np.log10(early) + rate * np.arange(middle, -1, -1)
    np.testing.assert_allclose(log[: middle + 1], want, rtol=0, atol=1e-9)
    assert log[middle + 1] < -1900


def test_sequences_keep_exponents_of_their_own():
    """One sequence's gradient vanishes beside another's that does not."""
    params = zero_params(1, 1, weight_hh_l0=[[1.0]], weight_ih_l0=[[1.0]])
    x = np.zeros((400, 2, 1))
    x[:, 1] = 20.0  # saturates tanh: a factor of about 4e-35 … 4e-36 a step
    trace = gf.forward("rnn", params, x)
    flow = backward(trace, last_row(trace, [1.0]))
    np.testing.assert_array_equal(flow.log10_norm[:, 0], 0.0)
    slope = -2 * np.log10(np.cosh(trace.pre_activations[0, :, 1, 0]))
    want = np.append(np.cumsum(slope[::-1])[::-1], 0.0)
    np.testing.assert_allclose(flow.log10_norm[:, 1], want, rtol=1e-13, atol=1e-9)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("a", [-30.0, -12.0, 12.0, 30.0])
def test_a_saturated_unit_is_tiny_but_not_dead(activation, a):
    """b alone sets the pre-activation, w is so small that the state does not matter: the slope in 60 digits."""
    trace = one_unit_rnn(1e-13, a, activation, 200, 0.0)
    flow = backward(trace, last_row(trace))
    with localcontext() as context:
        context.prec = 60
        total, want = Decimal(0), [Decimal(0)]
        for pre in trace.pre_activations[0, ::-1, 0, 0].tolist():
            e = Decimal(abs(pre) * (2 if activation == "tanh" else 1) * -1).exp()
            slope = e / (1 + e) ** 2 * (4 if activation == "tanh" else 1)
            total += (slope * Decimal("1e-13")).log10()
            want.append(total)
    np.testing.assert_allclose(flow.log10_norm[::-1, 0], [float(v) for v in want], rtol=1e-14, atol=1e-9)
    assert np.isfinite(flow.log10_norm).all()


def test_a_dead_relu_is_exactly_zero_and_a_nearly_dead_one_is_not():
    dead = one_unit_rnn(1.0, -1.0, "relu", 50, 0.5)
    log = backward(dead, last_row(dead)).log10_norm[:, 0]
    assert log[-1] == 0.0
    assert np.isneginf(log[:-1]).all()
    faint = one_unit_rnn(1e-100, 1.0, "relu", 50, 0.5)
    log = backward(faint, last_row(faint)).log10_norm[:, 0]
    np.testing.assert_allclose(log, -100.0 * np.arange(50, -1, -1), rtol=0, atol=1e-9)


class Chain(gf.RNN):
    """One unit that is always 0, so that with unit weights a step's factor is 2^x_t: no other chain has one for every step."""

    phi = Activation(
        "chain", "chain", lambda a, out: np.multiply(a, 0.0, out), lambda a, y, out: np.exp2(a, out), np.inf
    )


NOTHING = -5000  # 2^-5000 is exactly zero in float64


@given(data=st.data(), steps=st.integers(1, 80), batch=st.integers(1, 2))
def test_any_chain_of_factors(data, steps, batch):
    """Factors from 2^-900 to 2^900 and zeros, and gradients that arrive on the way, as exact fractions."""
    exponent = st.integers(-900, 900)
    factors = np.array(
        data.draw(st.lists(st.just(NOTHING) | exponent, min_size=steps * batch, max_size=steps * batch)), float
    ).reshape(steps, batch)
    arrivals = data.draw(st.dictionaries(st.integers(0, steps), exponent, max_size=4))
    params = {f"{name}_l0": np.ones((1, 1)) for name in ("weight_ih", "weight_hh")}
    params |= {f"{name}_l0": np.zeros(1) for name in ("bias_ih", "bias_hh")}
    direct = np.zeros((steps + 1, batch, 1))
    for t, late in arrivals.items():
        direct[t] = 2.0**late
    flow = backward(gf.forward(Chain(), params, factors[..., None]), direct)
    for n in range(batch):
        gradient = Fraction(float(direct[-1, n, 0]))
        for t in range(steps - 1, -1, -1):
            factor = factors[t, n]
            if factor == NOTHING and gradient and direct[t, n, 0]:  # else it arrives out of reach and reads 0
                assume(abs(gradient) < Fraction(2) ** 900 * Fraction(float(direct[t, n, 0])))
            gradient *= 0 if factor == NOTHING else Fraction(2) ** int(factor)
            gradient += Fraction(float(direct[t, n, 0]))
            want = math.log10(gradient.numerator) - math.log10(gradient.denominator) if gradient else -math.inf
            assert flow.log10_norm[t, n] == pytest.approx(want, rel=1e-14, abs=1e-9)


@given(
    seed=st.integers(0, 10**6),
    scale=st.sampled_from([1e-12, 1e-3, 1.0, 1e3, 1e12]),
    arrivals=st.lists(st.integers(0, 60), max_size=4),
)
def test_mantissa_and_exponent_are_a_float_without_end(seed, scale, arrivals):
    """The linear backward pass in exact rational arithmetic's stead: 50-digit decimals."""
    w, steps = scatter((2, 2), seed) * scale, 60
    trace = linear_rnn(w, steps)
    direct = last_row(trace, scatter((1, 2), seed + 1))
    for t in arrivals:
        direct[t] = scatter((1, 2), seed + 2 + t)
    flow = backward(trace, direct)
    with localcontext() as context:
        context.prec = 50
        wt = [[Decimal(v) for v in column] for column in w.T.tolist()]
        g = [Decimal(v) for v in direct[-1, 0].tolist()]
        for t in range(steps - 1, -1, -1):
            g = [sum((a * b for a, b in zip(row, g, strict=True)), Decimal(0)) for row in wt]
            g = [a + Decimal(b) for a, b in zip(g, direct[t, 0].tolist(), strict=True)]
            norm = (sum((a * a for a in g), Decimal(0))).sqrt()
            assert abs(flow.log10_norm[t, 0] - float(norm.log10())) < 1e-8


def test_gradients_beyond_float64_read_zero_or_infinity_and_nothing_else():
    for radius, beyond in ((0.5, 0.0), (1.5, np.inf)):
        trace = linear_rnn([[radius]], 5000)
        flow = gf.backward(trace, last_row(trace))
        assert flow.grad_h[0, 0, 0] == beyond
        assert flow.grads["bias_ih_l0"] == (np.inf if beyond else pytest.approx(2.0))


def test_a_parameters_gradient_survives_beside_an_exploded_one():
    """Input at the last step only: W_ih's gradient is tanh′(1), whatever 5,000 steps earlier has grown to 1e+880."""
    params = zero_params(1, 1, weight_ih_l0=[[1.0]], weight_hh_l0=[[1.5]])
    x = np.zeros((5000, 1, 1))
    x[-1] = 1.0
    trace = gf.forward("rnn", params, x)
    flow = gf.backward(trace, last_row(trace))
    assert flow.grads["weight_ih_l0"][0, 0] == pytest.approx(1 / np.cosh(1.0) ** 2, rel=1e-14)


@pytest.mark.parametrize("batch", [1, 2])
def test_what_arrives_after_an_exploded_gradient_has_died_is_not_lost(batch):
    x = np.full((15, batch, 1), 1.0 - 1e10)  # h stays 1
    x[10:14], x[[0, 14]] = -1e12, 1.0  # but for four steps it is dead
    params = {"weight_ih_l0": [[1.0]], "weight_hh_l0": [[1e10]], "bias_ih_l0": [0.0], "bias_hh_l0": [0.0]}
    trace = gf.forward(gf.RNN("relu"), params, x)
    direct = np.zeros((16, batch, 1))
    direct[15] = direct[10] = 1.0
    got = backward(trace, direct).log10_norm[:, 0]
    np.testing.assert_allclose(got[:11], 10.0 * np.arange(10, -1, -1), atol=1e-12)
    assert np.isneginf(got[11:14]).all()


def test_a_dead_unit_s_gradient_stands_beside_an_exploded_one_s():
    """Two units that do not meet: one explodes, the other lives at the last step only, where its gradient is 1."""
    steps = 200
    x = np.zeros((steps, 1, 2))
    x[..., 0] = np.where(np.arange(steps) == 0, 1.0, 1.0 - 1e4)[:, None]
    x[:, 0, 1] = -1.0
    x[-1, 0, 1] = 3.0
    zeros = np.zeros(2)
    params = {"weight_ih_l0": np.eye(2), "weight_hh_l0": np.diag([1e4, 0.0]), "bias_ih_l0": zeros, "bias_hh_l0": zeros}
    trace = gf.forward(gf.RNN("relu"), params, x)
    np.testing.assert_array_equal(trace.h[1:, 0, 0], 1.0)
    grads = backward(trace, last_row(trace, [1.0, 1.0])).grads
    np.testing.assert_array_equal(grads["weight_ih_l0"][1], [1.0 - 1e4, 3.0])
    assert grads["bias_ih_l0"][1] == 1.0
    assert np.isposinf(grads["bias_ih_l0"][0])


def test_two_explosions_of_opposite_sign_are_no_nan():
    factors = np.array([900.0, 900.0, 900.0, 900.0, NOTHING, NOTHING, 900.0, 900.0])
    params = {"weight_ih_l0": [[1.0]], "weight_hh_l0": [[1.0]], "bias_ih_l0": [0.0], "bias_hh_l0": [0.0]}
    direct = np.zeros((9, 1, 1))
    direct[8], direct[4] = -4.0, 1.0  # from the end −2^1802, from the middle 2^3600
    grads = backward(gf.forward(Chain(), params, factors[:, None, None]), direct).grads
    assert np.isposinf(grads["weight_ih_l0"])


@given(
    terms=st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.0**-900]), st.integers(-100, 4000)), min_size=1, max_size=8)
)
def test_any_sum_is_right_or_beyond_float64(terms):
    """Exact fractions: small mantissas beside large exponents, zeros that once exploded, all of them beyond 2^1000."""
    mantissas, exponents = (np.array(column)[:, None] for column in zip(*terms, strict=True))
    exact = sum((Fraction(m) * Fraction(2) ** e for m, e in terms), Fraction(0))
    want = float(exact) if exact < Fraction(2) ** 1024 else np.inf
    one = np.ones((len(terms), 1, 1))
    with np.errstate(over="ignore", under="ignore"):
        sums = (
            summed(outer, mantissas[None, :, None], one, exponents),
            summed(elementwise, mantissas[:, None], one, exponents),
        )
    assert sums == pytest.approx((want, want), rel=1e-12)


def test_a_sum_in_range_is_right_though_its_exponent_is_not():
    """2^−20 · 2^1030: neither factor may be scaled by 2^1030 on its own."""
    da, one, e = np.full((1, 1, 1, 1), 2.0**-20), np.ones((1, 1, 1)), np.array([[1030]])
    assert summed(outer, da, one, e) == 2.0**1010
    assert summed(elementwise, da[0], one, e) == 2.0**1010


def test_a_step_that_underflows_at_once_is_no_zero():
    """The gradient is small enough to keep its exponent, and one step takes it below the smallest float64."""
    params = {"weight_ih_l0": [[0.0]], "weight_hh_l0": [[1e-307]], "bias_ih_l0": [0.0], "bias_hh_l0": [0.0]}
    trace = gf.forward("rnn", params, np.zeros((1, 1, 1)))
    flow = backward(trace, [[[0.0]], [[1e-18]]])
    np.testing.assert_allclose(flow.log10_norm[:, 0], [-325.0, -18.0], rtol=1e-12)


@pytest.mark.parametrize("sequences", [1, 2])
@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("lstm", 4)])
def test_a_gradient_that_leaves_float64_in_one_step_is_not_told_from_there_back(name, gates, sequences):
    params = zero_params(gates, 64, weight_hh_l0=np.full((64 * gates, 64), 1e308))
    direct = np.zeros((4, sequences, 64))
    direct[-1] = 1.0
    flow = gf.backward(gf.forward(name, params, np.zeros((3, sequences, 1))), direct)
    np.testing.assert_allclose(flow.log10_norm[-1], np.log10(8.0))
    assert (flow.log10_norm[:-1] == np.inf).all()
    assert not np.isnan(flow.log10_norm_joint).any()
