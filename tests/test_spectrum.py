"""Eigenvalues, singular values, Jacobian products, mean field and Lyapunov exponents."""

import numpy as np
import pytest
from helpers import CELLS, last_row, params_for, scatter, zero_params
from hypothesis import given
from hypothesis import strategies as st

import gradflow as gf


def zero_trace(w, steps):
    return gf.forward("rnn", zero_params(1, len(w), weight_hh_l0=w), np.zeros((steps, 1, 1)))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
@given(
    seed=st.integers(0, 10**6),
    scale=st.just(0.0) | st.floats(1e-6, 6.0),
    steps=st.integers(1, 60),
    hidden=st.integers(1, 8),
)
def test_pascanus_bound_is_never_violated(activation, seed, scale, steps, hidden):
    w = scatter((hidden, hidden), seed) * scale
    params = {**params_for("rnn", hidden, 2, seed), "weight_hh_l0": w}
    try:
        trace = gf.forward(gf.RNN(activation), params, scatter((steps, 2, 2), seed + 1))
    except gf.ForwardOverflow:
        return
    flow = gf.backward(trace, last_row(trace, scatter((2, hidden), seed + 2)))
    bound = gf.log10_pascanu_bound(w, activation, steps)
    assert (flow.log10_norm <= flow.log10_norm[-1] + bound[:, None] + 1e-9).all()


def test_pascanus_bound_is_attained_by_an_orthogonal_linear_net():
    w = np.linalg.qr(scatter((4, 4), 1))[0] * 1.3
    trace = zero_trace(w, 50)
    log = gf.backward(trace, last_row(trace)).log10_norm[:, 0]
    np.testing.assert_allclose(log, gf.log10_pascanu_bound(w, "tanh", 50), rtol=0, atol=1e-11)
    np.testing.assert_allclose(
        gf.log10_pascanu_bound(w, "sigmoid", 50), np.log10(1.3 / 4) * np.arange(50, -1, -1), rtol=0, atol=1e-11
    )
    np.testing.assert_array_equal(gf.log10_pascanu_bound(np.zeros((2, 2)), "tanh", 2), [-np.inf, -np.inf, 0.0])


NON_NORMAL = np.array([[0.9, 10.0], [0.0, 0.9]])


def test_a_radius_below_one_is_not_a_finite_time_bound():
    """J = [[0.9, 10], [0, 0.9]]: ‖J^k‖ rises to 38.7459 at k = 9 and is below 1 first at k = 63, though ρ = 0.9."""
    assert gf.spectral_radius(NON_NORMAL) == pytest.approx(0.9, rel=1e-6)
    log = gf.log10_jacobian_singular_values(zero_trace(NON_NORMAL, 200))[::-1, 0]  # row k is J^k
    assert log.argmax() == 9
    assert 10 ** log[9] == pytest.approx(38.7459, abs=5e-5)
    assert np.flatnonzero(log[1:] < 0.0)[0] + 1 == 63
    assert (10 ** (log[1:] / np.arange(1, 201)) >= 0.9).all()  # Gelfand, from above
    far = gf.log10_jacobian_singular_values(zero_trace(NON_NORMAL, 5000))[0, 0] / 5000
    assert 10**far == pytest.approx(0.9, rel=3e-3)


@pytest.mark.parametrize("name", CELLS)
def test_jacobians_are_the_product_of_complex_steps(name):
    """∂h_T/∂h_t column by column through the forward pass alone; c is a state of its own and stays."""
    params, x = params_for(name, 3, 2), scatter((7, 1, 2), 3)
    cell = CELLS[name]()
    trace = gf.forward(cell, params, x)
    log = gf.log10_jacobian_singular_values(trace)
    for t in (0, 3, 6):
        columns = []
        for unit in np.eye(3):
            c0 = None if trace.c is None else trace.c[t]
            columns.append(gf.forward(cell, params, x[t:], trace.h[t] + 1e-30j * unit, c0).h[-1, 0].imag / 1e-30)
        want = np.log10(np.linalg.svd(np.array(columns), compute_uv=False))
        np.testing.assert_allclose(log[t], want, rtol=0, atol=1e-9)
    np.testing.assert_allclose(log[-1], 0.0, atol=1e-15)


