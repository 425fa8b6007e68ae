"""Summaries: medians, bands and verdicts equal what single runs give, seed by seed."""

from dataclasses import replace

import numpy as np
import pytest

import gradflow as gf
from gradflow.summary import summaries_frame

EXP = gf.Experiment(input="text", batch=1, length=30, hidden=6, text="Gradients flow back through time.")
SEEDS = range(3, 14)
NORMS = {"dL/dh": "log10_norm", "dL/dc": "log10_norm_c", "joint": "log10_norm_joint"}


def order_statistic(values, share):
    """The least of the values that at least this share of them does not exceed."""
    ordered = sorted(values)
    return next(v for k, v in enumerate(ordered, start=1) if k / len(ordered) >= share - 1e-12)


@pytest.mark.parametrize("quantity", NORMS)
def test_a_summary_is_the_median_and_the_band_of_single_runs(quantity):
    for cell, s in gf.summarise(EXP, ("rnn", "lstm", "gru"), SEEDS, quantity).items():
        runs = [gf.run(replace(EXP, cell=cell, seed=seed)) for seed in SEEDS]
        norm = np.array([getattr(run, NORMS[quantity])[:, 0] for run in runs])
        for curve, share in ((s.low, 0.1), (s.middle, 0.5), (s.high, 0.9)):
            want = [order_statistic(column, share) for column in norm.T]
            np.testing.assert_allclose(curve, want, rtol=1e-12, atol=1e-12)
        factors = (norm[:, 0] - norm[:, -1]) / 30
        assert s.log10_factor == pytest.approx(order_statistic(factors, 0.5), rel=1e-12)
        assert s.per_step_factor == pytest.approx(10.0**s.log10_factor)
        assert s.half_life == pytest.approx(np.log(2.0) / -np.log(s.per_step_factor))
        np.testing.assert_allclose(s.units, runs[0].log10_abs_h[:, 0], rtol=1e-12)
        assert s.steps == tuple("Gradients flow back through time."[-30:])
        assert (s.cell, s.seeds, s.length, s.overflow_steps) == (cell, len(SEEDS), 30, ())


@pytest.mark.parametrize("sequence_type", ["many-to-one", "many-to-many", "encoder-decoder"])
def test_the_direct_derivative_is_the_median_of_single_runs(sequence_type):
    exp = replace(EXP, sequence_type=sequence_type, loss="prediction")
    s = gf.summarise(exp, ["gru"], SEEDS)["gru"]
    runs = [gf.run(replace(exp, cell="gru", seed=seed)).direct[:, 0] for seed in SEEDS]
    norms = np.linalg.norm(runs, axis=-1)
    want = np.array([order_statistic(column, 0.5) for column in norms.T])
    np.testing.assert_allclose(10.0**s.direct, want, rtol=1e-12)
    np.testing.assert_allclose(s.direct_sizes, want[want > 0.0], rtol=1e-12)
    assert s.direct_sizes.size == {"many-to-one": 1, "many-to-many": 30, "encoder-decoder": 15}[sequence_type]


@pytest.mark.parametrize(
    ("sequence_type", "heard"), [("many-to-one", 30), ("many-to-many", 30), ("one-to-many", 1), ("encoder-decoder", 15)]
)
def test_the_steps_without_input_have_no_name(sequence_type, heard):
    exp = replace(EXP, sequence_type=sequence_type)
    s = gf.summarise(exp, ["rnn"], [0])["rnn"]
    read = gf.run(exp).network.sequences
    assert s.steps == (*read.steps[0][:heard], *[""] * (30 - heard))
    np.testing.assert_array_equal([name != "" for name in s.steps], read.x[:, 0].any(-1))
    assert summaries_frame({"rnn": s})["input"].tolist() == ["", *s.steps]


def test_only_the_lstm_has_a_c():
    assert list(gf.summarise(EXP, ("rnn", "lstm", "gru"), [0], "dL/dc")) == ["lstm"]
    assert gf.summarise(EXP, ("rnn", "gru"), [0], "dL/dc") == {}


def test_without_c_the_joint_norm_is_that_of_h():
    h, joint = (gf.summarise(EXP, ("gru",), SEEDS, q)["gru"] for q in ("dL/dh", "joint"))
    np.testing.assert_array_equal(h.middle, joint.middle)


def test_one_seed_is_its_own_median_and_band():
    s = gf.summarise(EXP, ["rnn"], [5])["rnn"]
    np.testing.assert_array_equal(s.low, s.middle)
    np.testing.assert_array_equal(s.high, s.middle)
    np.testing.assert_allclose(s.middle, gf.run(replace(EXP, cell="rnn", seed=5)).log10_norm[:, 0], rtol=1e-12)


