"""Truncated back-propagation: against PyTorch's detach, a loop of separate passes, and published path counts."""

from pathlib import Path

import numpy as np
import pytest
from helpers import CELLS, KNOBS_OF, relative
from hypothesis import given
from hypothesis import strategies as st
from torch_truncated_cases import CASES, STYLES, truncated_arrays

import gradflow as gf
from gradflow.findings import percent
from gradflow.truncation import COLUMNS_AT_ONCE, compare_matrices, path_depths, steps_back, truncated_gradients
from gradflow.truncation_findings import bias_title, paths_words, styles

RECORDED = np.load(Path(__file__).parent / "data" / "torch_truncated.npz")
OURS = {"rnn": gf.RNN(), "rnn-relu": gf.RNN("relu"), "lstm": gf.LSTM(), "gru": gf.GRU()}
EVERY_STEP = {"sequence_type": "many-to-many", "reduction": "sum"}


@pytest.mark.parametrize(("k1", "k2"), STYLES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.cell)
def test_gradients_are_pytorch_s_with_detach_at_the_same_places(case, k1, k2):
    given = truncated_arrays(case)
    c0 = given["c0"] if case.cell == "lstm" else None
    flow = gf.backward(gf.forward(OURS[case.cell], given["params"], given["x"], given["h0"], c0), given["dL_dh"])
    (grads,) = truncated_gradients(flow, k1, [k2])
    for name, grad in grads.items():
        assert relative(grad, RECORDED[f"{case.key}/{k1}/{k2}/{name}"]) < 1e-10, name


def separate_passes(exp, k1, k2):
    """One run from the state at each cut, its direct derivatives zero but for the newest losses."""
    run = gf.run(exp)
    x, h, c = run.trace.x, run.trace.h, run.trace.c
    total = {name: np.zeros_like(p) for name, p in run.network.params.items()}
    begin = 0
    while begin < len(x):
        end = min(begin + k1, len(x))
        cut = max(0, end - k2)
        trace = gf.forward(run.trace.cell, run.network.params, x[cut:end], h[cut], None if c is None else c[cut])
        direct = run.direct[cut : end + 1].copy()
        direct[: max(0, begin - cut) + 1] = 0.0
        for name, grad in gf.backward(trace, direct).grads.items():
            total[name] += grad
        begin = end
    return total


@pytest.mark.parametrize("name", CELLS)
def test_all_depths_at_once_are_the_passes_one_by_one(name):
    length = 2 * COLUMNS_AT_ONCE + 3  # more than one block of passes
    exp = gf.Experiment(**KNOBS_OF[name], **EVERY_STEP, length=length, hidden=5, batch=3, spectral_radius=1.3)
    for k1 in (1, 2, 10):
        k2s = [3, 40, 1, length, 9, 9]
        for k2, grads in zip(k2s, truncated_gradients(gf.run(exp), k1, k2s), strict=True):
            want = separate_passes(exp, k1, k2)
            assert set(grads) == set(want)
            assert all(relative(grad, want[p]) < 1e-11 for p, grad in grads.items())


@pytest.mark.parametrize("name", CELLS)
def test_without_a_cut_it_is_the_full_gradient(name):
    exp = gf.Experiment(**KNOBS_OF[name], **EVERY_STEP, length=30, hidden=6, batch=2)
    full = gf.run(exp).grads
    for k1 in (1, 7, 30):
        (grads,) = truncated_gradients(gf.run(exp), k1, [30])
        assert all(relative(grad, full[p]) < 1e-12 for p, grad in grads.items())


def test_lines_of_different_lengths_are_cut_on_one_clock():
    exp = gf.Experiment(cell="lstm", **EVERY_STEP, input="text", text="a longer line of text\nshort", hidden=5)
    flow = gf.run(exp)
    full = flow.grads["weight_hh_l0"]
    (grads,) = truncated_gradients(flow, 4, [len(flow.trace.x)])
    assert relative(grads["weight_hh_l0"], full) < 1e-12


def test_published_path_counts():
    """T = 49: seven chunks have 7 error paths at each depth; every step 7 back has 43 of depth 7 and one of each other."""
    assert np.bincount(path_depths(49, 7, 7)).tolist() == [0] + 7 * [7]
    assert np.bincount(path_depths(49, 1, 7)).tolist() == [0] + 6 * [1] + [43]
    assert np.bincount(path_depths(49, 49, 49)).tolist() == [0] + 49 * [1]
    assert (steps_back(49, 7, 7), steps_back(49, 1, 7), steps_back(49, 49, 49)) == (49, 43 * 7 + 21, 49)


def test_losses_before_the_cut_are_lost():
    assert path_depths(10, 5, 3).tolist() == [0, 0, 1, 2, 3, 0, 0, 1, 2, 3]
    assert path_depths(10, 4, 6).tolist() == [1, 2, 3, 4, 3, 4, 5, 6, 5, 6]  # the last pass is at T


@given(st.data())
def test_depths_counted_path_by_path(data):
    length = data.draw(st.integers(1, 40))
    k1, k2 = data.draw(st.integers(1, length)), data.draw(st.integers(1, length))
    depths, back, begin = [], 0, 0
    while begin < length:
        end = min(begin + k1, length)
        reached = [t for t in range(1, length + 1) if end - k2 < t <= end]  # steps whose weights this pass sees
        back += len(reached)
        depths += [sum(t <= loss for t in reached) for loss in range(begin + 1, end + 1)]
        begin = end
    assert path_depths(length, k1, k2).tolist() == depths
    assert steps_back(length, k1, k2) == back


