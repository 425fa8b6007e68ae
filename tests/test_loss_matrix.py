"""Which loss reaches which step: against a complex step, closed forms, and a backward pass for every loss."""

import numpy as np
import pytest
from helpers import CELLS, KNOBS_OF, relative, textbook

import gradflow as gf
from gradflow.exponents import column_sum
from gradflow.loss_matrix import LOSSES_AT_ONCE, LossMatrix
from gradflow.losses import SEQUENCE_TYPES

EVERY_STEP = {"sequence_type": "many-to-many", "reduction": "sum"}


def matrix(**knobs):
    return gf.loss_matrix(gf.Experiment(**{**EVERY_STEP, "batch": 1, "hidden": 6, "length": 12, **knobs}))


def by_complex_step(exp, name):
    """∂L_k/∂h_t[i] from textbook equations: h_t[i] moves by 1e-30·i, the cell state stays; (T + 1, T + 1, H)."""
    network = gf.build(exp)
    x, w = network.sequences.x, network.readout.params["weight_probe"]
    zero = np.zeros((1, exp.hidden))
    h, c = textbook(name, exp.activation, network.params, x, zero, zero)
    out = np.zeros((exp.length + 1, exp.length + 1, exp.hidden))
    for t in range(exp.length + 1):
        moved = np.repeat(h[t], exp.hidden, 0) + 1e-30j * np.eye(exp.hidden)
        c_t = None if c is None else np.repeat(c[t], exp.hidden, 0).astype(complex)
        later, _ = textbook(name, exp.activation, network.params, np.repeat(x[t:], exp.hidden, 1), moved, c_t)
        out[t:, t] = (later @ w).imag / 1e-30
    out[0] = 0.0  # there is no loss at h_0
    return out


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("name", CELLS)
def test_every_entry_against_a_complex_step(name, activation):
    exp = gf.Experiment(
        **KNOBS_OF[name], **EVERY_STEP, activation=activation, length=9, hidden=5, batch=1, spectral_radius=1.4
    )
    m = gf.loss_matrix(exp)
    want = np.linalg.norm(by_complex_step(exp, name), axis=-1)
    assert relative(10.0**m.log10_norm, want) < 1e-11
    near = want > 1e-12 * want.max()
    assert np.abs(m.log10_norm[near] - np.log10(want[near])).max() < 1e-11
    total = np.linalg.norm(by_complex_step(exp, name).sum(0), axis=-1)
    assert relative(10.0**m.log10_total, total) < 1e-11


@pytest.mark.parametrize("loss", ["probe", "prediction"])
@pytest.mark.parametrize("name", CELLS)
def test_every_row_is_the_backward_pass_of_that_loss_alone(name, loss):
    length = LOSSES_AT_ONCE + 7  # more than one block
    exp = gf.Experiment(**KNOBS_OF[name], **EVERY_STEP, loss=loss, length=length, hidden=7, batch=3, input="noise")
    m, flow = gf.loss_matrix(exp, sequence=1), gf.run(exp)
    for k in (1, 2, LOSSES_AT_ONCE, LOSSES_AT_ONCE + 1, length):
        alone = np.zeros_like(flow.direct)
        alone[k] = flow.direct[k]
        np.testing.assert_allclose(m.log10_norm[k], gf.backward(flow.trace, alone).log10_norm[:, 1], atol=1e-12)
    np.testing.assert_allclose(m.log10_total, flow.log10_norm[:, 1], atol=1e-14)


@pytest.mark.parametrize("sequence_type", SEQUENCE_TYPES)
@pytest.mark.parametrize("loss", ["probe", "prediction"])
@pytest.mark.parametrize("spectral_radius", [0.0, 0.1, 1.0, 1.5])
@pytest.mark.parametrize("name", CELLS)
def test_rows_add_up_to_the_total(name, spectral_radius, loss, sequence_type):
    knobs = {"spectral_radius": spectral_radius, "loss": loss, "sequence_type": sequence_type}
    m = matrix(**KNOBS_OF[name], **knobs, length=90, input="text")
    assert m.sum_error.shape == (91,)
    assert m.sum_error.max() <= 1e-12


@pytest.mark.parametrize("name", CELLS)
def test_rows_add_up_to_the_digits_that_a_shrinking_total_has_left(name):
    """A total that was 10^7 later on has kept that size's rounding, and so have the rows."""
    m = matrix(**KNOBS_OF[name], spectral_radius=3.0, sequence_type="one-to-many", length=90, input="text")
    largest_so_far = np.maximum.accumulate(m.log10_total[::-1])[::-1]
    assert (m.sum_error <= 1e-13 * 10.0 ** (largest_so_far - m.log10_total)).all()


@pytest.mark.parametrize(
    ("knobs", "sign"),
    [
        ({"activation": "sigmoid", "spectral_radius": 0.01}, -1),
        ({"activation": "tanh", "spectral_radius": 3.0, "init": "identity", "input_scale": 0.0}, 1),
    ],
)
def test_rows_add_up_far_outside_float64(knobs, sign):
    m = matrix(**knobs, length=700)
    assert sign * m.log10_norm[-1, 0] > 330.0
    assert m.sum_error.max() <= 1e-12


def test_a_wrong_row_is_told_by_the_sum(monkeypatch):
    def wrong(trace, direct, losses):
        return right(trace, direct * (1.0 + 1e-9), losses)

    right = gf.loss_matrix.__globals__["each_alone"]
    monkeypatch.setitem(gf.loss_matrix.__globals__, "each_alone", wrong)
    np.testing.assert_allclose(matrix().sum_error, 1e-9, rtol=1e-5)


