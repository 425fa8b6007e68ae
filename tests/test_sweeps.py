"""A sweep's numbers are those of the runs one by one, whatever the knob, the cell and the overflow beside them."""

import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from helpers import KNOBS_OF, run_or_overflow

import gradflow as gf
from gradflow import sweeps, workers
from gradflow.flow import own_rows
from gradflow.unroll import unroll

VALUES = {
    "spectral_radius": [0.0, 0.5, 1.0, 1.7, 3.0],
    "forget_bias": [-10.0, -1.0, 0.0, 3.0],
    "update_bias": [-10.0, -1.0, 0.0, 3.0],
    "seed": [0, 1, 2, 9999],
    "hidden": [1, 3, 8, 3],
    "length": [1, 5, 70, 5, 200],
    "batch": [1, 4, 2],
    "input_scale": [0.0, 0.3, 5.0],
}
EXP = gf.Experiment(length=70, hidden=6, batch=2)


def same(got, want):
    """Exact zeros in the same places, all else to 1e-12 of its own size."""
    assert got.shape == want.shape
    np.testing.assert_array_equal(np.isneginf(got), np.isneginf(want))
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def assert_sweep_is_runs(exp, field, values):
    sw = gf.sweep(exp, field, values)
    assert sw.values == tuple(values)
    for s, value in enumerate(values):
        flow = run_or_overflow(replace(exp, **{field: value}))
        if isinstance(flow, gf.ForwardOverflow):
            assert sw.overflow_step[s] == flow.step
            assert np.isnan(sw.log10_norm[s]).all()
            assert np.isnan(sw.loss[s]).all()
            continue
        rows, batch = flow.log10_norm.shape
        assert sw.overflow_step[s] == 0
        assert sw.lengths[s] == rows - 1
        own = own_rows(flow.trace.mask, rows - 1, batch)
        assert np.isnan(sw.log10_norm[s, -rows:, :batch][~own]).all()
        same(sw.log10_norm[s, -rows:, :batch][own], flow.log10_norm[own])
        same(sw.log10_norm_joint[s, -rows:, :batch][own], flow.log10_norm_joint[own])
        same(sw.log10_norm_direct[s, -rows:, :batch][own], flow.log10_norm_direct[own])
        same(sw.loss[s, :batch], flow.loss)
        assert (sw.log10_norm_c is None) == (flow.log10_norm_c is None)
        if sw.log10_norm_c is not None:
            same(sw.log10_norm_c[s, -rows:, :batch][own], flow.log10_norm_c[own])
        assert np.isnan(sw.log10_norm[s, :-rows]).all()
        assert np.isnan(sw.log10_norm[s, :, batch:]).all()
    return sw


def test_a_sequence_has_the_rows_of_its_steps_and_the_one_it_starts_from():
    left_padded_and_whole = np.array([[False, True], [False, True], [True, True]])
    assert own_rows(left_padded_and_whole, 3, 2).T.astype(int).tolist() == [[0, 0, 1, 1], [1, 1, 1, 1]]
    assert own_rows(None, 3, 2).all()


@pytest.mark.parametrize("field", VALUES)
@pytest.mark.parametrize("name", KNOBS_OF)
def test_a_sweep_is_its_runs_one_by_one(name, field):
    assert_sweep_is_runs(replace(EXP, **KNOBS_OF[name]), field, VALUES[field])


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
@pytest.mark.parametrize("name", KNOBS_OF)
def test_also_with_other_activations(name, activation):
    assert_sweep_is_runs(replace(EXP, activation=activation, **KNOBS_OF[name]), "spectral_radius", [0.3, 1.0, 2.0])


@pytest.mark.parametrize("field", ["seed", "length", "spectral_radius", "batch"])
@pytest.mark.parametrize("loss", ["probe", "prediction"])
def test_also_over_lines_of_text(field, loss):
    text = "one line\nand another\nab"
    exp = replace(EXP, cell="lstm", input="text", text=text, loss=loss, sequence_type="many-to-many")
    assert_sweep_is_runs(exp, field, [2, 3, 9] if field in ("length", "batch") else [0, 1, 2])