def test_jacobian_values_lost_in_rounding_are_nan_and_exact_zeros_are_not():
    log = gf.log10_jacobian_singular_values(zero_trace(np.diag([0.5, 0.01]), 300))
    np.testing.assert_allclose(log[:, 0], np.log10(0.5) * np.arange(300, -1, -1), rtol=0, atol=1e-10)
    assert np.isnan(log[0, 1])
    np.testing.assert_allclose(log[-5:, 1], -2.0 * np.arange(4, -1, -1), rtol=0, atol=1e-10)
    assert np.isneginf(gf.log10_jacobian_singular_values(zero_trace(np.zeros((2, 2)), 3))[:-1]).all()


def test_a_probe_that_dies_after_growing_hides_no_other():
    """ReLU with W = diag(1000, 1): going back, the first unit's gradient grows to 1e570, then meets a step where it is dead."""
    params = zero_params(1, 2, weight_ih_l0=[[1.0], [0.0]], weight_hh_l0=np.diag([1000.0, 1.0]))
    x = np.zeros((200, 1, 1))
    x[9], x[10] = -1.0, 1e-300
    log = gf.log10_jacobian_singular_values(gf.forward(gf.RNN("relu"), params, x, h0=[[0.0, 1.0]]))
    np.testing.assert_allclose(log[:, 0], [0.0] * 10 + [3.0 * k for k in range(190, -1, -1)], rtol=1e-14, atol=1e-9)


def test_jacobians_of_one_sequence_of_a_batch():
    params, x = params_for("lstm", 3, 2), scatter((5, 3, 2), 3)
    mask = np.array([[1, 0, 1], [1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 1, 1]], bool)
    trace = gf.forward("lstm", params, x, mask=mask)
    for b in range(3):
        alone = gf.forward("lstm", params, x[:, [b]], mask=mask[:, [b]])
        got, want = gf.log10_jacobian_singular_values(trace, b), gf.log10_jacobian_singular_values(alone)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-9)
    with pytest.raises(ValueError, match=r"sequence must be a whole number in \[0, 2\], got 3"):
        gf.log10_jacobian_singular_values(trace, 3)


def test_jacobians_beyond_one_step_s_range_are_not_told():
    cell = gf.LSTM("relu")
    params = {key: np.sign(w) * 1e160 if key == "weight_hh_l0" else w for key, w in params_for("lstm", 2, 1, 2).items()}
    values = gf.log10_jacobian_singular_values(gf.forward(cell, params, scatter((3, 1, 1), 2)))
    assert np.isnan(values[0]).all()
    np.testing.assert_allclose(values[-1], 0.0, atol=1e-12)


def test_jacobians_that_do_not_fit_are_refused():
    flow = gf.run(gf.Experiment(length=2000, hidden=300, batch=1, init="orthogonal"))
    with pytest.raises(ValueError, match="must fit in 1 GB, got 2000 × 300 × 300"):
        gf.log10_jacobian_singular_values(flow.trace)


def test_eigenvalues_and_singular_values_come_sorted():
    w = scatter((6, 6), 1)
    values = gf.eigenvalues(w)
    assert (np.diff(np.abs(values)) <= 1e-15).all()
    assert values.sum() == pytest.approx(np.trace(w))
    assert np.abs(values[0]) == pytest.approx(gf.spectral_radius(w))
    assert np.prod(np.abs(values)) == pytest.approx(np.prod(gf.singular_values(w)))
    assert gf.singular_values(w)[0] == pytest.approx(np.linalg.norm(w, 2))


def test_mean_field_of_tanh():
    """σ_w = 1.5, s² = 0.5: √χ = 0.93329."""
    field = gf.mean_field(1.5, 0.5)
    assert field.per_step_factor == pytest.approx(0.93329, abs=5e-6)
    assert field.chi == pytest.approx(field.per_step_factor**2)
    nodes, weights = np.polynomial.hermite_e.hermegauss(150)
    weights = weights / weights.sum()
    phi = np.tanh(np.sqrt(field.q) * nodes)
    assert 1.5**2 * weights @ phi**2 + 0.5 == pytest.approx(field.q, rel=1e-9)
    assert 1.5**2 * weights @ (1 - phi**2) ** 2 == pytest.approx(field.chi, rel=1e-8)


