"""The gradient check: right gradients pass to the last digits, a wrong one does not, and what it leaves out it says."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import KNOBS_OF

import gradflow as gf
from gradflow import gradient_check
from gradflow.cells.gru import ResetAfterGRU
from gradflow.gradient_check import COMPLEX, DIFFERENCES, central_differences, restarts

EXP = gf.Experiment(length=12, hidden=6, batch=2)
READS = {
    "one": {},
    "many": {"sequence_type": "many-to-many", "loss": "prediction"},
    "sum": {"sequence_type": "encoder-decoder", "reduction": "sum"},
    "text": {"sequence_type": "one-to-many", "loss": "prediction", "input": "text", "text": "several lines\nof text"},
    "series": {"input": "series", "loss": "prediction"},
}
AGREE = {"tanh": 1e-11, "sigmoid": 1e-11, "relu": 1e-9}
# as many units as the page may ask for, and where a plain restart would go wrong: chaos, saturation, beyond float64
HARD = {
    "large": {"length": 12, "hidden": 128, "batch": 1, "input_scale": 0.05},
    "chaotic": {"length": 100, "spectral_radius": 3.0, "input_scale": 0.5, "hidden": 24, "batch": 1},
    "saturated": {"length": 40, "input_scale": 10.0, "forget_bias": 10.0, "update_bias": 10.0},
    "gone": {"length": 150, "spectral_radius": 0.01},
    "chrono": {"length": 30, "chrono": True, "init": "pytorch", "rescale": False},
    "one": {"length": 1, "hidden": 1, "batch": 1},
}


@pytest.mark.parametrize("reads", READS)
@pytest.mark.parametrize("activation", AGREE)
@pytest.mark.parametrize("name", KNOBS_OF)
def test_right_gradients_agree(name, activation, reads):
    check = gf.check_gradients(replace(EXP, activation=activation, **KNOBS_OF[name], **READS[reads]))
    assert check.largest <= AGREE[activation]
    assert check.method == (DIFFERENCES if activation == "relu" else COMPLEX)
    total = sum(c.derivatives + c.at_kinks + c.out_of_reach for c in check.compared)
    assert check.derivatives == total if activation != "relu" else check.derivatives > 0.2 * total
    looked_at = {c.gradient for c in check.compared}
    assert {f"∂L/∂{array}" for array in gf.run(replace(EXP, **KNOBS_OF[name], **READS[reads])).grads} <= looked_at
    assert "∂L/∂h at step 0" in looked_at
    assert ("∂L/∂c at step 0" in looked_at) == (name in ("lstm", "peephole"))


# not among them: with ReLU a saturated peephole LSTM's c grows to 1e7, and then its own peephole throws o from 0 to 1 within
# a nudge, which is a kink that no sign tells
@pytest.mark.parametrize(
    ("activation", "cell", "knobs"),
    [
        (activation, cell, knobs)
        for activation in ("tanh", "relu")
        for cell in gf.CELLS
        for knobs in HARD
        if (activation, cell, knobs) != ("relu", "peephole", "saturated")
    ],
)
def test_right_gradients_agree_in_hard_networks_too(activation, cell, knobs):
    check = gf.check_gradients(replace(EXP, cell=cell, activation=activation, **HARD[knobs]))
    assert check.largest <= AGREE[activation]
    assert check.derivatives > 0


def keeps_too_much(self, dh, dc, local, dh_dc, dc_dc, da, fed, dh_before, dc_before, UT):
    """The LSTM's step back with ∂c_t/∂c_{t−1} a millionth too large."""
    right_lstm_step_back(self, dh, dc, local, dh_dc, dc_dc, da, fed, dh_before, dc_before, UT)
    dc_before *= 1.0 + 1e-6


def forgets_the_update_gate(self, a, saved, h, c, local, kept):
    right_gru_partials(self, a, saved, h, c, local, kept)
    local[2] = 0.0


def a_slope_too_steep(self, a, saved, h, c, local):
    local[0] = self.phi.slope(a[0], h[1:]) * (1.0 + 1e-6)


