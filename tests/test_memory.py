"""The memory gate's bias: the pure-gate law, what gets in, and the whole against the general machinery."""

from itertools import pairwise

import numpy as np
import pytest
from helpers import CELLS, KNOBS_OF, params_for, scatter, sigma

import gradflow as gf
from gradflow.experiment import build
from gradflow.memory import (
    LOGIT_EDGES,
    Memory,
    entries,
    measure_memory,
    memories_frame,
    memory_biases,
    memory_logit,
    sweep_memory,
)

GATED = [name for name in CELLS if name != "rnn"]
AT_REST = {"spectral_radius": 0.0, "input_scale": 0.0}  # candidate and gate weights are zero
SEEDS = range(3, 6)


def experiment(name, **knobs):
    return gf.Experiment(**{"length": 60, "hidden": 8, "batch": 2, **KNOBS_OF[name], **knobs})


def swept(name, biases, **knobs):
    exp = experiment(name, **knobs)
    return sweep_memory(exp, exp.cell, biases, SEEDS)


def remembering(exp, bias):
    """The experiment whose memory gate has this bias, by the textbook's sign."""
    if exp.cell in ("lstm", "peephole"):
        return {"forget_bias": bias}
    return {"update_bias": bias if exp.gru_update == "keep" else -bias}


