"""Bad input to the library: a ValueError names the field and the value; NumPy's small numbers do not overflow."""

from dataclasses import replace

import numpy as np
import pytest

import gradflow as gf
from gradflow.checks import check_number
from gradflow.cliff import WINDOW, descents, surface
from gradflow.clipped_run import clipped_run
from gradflow.experiment import build
from gradflow.measures import median_factor
from gradflow.paths import other_convention, split_routes
from gradflow.training import Training, train

EXP = gf.Experiment(length=8, hidden=4, batch=2)
NOT_EXPERIMENTS = (None, "x", {})


@pytest.fixture(scope="module")
def flow():
    with np.errstate(all="raise"):
        return gf.run(EXP)


@pytest.mark.parametrize("exp", NOT_EXPERIMENTS, ids=repr)
@pytest.mark.parametrize(
    "call",
    [
        gf.run,
        build,
        gf.loss_matrix,
        gf.check_gradients,
        lambda exp: gf.sweep(exp, "seed", [0]),
        lambda exp: gf.compare(exp, "cell", ["rnn"], [0]),
        lambda exp: gf.summarise(exp, ["rnn"], [0]),
        gf.study_radii,
        lambda exp: gf.truncate(exp, 2, [2]),
        lambda exp: clipped_run(exp, 1.0),
        lambda exp: gf.operating_points(exp, [0]),
        gf.summarise_paths,
        lambda exp: gf.summarise_paths(exp, "trained"),
    ],
)
def test_what_is_not_an_experiment_is_named(call, exp):
    with pytest.raises(ValueError, match="exp must be an Experiment, got"):
        call(exp)


@pytest.mark.parametrize("radii", [(1.0, 0.5), (0.5, 0.5, 1.0), (0.5, 1.5, 1.0)])
def test_radii_must_increase(radii):
    with pytest.raises(ValueError, match=r"radii must increase from each to the next, got \("):
        gf.study_radii(EXP, radii, [0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"radii": 1.0}, "radii must be a list or another iterable, got 1.0"),
        ({"radii": []}, "radii must hold at least one value"),
        ({"radii": ["a"]}, r"radii must be in \[0, 3\], got 'a'"),
        ({"radii": [np.nan]}, r"radii must be in \[0, 3\], got nan"),
        ({"seeds": 3}, "seeds must be a list or another iterable, got 3"),
        ({"seeds": []}, "seeds must hold at least one value"),
        ({"inits": None}, "inits must be a list or another iterable, got None"),
        ({"inits": ["zeros"]}, "init must be one of"),
    ],
)
def test_a_study_names_what_it_cannot_go_through(arguments, message):
    with pytest.raises(ValueError, match=message):
        gf.study_radii(EXP, **{"radii": (0.5, 1.0), "seeds": [0], "inits": ["gaussian"], **arguments})


@pytest.mark.parametrize(
    ("small", "plain"),
    [
        (lambda: gf.mean_field(np.int8(12), np.int8(100)), lambda: gf.mean_field(12.0, 100.0)),
        (lambda: gf.mean_field(np.float16(1.5), 0.5, "relu"), lambda: gf.mean_field(1.5, 0.5, "relu")),
        (lambda: gf.steps_back(np.int8(127), np.int8(2), np.int8(100)), lambda: gf.steps_back(127, 2, 100)),
        (lambda: gf.path_depths(np.int8(127), np.int8(2), 9).tolist(), lambda: gf.path_depths(127, 2, 9).tolist()),
        (lambda: len(gf.one_unit("tanh", 1.0, 0.0, steps=np.int8(127)).h), lambda: 128),
        (lambda: gf.summarise_paths(EXP, lag=np.uint8(200)).start, lambda: 1),
        (lambda: len(descents(4.5, -2.0, 0.1, 0.5, np.int8(127))["norm"].w), lambda: 128),
        (
            lambda: gf.clip_by_norm({"w": [3.0, 4.0]}, np.float16(0.1)).norm_after,
            lambda: gf.clip_by_norm({"w": [3.0, 4.0]}, float(np.float16(0.1))).norm_after,
        ),
        (
            lambda: gf.truncate(replace(EXP, length=200), np.int8(100), [np.int8(100)]).ratio,
            lambda: gf.truncate(replace(EXP, length=200), 100, [100]).ratio,
        ),
    ],
)
def test_a_small_numpy_number_counts_as_the_number_it_is(small, plain):
    assert small() == plain()


def test_a_route_may_start_at_a_small_numpy_number():
    flow = gf.run(replace(EXP, length=127))
    np.testing.assert_array_equal(split_routes(flow, np.int8(127)).share, split_routes(flow).share)


def test_training_takes_numpys_numbers():
    assert type(Training(length=np.int8(40)).length) is int


