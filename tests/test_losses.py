"""Where the loss is read, how much each step counts, and the two errors."""

import numpy as np
import pytest
from helpers import scatter

import gradflow as gf
from gradflow.losses import cross_entropy, squared_error, steps_read

PRESENT = np.array([[1, 0], [1, 0], [1, 1], [1, 1], [1, 1]], bool)  # five steps, and three that end with them


@pytest.mark.parametrize(
    ("kind", "inputs", "losses"),
    [
        ("many-to-one", ["11111", "00111"], ["00001", "00001"]),
        ("many-to-many", ["11111", "00111"], ["11111", "00111"]),
        ("one-to-many", ["10000", "00100"], ["11111", "00111"]),
        ("encoder-decoder", ["11100", "00110"], ["00011", "00001"]),
    ],
)
def test_every_sequence_is_read_on_its_own_clock(kind, inputs, losses):
    for got, want in zip(steps_read(kind, PRESENT), (inputs, losses), strict=True):
        assert ["".join(map(str, column.astype(int))) for column in got.T] == want


@pytest.mark.parametrize("kind", ["many-to-one", "many-to-many", "one-to-many", "encoder-decoder"])
@pytest.mark.parametrize("loss", ["probe", "prediction"])
def test_a_mean_is_the_sum_over_the_steps_read(kind, loss):
    knobs = {"sequence_type": kind, "loss": loss, "length": 7, "hidden": 4, "batch": 2}
    mean, total = (gf.run(gf.Experiment(reduction=r, **knobs)) for r in ("mean", "sum"))
    count = (total.direct[1:] != 0).any(-1).sum(0)
    assert count.tolist() == {"many-to-one": [1, 1], "encoder-decoder": [3, 3]}.get(kind, [7, 7])
    np.testing.assert_allclose(total.loss, count * mean.loss, rtol=1e-13)
    np.testing.assert_allclose(total.grad_h, count[:, None] * mean.grad_h, rtol=1e-13, atol=1e-15)


def test_the_probe_is_a_unit_vector_and_the_loss_its_product():
    flow = gf.run(gf.Experiment(length=5, hidden=16, batch=3))
    w = flow.network.readout.params["weight_probe"]
    assert np.linalg.norm(w) == pytest.approx(1.0, rel=1e-15)
    np.testing.assert_allclose(flow.loss, flow.trace.h[-1] @ w, rtol=1e-14)
    np.testing.assert_array_equal(flow.grad_h[-1], np.tile(w, (3, 1)))
    np.testing.assert_allclose(flow.log10_norm[-1], 0.0, atol=1e-15)
    np.testing.assert_allclose(flow.grads["weight_probe"], flow.trace.h[-1].sum(0), rtol=1e-13)


def test_cross_entropy_is_minus_the_log_of_the_targets_share():
    y, targets = scatter((3, 2, 5), 1) * 4, np.array([[0, 1], [2, 3], [4, 0]])
    loss, dy = cross_entropy(y, targets)
    share = np.exp(y) / np.exp(y).sum(-1, keepdims=True)
    want = -np.log(np.take_along_axis(share, targets[..., None], -1)[..., 0])
    np.testing.assert_allclose(loss, want, rtol=1e-13)
    np.testing.assert_allclose(dy.sum(-1), 0.0, atol=1e-15)
    with np.errstate(under="ignore"):
        np.testing.assert_allclose(cross_entropy(y + 1e4, targets)[0], want, rtol=1e-10)
        assert cross_entropy(np.array([[0.0, 2000.0]]), np.array([0]))[0] == 2000.0


def test_squared_error_is_half_the_mean_square():
    y, targets = scatter((3, 2, 4), 1), scatter((3, 2, 4), 2)
    loss, dy = squared_error(y, targets)
    np.testing.assert_allclose(loss, ((y - targets) ** 2).sum(-1) / 8, rtol=1e-14)
    np.testing.assert_allclose(dy, (y - targets) / 4, rtol=1e-14)


def test_prediction_at_the_start_is_no_better_than_chance():
    """Readout weights of size 1/√H and no bias: cross-entropy near ln(number of characters)."""
    losses = [
        gf.run(gf.Experiment(input="text", loss="prediction", sequence_type="many-to-many", seed=s)).loss
        for s in range(5)
    ]
    symbols = len(set(gf.Experiment().text))
    assert np.mean(losses) == pytest.approx(np.log(symbols), rel=0.15)


def test_encoder_decoder_needs_two_steps():
    with pytest.raises(ValueError, match="length must be at least 2 for sequence_type='encoder-decoder', got 1"):
        gf.run(gf.Experiment(length=1, sequence_type="encoder-decoder"))
    with pytest.raises(ValueError, match="length must be at least 2"):
        gf.run(gf.Experiment(input="text", text="abc\na", sequence_type="encoder-decoder"))


def test_a_sure_prediction_keeps_its_tiny_gradient():
    y = np.array([[[800.0, 0.0, 1.0]]])
    with np.errstate(under="ignore"):
        _, dy = cross_entropy(y, np.array([[0]]))
    assert dy[0, 0, 1] == pytest.approx(0.0, abs=1e-300)
    y = np.array([[[60.0, 0.0, 1.0]]])
    _, dy = cross_entropy(y, np.array([[0]]))
    assert dy[0, 0, 0] == pytest.approx(-(np.exp(-60) + np.exp(-59)), rel=1e-12, abs=0.0)


@pytest.mark.parametrize("field", ["run", "sweep"])
def test_a_loss_that_overflows_is_said_and_not_shown(field):
    exp = gf.Experiment(activation="relu", spectral_radius=3.0, length=400, loss="prediction", hidden=16, batch=1)
    if field == "run":
        with pytest.raises(gf.ForwardOverflow, match="the loss leaves float64's range at step 400 of 400"):
            gf.run(exp)
    else:
        sw = gf.sweep(exp, "spectral_radius", [0.5, 3.0])
        assert sw.overflow_step.tolist() == [0, 400]
        assert np.isfinite(sw.loss[0]).all()
        assert np.isnan(sw.loss[1]).all()
        assert not sw.to_frame().isna().any().any()
