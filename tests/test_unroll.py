"""Forward and backward: masks, overflow, extreme gradients, refused input."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from helpers import (
    CELLS,
    last_row,
    one_unit_rnn,
    pair_of,
    params_for,
    relative,
    scatter,
    textbook,
    zero_params,
)
from hypothesis import assume, given
from hypothesis import strategies as st

import gradflow as gf
from gradflow.activations import Activation
from gradflow.flow import elementwise, outer, summed

MASKS = {
    "left": [[0, 0, 0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1, 1, 1]],
    "right": [[1, 1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 0]],
    "gaps": [[1, 0, 0, 1, 1, 0, 1, 1], [0, 1, 0, 1, 0, 1, 0, 1]],
    "absent": [[1, 1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0, 1]],
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", CELLS)
def test_a_masked_batch_is_each_sequence_alone(name, mask):
    """States, gradients and the summed parameter gradients; loss is also read at steps that only carry a state over."""
    present = np.array(MASKS[mask], bool).T
    steps, batch = present.shape
    cell, params, x = CELLS[name](), params_for(name), scatter((steps, batch, 3), 2)
    dL_dh, h0 = scatter((steps + 1, batch, 4), 3), scatter((batch, 4), 4)
    c0 = scatter((batch, 4), 5) if cell.has_c else None
    trace = gf.forward(cell, params, x, h0, c0, mask=present)
    flow = gf.backward(trace, dL_dh)
    total = dict.fromkeys(params, 0.0)
    for b in range(batch):
        one = slice(b, b + 1)
        clock = np.concatenate([[0], np.cumsum(present[:, b])])  # which of its own steps a row shows
        folded = np.zeros((clock[-1] + 1, 1, 4))
        np.add.at(folded, clock, dL_dh[:, one])
        alone = gf.forward(cell, params, x[present[:, b], one], h0[one], None if c0 is None else c0[one])
        alone_flow = gf.backward(alone, folded)
        assert relative(trace.h[:, one], alone.h[clock]) < 1e-14
        first_of_its_step = np.insert(np.diff(clock) == 1, 0, True)
        assert relative(flow.grad_h[first_of_its_step, one], alone_flow.grad_h) < 1e-13
        if cell.has_c:
            assert relative(flow.grad_c[first_of_its_step, one], alone_flow.grad_c) < 1e-13
            # a state only carried over reaches the loss through the next step's gates and no h of its own
            passing = np.append(kept_of_c(alone) * alone_flow.grad_c[1:], np.zeros((1, 1, 4)), axis=0)
            assert relative(flow.grad_c[~first_of_its_step, one], passing[clock[~first_of_its_step]]) < 1e-13
        assert relative(flow.grad_x[present[:, b], one], alone_flow.grad_x) < 1e-13
        assert not flow.grad_x[~present[:, b], b].any()
        for key, grad in alone_flow.grads.items():
            total[key] = total[key] + grad
    for key, grad in flow.grads.items():
        assert relative(grad, total[key]) < 1e-13, key


def kept_of_c(trace):
    """∂c_t/∂c_{t−1} of every unit, with h_{t−1} held."""
    i, f, g = (trace.gates[gate] for gate in "ifg")
    w_ci, w_cf = (trace.params.get(name, 0.0) for name in ("weight_ci", "weight_cf"))
    return f + w_ci * i * (1 - i) * g + w_cf * f * (1 - f) * trace.c[:-1]


@pytest.mark.parametrize("name", CELLS)
def test_sequences_do_not_see_each_other(name):
    params, x, dL_dh = params_for(name), scatter((9, 3, 3), 2), scatter((10, 3, 4), 3)
    together = gf.backward(gf.forward(CELLS[name](), params, x), dL_dh)
    for b in range(3):
        alone = gf.backward(gf.forward(CELLS[name](), params, x[:, [b]]), dL_dh[:, [b]])
        assert relative(together.grad_h[:, [b]], alone.grad_h) < 1e-14


def linear_rnn(w, steps, x=None):
    """At zero state and zero input tanh is linear: ∂L/∂h_{t−1} = Wᵀ ∂L/∂h_t, exactly."""
    w = np.asarray(w, float)
    return gf.forward("rnn", zero_params(1, len(w), weight_hh_l0=w), np.zeros((steps, 1, 1)))


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


@pytest.mark.parametrize("name", CELLS)
def test_results_do_not_change_with_the_caller_s_arrays(name):
    params, x = params_for(name), scatter((6, 2, 3), 7)
    mask, states = np.ones((6, 2), bool), [scatter((2, 4), 8), scatter((2, 4), 9)]
    mask[:2, 1] = False
    direct = scatter((7, 2, 4), 10)
    cell = CELLS[name]()

    def run(arrays):
        return gf.forward(cell, params, arrays[0], *(arrays[1 : 3 if cell.has_c else 2]), mask=arrays[3])

    given = [x, *states, mask]
    want = backward(run(given), direct)
    wanted = {"h": want.grad_h, "x": want.grad_x, **want.grads, "direct": want.log10_norm_direct}
    trace = run(given)
    for array in (*given, *params.values()):
        array[...] = 0
    np.testing.assert_array_equal(trace.x, scatter((6, 2, 3), 7))
    flow = backward(trace, direct)
    direct[...] = 0.0
    got = {"h": flow.grad_h, "x": flow.grad_x, **flow.grads, "direct": flow.log10_norm_direct}
    for key, array in wanted.items():
        np.testing.assert_array_equal(got[key], array)
    with pytest.raises(ValueError, match="read-only"):
        flow.grad_h[...] = 0.0  # the norms are made of the same numbers


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


@pytest.mark.parametrize("w", [2.0, 10.0, 1e100])
def test_forward_overflow_names_the_step(w):
    """h_t = w^t: the first step beyond 1.797…e308, found by Python's own integers."""
    step = next(t for t in range(1, 2000) if int(w) ** t > int(np.finfo(float).max))
    params = zero_params(1, 1, weight_hh_l0=[[w]])
    with pytest.raises(gf.ForwardOverflow, match=f"step {step} of 1500") as caught:
        gf.forward(gf.RNN("relu"), params, np.zeros((1500, 2, 1)), h0=[[0.0], [1.0]])
    assert caught.value.step == step
    assert np.isfinite(gf.forward(gf.RNN("relu"), params, np.zeros((step - 1, 1, 1)), h0=[[1.0]]).h).all()