def test_the_order_of_the_cells_is_kept():
    assert list(gf.summarise(EXP, ("gru", "rnn"), [0])) == ["gru", "rnn"]


@pytest.mark.parametrize(
    ("knobs", "verdict"),
    [
        ({"spectral_radius": 0.5}, "vanishing"),
        ({"spectral_radius": 0.0}, "vanishing"),
        ({"spectral_radius": 3.0, "activation": "relu", "input": "noise"}, "exploding"),
        ({"length": 1}, "stable"),
    ],
)
def test_verdicts(knobs, verdict):
    s = gf.summarise(replace(EXP, **knobs), ["rnn"], range(5))["rnn"]
    assert s.verdict == verdict


def test_without_a_way_through_exactly_zero_arrives():
    s = gf.summarise(replace(EXP, spectral_radius=0.0), ["rnn"], range(5))["rnn"]
    assert s.log10_factor == -np.inf
    assert s.half_life == 0.0
    assert s.per_step_factor == 0.0
    assert (s.middle[:-1] == -np.inf).all()
    assert s.middle[-1] == pytest.approx(0.0, abs=1e-12)


@pytest.fixture(scope="module")
def overflowing():
    """An experiment of which some seeds overflow and others do not: two units, ReLU, far too large a W_hh."""
    exp = gf.Experiment(activation="relu", spectral_radius=3.0, length=1000, hidden=2, batch=1, cell="rnn")
    steps = {}
    for seed in range(12):
        try:
            gf.run(replace(exp, seed=seed))
        except gf.ForwardOverflow as problem:
            steps[seed] = problem
    assert 0 < len(steps) < 12
    return exp, steps


def test_seeds_that_overflow_are_counted_and_left_out(overflowing):
    exp, steps = overflowing
    s = gf.summarise(exp, ["rnn"], range(12))["rnn"]
    assert len(s.overflow_steps) == len(steps)
    assert all(1 <= step <= 1000 for step in s.overflow_steps)
    left = [gf.run(replace(exp, seed=seed)).log10_norm[:, 0] for seed in range(12) if seed not in steps]
    np.testing.assert_allclose(s.middle, [order_statistic(column, 0.5) for column in np.array(left).T], rtol=1e-12)
    assert s.verdict != "overflow"


def test_where_every_seed_overflows_there_is_no_curve(overflowing):
    exp, steps = overflowing
    s = gf.summarise(exp, ["rnn"], sorted(steps))["rnn"]
    assert s.verdict == "overflow"
    assert s.middle.size == s.low.size == s.high.size == s.units.size == 0
    assert len(s.overflow_steps) == s.seeds == len(steps)
    assert s.length == 1000


def test_the_frame_has_one_row_per_cell_and_step():
    summaries = gf.summarise(EXP, ("rnn", "lstm"), SEEDS)
    frame = summaries_frame(summaries)
    assert len(frame) == 2 * 31
    assert not frame.isna().to_numpy().any()
    for cell, s in summaries.items():
        rows = frame[frame["cell"] == cell]
        np.testing.assert_array_equal(rows["log10_median"], s.middle)
        assert rows["input"].tolist() == ["", *s.steps]
        assert rows["step"].tolist() == list(range(31))


def test_the_frame_of_nothing_is_empty():
    assert summaries_frame({}).empty


@pytest.mark.parametrize("quantity", ["dL/dx", "", None, 3])
def test_an_unknown_quantity_is_named(quantity):
    with pytest.raises(ValueError, match="quantity must be one of"):
        gf.summarise(EXP, ["rnn"], [0], quantity)


def test_an_unknown_cell_and_no_seeds_are_named():
    with pytest.raises(ValueError, match="cell must be one of"):
        gf.summarise(EXP, ["transformer"], [0])
    with pytest.raises(ValueError, match=r"seed|values"):
        gf.summarise(EXP, ["rnn"], [])


def test_a_loss_without_a_gradient_has_neither_factor_nor_verdict():
    only_one_symbol = replace(EXP, text="aaaaa", loss="prediction")
    s = gf.summarise(only_one_symbol, ["gru"], SEEDS)["gru"]
    assert np.isnan(s.log10_factor)
    assert s.verdict == "no gradient"


def test_lines_of_different_length_enter_with_their_own_steps_only():
    exp = replace(EXP, text="hello world\nab")
    s = gf.summarise(exp, ["rnn"], SEEDS)["rnn"]
    alone = [gf.summarise(replace(exp, text=text), ["rnn"], SEEDS)["rnn"] for text in ("hello world", "ab")]
    np.testing.assert_array_equal(np.isfinite(s.middle), np.ones(12, bool))
    assert s.length == alone[0].length == 11