right_lstm_step_back = gf.LSTM.step_back
right_gru_partials = ResetAfterGRU.partials
WRONG = {
    "rnn": (gf.RNN, "partials", a_slope_too_steep, 1e-7),
    "lstm": (gf.LSTM, "step_back", keeps_too_much, 1e-7),
    "gru": (ResetAfterGRU, "partials", forgets_the_update_gate, 1e-3),
}


@pytest.mark.parametrize("activation", AGREE)
@pytest.mark.parametrize("cell", WRONG)
def test_a_wrong_gradient_is_caught(cell, activation, monkeypatch):
    owner, method, wrong, at_least = WRONG[cell]
    exp = replace(EXP, cell=cell, activation=activation)
    monkeypatch.setattr(owner, method, wrong)
    check = gf.check_gradients(exp)
    assert check.largest > at_least
    assert check.worst.gradient in check.sentence


@pytest.mark.parametrize("array", ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_probe"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_one_wrong_entry_of_one_array_is_caught_and_named(array, activation, monkeypatch):
    def spoilt(exp):
        done = gf.run(exp)
        done.grads[array].flat[3] += 1e-4 * np.linalg.norm(done.grads[array])
        return done

    monkeypatch.setattr(gradient_check, "run", spoilt)
    check = gf.check_gradients(replace(EXP, activation=activation, length=20))
    assert check.largest > 1e-6
    assert check.worst.gradient == f"∂L/∂{array}"


def test_what_is_beyond_float64_is_counted():
    check = gf.check_gradients(replace(EXP, length=150, spectral_radius=0.01))
    assert any(c.out_of_reach for c in check.compared)
    assert all(c.derivatives == 0 for c in check.compared if c.gradient == "∂L/∂h at step 0")
    assert "float64" in check.sentence
    frame = check.to_frame()
    assert frame["derivatives"].sum() == check.derivatives
    assert frame["out_of_reach"].sum() > 0


def test_units_at_a_kink_are_counted():
    """Without input and without recurrent weights every pre-activation is exactly 0: there is no derivative."""
    check = gf.check_gradients(replace(EXP, activation="relu", spectral_radius=0.0, input_scale=0.0, loss="prediction"))
    assert any(c.at_kinks for c in check.compared)
    assert "kink" in check.sentence


def test_an_exact_zero_agrees_with_an_exact_zero():
    """With W_hh = 0 the state before the last reaches no loss."""
    check = gf.check_gradients(replace(EXP, spectral_radius=0.0))
    (first,) = (c for c in check.compared if c.gradient == "∂L/∂h at step 0")
    assert (first.derivatives, first.disagreement) == (12, 0.0)


def test_every_unit_is_nudged_at_every_distance():
    assert restarts(1) == [1, 0]
    assert restarts(20) == [20, 19, 18, 16, 12, 4, 0]
    check = gf.check_gradients(replace(EXP, length=20))
    for t in restarts(20):
        (state,) = (c for c in check.compared if c.gradient == f"∂L/∂h at step {t}")
        assert state.derivatives == 12


def test_central_differences_shrink_until_no_kink_is_crossed():
    """f(x) = sin(x + 1) + 40 max(x − kink, 0): the derivative at 0 is cos 1, with the kink at 1e-4 or at 0 itself."""
    kinks = np.array([1.0, 1e-4, 0.0])

    def losses(which, nudge):
        past = nudge[:, None] > kinks[which, None]
        loss = np.sin(nudge[:, None] + 1.0) + np.where(past, 40.0 * (nudge[:, None] - kinks[which, None]), 0.0)
        return loss, past

    want, doubt = central_differences(losses, 3)
    np.testing.assert_allclose(want[:2, 0], np.cos(1.0), rtol=1e-10)
    assert (np.abs(want[:2] - np.cos(1.0)) <= doubt[:2]).all()
    assert np.isnan(want[2, 0])


def test_an_overflow_is_told_as_run_tells_it():
    with pytest.raises(gf.ForwardOverflow):
        gf.check_gradients(replace(EXP, activation="relu", spectral_radius=3.0, length=1000, init="identity"))