@pytest.mark.parametrize("bias", [-10.0, -2.0, 0.0, 1.0, 5.0, 10.0])
@pytest.mark.parametrize("name", GATED)
def test_gates_at_rest_decay_exactly_as_the_law(name, bias):
    """With all candidate and gate weights zero ∂L/∂c, or a GRU's ∂L/∂h, is multiplied by σ(b) at every step back."""
    (m,) = swept(name, [bias], length=300, **AT_REST)
    curve = m.curves["dL/dc" if CELLS[name]().has_c else "dL/dh"]
    want = np.arange(300, -1, -1) * np.log10(sigma(bias))
    np.testing.assert_allclose(curve - curve[-1], want, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(m.law, want, rtol=1e-12, atol=1e-12)
    assert m.factor() == pytest.approx(sigma(bias), rel=1e-12)
    assert m.law_factor == pytest.approx(sigma(bias), rel=1e-12)
    assert m.horizon == pytest.approx(1.0 / (1.0 - sigma(bias)), rel=1e-9)


@pytest.mark.parametrize(("bias", "horizon"), [(0, 2), (1, 3.718), (2, 8.389), (3, 21.09), (5, 149.4)])
def test_the_memory_horizon_is_the_published_one(bias, horizon):
    (m,) = swept("lstm", [bias], length=2)
    assert float(f"{m.horizon:.4g}") == horizon


@pytest.mark.parametrize("name", GATED)
def test_what_gets_in_at_rest_is_one_share_of_the_horizon(name):
    """c_T = Σ f^k i g: the newest of T equal candidates has (1 − f) / (1 − f^T) of the weight, whatever i is."""
    for m in swept(name, [-2.0, 0.0, 2.0, 5.0], **AT_REST):
        f = sigma(m.bias)
        assert m.newest == pytest.approx((1 - f) / (1 - f**60), rel=1e-12)
        assert m.written == pytest.approx(0.5 if CELLS[name]().has_c else 1 - f, rel=1e-12)


def test_an_endless_memory_gives_every_step_the_same_share():
    (m,) = swept("lstm", [10.0], length=50, **AT_REST)
    assert m.newest == pytest.approx(1 / 50, rel=2e-3)


@pytest.mark.parametrize("name", GATED)
def test_the_memory_is_the_weighted_sum_of_its_candidates(name):
    """The weights behind `newest` are exact in a network that is not at rest: they rebuild memory_T."""
    cell = CELLS[name]()
    trace = gf.forward(cell, params_for(name, hidden=5, inputs=3), 2.0 * scatter((12, 2, 3), 8))
    gates = trace.gates
    if CELLS[name]().has_c:
        kept, written, candidate, memory = gates["f"], gates["i"], gates["g"], trace.c[-1]
    else:
        z, candidate, memory = gates["z"], gates["n"], trace.h[-1]
        kept, written = (1 - z, z) if "write" in name else (z, 1 - z)
    weights = [written[k] * np.prod(kept[k + 1 :], axis=0) for k in range(12)]
    np.testing.assert_allclose(sum(w * g for w, g in zip(weights, candidate, strict=True)), memory, rtol=1e-12)
    got = entries(trace, memory_logit(trace), np.ones((12, 2), bool), 1)[0]
    slope = 1 - np.tanh(memory) ** 2 if CELLS[name]().has_c else np.ones(1)
    want = written.mean(), (weights[-1] / sum(weights)).mean(), np.abs(memory).mean(), slope.mean()
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_steps_that_a_sequence_does_not_have_do_not_count():
    params, x = params_for("lstm"), scatter((9, 1, 3), 5)
    mask = np.arange(9)[:, None] >= 4
    masked = gf.forward("lstm", params, x, mask=mask)
    alone = gf.forward("lstm", params, x[4:])
    np.testing.assert_allclose(
        entries(masked, memory_logit(masked), mask, 1),
        entries(alone, memory_logit(alone), np.ones((5, 1), bool), 1),
        rtol=1e-13,
    )


@pytest.mark.parametrize("name", GATED)
def test_the_curves_are_those_of_a_sweep_over_seeds(name):
    exp = experiment(name, forget_bias=2.0, update_bias=1.5)
    m, sw = measure_memory(exp, exp.cell, SEEDS), gf.sweep(exp, "seed", SEEDS)
    norms = {"dL/dh": sw.log10_norm, "dL/dc": sw.log10_norm_c, "joint": sw.log10_norm_joint}
    assert list(m.curves) == (["dL/dc", "dL/dh", "joint"] if CELLS[name]().has_c else ["dL/dh"])
    for quantity, curve in m.curves.items():
        np.testing.assert_allclose(
            curve, np.quantile(norms[quantity], 0.5, axis=(0, 2), method="inverted_cdf"), atol=1e-9
        )
        factors = np.sort(gf.log10_factor(norms[quantity]), axis=None)
        assert m.log10_factors[quantity] == pytest.approx(factors[len(factors) // 2 - 1], abs=1e-12)


@pytest.mark.parametrize("knobs", [{}, {"input": "text", "text": "one line\nanother line\nx"}, {"loss": "prediction"}])
@pytest.mark.parametrize("name", GATED)
def test_side_by_side_is_the_same_as_one_by_one(name, knobs):
    exp = experiment(name, **knobs)
    for m in swept(name, [-1.0, 0.0, 4.0], **knobs):
        one = measure_memory(experiment(name, **knobs, **remembering(exp, m.bias)), exp.cell, SEEDS)
        assert one.bias == m.bias
        for quantity, curve in one.curves.items():
            np.testing.assert_allclose(m.curves[quantity], curve, atol=1e-10)
            assert m.log10_factors[quantity] == pytest.approx(one.log10_factors[quantity], abs=1e-12)
        np.testing.assert_allclose(m.law, one.law, rtol=1e-13)
        np.testing.assert_allclose(m.density, one.density, atol=1e-12)
        for field in ("written", "newest", "size", "passed"):
            assert getattr(m, field) == pytest.approx(getattr(one, field), rel=1e-10)


def test_a_sweep_does_not_depend_on_the_biases_it_replaces():
    exp = experiment("lstm")
    there = experiment("lstm", forget_bias=7.0, update_bias=-3.0, chrono=True)
    (a,), (b,) = (sweep_memory(e, "gru", [1.0], SEEDS) for e in (exp, there))
    np.testing.assert_array_equal(a.curves["dL/dh"], b.curves["dL/dh"])


@pytest.mark.parametrize("name", GATED)
def test_the_density_is_that_of_the_gate(name):
    m = measure_memory(experiment(name), name.split("-")[0], [4])
    trace = gf.run(experiment(name, forget_bias=1.0, seed=4)).trace
    gate = trace.gates["f" if CELLS[name]().has_c else "z"]
    kept = 1 - gate if "write" in name else gate
    assert m.density.sum() == pytest.approx(1.0)
    edges = sigma(LOGIT_EDGES)
    want = [np.mean((kept >= low) & (kept < high)) for low, high in pairwise(edges)]
    np.testing.assert_allclose(m.density, want, atol=1e-12)
    np.testing.assert_allclose(sigma(memory_logit(trace)), kept, rtol=1e-12)
    for share in (0.1, 0.5, 0.9):  # one bin of 0.2 is a factor of e^0.2
        assert m.gate_horizon(share) == pytest.approx(1 / (1 - np.quantile(kept, share)), rel=0.22)


def test_values_beyond_the_bins_count_in_the_outermost():
    m = measure_memory(experiment("lstm", forget_bias=10.0, input_scale=10.0), "lstm", SEEDS)
    assert m.density.sum() == pytest.approx(1.0)
    assert m.density[-1] > 0.1


@pytest.mark.parametrize("name", GATED)
def test_chrono_draws_horizons_from_2_to_t_and_closes_the_input_gate(name):
    """Tallec & Ollivier 2018: b_f = ln U[1, T − 1], b_i = −b_f; with every f and i at rest i is 1 − f."""
    exp = experiment(name, chrono=True, length=100, **AT_REST)
    m = measure_memory(exp, exp.cell, SEEDS)
    assert m.bias is None
    assert np.isnan(m.horizon)
    biases = []
    for seed in SEEDS:
        params = build(experiment(name, chrono=True, length=100, seed=seed, **AT_REST)).params
        biases.append(
            params["bias_ih_l0"][8:16]
            if CELLS[name]().has_c
            else params["bias_ih_l0"][8:16] * (-1) ** ("write" in name)
        )
    horizons = 1.0 + np.exp(biases)
    assert (horizons >= 2.0 - 1e-12).all()
    assert (horizons <= 100.0 + 1e-9).all()
    assert m.written == pytest.approx((1.0 / horizons).mean(), rel=1e-12)
    k = np.arange(100, -1, -1)
    want = [[np.sqrt(np.mean((1.0 - 1.0 / h) ** (2.0 * n))) for n in k] for h in horizons]
    np.testing.assert_allclose(m.law, np.median(np.log10(want), axis=0), rtol=1e-9)


def test_the_biases_are_read_off_the_network():
    for name in GATED:
        exp = experiment(name, init="pytorch")
        got = memory_biases(gf.run(experiment(name, init="pytorch", **remembering(exp, 2.5))).trace)
        np.testing.assert_allclose(got, 2.5)


def test_a_high_bias_closes_the_gru_and_fills_the_lstm():
    """The lesson's claim, for several inputs: the LSTM's own input gate stays open, its memory grows and φ flattens it."""
    for source in ("noise", "series", "text"):
        low, high = sweep_memory(gf.Experiment(input=source, batch=1), "lstm", [0.0, 5.0], range(4))
        assert abs(high.written - 0.5) < 0.05
        assert high.size > 10 * low.size
        assert high.passed < 0.25 * low.passed
        assert high.newest < 0.05 * low.newest
        assert high.factor() > high.law_factor
        gru_low, gru_high = sweep_memory(gf.Experiment(input=source, batch=1), "gru", [0.0, 5.0], range(4))
        assert gru_high.written < 0.02 * gru_low.written
        assert gru_high.factor() == pytest.approx(sigma(5.0), abs=2e-3)


def test_dead_units_leave_no_numbers_behind():
    """ReLU with nothing to read: c stays 0, its slope is 0, and so is all of ∂L/∂c."""
    (m,) = swept("lstm", [1.0], activation="relu", **AT_REST)
    assert np.isnan(m.log10_factors["dL/dc"])
    assert m.size == m.passed == 0.0
    assert np.isneginf(m.curves["dL/dc"]).all()
    assert m.newest == pytest.approx(1 - sigma(1.0), rel=1e-6)


def test_the_table_has_every_curve():
    memories = [*swept("lstm", [0.0, 2.0]), measure_memory(experiment("gru", chrono=True), "gru", SEEDS)]
    frame = memories_frame(memories)
    assert len(frame) == (2 * 3 + 1) * 61
    rows = frame[(frame["bias"] == 2.0) & (frame["quantity"] == "joint")]
    np.testing.assert_array_equal(rows["log10_median"], memories[1].curves["joint"])
    assert rows["log10_law"].iloc[-1] == rows["log10_median"].iloc[-1]
    assert set(frame["bias"]) == {0.0, 2.0, "chrono"}


def test_what_is_wrong_is_named():
    exp = experiment("lstm")
    with pytest.raises(ValueError, match="cell must be one of lstm, gru, peephole, got 'rnn'"):
        measure_memory(gf.Experiment(), "rnn", SEEDS)
    with pytest.raises(ValueError, match="cell must be one of"):
        sweep_memory(exp, "rnn", [0.0], SEEDS)
    with pytest.raises(ValueError, match="seeds must hold at least one"):
        measure_memory(exp, "lstm", [])
    with pytest.raises(ValueError, match="biases must hold at least one"):
        sweep_memory(exp, "gru", [], SEEDS)
    with pytest.raises(ValueError, match=r"biases must be in \[-10, 10\], got 11"):
        sweep_memory(exp, "gru", [11.0], SEEDS)


def test_a_memory_says_what_it_is():
    m = measure_memory(experiment("lstm"), "lstm", SEEDS)
    assert isinstance(m, Memory)
    assert "bias 1" in repr(m)
    assert "Chrono" in repr(measure_memory(experiment("gru", chrono=True), "gru", SEEDS))