def test_more_values_than_fit_one_chunk():
    assert_sweep_is_runs(gf.Experiment(cell="lstm", length=8, hidden=32, batch=4), "seed", range(40))


@pytest.mark.parametrize("radius", [0.5, 1.5])
def test_far_outside_float64_too(radius):
    """Length 3,000 in a sweep: some curves end far below 1e-308."""
    exp = gf.Experiment(length=3000, hidden=4, batch=2, input_scale=0.0, spectral_radius=radius)
    sw = assert_sweep_is_runs(exp, "seed", range(3))
    assert np.abs(sw.log10_norm[:, 0]).min() > 400


def test_an_overflow_leaves_the_other_values_alone():
    exp = gf.Experiment(activation="relu", length=1500, hidden=8, batch=2)
    values = [0.5, 3.0, 1.0, 2.9, 0.9]
    sw = assert_sweep_is_runs(exp, "spectral_radius", values)
    assert (sw.overflow_step > 0).tolist() == [False, True, False, True, False]
    frame = sw.to_frame()
    assert not frame.isna().any().any()
    assert set(frame["spectral_radius"]) == {0.5, 1.0, 0.9}


def test_nothing_of_a_run_that_overflowed_goes_on():
    """What its gates saved would be NaN: the way back would go step by step for all runs beside it."""
    exp = gf.Experiment(cell="lstm", activation="relu", init="identity", length=600, hidden=8, forget_bias=10.0)
    sw = assert_sweep_is_runs(exp, "spectral_radius", [0.0, 3.0])
    assert (sw.overflow_step > 0).tolist() == [False, True]
    networks = [gf.build(replace(exp, spectral_radius=radius)) for radius in (0.0, 3.0)]
    params = {name: np.stack([n.params[name] for n in networks]) for name in networks[0].params}
    trace = unroll(networks[0].cell, params, sweeps.stacked_inputs([n.sequences.x for n in networks]))
    assert not np.isfinite(trace.saved).all()
    assert [sweeps.silence_overflow(trace, s) > 0 for s in range(2)] == [False, True]
    assert all(np.isfinite(array).all() for array in (trace.h, trace.c, trace.a, trace.saved))


def test_all_values_may_overflow():
    sw = gf.sweep(gf.Experiment(activation="relu", length=2500), "spectral_radius", [3.0, 2.9])
    assert sw.overflow_step.all()
    assert sw.to_frame().empty


def test_the_frame_is_tidy():
    sw = gf.sweep(replace(EXP, cell="lstm"), "length", [3, 5])
    frame = sw.to_frame()
    assert list(frame.columns) == ["length", "step", "sequence", "quantity", "log10_norm"]
    assert not frame.duplicated(["length", "step", "sequence", "quantity"]).any()
    assert not frame["log10_norm"].isna().any()
    for length in (3, 5):
        flow = gf.run(replace(EXP, cell="lstm", length=length))
        for quantity, norm in (
            ("dL/dh", flow.log10_norm),
            ("dL/dc", flow.log10_norm_c),
            ("joint", flow.log10_norm_joint),
        ):
            part = frame[(frame.length == length) & (frame.quantity == quantity)]
            assert sorted(set(part["step"])) == list(range(length + 1))
            table = part.pivot(index="step", columns="sequence", values="log10_norm").to_numpy()
            np.testing.assert_allclose(table, norm, rtol=1e-12)


def test_compare_changes_one_thing():
    compared = gf.compare(EXP, "cell", ["rnn", "lstm"], seeds=[0, 1])
    assert list(compared) == ["rnn", "lstm"]
    for cell, sw in compared.items():
        for s, seed in enumerate((0, 1)):
            same(sw.log10_norm[s], gf.run(replace(EXP, cell=cell, seed=seed)).log10_norm)


def test_numpys_values_and_iterators_are_welcome():
    sw = gf.sweep(EXP, "spectral_radius", np.linspace(0.5, 1.0, 3))
    assert sw.values == (0.5, 0.75, 1.0)
    assert gf.sweep(EXP, "length", iter(np.array([4, 2]))).values == (4, 2)
    assert gf.sweep(EXP, "seed", np.arange(2, dtype=np.int8)).values == (0, 1)


