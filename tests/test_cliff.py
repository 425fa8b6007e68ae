"""The cliff: published values, gradients by complex step and by the core's own loops, descents by a written-out loop."""

import numpy as np
import pytest
from helpers import last_row, one_unit_rnn, relative, scatter, sigma

import gradflow as gf
from gradflow.cliff import CLOSE, KNOBS, WINDOW, cliff, descents, descents_frame, steepest, surface
from gradflow.clipping import CLIPPERS

DEFAULT = {"threshold": 0.5, "rate": 0.5, "start_w": 5.5, "start_b": -2.0}


def scattered(count=40):
    """Points of the window."""
    low, high = np.array(list(WINDOW.values())).T
    return (low + (high - low) * (scatter((count, 2), 3) + 1) / 2).T


@np.errstate(under="ignore")
def error_of(w, b):
    """E written out, for one point, real or complex."""
    x = 0.5
    for _ in range(50):
        x = w * sigma(x) + b
    return (sigma(x) - 0.7) ** 2


def test_published_values():
    error, dw, db = cliff(5.0, 0.5 - 5.0 * sigma(0.5))
    assert error == pytest.approx(0.0060125553, abs=1e-10)
    assert dw == pytest.approx(-411.8706, abs=1e-4)
    assert db == pytest.approx(-661.6828, abs=1e-4)


def test_gradients_by_complex_step():
    w, b = scattered()
    error, dw, db = cliff(w, b)
    assert relative(error, [error_of(*p) for p in zip(w, b, strict=True)]) < 1e-13
    by_step = [
        [error_of(v + 1e-100j, c).imag / 1e-100, error_of(v, c + 1e-100j).imag / 1e-100]
        for v, c in zip(w, b, strict=True)
    ]
    np.testing.assert_allclose(np.stack([dw, db], axis=1), by_step, rtol=1e-9, atol=1e-15)


def test_gradients_are_the_network_s():
    for w, b in scattered(5).T:
        trace = one_unit_rnn(w, b, "sigmoid", 50, sigma(0.5))
        flow = gf.backward(trace, last_row(trace, [2.0 * (trace.h[-1, 0, 0] - 0.7)]))
        _, dw, db = cliff(w, b)
        assert dw == pytest.approx(flow.grads["weight_hh_l0"][0, 0], rel=1e-10)
        assert db == pytest.approx(flow.grads["bias_hh_l0"][0], rel=1e-10)


def test_far_outside_everything_is_finite():
    for values in cliff([1e9, -1e9, 0.0], [[1e9], [-1e9], [0.0]]):
        assert values.shape == (3, 3)
        assert np.isfinite(values).all()


@pytest.mark.parametrize("view", [WINDOW, CLOSE])
def test_the_surface_is_the_error(view):
    s = surface(view, 7)
    assert (s.w[0], s.w[-1], s.b[0], s.b[-1]) == (*view["w"], *view["b"])
    want = [[np.log10(error_of(w, b)) for w in s.w] for b in s.b]
    np.testing.assert_allclose(s.log10_error, want, rtol=1e-10)


@pytest.mark.parametrize("kind", CLIPPERS)
def test_a_descent_written_out(kind):
    got = descents(**DEFAULT, steps=12)[kind]
    at = np.array([5.5, -2.0])
    for k in range(13):
        assert (got.w[k], got.b[k]) == pytest.approx(tuple(at), rel=1e-12)
        gradient = np.array(cliff(*at)[1:])
        if kind == "norm":
            gradient = gradient * min(1.0, 0.5 / (np.linalg.norm(gradient) + 1e-6))
        if kind == "value":
            gradient = np.clip(gradient, -0.5, 0.5)
        at = at - 0.5 * gradient


def test_unclipped_is_thrown_away_and_clipped_stays():
    by_kind = descents(**DEFAULT)
    none, norm, value = by_kind.values()
    assert none.leaves == 33
    assert none.norm[32] == pytest.approx(745, abs=1)
    assert none.step_lengths[32] == pytest.approx(0.5 * none.norm[32])
    assert none.norm[-1] < 1e-200
    assert not none.clipped.any()
    for clipped, longest in ((norm, 0.25), (value, 0.25 * np.sqrt(2))):
        assert clipped.leaves is None
        assert clipped.exit is None
        assert clipped.clipped.any()
        assert clipped.step_lengths.max() <= longest * (1 + 1e-12)
    assert norm.error[-1] < 1e-4
    first = int(norm.clipped.argmax())
    for clipped in (norm, value):  # one path until something is clipped
        np.testing.assert_array_equal(clipped.w[: first + 1], none.w[: first + 1])


@pytest.mark.parametrize("start", [(5.5, -2.0), (4.75, -2.4), (6.8, -4.2), (4.0, -4.5), (7.0, -1.5)])
@pytest.mark.parametrize("rate", [0.05, 1.0])
def test_a_path_leaves_at_the_edge_of_its_view(start, rate):
    for d in descents(*start, rate, 5.0).values():
        low, high = np.array([d.view["w"], d.view["b"]]).T
        path = np.stack([d.w, d.b], axis=1)
        inside = ((low <= path) & (path <= high)).all(1)
        assert d.leaves == (None if inside[-1] else len(inside) - int(inside[::-1].argmax()))
        if d.exit is not None:
            a, z = path[d.leaves - 1 : d.leaves + 1]
            point = np.array(d.exit)
            assert ((low - 1e-12 <= point) & (point <= high + 1e-12)).all()
            assert np.isclose(point, low).any() or np.isclose(point, high).any()
            assert np.linalg.norm(point - a) + np.linalg.norm(z - point) == pytest.approx(np.linalg.norm(z - a))


def test_the_steepest_gradient_of_a_path():
    norm = descents(**DEFAULT)["norm"]
    s = steepest(norm, 0.5)
    assert s.step == 32
    np.testing.assert_array_equal(s.gradient, norm.gradient[32])
    assert np.linalg.norm(s.by_norm) == pytest.approx(0.5)
    np.testing.assert_array_equal(s.by_value, [-0.5, -0.5])
    assert s.turned_by_norm == pytest.approx(0.0, abs=1e-5)
    angle = np.arctan2(*s.gradient) - np.arctan2(*s.by_value)
    assert s.turned_by_value == pytest.approx(abs(np.degrees(angle)))


def test_the_frame_is_the_paths():
    by_kind = descents(**DEFAULT, steps=5)
    frame = descents_frame(by_kind)
    assert list(frame["clipping"].unique()) == list(by_kind)
    rows = frame[frame["clipping"] == "norm"]
    assert rows["step"].tolist() == list(range(6))
    np.testing.assert_array_equal(rows["error"], by_kind["norm"].error)
    np.testing.assert_array_equal(rows["norm_before"], by_kind["norm"].norm)


@pytest.mark.parametrize("name", KNOBS)
@pytest.mark.parametrize("value", [-1e3, 1e3, np.nan, "a lot"])
def test_refused(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be in \[.*got"):
        descents(**{**DEFAULT, name: value})
