"""One sequence's way back as one matrix per step: the matrices themselves, and what is made with them."""

import numpy as np
import pytest
from helpers import CELLS, pair_of, params_for, relative, scatter, zero_params

import gradflow as gf
from gradflow.activations import ACTIVATIONS
from gradflow.jacobians import jacobian_pays, step_jacobians, ways_to_h
from gradflow.paths import local_derivatives
from gradflow.unroll import pull_back

STEP = 1e-200
WITH_MATRIX = [name for name in CELLS if not CELLS[name]().late_rows]


def run(name, steps=9, activation="tanh"):
    cell = CELLS[name](activation=activation)
    states = [scatter((1, 4), 4 + k) for k in range(cell.states)]
    return gf.forward(cell, params_for(name), scatter((steps, 1, 3), 2), *states)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("name", WITH_MATRIX)
def test_a_steps_matrix_is_its_jacobian(name, activation):
    """Against complex steps through `forward`, one step from each row's states."""
    trace = run(name, activation=activation)
    cell = trace.cell
    local = np.concatenate([array.reshape(-1, 9, 4, 1) for array in local_derivatives(trace)])
    J = step_jacobians(cell, local, ways_to_h(cell, trace.w))
    states = [trace.h] if trace.c is None else [trace.h, trace.c]
    for t in range(len(trace.x)):
        before = np.concatenate([state[t, 0] for state in states])
        moved = np.array(np.split(before + 1j * STEP * np.eye(len(before)), len(states), axis=1))
        x = np.repeat(trace.x[t : t + 1], len(before), axis=1)
        after = gf.forward(cell, trace.params, x, *moved)
        want = np.concatenate([after.h[1].imag] + ([] if after.c is None else [after.c[1].imag]), axis=1).T / STEP
        assert relative(J[t], want) < 1e-13


@pytest.mark.parametrize("steps", [1, 2, 64, 65, 150])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", WITH_MATRIX)
def test_one_sequence_has_the_gradients_that_it_has_in_a_batch(name, activation, steps):
    trace, direct = run(name, steps, activation), scatter((steps + 1, 1, 4), 3)
    assert jacobian_pays(trace.cell, 4, 1)
    alone, pair = gf.backward(trace, direct), gf.backward(pair_of(trace), np.repeat(direct, 2, axis=1))
    for got, want in ((alone.grad_h, pair.grad_h), (alone.grad_c, pair.grad_c), (alone.grad_x, pair.grad_x)):
        assert got is None or relative(got, want[:, :1]) < 1e-13
    for key, grad in alone.grads.items():
        assert relative(2.0 * grad, pair.grads[key]) < 1e-13, key


@pytest.mark.parametrize("hidden", [32, 33])
def test_both_ways_back_agree_where_one_begins_to_pay(hidden):
    trace = gf.run(gf.Experiment(cell="rnn", length=70, hidden=hidden, batch=1)).trace
    direct = scatter((71, 1, hidden), 3)
    assert jacobian_pays(trace.cell, hidden, 1) == (hidden == 32)
    alone, pair = gf.backward(trace, direct), gf.backward(pair_of(trace), np.repeat(direct, 2, axis=1))
    assert relative(alone.grad_h, pair.grad_h[:, :1]) < 1e-13


@pytest.mark.parametrize("name", CELLS)
def test_several_gradients_go_back_side_by_side(name):
    """Each from a step of its own, each as if it were alone."""
    steps = 90
    trace = run(name, steps)
    ends = np.array([90, 64, 63, 5, 0])
    direct = np.zeros((steps + 1, len(ends), 4))
    direct[ends, np.arange(len(ends))] = scatter((len(ends), 4), 6)
    together = pull_back(trace, direct, direct.any((1, 2)), keep_a=False)
    for k in range(len(ends)):
        alone = gf.backward(trace, direct[:, [k]])
        for got, want in ((together.log10_norm, alone.log10_norm), (together.log10_norm_joint, alone.log10_norm_joint)):
            np.testing.assert_allclose(got[:, [k]], want, rtol=0, atol=1e-11)


class Leaky(gf.RNN):
    """h_t = φ(a_t) + h_{t−1} / 2, whose step back takes its product by way of an array of its own."""

    others = ("kept",)

    def step(self, a, saved, h, c, h_next, c_next):
        (a_h,) = a
        np.add(self.phi.value(a_h), 0.5 * h, h_next)

    def partials(self, a, saved, h, c, local, kept):
        self.phi.slope(a[0], self.phi.value(a[0]), local[0])
        kept[...] = 0.5

    def step_back(self, dh, dc, local, kept, da, fed, dh_before, dc_before, UT):
        np.multiply(local[0], dh, da[0])
        by_product = np.full_like(dh_before, np.nan)
        UT(fed, by_product)
        np.add(by_product, kept * dh, dh_before)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_cell_of_ones_own_has_its_matrix(activation):
    trace = gf.forward(Leaky(activation), params_for("rnn"), scatter((30, 1, 3), 2))
    direct = scatter((31, 1, 4), 3)
    alone, pair = gf.backward(trace, direct), gf.backward(pair_of(trace), np.repeat(direct, 2, axis=1))
    assert relative(alone.grad_h, pair.grad_h[:, :1]) < 1e-13


@pytest.mark.parametrize("size", [1e10, 1e153, 1e155, 1e200])
def test_a_jacobian_beyond_float64_meets_a_gradient_of_zero(size):
    """W_hf and c so large that ∂c/∂h overflows where ∂L/∂c is 0: what is exact beside another sequence is so alone."""
    w_hh = np.zeros((12, 3))
    w_hh[3], w_hh[4, 1], w_hh[5, 2] = [0.0, size, -size], 0.1, 0.1
    bias = np.array([0.0] * 6 + [size, 1.0, 1.0, -2000.0, 0.0, 0.0])
    trace = gf.forward(gf.LSTM("relu"), zero_params(4, 3, weight_hh_l0=w_hh, bias_ih_l0=bias), np.zeros((4, 1, 1)))
    direct = np.zeros((5, 1, 3))
    direct[-1, 0, 1:] = 1.0
    alone, pair = gf.backward(trace, direct), gf.backward(pair_of(trace), np.repeat(direct, 2, axis=1))
    assert not np.isnan(alone.log10_norm).any()
    np.testing.assert_allclose(alone.log10_norm, pair.log10_norm[:, :1], rtol=0, atol=1e-12)


def test_a_matrix_is_made_where_it_pays():
    assert jacobian_pays(gf.RNN(), 32, 1)
    assert not jacobian_pays(gf.RNN(), 33, 1)
    assert jacobian_pays(gf.LSTM(), 32, 1)
    assert not jacobian_pays(gf.LSTM(), 33, 1)
    assert jacobian_pays(gf.GRU(), 64, 1)
    assert not jacobian_pays(gf.GRU(), 65, 1)
    assert jacobian_pays(gf.LSTM(), 128, 2)
    assert not jacobian_pays(gf.RNN(), 257, 2)
    assert not jacobian_pays(gf.GRU(reset="before"), 4, 2)
