"""A cell's paths summed up: the run's own splits, drawn and trained weights, the frame, what is refused."""

import numpy as np
import pytest
from helpers import (
    CELLS,
    KNOBS_OF,
)

import gradflow as gf
from gradflow.adding import TRAINED
from gradflow.path_summary import paths_frame, summarise_paths

EXP = gf.Experiment(cell="gru", input="noise", batch=1, length=60, hidden=8)


@pytest.mark.parametrize("name", CELLS)
def test_a_summary_is_the_run_s_own_splits(name):
    exp = gf.Experiment(length=60, hidden=8, batch=2, **KNOBS_OF[name])
    flow = gf.run(exp)
    s = summarise_paths(exp, lag=10)
    assert (s.length, s.start) == (60, 50)
    for got, want in ((s.by_step, gf.split_steps(flow)), (s.routes, gf.split_routes(flow, 50))):
        np.testing.assert_array_equal(got.share[..., 0], want.share[..., 0])
        np.testing.assert_array_equal(got.log10_norm[..., 0], want.log10_norm[..., 0])
    gates = {"rnn": None, "lstm": "f", "peephole": "f", "gru": "z"}
    gate = gates[name.split("-")[0]]
    if gate is None:
        assert s.kept is None
        assert s.kept_other is None
    else:
        value = flow.trace.gates[gate][:, 0]
        np.testing.assert_allclose(s.kept, 1.0 - value if "write" in name else value, rtol=1e-15)
        assert (s.kept_other is None) == (name == "peephole")
    assert (s.twin is None) == (not name.startswith("gru"))
    if s.twin is not None:
        np.testing.assert_allclose(s.twin, flow.log10_norm[:, 0], rtol=0, atol=1e-13)
        assert s.twin_error <= 1e-14


@pytest.mark.parametrize("cell", TRAINED)
def test_a_trained_summary_is_the_trained_network_s(cell):
    exp = gf.Experiment(cell=cell, length=50, seed=3)
    s = summarise_paths(exp, "trained")
    assert len(s.marks) == 2
    assert s.marks[0] <= 25 < s.marks[1]
    assert s.kept.shape == (50, 16)
    assert s.error <= 1e-12
    other = gf.Experiment(cell=cell, length=50, seed=3, spectral_radius=2.0, hidden=5, activation="relu")
    np.testing.assert_array_equal(summarise_paths(other, "trained").routes.share, s.routes.share)
    assert not np.array_equal(summarise_paths(gf.Experiment(cell=cell, length=50), "trained").kept, s.kept)


def test_a_lag_beyond_the_first_step_starts_there():
    assert summarise_paths(EXP, lag=1000).start == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"exp": gf.Experiment(cell="rnn"), "weights": "trained"}, "weights must be random for the cell rnn"),
        ({"exp": gf.Experiment(cell="gru", length=1), "weights": "trained"}, "length must be at least 2"),
        ({"exp": EXP, "weights": "learned"}, "weights must be one of random, trained, got 'learned'"),
        ({"exp": EXP, "lag": -1}, "lag must be a whole number"),
    ],
)
def test_a_summary_that_cannot_be_made_says_why(arguments, told):
    with pytest.raises(ValueError, match=told):
        summarise_paths(**arguments)


def test_the_frame_holds_every_value():
    s = summarise_paths(EXP, lag=20)
    frame = paths_frame(s)
    assert list(frame.columns) == ["step", "input", "split", "part", "share", "log10_norm"]
    for label, split in (("last step", s.by_step), ("routes", s.routes)):
        rows = frame[frame["split"] == label]
        assert set(rows["part"]) == {"whole", *split.parts}
        for k, part in enumerate(split.parts):
            np.testing.assert_array_equal(rows[rows["part"] == part]["share"], split.share[k, :, 0])
            np.testing.assert_array_equal(rows[rows["part"] == part]["log10_norm"], split.log10_norm[k, :, 0])
    gates = frame[frame["split"] == "gate"]
    np.testing.assert_array_equal(gates["share"].to_numpy().reshape(8, 60).T, s.kept)