def test_a_wide_rnn_decays_as_the_mean_field_says():
    """H = 256, lags 5 to 60: 0.9278 ± 0.007 per seed, and the prediction 0.93329 of infinite width close by."""
    slopes = []
    for seed in range(3):
        exp = gf.Experiment(hidden=256, length=160, batch=8, rescale=False, input_scale=np.sqrt(0.5), seed=seed)
        network = gf.build(exp)
        params = {**network.params, "weight_hh_l0": 1.5 * network.params["weight_hh_l0"]}
        trace = gf.forward("rnn", params, network.sequences.x)
        norm = gf.backward(trace, network.readout.read(trace.h).dL_dh).log10_norm.mean(1)
        lags = np.arange(5, 61)
        slopes.append(10 ** np.polyfit(lags, norm[-1 - lags], 1)[0])
    assert np.mean(slopes) == pytest.approx(0.9278, abs=0.007)
    assert np.mean(slopes) == pytest.approx(gf.mean_field(1.5, 0.5).per_step_factor, rel=0.015)


def test_mean_field_in_closed_forms():
    assert gf.mean_field(1.2, 0.3, "relu").chi == pytest.approx(0.72)
    assert gf.mean_field(1.2, 0.3, "relu").q == pytest.approx(0.3 / 0.28)
    linear = gf.mean_field(0.8, 0.0)
    assert (linear.q, linear.chi) == (0.0, pytest.approx(0.64))
    # a small variance s² makes q = s² / (1 − σ_w²), and √(s² / 2) at the edge: tanh² is q − 2q² there
    assert gf.mean_field(0.5, 1e-13).q == pytest.approx(1e-13 / 0.75)
    assert gf.mean_field(1.0, 1e-13).q == pytest.approx((1e-13 / 2.0) ** 0.5, rel=1e-5)
    assert gf.mean_field(0.0, 0.5) == gf.MeanField(pytest.approx(0.5), 0.0)
    assert gf.mean_field(1.0, 0.0, "sigmoid").chi < 1 / 16


@given(
    st.just(0.0) | st.floats(0.01, 50.0), st.just(0.0) | st.floats(0.01, 2500.0), st.sampled_from(["tanh", "sigmoid"])
)
def test_any_mean_field_is_a_fixed_point(sigma_w, s2, activation):
    field = gf.mean_field(sigma_w, s2, activation)
    z = np.linspace(-10, 10, 8001)
    density = np.exp(-0.5 * z * z)
    a = np.sqrt(field.q) * z
    phi = np.tanh(a) if activation == "tanh" else 0.5 + 0.5 * np.tanh(a / 2)
    assert (sigma_w**2 * density @ phi**2) / density.sum() + s2 == pytest.approx(field.q, rel=1e-8, abs=1e-11)
    assert 0.0 <= field.chi <= (sigma_w * (1 if activation == "tanh" else 0.25)) ** 2 * (1 + 1e-12)


def test_mean_field_at_its_largest_is_still_resolved():
    # q large: χ → σ_w² ∫ sech⁴(a) da / √(2πq) = 4σ_w² / (3√(2πq)), up to O(1/q)
    field = gf.mean_field(50.0, 2500.0)
    assert field.chi == pytest.approx(4 * 50.0**2 / (3 * np.sqrt(2 * np.pi * field.q)), rel=1e-3)


def test_relu_without_a_stationary_state_still_has_its_slope():
    field = gf.mean_field(2.0, 0.5, "relu")
    assert field.q == np.inf
    assert field.chi == pytest.approx(2.0)


def test_orthogonal_gain_keeps_every_singular_value():
    g = 0.9
    w = g * np.linalg.qr(scatter((8, 8), 2))[0]
    log = gf.log10_jacobian_singular_values(zero_trace(w, 100))
    np.testing.assert_allclose(log[0], 100 * np.log10(g), rtol=0, atol=1e-11)


def gaussian(hidden, gain, seed):
    return np.random.default_rng(seed).normal(size=(hidden, hidden)) * gain / np.sqrt(hidden)


def test_the_largest_lyapunov_exponent_of_a_chaotic_network():
    """g = 2: 0.15425 at N = 4096; at N = 256 within 4 % as a mean of three seeds."""
    first = [gf.lyapunov_exponents(gaussian(256, 2.0, seed), steps=1000, burn_in=300, count=1)[0] for seed in range(3)]
    assert np.mean(first) == pytest.approx(0.15425, rel=0.04)


