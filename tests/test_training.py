"""Training: the task's baseline, gradients by complex step, the loop written out, what is recorded, and how a run ends."""

import numpy as np
import pytest
from helpers import relative, textbook

import gradflow as gf
from gradflow.clipped_run import clipped_run, clipped_runs_frame
from gradflow.training import (
    BASELINE,
    BATCH,
    BLOCK,
    adding_problem,
    draw_start,
    loss_and_gradients,
    race_frame,
    recorded,
)
from gradflow.weights import generator

SMALL = {"length": 10, "hidden": 6, "steps": 200}


@pytest.mark.parametrize("length", [2, 10, 11])
def test_the_adding_problem(length):
    x, y = adding_problem(np.random.default_rng(1), length, 4000)
    assert x.shape == (length, 4000, 2)
    values, marks = x[..., 0], x[..., 1]
    assert ((values >= 0.0) & (values < 1.0)).all()
    half = length // 2
    np.testing.assert_array_equal(marks[:half].sum(0), 1.0)
    np.testing.assert_array_equal(marks[half:].sum(0), 1.0)
    np.testing.assert_array_equal((values * marks).sum(0), y)
    assert ((y - 1.0) ** 2).mean() == pytest.approx(BASELINE, rel=0.08)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_gradients_by_complex_step(activation):
    setup = gf.Training(activation=activation, **SMALL)
    params = draw_start(setup)
    x, y = adding_problem(np.random.default_rng(2), 10, 5)
    loss, grads = loss_and_gradients(activation, params, x, y)

    @np.errstate(under="ignore")
    def written_out(p):
        h = textbook("rnn", activation, p, x, np.zeros((5, 6)))[0][-1]
        return ((h @ p["weight_hy"] + p["bias_hy"] - y) ** 2).mean()

    assert loss == pytest.approx(written_out(params), rel=1e-13)
    assert set(grads) == set(params)
    for name, value in params.items():
        by_step = np.empty(value.shape)
        for at in np.ndindex(value.shape):
            moved = value.astype(complex)
            moved[at] += 1e-100j
            by_step[at] = written_out({**params, name: moved}).imag / 1e-100
        assert relative(grads[name], by_step) < 1e-11


@pytest.mark.parametrize("kind", ["none", "norm", "value"])
def test_the_loop_written_out(kind):
    setup = gf.Training(**SMALL, threshold=0.2, seed=4)
    *_, learned = gf.train(setup, kind)
    params, data, losses, before, count = draw_start(setup), generator(4, "input"), [], [], 0
    for _ in range(2 * BLOCK):
        x, y = adding_problem(data, 10, BATCH)
        loss, grads = loss_and_gradients("relu", params, x, y)
        flat = np.concatenate([g.ravel() for g in grads.values()])
        norm = np.linalg.norm(flat)
        limit = {"none": np.inf, "norm": 0.2 / (norm + 1e-6), "value": np.inf}[kind]
        factor = min(1.0, limit)
        if kind == "value":
            grads = {name: np.clip(g, -0.2, 0.2) for name, g in grads.items()}
        count += factor < 1.0 if kind == "norm" else kind == "value" and bool((np.abs(flat) > 0.2).any())
        losses.append(loss)
        before.append(norm)
        params = {name: value - setup.rate * factor * grads[name] for name, value in params.items()}
    blocks = np.reshape(losses, (2, BLOCK)).mean(1)
    np.testing.assert_allclose(learned.loss[:2], blocks, rtol=1e-9)
    np.testing.assert_allclose(learned.norm_before[:2], np.reshape(before, (2, BLOCK)).max(1), rtol=1e-9)
    assert learned.clipped[:2].sum() == count
    assert learned.step.tolist() == list(range(BLOCK, 201, BLOCK))
    assert learned.share_clipped == learned.clipped.sum() / 200
    assert learned.final_loss == learned.loss[-1]


def test_training_stops_at_the_last_step():
    *_, learned = gf.train(gf.Training(**{**SMALL, "steps": 210}), "norm")
    *_, longer = gf.train(gf.Training(**{**SMALL, "steps": 220}), "norm")
    assert learned.step.tolist() == [*range(BLOCK, 201, BLOCK), 210]
    np.testing.assert_array_equal(learned.loss[:10], longer.loss[:10])
    assert learned.loss[10] != longer.loss[10]
    assert learned.share_clipped == learned.clipped.sum() / 210