def test_a_linear_network_has_powers_of_its_matrix():
    """tanh at zero is linear: ∂L_k/∂h_t = (W_hhᵀ)^(k − t) w."""
    exp = gf.Experiment(**EVERY_STEP, spectral_radius=1.1, input_scale=0.0, length=30, hidden=8, batch=1)
    network, m = gf.build(exp), gf.loss_matrix(exp)
    row = network.readout.params["weight_probe"]
    for lag in range(31):
        want = np.log10(np.linalg.norm(row))
        np.testing.assert_allclose(np.diagonal(m.log10_norm, -lag)[1 if lag == 0 else 0 :], want, atol=1e-12)
        row = row @ network.params["weight_hh_l0"]


def test_pure_gate_decay():
    """Without candidate and gate weights ∂L_k/∂h_t of a GRU is σ(b_z)^(k − t) exactly."""
    exp = gf.Experiment(
        cell="gru", **EVERY_STEP, spectral_radius=0.0, input_scale=0.0, update_bias=2.0, length=40, batch=1
    )
    m = gf.loss_matrix(exp)
    per_step = np.log10(1.0 / (1.0 + np.exp(-2.0)))
    k, t = np.tril_indices(41)
    k, t = k[k > 0], t[k > 0]
    np.testing.assert_allclose(m.log10_norm[k, t], (k - t) * per_step, atol=1e-12)
    assert m.reach == int(-2.0 / per_step) == 36
    low, middle, high = m.lag_band
    np.testing.assert_allclose(middle, np.arange(41) * per_step, atol=1e-12)
    np.testing.assert_allclose(low, high, atol=1e-12)
    np.testing.assert_array_equal(m.reaches[1:], np.minimum(np.arange(1, 41), 36))
    assert np.isnan(m.reaches[0])


@pytest.mark.parametrize("sequence_type", SEQUENCE_TYPES)
def test_only_steps_with_a_loss_have_a_row_and_nothing_goes_forward(sequence_type):
    m = matrix(cell="gru", sequence_type=sequence_type)
    first = {"many-to-one": 12, "encoder-decoder": 7}.get(sequence_type, 1)
    k, t = np.indices(m.log10_norm.shape)
    np.testing.assert_array_equal(np.isfinite(m.log10_norm), (k >= first) & (t <= k))
    assert np.isneginf(m.log10_norm[t > k]).all()
    np.testing.assert_array_equal(np.flatnonzero(~np.isnan(m.reaches)), np.arange(first, 13))
    assert m.longest == 12
    frame = m.to_frame()
    assert set(frame["loss_step"]) == set(range(first, 13))
    assert (frame["step"] <= frame["loss_step"]).all()
    np.testing.assert_array_equal(frame["log10_norm"], m.log10_norm[frame["loss_step"], frame["step"]])


def test_a_shorter_line_is_read_on_its_own_clock():
    text = "gradients\nfade away"
    both = gf.Experiment(cell="lstm", **EVERY_STEP, input="text", text=text, hidden=6, batch=1)
    for line in (0, 1):
        m = gf.loss_matrix(both, sequence=line)
        assert "".join(m.steps) == text.splitlines()[line]
        assert m.log10_norm.shape == (len(m.steps) + 1,) * 2
        assert m.sum_error.max() <= 1e-12
        flow = gf.run(both)
        np.testing.assert_allclose(m.log10_total, flow.log10_norm[-len(m.steps) - 1 :, line], atol=1e-14)


def test_a_lag_is_measured_from_the_loss_s_own_step():
    log = np.full((4, 4), -np.inf)
    log[1, :2], log[2, :3], log[3, :4] = [-1.0, 1.0], [-2.5, -1.0, 0.5], [-9.0, -3.0, -1.0, 0.0]
    m = LossMatrix("rnn", "many-to-many", ("a", "b", "c"), log, np.zeros(4), np.zeros(4))
    nan = np.nan
    want = [[nan, 0.0, 0.0, 0.0], [nan, -2.0, -1.5, -1.0], [nan, nan, -3.0, -3.0], [nan, nan, nan, -9.0]]
    np.testing.assert_array_equal(m.by_lag, want)
    np.testing.assert_array_equal(m.reaches, [nan, 1.0, 1.0, 1.0])
    assert m.reach == 1


def test_a_loss_without_gradient_reaches_nothing():
    m = matrix(input="text", text="aaaaaaaa", loss="prediction")  # one symbol: the prediction is always right
    assert np.isneginf(m.log10_norm).all()
    assert m.reach is None
    assert not m.lag_band[1].size
    assert (m.sum_error == 0.0).all()
    assert m.to_frame().empty


def test_an_unknown_sequence_is_named():
    with pytest.raises(ValueError, match=r"sequence must be a whole number in \[0, 0\], got 1"):
        gf.loss_matrix(gf.Experiment(batch=1, length=3), sequence=1)


def test_columns_are_added_at_any_exponent():
    mantissa = np.array([[1.5, 0.25, 0.0], [-1.0, 0.5, 0.0]])
    for far in (0, 5000, -5000):
        total, exponent = column_sum(mantissa, np.array([far, far + 1, 10**6]))
        np.testing.assert_array_equal(np.ldexp(total[:, 0], exponent - far), [2.0, 0.0])
    nothing, exponent = column_sum(np.zeros((2, 3)), np.array([7, -7, 0]))
    assert not nothing.any()
    assert exponent == 0
    apart, exponent = column_sum(mantissa, np.array([5000, -5000, 0]))
    np.testing.assert_array_equal(np.ldexp(apart[:, 0], exponent - 5000), [1.5, -1.0])