def test_the_mean_lyapunov_exponent_is_exact_at_any_size():
    """Σ λ_i / N = ln|det J| / N + ⟨ln φ′⟩ along the same path, which a second loop walks here."""
    w = gaussian(12, 1.8, 4)
    exponents = gf.lyapunov_exponents(w, steps=400, burn_in=50, seed=3)
    x = np.random.default_rng(3).normal(size=12)
    for _ in range(50):
        x = w @ np.tanh(x)
    slopes = []
    for _ in range(400):
        slopes.append(np.log(1 / np.cosh(x) ** 2).mean())
        x = w @ np.tanh(x)
    assert exponents.shape == (12,)
    assert (np.diff(exponents) <= 0).all()
    assert exponents.mean() == pytest.approx(np.linalg.slogdet(w)[1] / 12 + np.mean(slopes), abs=1e-10)


def test_lyapunov_exponents_of_a_quiet_network_are_the_eigenvalues():
    w = np.diag([0.5, -0.25, 0.01])
    np.testing.assert_allclose(gf.lyapunov_exponents(w, steps=2000), np.log([0.5, 0.25, 0.01]), rtol=0, atol=5e-3)
    assert np.isneginf(gf.lyapunov_exponents(np.zeros((2, 2)), steps=3)).all()
    assert gf.lyapunov_exponents(w, steps=50, count=2).shape == (2,)
    np.testing.assert_array_equal(
        gf.lyapunov_exponents(w, steps=50, seed=1), gf.lyapunov_exponents(w, steps=50, seed=1)
    )


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: gf.eigenvalues(np.zeros((2, 3))), r"w_hh must be a square matrix, got shape \(2, 3\)"),
        (lambda: gf.eigenvalues(np.zeros(3)), r"w_hh must have shape \(H, H\), got \(3,\)"),
        (lambda: gf.singular_values([[np.nan]]), "w_hh must be finite, got nan"),
        (lambda: gf.singular_values("W"), "w_hh must be an array of numbers, got 'W'"),
        (lambda: gf.spectral_radius(np.zeros((2, 3))), r"must be a square matrix, got shape \(2, 3\)"),
        (lambda: gf.spectral_radius([[np.inf]]), "must be finite, got inf"),
        (lambda: gf.spectral_radius(np.zeros((0, 0))), r"got shape \(0, 0\)"),
        (lambda: gf.eigenvalues(np.zeros((0, 0))), r"got shape \(0, 0\)"),
        (
            lambda: gf.log10_pascanu_bound(np.eye(2), "elu", 3),
            "activation must be one of tanh, sigmoid, relu, got 'elu'",
        ),
        (lambda: gf.log10_pascanu_bound(np.eye(2), "tanh", -1), "steps must be a whole number in .*got -1"),
        (lambda: gf.log10_pascanu_bound(np.eye(2), "tanh", 10**9), "steps must be a whole number in .*got 1000000000"),
        (lambda: gf.mean_field(-1.0, 0.5), r"sigma_w must be in \[0, .*got -1.0"),
        (lambda: gf.mean_field(1.0, np.nan), "input_variance must be in .*got nan"),
        (lambda: gf.mean_field(1.0, 0.5, "elu"), "activation must be one of .*got 'elu'"),
        (lambda: gf.mean_field(51.0, 0.5), r"sigma_w must be in \[0, 50\], got 51.0"),
        (lambda: gf.lyapunov_exponents(np.eye(2) * 1j), "w_hh must be real, got complex128"),
        (lambda: gf.lyapunov_exponents(np.eye(2), steps=0), "steps must be a whole number in .*got 0"),
        (lambda: gf.lyapunov_exponents(np.eye(2), burn_in=-1), "burn_in must be a whole number in .*got -1"),
        (lambda: gf.lyapunov_exponents(np.eye(2), count=3), r"count must be a whole number in \[1, 2\], got 3"),
        (lambda: gf.lyapunov_exponents(np.eye(2), seed=-1), "seed must be a whole number in .*got -1"),
    ],
)
def test_refused(call, told):
    with pytest.raises(ValueError, match=told):
        call()