@pytest.mark.parametrize(
    "value",
    [10**400, -(10**400), 10**5000, True, np.True_, np.timedelta64(5), np.nan, "1", None, [1]],
    ids=lambda v: type(v).__name__,
)
@pytest.mark.parametrize("integer", [False, True])
def test_what_is_not_a_number_in_range_is_refused(value, integer):
    with pytest.raises(ValueError, match=r"size must be .*, got "):
        check_number("size", value, 0, 10, integer=integer)


def test_a_huge_whole_number_is_no_threshold():
    with pytest.raises(ValueError, match="max_norm must be in"):
        gf.clip_by_norm({"w": [1.0]}, 10**400)


@pytest.mark.parametrize("steps", [[9], [0], [-1], [2.5], [np.nan], [3, 3], [[3]], ["a"], [True]])
def test_step_counts_must_fit_the_rows(steps):
    with pytest.raises(ValueError, match="steps must be"):
        gf.log10_factor(np.zeros((9, 1)), [steps] if steps == [[3]] else steps)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gf.log10_factor("x"), "log10_norm must be an array of numbers"),
        (lambda: gf.half_life("x"), "log10_factor must be an array of numbers, got 'x'"),
        (lambda: gf.half_life(None), "log10_factor must be an array of numbers, got None"),
        (lambda: median_factor(["x"]), "log10_factors must be an array of numbers"),
        (lambda: gf.verdict("x", 10), "log10_factor must be in .*got 'x'"),
        (lambda: gf.verdict(None, 10), "log10_factor must be in .*got None"),
        (lambda: gf.verdict(0.1, np.nan), "steps must be a whole number in .*got nan"),
        (lambda: gf.verdict(0.1, "x"), "steps must be a whole number in .*got 'x'"),
        (lambda: gf.verdict(0.1, 0), "steps must be a whole number in .*got 0"),
    ],
)
def test_a_measure_needs_numbers(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_one_array_under_two_names_is_refused(flow):
    params = flow.trace.params
    with pytest.raises(ValueError, match="got both weight_hh and weight_hh_l0"):
        gf.from_torch({**params, "weight_hh": params["weight_hh_l0"]})


@pytest.mark.parametrize("call", [lambda v: gf.Experiment(length=v), lambda v: gf.sweep(EXP, "length", [v])])
def test_a_duration_is_no_length(call):
    with pytest.raises(ValueError, match="length must be a whole number in"):
        call(np.timedelta64(5))


def test_a_memory_names_an_unknown_quantity_and_share():
    memory = gf.measure_memory(EXP, "gru", [0])
    assert memory.factor("dL/dc") == memory.factor("dL/dh")
    with pytest.raises(ValueError, match=r"quantity must be one of .*got 'bogus'"):
        memory.factor("bogus")
    for share in (7, -0.1, np.nan, "x"):
        with pytest.raises(ValueError, match=r"share must be in \[0, 1\]"):
            memory.gate_horizon(share)


@pytest.mark.parametrize("call", [gf.steps_back, gf.path_depths])
@pytest.mark.parametrize("length", [None, "x", [], np.inf, 10**30, 10**400, 2.5, 0])
def test_a_length_must_be_a_whole_number(call, length):
    with pytest.raises(ValueError, match="length must be a whole number in"):
        call(length, 1, 1)


@pytest.mark.parametrize(
    ("k1", "k2s", "message"),
    [
        (2, [], "k2s must hold at least one value"),
        (2, 5, "k2s must be a list or another iterable, got 5"),
        (2, [None], "k2s must be a whole number in .*got None"),
        (2, ["2"], "k2s must be a whole number in .*got '2'"),
        (None, [2], "k1 must be a whole number in .*got None"),
        ("1", [2], "k1 must be a whole number in .*got '1'"),
        (0, [2], "k1 must be a whole number in .*got 0"),
    ],
)
def test_truncation_names_what_it_cannot_take(flow, k1, k2s, message):
    with pytest.raises(ValueError, match=message):
        gf.truncate(EXP, k1, k2s)
    with pytest.raises(ValueError, match=message):
        gf.truncated_gradients(flow, k1, k2s)


def test_beyond_the_length_a_truncation_counts_as_full():
    assert gf.truncate(EXP, 10**400, [10**400]).k2s == (8,)


@pytest.mark.parametrize(
    ("cells", "seeds", "message"),
    [
        (5, [0], "cells must be a list"),
        (["rnn"], 5, "seeds must be a list"),
        (["rnn"], [], "seeds must hold at least one value, got none"),
    ],
)
def test_a_summary_names_what_it_cannot_go_through(cells, seeds, message):
    with pytest.raises(ValueError, match=message):
        gf.summarise(EXP, cells, seeds)


def test_no_seeds_are_told_by_their_name():
    with pytest.raises(ValueError, match="seeds must hold at least one value, got none"):
        gf.compare(EXP, "cell", ["rnn"], [])


@pytest.mark.parametrize("threshold", [-1, np.nan, "1"])
def test_a_threshold_is_told_by_its_name(threshold):
    with pytest.raises(ValueError, match=r"threshold must be in \[0, inf\], got"):
        clipped_run(EXP, threshold)


def test_biases_that_add_up_to_infinity_are_told():
    params = {**gf.build(EXP).params}
    params["bias_ih_l0"] = params["bias_hh_l0"] = np.full_like(params["bias_ih_l0"], 1e308)
    with pytest.raises(ValueError, match=r"params\['bias_ih_l0'\] \+ params\['bias_hh_l0'\] must be finite"):
        gf.forward(EXP.cell, params, np.zeros((2, 1, params["weight_ih_l0"].shape[1])))


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(float).max, reason="long double is float64 here")
def test_longer_numbers_are_float64_s():
    with pytest.raises(ValueError, match="w_hh must be finite, got inf"):
        gf.eigenvalues(np.full((1, 1), np.longdouble("1e4000")))
    assert type(gf.Experiment(spectral_radius=np.longdouble(0.5)).spectral_radius) is float


