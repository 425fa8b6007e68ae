"""Published numbers that belong to no single module: the cliff and one-unit maps."""

import numpy as np
import pytest
from helpers import last_row, one_unit_rnn, sigma

import gradflow as gf

STEPS = 50


def cliff(w, b):
    """Pascanu et al. 2013, eq. 8: x_t = w σ(x_{t−1}) + b, x_0 = 0.5, E = (σ(x_50) − 0.7)².

    With h = σ(x), x is the pre-activation of one sigmoid unit: x_t = w h_{t−1} + b with h_0 = σ(0.5), and the 50th state
    of the network, σ(x_50), is what is read.
    """
    trace = one_unit_rnn(w, b, "sigmoid", STEPS, sigma(0.5))
    h = trace.h[:, 0, 0]
    direct = last_row(trace, [2.0 * (h[-1] - 0.7)])
    flow = gf.backward(trace, direct)
    unit = gf.backward(trace, last_row(trace, [1.0]))
    slope_0, slope_50 = h[0] * (1 - h[0]), h[-1] * (1 - h[-1])
    return {
        "E": (h[-1] - 0.7) ** 2,
        "dx50/dx0": unit.grad_h[0, 0, 0] * slope_0 / slope_50,
        "dE/db": flow.grads["bias_hh_l0"][0],
        "dE/dw": flow.grads["weight_hh_l0"][0, 0],
    }


def test_the_cliff():
    b = 0.5 - 5.0 * sigma(0.5)
    assert b == pytest.approx(-2.612296656, abs=1e-9)
    got = cliff(5.0, b)
    assert got["E"] == pytest.approx(0.0060125553, abs=1e-10)
    assert got["dx50/dx0"] == pytest.approx(3178.6034, abs=1e-4)
    assert got["dE/db"] == pytest.approx(-661.6828, abs=1e-4)
    assert got["dE/dw"] == pytest.approx(-411.8706, abs=1e-4)


@pytest.mark.parametrize("w", [4.3, 4.8, 5.5])
def test_along_the_cliffs_line_the_fixed_point_is_the_start(w):
    """b = 0.5 − σ(0.5) w: dx_50/dx_0 = (σ′(0.5) w)^50 = (0.2350037 w)^50; an unstable start from w = 4.2552 on."""
    slope = sigma(0.5) * sigma(-0.5)
    assert slope == pytest.approx(0.2350037, abs=5e-8)
    assert 1.0 / slope == pytest.approx(4.2552, abs=1e-4)
    # the orbit leaves the unstable point once rounding has grown, by (slope·w)^50: the first steps are the exact ones
    trace = one_unit_rnn(w, 0.5 - sigma(0.5) * w, "sigmoid", STEPS, sigma(0.5))
    grown = abs(trace.h[:, 0, 0] - sigma(0.5)) * 1e3 * (slope * w) ** np.arange(STEPS, -1, -1)
    flow = gf.backward(trace, last_row(trace, [1.0]))
    want = (slope * w) ** np.arange(STEPS, -1, -1)
    assert flow.grad_h[:, 0, 0] == pytest.approx(want, rel=max(1e-9, float(grown.max())))


@pytest.mark.parametrize(("w", "stable"), [(3.9, 1), (4.1, 2), (6.0, 2)])
def test_two_resting_states_only_beyond_w_4(w, stable):
    """On the symmetric line b = −w/2 high and low starts part only where w > 4."""
    ends = [one_unit_rnn(w, -w / 2, "sigmoid", 3000, start).h[-1, 0, 0] for start in (0.05, 0.95)]
    assert (abs(ends[0] - ends[1]) > 0.05) == (stable == 2)


@pytest.mark.parametrize(
    ("activation", "w", "b", "rest", "multiplier"),
    [
        ("sigmoid", 1.0, 0.0, 0.65905, 0.2247),
        ("sigmoid", 2.0, -1.0, 0.5, 0.5),
        ("tanh", 0.9, 0.0, 0.0, 0.9),
        ("tanh", 1.5, 0.0, 0.85856, 0.3943),
    ],
)
def test_one_unit_forgets_to_a_fixed_point(activation, w, b, rest, multiplier):
    trace = one_unit_rnn(w, b, activation, 2000, 0.9)
    assert trace.h[-1, 0, 0] == pytest.approx(rest, abs=5e-6)
    log = gf.backward(trace, last_row(trace)).log10_norm[:, 0]
    assert 10 ** (log[-2] - log[-1]) == pytest.approx(multiplier, abs=5e-5)


@pytest.mark.parametrize(("t", "h"), [(10, 0.35625), (100, 0.12118), (1000, 0.03868)])
def test_tanh_at_the_edge_decays_as_a_root(t, h):
    value = one_unit_rnn(1.0, 0.0, "tanh", t, 1.0).h[-1, 0, 0]
    assert value == pytest.approx(h, abs=5e-6)
    assert value == pytest.approx(np.sqrt(1.5 / t), rel=1.0 / np.sqrt(t))


def test_relu_keeps_blows_up_or_dies():
    for w, rate in ((1.0, 0.0), (1.1, np.log10(1.1)), (0.9, np.log10(0.9))):
        trace = one_unit_rnn(w, 0.0, "relu", 200, 0.9)
        log = gf.backward(trace, last_row(trace)).log10_norm[:, 0]
        np.testing.assert_allclose(log, rate * np.arange(200, -1, -1), rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("cell", "activation", "gain"), [("rnn", "tanh", 1.0), ("rnn", "sigmoid", 0.25), ("rnn", "relu", 1.0)]
)
def test_the_gradient_vanishes_where_pascanu_says_it_must(cell, activation, gain):
    """σ_max < 1/γ is sufficient, whatever the input."""
    w_max = 0.95 / gain
    exp = gf.Experiment(
        activation=activation, init="orthogonal", spectral_radius=min(w_max, 3.0), length=200, hidden=16
    )
    flow = gf.run(exp)
    assert (np.diff(flow.log10_norm, axis=0)[np.isfinite(flow.log10_norm[:-1])] > 0).all()
    assert (flow.log10_norm[0] < -4).all()
