"""The spectral radius study: against loops written out, closed forms and published numbers."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import scatter

import gradflow as gf
from gradflow.measures import log10_factor
from gradflow.radii import (
    RADII,
    log10_powers,
    median,
    radii_frame,
    rises_through_one,
    study_radii,
    with_radius,
)

EXP = gf.Experiment(length=30, hidden=16, batch=2)
SOME = (0.0, 0.5, 1.0, 1.5, 2.5)
SEEDS = (3, 4, 5)


@pytest.fixture(scope="module")
def studies():
    with np.errstate(all="raise"):
        return study_radii(EXP, SOME, SEEDS)


@pytest.mark.parametrize("init", ["gaussian", "orthogonal", "identity"])
def test_a_study_is_single_runs_side_by_side(studies, init):
    s = studies[init]
    for r, radius in enumerate(SOME):
        runs = [gf.run(replace(EXP, init=init, spectral_radius=radius, seed=seed)) for seed in SEEDS]
        share = np.concatenate([run.log10_norm - run.log10_norm[-1] for run in runs], axis=1)  # (T + 1, 6)
        np.testing.assert_allclose(s.log10_share[r], np.sort(share, axis=1)[:, 2], rtol=0, atol=1e-9)
        factors = np.sort([log10_factor(run.log10_norm) for run in runs], axis=None)
        np.testing.assert_allclose(s.log10_factor[r], factors[2], rtol=0, atol=1e-12)
        w = runs[0].network.params["weight_hh_l0"]
        scaled = np.sort_complex(np.round(radius * s.eigenvalues, 9))
        np.testing.assert_allclose(scaled, np.sort_complex(np.round(gf.eigenvalues(w), 9)), rtol=0, atol=2e-9)
        biggest = np.sort([gf.singular_values(run.network.params["weight_hh_l0"])[0] for run in runs])[1]
        assert s.bound[r] == pytest.approx(biggest, abs=1e-12)
        for k in (1, 2, 7):
            norm = np.linalg.norm(np.linalg.matrix_power(w, k), 2)
            assert 10.0 ** s.log10_powers_at(radius)[k] == pytest.approx(norm, rel=1e-9, abs=1e-300)
        assert s.log10_powers_at(radius)[0] == 0.0


def test_the_bound_is_never_violated(studies):
    for activation in ("tanh", "sigmoid", "relu"):
        for s in study_radii(replace(EXP, activation=activation), RADII[::10], SEEDS).values():
            assert (s.per_step_factor <= s.bound * (1 + 1e-12)).all()


def test_powers_of_the_non_normal_example():
    """J = [[0.9, 10], [0, 0.9]]: ‖J^k‖ peaks at 38.7459 for k = 9 and is below 1 first at k = 63, though ρ = 0.9."""
    log = log10_powers(np.array([[0.9, 10.0], [0.0, 0.9]]), 80)
    assert log.argmax() == 9
    assert 10 ** log[9] == pytest.approx(38.7459, abs=5e-5)
    assert np.flatnonzero(log[1:] < 0.0)[0] + 1 == 63


def test_gaussian_powers_grow_before_they_fade_and_orthogonal_ones_never_grow():
    studies = study_radii(gf.Experiment(length=1, hidden=64, batch=1), (0.9,), range(1))
    gaussian = studies["gaussian"].log10_powers_at(0.9)
    assert gaussian[1] == pytest.approx(np.log10(0.9 * studies["gaussian"].sigma_max))
    assert 0 < gaussian.argmax() < 10
    assert gaussian.max() > np.log10(1.5)
    assert gaussian[-1] < 0.0
    for init in ("orthogonal", "identity"):
        np.testing.assert_allclose(
            studies[init].log10_powers_at(0.9), np.arange(41) * np.log10(0.9), rtol=0, atol=1e-12
        )


def test_sigma_max_of_a_gaussian_is_nearly_twice_its_radius():
    s = study_radii(gf.Experiment(length=1, hidden=256, batch=1), (1.0,), range(3), ["gaussian"])["gaussian"]
    assert 1.75 < s.sigma_max < 2.1


def test_without_input_a_tanh_network_is_linear_and_turns_at_one():
    studies = study_radii(replace(EXP, input_scale=0.0), (0.0, 0.4, 0.95, 1.0, 1.1, 2.0), SEEDS)
    for init in ("orthogonal", "identity"):
        s = studies[init]
        np.testing.assert_allclose(s.per_step_factor, s.radii, rtol=1e-12)
        assert s.unchanged_at == pytest.approx(1.0, abs=1e-9)
        steps_back = np.arange(30, -1, -1)
        np.testing.assert_allclose(s.log10_share[1], steps_back * np.log10(0.4), rtol=0, atol=1e-9)
        assert np.isneginf(s.log10_share[0, :-1]).all()


def test_the_mean_field_is_near_what_a_wide_network_does():
    exp = gf.Experiment(length=100, hidden=128, batch=2)
    s = study_radii(exp, (0.6, 1.0, 1.4, 1.8), range(3), ["gaussian"])["gaussian"]
    np.testing.assert_allclose(s.per_step_factor, s.mean_field, rtol=0.04)
    w = gf.build(replace(exp, seed=1)).params["weight_hh_l0"]
    assert s.mean_field[1] == pytest.approx(gf.mean_field(w.std() * np.sqrt(128), 0.25).per_step_factor, rel=0.05)


@pytest.mark.parametrize(
    ("changes", "drawn"),
    [
        ({}, [True] * 5),
        ({"input": "impulse"}, [False] * 5),
        ({"input_scale": 0.0}, [False] * 5),
        ({"input": "text"}, [True] * 5),
        ({"input": "series"}, [False] * 5),
        ({"hidden": 15}, [False] * 5),
        ({"activation": "relu"}, [True, True, True, False, False]),
        ({"activation": "sigmoid"}, [True] * 5),
    ],
    ids=str,
)
def test_the_mean_field_is_given_only_where_it_holds(changes, drawn):
    studies = study_radii(replace(EXP, **changes), (0.0, 0.5, 1.0, 2.0, 3.0), (0,))
    assert np.isfinite(studies["gaussian"].mean_field).tolist() == drawn
    assert np.isnan(studies["orthogonal"].mean_field).all()
    assert np.isnan(studies["identity"].mean_field).all()


def test_where_values_rise_through_one():
    log = np.array([[-np.inf, -1.0, 1.0, np.nan, -1.0], [0.5, 1.0, -1.0, 1.0, -0.5], [1.0, -1.0, 1.0, -1.0, -0.1]])
    got = rises_through_one((1.0, 2.0, 4.0), log)
    np.testing.assert_array_equal(got, [2.0, 1.5, 3.0, np.nan, np.nan])


def test_the_contour_is_where_a_map_changes_its_sign():
    s = study_radii(EXP, RADII, (0,), ["orthogonal"])["orthogonal"]
    for t in (0, 10, 20):
        near = np.searchsorted(s.radii, s.contour[t])
        assert s.log10_share[near - 1, t] < 0.0 <= s.log10_share[near, t]


def test_a_median_is_one_of_the_values():
    values = scatter((4, 7), 1)
    values[0, :5] = -np.inf
    values[1, 0] = np.nan
    got = median(values)
    assert np.isneginf(got[0])
    assert np.isnan(got[1])
    np.testing.assert_array_equal(got[2:], np.sort(values[2:], axis=1)[:, 3])


def test_a_radius_put_in_between_is_as_if_it_had_been_there(studies):
    at_once = study_radii(EXP, (0.5, 1.03, 2.5), SEEDS)
    put_in = with_radius(study_radii(EXP, (0.5, 2.5), SEEDS), study_radii(EXP, (1.03,), SEEDS))
    again = with_radius(put_in, study_radii(EXP, (0.5,), SEEDS))
    for init, want in at_once.items():
        for got in (put_in[init], again[init]):
            assert got.radii == want.radii
            np.testing.assert_array_equal(got.log10_share, want.log10_share)
            np.testing.assert_array_equal(got.log10_factor, want.log10_factor)
            np.testing.assert_array_equal(got.mean_field, want.mean_field)


def test_the_frame_has_every_number_once(studies):
    frame = radii_frame(studies)
    assert not frame.duplicated(["start", "spectral_radius", "quantity", "step"]).any()
    s = studies["gaussian"]

    def values(quantity, radius, start="gaussian"):
        rows = (frame["quantity"] == quantity) & (frame["spectral_radius"] == radius) & (frame["start"] == start)
        return frame[rows].sort_values("step")["value"].to_numpy()

    np.testing.assert_array_equal(values("log10_share", 1.5), s.log10_share[3])
    np.testing.assert_array_equal(values("per_step_factor", 1.5), s.per_step_factor[[3]])
    np.testing.assert_array_equal(values("bound", 1.5), s.bound[[3]])
    np.testing.assert_array_equal(values("mean_field", 1.5), s.mean_field[[3]])
    np.testing.assert_array_equal(values("log10_power", 1.5), s.log10_powers_at(1.5))
    np.testing.assert_array_equal(values("eigenvalue_real", 1.5), 1.5 * s.eigenvalues.real)
    np.testing.assert_array_equal(values("eigenvalue_imaginary", 1.5), 1.5 * s.eigenvalues.imag)
    assert values("mean_field", 1.5, "identity").size == 0


def test_a_run_that_overflows_has_no_numbers():
    exp = gf.Experiment(activation="relu", length=2000, hidden=4, batch=1, init="identity")
    s = study_radii(exp, (1.0, 3.0), (0,), ["identity"])["identity"]
    assert not np.isnan(s.log10_factor[0])
    assert np.isnan(s.log10_factor[1])
    assert np.isnan(s.log10_share[1]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": "lstm"}, "cell must be one of rnn, got 'lstm'"),
        ({"sequence_type": "many-to-many"}, "sequence_type must be one of many-to-one"),
        ({"rescale": False}, "rescale must be True"),
    ],
)
def test_what_has_no_radius_to_study_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        study_radii(replace(EXP, **changes), SOME)