@pytest.mark.parametrize(
    ("field", "values", "told"),
    [
        ("radius", [1.0], "field must be one of length, hidden, .*got 'radius'"),
        ("cell", ["rnn"], "field must be one of length, hidden, .*got 'cell'"),
        ("text", ["abc"], "field must be one of .*got 'text'"),
        (None, [1], "field must be one of .*got None"),
        (["seed"], [1], r"field must be one of .*got \['seed'\]"),
        ("seed", [], "values must hold at least one value, got none"),
        ("seed", iter(()), "values must hold at least one value, got none"),
        ("seed", 5, "values must .*got 5"),
        ("seed", None, "values must .*got None"),
        ("seed", "01", "seed must be a whole number .*got '0'"),
        ("seed", [0, -1], "seed must be a whole number .*got -1"),
        ("seed", [0, 1.5], "seed must be a whole number .*got 1.5"),
        ("seed", [True], "seed must be a whole number .*got True"),
        ("spectral_radius", [1.0, np.nan], r"spectral_radius must be in \[0, 3\], got nan"),
        ("spectral_radius", [1.0, 3.5], r"spectral_radius must be in \[0, 3\], got 3.5"),
        ("spectral_radius", [None], r"spectral_radius must be in \[0, 3\], got None"),
        ("length", [10, 5001], r"length must be a whole number in \[1, 5000\] steps, got 5001"),
    ],
)
def test_refused(field, values, told):
    with pytest.raises(ValueError, match=told):
        gf.sweep(EXP, field, values)


@pytest.mark.parametrize(
    ("knobs", "field", "values"),
    [
        ({"hidden": 512, "batch": 256, "length": 1}, "length", [1, 5000]),
        ({"hidden": 1, "batch": 20, "length": 5000}, "seed", range(700)),
    ],
)
def test_more_than_a_gigabyte_is_refused(knobs, field, values):
    """One run that is too large, too many results."""
    with pytest.raises(ValueError, match="1 GB"):
        gf.sweep(gf.Experiment(**knobs), field, values)


def test_many_networks_are_not_held_at_once(monkeypatch):
    """Ten times as many networks take ten times the time, not the memory."""
    monkeypatch.setattr(workers, "MOST", 1)
    monkeypatch.setattr(sweeps, "CHUNK_SIZE", 2**10)
    exp = gf.Experiment(cell="lstm", hidden=64, batch=1, length=1, init="identity")
    peaks = []
    for count in (20, 200):
        tracemalloc.start()
        gf.sweep(exp, "seed", range(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]


FORKED = """
import os
import gradflow as gf

exp, radii = gf.Experiment(length=60, hidden=64), [0.02 * k for k in range(60)]
ours = gf.sweep(exp, "spectral_radius", radii).log10_norm
child = os.fork()
if not child:
    same = (gf.sweep(exp, "spectral_radius", radii).log10_norm == ours).all()
    os._exit(0 if same else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_sweeps_with_workers_of_its_own():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], timeout=60)
    assert done.returncode == 0


def test_what_the_values_raise_is_raised():
    def values():
        yield 1.0
        raise TypeError("the caller's own")

    with pytest.raises(TypeError, match="the caller's own"):
        gf.sweep(gf.Experiment(length=2), "spectral_radius", values())


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_however_many_chunks_every_value_stands_in_its_place(cell, monkeypatch):
    monkeypatch.setattr(sweeps, "CORE_WORK", 1)
    monkeypatch.setattr(sweeps, "CHUNK_STATES", 3 * 6 * 2)
    assert len(list(sweeps.chunked([gf.Experiment(cell=cell, length=9, hidden=6, batch=2)] * 11))) >= 4
    assert_sweep_is_runs(
        gf.Experiment(cell=cell, length=9, hidden=6, batch=2), "spectral_radius", np.linspace(0.0, 3.0, 11)
    )
    assert_sweep_is_runs(
        gf.Experiment(cell=cell, length=9, hidden=6, batch=2), "length", [3, 3, 3, 3, 3, 7, 7, 7, 7, 2]
    )
