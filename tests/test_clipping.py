"""Clipping: the published numbers to the last digit given, directions, and what is not finite."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradflow as gf

GRADS = {"a": [3.0, 4.0], "b": [12.0]}
ENTRIES = st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=6)


def flat(grads):
    return np.concatenate([np.ravel(g) for g in grads.values()])


def test_by_norm_in_pytorchs_arithmetic():
    got = gf.clip_by_norm(GRADS, 5.0)
    np.testing.assert_allclose(got.grads["a"], [1.15384607, 1.53846142], rtol=0, atol=5e-9)
    np.testing.assert_allclose(got.grads["b"], 4.61538426, rtol=0, atol=5e-9)
    np.testing.assert_array_equal(got.grads["b"], 12.0 * (5.0 / (13.0 + 1e-6)))
    assert got.norm_before == 13.0
    assert got.norm_after == pytest.approx(5.0 * 13.0 / (13.0 + 1e-6), rel=1e-15)
    assert got.clipped
    assert got.cosine == pytest.approx(1.0, abs=1e-15)


def test_keras_has_no_epsilon():
    got = gf.clip_by_norm(GRADS, 5.0, eps=0.0)
    np.testing.assert_allclose(flat(got.grads), np.array([3, 4, 12]) * 5 / 13, rtol=1e-15)
    assert got.norm_after == pytest.approx(5.0, rel=1e-15)
    per_variable = {name: gf.clip_by_norm({name: grad}, 5.0, eps=0.0).grads[name] for name, grad in GRADS.items()}
    np.testing.assert_allclose(flat(per_variable), [3, 4, 5], rtol=1e-15)  # Keras' clipnorm: the direction changes


def test_by_value_turns_the_direction():
    got = gf.clip_by_value(GRADS, 5.0)
    np.testing.assert_array_equal(flat(got.grads), [3.0, 4.0, 5.0])
    assert got.cosine == pytest.approx((9 + 16 + 60) / (13 * np.sqrt(50)), rel=1e-14)
    assert got.cosine < 0.95
    assert got.clipped


def test_what_is_small_stays_as_it_is():
    for got in (gf.clip_by_norm(GRADS, 14.0), gf.clip_by_value(GRADS, 12.0)):
        np.testing.assert_array_equal(flat(got.grads), [3.0, 4.0, 12.0])
        assert not got.clipped
        assert got.cosine == 1.0
    nothing = gf.clip_by_norm({"a": [0.0, 0.0]}, 1.0, eps=0.0)
    np.testing.assert_array_equal(nothing.grads["a"], 0.0)
    assert nothing.norm_before == nothing.norm_after == 0.0


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_norm_that_is_not_finite_is_never_clipped_silently(bad):
    grads = {"a": [3.0, 4.0], "b": [bad]}
    with pytest.raises(ValueError, match=r"grads must have a finite norm, got (inf|nan).*as in PyTorch"):
        gf.clip_by_norm(grads, 5.0)
    got = gf.clip_by_norm(grads, 5.0, error_if_nonfinite=False).grads
    assert np.isnan(got["b"]).all()
    np.testing.assert_array_equal(got["a"], [np.nan, np.nan] if np.isnan(bad) else [0.0, 0.0])


@given(ENTRIES, st.floats(1e-3, 1e3))
def test_by_norm_keeps_the_direction_and_the_limit(entries, limit):
    got = gf.clip_by_norm({"a": entries}, limit)
    before, after = np.array(entries), got.grads["a"]
    assert got.norm_after <= limit * (1 + 1e-12)
    assert got.cosine == pytest.approx(1.0, abs=1e-12) if got.norm_after > 0 else np.isnan(got.cosine)
    with np.errstate(under="ignore"):
        np.testing.assert_allclose(
            after, before * (got.norm_after / max(got.norm_before, 1e-300)), rtol=1e-9, atol=1e-300
        )


@given(ENTRIES, st.floats(1e-3, 1e3))
def test_by_value_limits_every_entry_and_keeps_its_sign(entries, limit):
    after = gf.clip_by_value({"a": entries}, limit).grads["a"]
    np.testing.assert_array_equal(after, [min(max(v, -limit), limit) for v in entries])


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_the_norm_neither_underflows_nor_overflows(scale):
    got = gf.clip_by_norm({"a": [3 * scale, 4 * scale], "b": [1e-310]}, 1e-250)
    assert got.norm_before == pytest.approx(5 * scale, rel=1e-14)


def test_clipping_never_touches_the_flow():
    flow = gf.run(gf.Experiment(length=20, hidden=8))
    grads = {name: grad.copy() for name, grad in flow.grads.items()}
    before = flow.log10_norm.copy()
    gf.clip_by_norm(flow.grads, 1e-6)
    gf.clip_by_value(flow.grads, 1e-6)
    np.testing.assert_array_equal(flow.log10_norm, before)
    assert all(np.array_equal(flow.grads[name], grad) for name, grad in grads.items())


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: gf.clip_by_norm({}, 1.0), "grads must hold at least one gradient, got none"),
        (lambda: gf.clip_by_norm(GRADS, -1.0), r"max_norm must be in \[0, .*got -1"),
        (lambda: gf.clip_by_norm(GRADS, np.nan), "max_norm must be in .*got nan"),
        (lambda: gf.clip_by_norm(GRADS, "5"), "max_norm must be in .*got '5'"),
        (lambda: gf.clip_by_norm(GRADS, 1.0, eps=-1.0), "eps must be in .*got -1"),
        (lambda: gf.clip_by_value(GRADS, np.nan), "limit must be in .*got nan"),
        (lambda: gf.clip_by_value(GRADS, True), "limit must be in .*got True"),
        (lambda: gf.clip_by_value({"a": "x"}, 1.0), r"grads\['a'\] must be an array of numbers, got 'x'"),
        (lambda: gf.clip_by_value({"a": np.ones(2) * 1j}, 1.0), r"grads\['a'\] must be an array of numbers"),
    ],
)
def test_refused(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def test_what_has_no_direction_has_no_angle():
    assert np.isnan(gf.clip_by_norm({"a": [0.0, 0.0]}, 5.0).cosine)
    assert np.isnan(gf.clip_by_value({"a": [3.0, 4.0], "b": [np.nan]}, 5.0).cosine)


def test_unclipped_is_said_also_beside_a_nan():
    assert not gf.clip_by_value({"a": [3.0, 4.0], "b": [np.nan]}, 5.0).clipped


def test_an_infinite_limit_only_measures():
    got = gf.clip_by_norm({"a": [3.0, 4.0]}, np.inf)
    assert (got.norm_before, got.norm_after, got.clipped) == (5.0, 5.0, False)