@pytest.mark.parametrize("depth", [1, 3, 8])
def test_a_path_s_weight_uses_are_what_the_gradient_counts(depth):
    """One linear unit, h_t = w h_{t−1} + 1, w = 1: each use of w at step t gives h_{t−1} = t − 1."""
    params = {
        "weight_ih_l0": [[1.0]],
        "weight_hh_l0": [[1.0]],
        "bias_ih_l0": [0.0],
        "bias_hh_l0": [0.0],
    }
    flow = gf.backward(gf.forward(gf.RNN("relu"), params, np.ones((8, 1, 1))), np.ones((9, 1, 1)))
    for k1 in (1, 2, 8):
        (grads,) = truncated_gradients(flow, k1, [depth])
        want = sum(t - 1 for loss, d in enumerate(path_depths(8, k1, depth), 1) for t in range(loss - d + 1, loss + 1))
        assert grads["weight_hh_l0"][0, 0] == want


def test_a_truncation_says_how_long_and_which_way():
    for got, full, want in [
        ([[3.0, 0.0]], [[3.0, 4.0]], (0.6, np.degrees(np.arccos(0.6)), 0.8)),
        ([[-1.0]], [[2.0]], (0.5, 180.0, 1.5)),
        ([[0.0]], [[2.0]], (0.0, np.nan, 1.0)),
        ([[0.0]], [[0.0]], (np.nan, np.nan, np.nan)),
        ([[np.inf]], [[1.0]], (np.nan, np.nan, np.nan)),
        ([[1e300, 1e300]], [[1e300, 1e300]], (1.0, 0.0, 0.0)),
        ([[1.0, 1e-9]], [[1.0, 0.0]], (1.0, np.degrees(1e-9), 1e-9)),
    ]:
        np.testing.assert_allclose(compare_matrices(np.array(got), np.array(full)), want, rtol=1e-12, atol=1e-15)


def test_an_experiment_is_compared_with_its_full_gradient():
    exp = gf.Experiment(cell="gru", **EVERY_STEP, length=24, hidden=5, batch=1)
    t = gf.truncate(exp, 5, [4, 24, 300])
    assert (t.k2s, t.length, t.k1) == ((4, 24), 24, 5)
    full, cut = gf.run(exp).grads["weight_hh_l0"], separate_passes(exp, 5, 4)["weight_hh_l0"]
    assert t.ratio[0] == pytest.approx(np.linalg.norm(cut) / np.linalg.norm(full), rel=1e-12)
    assert t.bias[0] == pytest.approx(np.linalg.norm(cut - full) / np.linalg.norm(full), rel=1e-12)
    assert np.cos(np.radians(t.angle[0])) == pytest.approx(
        (cut * full).sum() / np.linalg.norm(cut) / np.linalg.norm(full)
    )
    assert t.bias[1] < 1e-14
    assert t.at(24).bias.tolist() == [t.bias[1]]
    with pytest.raises(ValueError, match="k2 must be one of 4, 24, got 5"):
        t.at(5)


@pytest.mark.parametrize(
    ("k1", "k2", "field"), [(0, 1, "k1"), (11, 1, "k1"), (1, 0, "k2"), (1, 11, "k2"), (1.5, 1, "k1")]
)
def test_what_is_out_of_range_is_named(k1, k2, field):
    with pytest.raises(ValueError, match=rf"{field} must be a whole number in \[1, 10\]"):
        path_depths(10, k1, k2)


MANY = {"length": 40, "hidden": 12, "batch": 1, "sequence_type": "many-to-many", "reduction": "sum"}


def test_a_difference_of_rounding_is_none():
    """Without W_hh no cut takes anything from an RNN; an LSTM's memory reaches further than the cut."""
    exps = [gf.Experiment(cell=cell, **MANY, spectral_radius=0.0) for cell in ("rnn", "lstm")]
    by_cell = {exp.cell: gf.truncate(exp, 5, (10,)) for exp in exps}
    chosen, *_ = styles(40, 5, 10)
    assert 0.0 <= by_cell["rnn"].bias[0] < 1e-12 < by_cell["lstm"].bias[0]
    said = bias_title(by_cell, chosen)
    assert f"is off by {percent(0.0)} in the RNN and {percent(by_cell['lstm'].bias[0])} in the LSTM" in said
    assert bias_title({"rnn": by_cell["rnn"]}, chosen) == (
        "With passes of 10 steps every 5, ∂L/∂W_hh is the full gradient but for rounding"
    )


@pytest.mark.parametrize(
    ("k2", "said"),
    [
        (10, "100 steps in all, as many as without a cut, and keep only 10 in memory"),
        (30, "120 steps in all, against 100 without a cut, and keep only 30 in memory"),
    ],
)
def test_the_words_say_what_the_table_says_of_chunks(k2, said):
    words = paths_words(styles(100, 5, k2)[0], 100)
    assert f"Chunks go back {said}" in words
    assert "cheapest" not in words


def test_chunks_of_a_length_that_divides_the_sequence_cost_what_no_cut_costs():
    assert [steps_back(100, k2, k2) for k2 in (10, 20, 30)] == [100, 100, 120]


@pytest.mark.parametrize(
    ("k1", "k2", "tried"),
    [(5, 10, "Try k₁ = 1"), (1, 10, "Try a larger k₂"), (1, 100, "Try a smaller k₂"), (20, 5, "Try k₁ = 1")],
)
def test_what_is_to_be_tried_is_not_yet_so(k1, k2, tried):
    chosen, *_ = styles(100, k1, k2)
    said = paths_words(chosen, 100)
    assert tried in said
    assert ("nothing is cut" in said) == (k2 == 100)
    assert said.count(". ") <= 2  # three sentences at most
