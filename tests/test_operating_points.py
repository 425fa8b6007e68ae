"""The operating point against slopes written from the states alone, and against what theory expects of random weights."""

from dataclasses import replace

import numpy as np
import pytest

import gradflow as gf
from gradflow.experiment import build
from gradflow.operating_points import operating_points_frame

# φ′ from the state h = φ(a) alone, not from a
SLOPES = {"tanh": lambda h: 1.0 - h * h, "sigmoid": lambda h: h * (1.0 - h), "relu": lambda h: 1.0 * (h > 0.0)}
MAX_SLOPES = {"tanh": 1.0, "sigmoid": 0.25, "relu": 1.0}
EXP = gf.Experiment(length=30, hidden=12, batch=3, input_scale=1.5)
SEEDS = range(4, 9)


def states(exp, name):
    """h_1 … h_T of every seed, (S, T, B, H)."""
    return np.stack([gf.run(replace(exp, activation=name, seed=seed)).trace.h[1:] for seed in SEEDS])


@pytest.mark.parametrize("name", SLOPES)
def test_slopes_and_shares_are_those_of_the_states(name):
    point = gf.operating_points(EXP, SEEDS)[name]
    h = states(EXP, name)
    slope = SLOPES[name](h)
    assert point.max_slope == MAX_SLOPES[name]
    assert point.mean_slope == pytest.approx(slope.mean(), rel=1e-12)
    assert point.rms_slope == pytest.approx(np.sqrt(np.mean(slope**2)), rel=1e-12)
    assert point.saturated == pytest.approx(np.mean(slope < MAX_SLOPES[name] / 10.0), abs=1e-12)
    assert 0.0 < point.saturated < 1.0
    assert point.dead == (np.mean((h == 0.0).all((1, 2))) if name == "relu" else 0.0)


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_the_histogram_is_that_of_the_pre_activations(name):
    """a_t comes back out of h_t through the inverse function."""
    point = gf.operating_points(EXP, SEEDS)[name]
    h = states(EXP, name).ravel()
    a = np.arctanh(h) if name == "tanh" else np.log(h / (1.0 - h))
    counts, _ = np.histogram(a, point.edges)
    np.testing.assert_allclose(point.share * a.size, counts, atol=2.01)  # a rounding may move one across an edge
    assert point.share.sum() + point.below + point.above == pytest.approx(1.0, abs=1e-12)


def test_all_histograms_share_edges_that_hold_nearly_all():
    points = gf.operating_points(EXP, SEEDS)
    for point in points.values():
        np.testing.assert_array_equal(point.edges, points["tanh"].edges)
        assert point.below + point.above <= 0.01
    for scale, reach in {0.5: 4.0, 2.0: 8.0, 4.0: 16.0}.items():
        wider = gf.operating_points(replace(EXP, input_scale=scale), SEEDS)
        assert wider["tanh"].edges[-1] == -wider["tanh"].edges[0] == reach


def test_an_exploding_relu_does_not_squeeze_the_others():
    points = gf.operating_points(replace(EXP, spectral_radius=3.0, input_scale=0.5), SEEDS)
    assert points["relu"].edges[-1] <= 8.0
    assert points["relu"].above > 0.2
    assert points["tanh"].above < 0.01


def test_through_a_dead_unit_comes_exactly_no_gradient():
    exp = gf.Experiment(length=3, hidden=16, batch=1, input_scale=1.0, activation="relu")
    shares = []
    for seed in SEEDS:
        run = gf.run(replace(exp, seed=seed))
        dead = (run.trace.h[1:] == 0.0).all((0, 1))
        assert (run.grads["bias_hh_l0"][dead] == 0.0).all()
        shares.append(dead.mean())
    point = gf.operating_points(exp, SEEDS)["relu"]
    assert point.dead == pytest.approx(np.mean(shares), abs=1e-15)
    assert point.dead > 0.0


def test_steps_that_a_sequence_does_not_have_do_not_count():
    exp = gf.Experiment(input="text", text="a long first line\nshort", length=40, hidden=8)
    network = build(exp)
    mask = network.sequences.mask
    assert not mask.all()
    h = np.concatenate(
        [
            gf.forward(network.cell, network.params, network.sequences.x[own, s : s + 1]).h[1:, 0]
            for s, own in enumerate(mask.T)
        ]
    )
    assert len(h) == len("a long first line") + len("short")
    point = gf.operating_points(exp, [exp.seed])["tanh"]
    assert point.mean_slope == pytest.approx(np.mean(SLOPES["tanh"](h)), rel=1e-12)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu"])