@pytest.mark.parametrize("name", ["lstm", "gru", "gru-before"])
def test_gated_cells_overflow_with_relu_too(name):
    """Gates wide open and a growing candidate; the step is that of the textbook loop."""
    params = params_for(name, 3, 1, scale=1.0)
    params = {k: np.abs(v) * 40.0 for k, v in params.items()}
    if name != "lstm":
        params["bias_ih_l0"][3:6] = -1e3
        params["weight_ih_l0"][3:6] = params["weight_hh_l0"][3:6] = params["bias_hh_l0"][3:6] = 0.0
    x, zeros = np.ones((400, 1, 1)), np.zeros((1, 3))
    with np.errstate(all="ignore"):
        h, c = textbook(name, "relu", params, x, zeros, zeros if name == "lstm" else None)
    finite = np.isfinite(h).all((1, 2)) & (True if c is None else np.isfinite(c).all((1, 2)))
    assert not finite.all()
    with pytest.raises(gf.ForwardOverflow) as caught:
        gf.forward(CELLS[name]("relu"), params, x)
    assert caught.value.step == finite.argmin()


def test_the_direct_part_and_the_total_are_told_apart():
    trace = linear_rnn([[0.5]], 3)
    flow = gf.backward(trace, np.ones((4, 1, 1)))
    np.testing.assert_allclose(flow.grad_h[:, 0, 0], [1.875, 1.75, 1.5, 1.0], rtol=1e-15)
    np.testing.assert_allclose(flow.log10_norm_direct, 0.0, atol=1e-15)
    frame = flow.to_frame()
    assert list(frame.columns) == ["step", "sequence", "quantity", "log10_norm"]
    assert set(frame["quantity"]) == {"dL/dh", "direct"}
    assert not frame.duplicated(["step", "sequence", "quantity"]).any()


def test_an_lstms_frame_has_its_four_curves():
    flow = gf.run(gf.Experiment(cell="lstm", length=5, hidden=4, batch=2))
    frame = flow.to_frame()
    assert set(frame["quantity"]) == {"dL/dh", "dL/dc", "joint", "direct"}
    assert len(frame) == 4 * 6 * 2
    row = frame[(frame.quantity == "dL/dc") & (frame.step == 3) & (frame.sequence == 1)]
    assert row["log10_norm"].item() == flow.log10_norm_c[3, 1]
    joint = np.hypot(np.linalg.norm(flow.grad_h, axis=-1), np.linalg.norm(flow.grad_c, axis=-1))
    np.testing.assert_allclose(10.0**flow.log10_norm_joint, joint, rtol=1e-13)