def test_a_race_is_run_on_one_start_and_one_stream_of_data():
    setup = gf.Training(**SMALL, threshold=5.0)
    *_, runs = gf.race(setup)
    assert not runs["norm"].clipped.any()
    np.testing.assert_array_equal(runs["none"].loss, runs["norm"].loss)
    *_, cut = gf.race(gf.Training(**SMALL, threshold=0.05))
    assert (cut["norm"].norm_after <= 0.05).all()
    np.testing.assert_array_equal(cut["none"].loss, runs["none"].loss)
    assert (cut["norm"].loss != runs["norm"].loss).all()


def test_what_is_recorded_is_what_training_gives():
    runs = recorded()
    assert set(runs) == {"none", "norm"}
    race = gf.race(gf.Training())
    now = [next(race) for _ in range(10)][-1]
    for kind, run in runs.items():
        for name in ("loss", "norm_before", "norm_after", "clipped"):
            np.testing.assert_allclose(getattr(run, name)[:10], getattr(now[kind], name), rtol=1e-6)
    assert runs["norm"].step.tolist() == list(range(BLOCK, gf.Training().steps + 1, BLOCK))
    assert runs["norm"].final_loss < BASELINE / 2
    assert not runs["norm"].ended
    assert runs["none"].ended.endswith(f"left float64's range at training step {runs['none'].step[-1] + 1:.0f}")


def test_what_the_recorded_race_shows_does_not_hang_on_a_last_digit(monkeypatch):
    def nudged(setup):
        rng = np.random.default_rng(0)
        return {name: w * (1.0 + rng.choice([-2e-16, 2e-16], w.shape)) for name, w in draw_start(setup).items()}

    monkeypatch.setattr("gradflow.training.draw_start", nudged)
    *_, again = gf.train(gf.Training(), "none")
    assert again.ended
    assert again.step[-1] == pytest.approx(recorded()["none"].step[-1], abs=BLOCK)


def test_a_run_that_leaves_float64s_range_ends_with_the_step():
    setup = gf.Training(length=30, rate=0.03, seed=3)
    *_, learned = gf.train(setup, "none")
    assert learned.ended == "the hidden state left float64's range at training step 5"
    assert learned.step.tolist() == [4]
    assert np.isfinite([learned.loss, learned.norm_before]).all()
    race = gf.race(setup)
    runs = [next(race) for _ in range(3)][-1]
    assert runs["none"].ended
    assert (len(runs["none"].step), len(runs["norm"].step)) == (1, 3)
    assert not runs["norm"].ended


def test_a_run_can_end_before_its_first_step_is_done():
    empty = gf.Learning(*np.empty((5, 0)), ended="at once")
    assert np.isnan(empty.final_loss)
    assert empty.share_clipped == 0.0


def test_the_frame_is_the_runs():
    frame = race_frame(recorded())
    assert len(frame) == sum(len(run.step) for run in recorded().values())
    np.testing.assert_array_equal(frame[frame["clipping"] == "norm"]["loss"], recorded()["norm"].loss)


@pytest.mark.parametrize(
    ("field", "value"),
    [("threshold", 0.0), ("activation", "sigmoid"), ("length", 9), ("steps", 10**6), ("rate", "fast")],
)
def test_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} must be .*got"):
        gf.Training(**{field: value})


def test_clipping_shortens_the_parameters_gradient_and_leaves_the_states():
    exp = gf.Experiment(spectral_radius=3.0, batch=1)
    run, flow = clipped_run(exp, 0.5), gf.run(exp)
    np.testing.assert_array_equal(run.log10_norm, flow.log10_norm[:, 0])
    flat = np.concatenate([g.ravel() for g in flow.grads.values()])
    assert run.norm_before == pytest.approx(np.linalg.norm(flat), rel=1e-12)
    assert run.norm_after == pytest.approx(0.5)
    frame = clipped_runs_frame([run, clipped_run(gf.Experiment(spectral_radius=0.5, batch=1), 5.0)])
    assert frame["spectral_radius"].tolist() == [3.0] * 101 + [0.5] * 101
    assert (frame["norm_before"] == frame["norm_after"])[101:].all()
