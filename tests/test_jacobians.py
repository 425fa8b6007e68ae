"""One sequence's way back as one matrix per step: the matrices themselves, and what is made with them."""

import numpy as np
import pytest
from helpers import CELLS, params_for, relative, scatter

import gradflow as gf
from gradflow.activations import ACTIVATIONS
from gradflow.flow import repeat_sequence
from gradflow.jacobians import ROWS, SIZE, jacobian_pays, jacobian_steps, step_jacobians
from gradflow.paths import local_derivatives
from gradflow.unroll import pull_back

STEP = 1e-200
WITH_MATRIX = [name for name in CELLS if not CELLS[name]().late_rows]


def run(name, steps=9, batch=1, activation="tanh"):
    cell = CELLS[name](activation=activation)
    return gf.forward(cell, params_for(name), scatter((steps, batch, 3), 2), *start(cell, batch))


def start(cell, batch):
    h0 = scatter((batch, 4), 4)
    return (h0, scatter((batch, 4), 5)) if cell.has_c else (h0,)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("name", WITH_MATRIX)
def test_a_steps_matrix_is_its_jacobian(name, activation):
    """Against complex steps through `forward`, one step from each row's states."""
    trace = run(name, activation=activation)
    cell, hidden = trace.cell, 4
    first = cell.early_slots[0]
    to_h = np.concatenate([trace.w[first * hidden :, :hidden], np.eye(hidden)]).reshape(-1, hidden, hidden)
    J = step_jacobians(
        cell,
        np.concatenate([array.reshape(-1, 9, hidden, 1) for array in local_derivatives(trace)]),
        to_h.swapaxes(0, 1),
    )
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
    trace, direct = run(name, steps, 1, activation), scatter((steps + 1, 1, 4), 3)
    assert jacobian_pays(trace.cell, 4, 1)
    alone, pair = gf.backward(trace, direct), gf.backward(run_pair(trace), np.repeat(direct, 2, axis=1))
    for got, want in ((alone.grad_h, pair.grad_h), (alone.grad_c, pair.grad_c), (alone.grad_x, pair.grad_x)):
        assert got is None or relative(got, want[:, :1]) < 1e-13
    for key, grad in alone.grads.items():
        assert relative(2.0 * grad, pair.grads[key]) < 1e-13, key


def run_pair(trace):
    """The same sequence twice, as a batch of its own."""
    states = [np.repeat(state[0], 2, axis=0) for state in (trace.h, trace.c) if state is not None]
    return gf.forward(trace.cell, trace.params, np.repeat(trace.x, 2, axis=1), *states)


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
        alone = gf.backward(repeat_sequence(trace, 0, 1), direct[:, [k]])
        for got, want in ((together.log10_norm, alone.log10_norm), (together.log10_norm_joint, alone.log10_norm_joint)):
            np.testing.assert_allclose(got[:, [k]], want, rtol=0, atol=1e-11)


def test_a_matrix_is_made_where_it_pays():
    assert jacobian_pays(gf.RNN(), ROWS, 1)
    assert not jacobian_pays(gf.RNN(), ROWS + 1, 1)
    assert not jacobian_pays(gf.LSTM(), ROWS // 2 + 1, 1)
    assert jacobian_pays(gf.LSTM(), 128, 2)
    assert not jacobian_pays(gf.GRU(reset="before"), 4, 2)


@pytest.mark.parametrize("hidden", [1, 32, 128, 500])
def test_a_blocks_matrices_fit_the_cache(hidden):
    for cell in (gf.RNN(), gf.LSTM()):
        states = hidden * (2 if cell.has_c else 1)
        steps = jacobian_steps(cell, hidden)
        assert steps == 1 or steps * states**2 <= SIZE
        assert steps == 64 or (steps + 1) * states**2 > SIZE