GOOD = {"cell": "rnn", "params": params_for("rnn", 4, 3), "x": np.zeros((5, 2, 3))}
BAD_FORWARD = [
    ({"cell": None}, "cell must be one of rnn, lstm, gru, peephole, got None"),
    ({"cell": gf.RNN}, "cell must be one of rnn, lstm, gru, peephole, got"),
    ({"params": None}, "params must map names to arrays, got None"),
    ({"params": []}, r"params must map names to arrays, got \[\]"),
    ({"params": {}}, "params must have exactly the keys .* lacks weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0"),
    ({"params": {**params_for("rnn"), "bias": 0}}, "params .* has extra bias"),
    ({"params": params_for("lstm")}, r"params\['weight_hh_l0'\] must have shape .*rnn having 1 gate, got \(16, 4\)"),
    ({"params": {**params_for("rnn"), "weight_ci": np.zeros(4)}}, "params .* has extra weight_ci$"),
    (
        {"cell": "peephole", "params": params_for("lstm", 4, 3)},
        "bias_hh_l0, weight_ci, weight_cf, weight_co; it lacks weight_ci, weight_cf, weight_co$",
    ),
    (
        {"cell": "peephole", "params": {**params_for("peephole"), "weight_cf": np.zeros((4, 1))}},
        r"params\['weight_cf'\] must have shape \(4,\), got \(4, 1\)",
    ),
    (
        {"cell": "peephole", "params": {**params_for("peephole"), "weight_co": np.full(4, np.inf)}},
        r"params\['weight_co'\] must be finite, got inf at index \(0,\)",
    ),
    ({"params": {**params_for("rnn"), "bias_hh_l0": np.zeros(3)}}, r"params\['bias_hh_l0'\] .* \(4,\), got \(3,\)"),
    ({"params": {**params_for("rnn"), "weight_ih_l0": np.zeros(4)}}, r"weight_ih_l0'\] .* \(4, D\), got \(4,\)"),
    (
        {"params": {**params_for("rnn"), "weight_hh_l0": np.full((4, 4), np.nan)}},
        r"weight_hh_l0'\] must be finite, got nan",
    ),
    ({"params": {**params_for("rnn"), "weight_hh_l0": "W"}}, r"weight_hh_l0'\] must be an array of numbers, got 'W'"),
    ({"x": None}, "x must be an array of numbers, got None"),
    ({"x": "abc"}, "x must be an array of numbers, got 'abc'"),
    ({"x": [[[1, 2, 10**400]]]}, "x must be an array of numbers"),
    ({"x": [[1.0], [1.0, 2.0]]}, "x must be an array of numbers"),
    ({"x": np.zeros((5, 2))}, r"x must have shape \(T, B, 3\), got \(5, 2\)"),
    ({"x": np.zeros((5, 2, 4))}, r"x must have shape \(T, B, 3\), got \(5, 2, 4\)"),
    ({"x": np.zeros((0, 2, 3))}, r"x must hold at least one step .* got shape \(0, 2, 3\)"),
    ({"x": np.zeros((5, 0, 3))}, r"x must hold at least one step and one sequence, got shape \(5, 0, 3\)"),
    ({"x": np.full((5, 2, 3), np.inf)}, r"x must be finite, got inf at index \(0, 0, 0\)"),
    ({"h0": np.zeros((2, 3))}, r"h0 must have shape \(2, 4\), got \(2, 3\)"),
    ({"h0": np.full((2, 4), np.nan)}, "h0 must be finite, got nan"),
    ({"c0": np.zeros((2, 4))}, "c0 must be None for a cell without c"),
    ({"mask": np.ones((5, 2))}, r"mask must be boolean of shape \(5, 2\), got float64"),
    ({"mask": np.ones((2, 5), bool)}, r"mask must be boolean of shape \(5, 2\), got bool \(2, 5\)"),
    ({"x": np.broadcast_to(0.0, (5000, 20_000, 3))}, "must fit in 1 GB, got 5000 × 20000 × 4"),
]


@pytest.mark.parametrize(("change", "told"), BAD_FORWARD, ids=lambda v: v if isinstance(v, str) else "")
def test_forward_refuses(change, told):
    with pytest.raises(ValueError, match=told):
        gf.forward(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("dL_dh", "told"),
    [
        (np.zeros((5, 2, 4)), r"dL_dh must have shape \(6, 2, 4\), got \(5, 2, 4\)"),
        (np.full((6, 2, 4), np.nan), "dL_dh must be finite, got nan"),
        (None, "dL_dh must be an array of numbers, got None"),
        (np.ones((6, 2, 4)) * 1j, "dL_dh"),
    ],
)
def test_backward_refuses(dL_dh, told):
    with pytest.raises(ValueError, match=told):
        gf.backward(gf.forward(**GOOD), dL_dh)


def test_integers_lists_and_float32_are_numbers():
    params = {k: v.astype(np.float32).tolist() for k, v in params_for("rnn", 4, 3).items()}
    trace = gf.forward("rnn", params, np.ones((2, 1, 3), np.int32))
    assert trace.h.dtype == np.float64
    assert gf.backward(trace, np.ones((3, 1, 4), np.float32)).grad_h.dtype == np.float64


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