def test_a_value_is_quoted_on_one_line():
    with pytest.raises(ValueError, match="x must be") as told:
        gf.forward("rnn", gf.build(EXP).params, [[["a", "a"]], [["b", "b"]]])
    assert "\n" not in str(told.value)


def test_masked_entries_are_not_read_as_numbers():
    x = np.ma.masked_array(np.ones((3, 1, 2)), False)
    params = gf.build(gf.Experiment(input="series", length=3)).params
    params["weight_ih_l0"] = np.ones((32, 2))
    gf.forward("rnn", params, x)
    x[0] = np.ma.masked
    with pytest.raises(ValueError, match="x must have no masked entries"):
        gf.forward("rnn", params, x)


def test_no_cells_have_no_summaries():
    assert gf.summarise(EXP, [], [0]) == {}


@pytest.mark.parametrize("kind", ["foo", ["norm"], None])
def test_an_unknown_kind_of_clipping_is_named(kind):
    with pytest.raises(ValueError, match="clipping must be one of none, norm, value, got"):
        next(train(Training(), kind))


@pytest.mark.parametrize("clip", [gf.clip_by_norm, gf.clip_by_value])
@pytest.mark.parametrize("grads", [[1.0], np.ones(2), None, "w"], ids=repr)
def test_gradients_must_have_names(clip, grads):
    with pytest.raises(ValueError, match="grads must map names to arrays, got"):
        clip(grads, 1.0)


@pytest.mark.parametrize(
    ("view", "points", "message"),
    [
        ({"w": (4.0, 7.0)}, 5, "view must map w and b"),
        ([(4.0, 7.0)], 5, "view must map w and b"),
        ({"w": 4.0, "b": (0.0, 1.0)}, 5, r"view\['w'\] must have shape \(2,\)"),
        *((WINDOW, points, r"points must be a whole number in \[1, 1000\]") for points in (-5, None, 0, True, 2.5)),
    ],
)
def test_a_surface_names_what_it_cannot_draw(view, points, message):
    with pytest.raises(ValueError, match=message):
        surface(view, points)


def test_a_gru_without_weights_has_no_other_convention():
    with pytest.raises(ValueError, match="params must have exactly the keys"):
        other_convention(gf.GRU(), {})


def test_lyapunov_exponents_of_huge_weights_leak_nothing():
    assert np.isneginf(gf.lyapunov_exponents(np.eye(3) * 1e308, 10, 10)).all()
    with pytest.raises(ValueError, match=r"w_hh must keep its products in float64's range, got entries up to 1e\+308"):
        gf.lyapunov_exponents(np.array([[1e308, 1e308], [-1e308, 1e308]]), 10, 10)


@pytest.mark.parametrize("call", [gf.measure_memory, lambda *a: gf.sweep_memory(a[0], a[1], [0.0], a[2])])
def test_a_memory_is_an_experiment_s(call):
    with pytest.raises(ValueError, match="exp must be an Experiment, got 'x'"):
        call("x", "lstm", [0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: gf.backward(x, [1.0]), "trace must be a Trace"),
        (gf.log10_jacobian_singular_values, "trace must be a Trace"),
        (gf.split_steps, "flow must be a Flow"),
        (gf.split_routes, "flow must be a Flow"),
        (lambda x: gf.truncated_gradients(x, 1, [1]), "flow must be a Flow"),
        (lambda x: gf.other_convention(x, {}), "cell must be a ResetAfterGRU"),
        (lambda x: next(gf.train(x, "norm")), "setup must be a Training"),
        (lambda x: next(gf.race(x)), "setup must be a Training"),
    ],
)
@pytest.mark.parametrize("other", [None, "x", 3])
def test_another_object_than_the_one_asked_for_is_named(call, message, other):
    with pytest.raises(ValueError, match=f"^{message}, got {other!r}$"):
        call(other)


def test_a_list_is_no_trained_cell():
    with pytest.raises(ValueError, match="cell must be one of"):
        gf.trained_network(["lstm"])