def test_random_weights_keep_rho_times_the_rms_slope(name):
    """Mean field: the factor per step is √χ = g · rms φ′, up to effects of a finite width."""
    exp = gf.Experiment(hidden=256, batch=1, length=60, spectral_radius=1.5)
    point = gf.operating_points(exp, range(4), [name])[name]
    assert point.gradient.per_step_factor == pytest.approx(1.5 * point.rms_slope, rel=0.1)


def test_the_scale_of_the_weights_is_the_median_over_the_seeds():
    points = gf.operating_points(EXP, SEEDS)
    norms = [np.linalg.norm(build(replace(EXP, seed=seed)).params["weight_hh_l0"]) for seed in SEEDS]
    for point in points.values():
        assert point.sigma_w == pytest.approx(np.median(norms) / np.sqrt(EXP.hidden), rel=1e-12)
        assert point.expected_factor == pytest.approx(point.sigma_w * point.rms_slope)


def test_a_matrix_rescaled_to_a_radius_has_smaller_entries_than_that():
    exp = gf.Experiment(hidden=32, batch=1, spectral_radius=1.5)
    assert 0.85 < gf.operating_points(exp, range(20))["tanh"].sigma_w / 1.5 < 0.97


def test_the_curve_is_the_summary():
    points = gf.operating_points(EXP, SEEDS)
    assert list(points) == ["tanh", "sigmoid", "relu"]
    for name, point in points.items():
        want = gf.summarise(replace(EXP, activation=name), ["rnn"], SEEDS)["rnn"]
        for field in ("low", "middle", "high"):
            np.testing.assert_array_equal(getattr(point.gradient, field), getattr(want, field))


def test_without_input_tanh_is_at_its_steepest_and_every_relu_unit_is_dead():
    points = gf.operating_points(replace(EXP, input_scale=0.0), SEEDS)
    assert points["tanh"].mean_slope == 1.0
    assert points["relu"].dead == 1.0
    assert points["relu"].mean_slope == 0.0
    assert points["relu"].gradient.log10_factor == -np.inf


def test_seeds_that_overflow_are_left_out():
    exp = gf.Experiment(length=700, hidden=4, batch=1, spectral_radius=3.0)
    point = gf.operating_points(exp, SEEDS, ["relu"])["relu"]
    overflowed = [
        seed
        for seed, step in zip(
            SEEDS, gf.sweep(replace(exp, activation="relu"), "seed", SEEDS).overflow_step, strict=True
        )
        if step
    ]
    assert 0 < len(overflowed) < len(SEEDS)
    assert len(point.gradient.overflow_steps) == len(overflowed)
    finite = [seed for seed in SEEDS if seed not in overflowed]
    alone = gf.operating_points(exp, finite, ["relu"])["relu"]
    np.testing.assert_array_equal(point.share, alone.share)
    assert (point.mean_slope, point.saturated, point.dead) == (alone.mean_slope, alone.saturated, alone.dead)
    nothing = gf.operating_points(exp, overflowed, ["relu"])["relu"]
    assert nothing.share.size == 0
    assert np.isnan([nothing.mean_slope, nothing.saturated, nothing.dead]).all()
    assert nothing.gradient.verdict == "overflow"


def test_the_frame_has_every_bar_and_point():
    points = gf.operating_points(EXP, SEEDS)
    frame = operating_points_frame(points)
    assert not frame.isna().any(axis=None)
    for name, point in points.items():
        own = frame[frame["activation"] == name].set_index("quantity")
        np.testing.assert_array_equal(own.loc["share of a_t", "value"], point.share)
        np.testing.assert_array_equal(own.loc["log10 dL/dh, 50 %", "value"], point.gradient.middle)
        assert own.loc["log10 dL/dh, 10 %", "at"].tolist() == list(range(31))


@pytest.mark.parametrize(
    ("exp", "arguments", "message"),
    [
        (gf.Experiment(cell="lstm"), (SEEDS,), "cell must be one of rnn, got 'lstm'"),
        (EXP, (3,), "seeds must be a list"),
        (EXP, (SEEDS, ["gelu"]), "activation must be one of"),
    ],
)
def test_what_cannot_be_compared_is_said(exp, arguments, message):
    with pytest.raises(ValueError, match=message):
        gf.operating_points(exp, *arguments)
