"""Initialisers, exact rescaling, memory biases, random streams, PyTorch's state dicts."""

import numpy as np
import pytest
from helpers import GATES, KNOBS_OF, params_for, relative

import gradflow as gf
from gradflow.weights import INITS, draw_params


def drawn(**knobs):
    network = gf.build(gf.Experiment(**knobs))
    return network.cell, network.params


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("radius", [0.0, 0.5, 1.0, 2.7])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_every_gates_block_has_exactly_the_radius(name, radius, init):
    cell, params = drawn(cell=name, init=init, spectral_radius=radius, hidden=24)
    blocks = np.split(params["weight_hh_l0"], len(cell.gates))
    for block in blocks:
        assert gf.spectral_radius(block) == pytest.approx(radius, rel=1e-12)
    if name != "rnn" and init not in ("identity",) and radius:
        assert relative(*blocks[:2]) > 0.1


def test_a_radius_is_not_a_norm():
    """Gaussian: σ_max / ρ → 2; orthogonal: 1; PyTorch's uniform start: gain 1/√3 and so ρ ≈ 0.58 … 0.6."""
    ratios, radii, gains = [], [], []
    for seed in range(3):
        _, params = drawn(hidden=128, seed=seed)
        ratios.append(gf.singular_values(params["weight_hh_l0"])[0])
        _, params = drawn(hidden=128, seed=seed, init="pytorch", rescale=False)
        radii.append(gf.spectral_radius(params["weight_hh_l0"]))
        gains.append(params["weight_hh_l0"].std() * np.sqrt(128))
        for value in params.values():
            assert np.abs(value).max() <= 1 / np.sqrt(128)
    assert np.mean(ratios) == pytest.approx(2.0, rel=0.08)
    assert np.mean(radii) == pytest.approx(0.6, abs=0.03)
    assert np.mean(gains) == pytest.approx(3**-0.5, rel=0.01)
    _, params = drawn(hidden=64, init="orthogonal")
    np.testing.assert_allclose(gf.singular_values(params["weight_hh_l0"]), 1.0, rtol=1e-12)


def test_orthogonal_matrices_have_no_preferred_direction():
    """A bare QR leaves every q_11 with one sign; Haar's measure gives both, and both determinants."""
    drawn_matrices = [drawn(hidden=3, init="orthogonal", seed=seed)[1]["weight_hh_l0"] for seed in range(40)]
    for signs in ([q[0, 0] > 0 for q in drawn_matrices], [np.linalg.det(q) > 0 for q in drawn_matrices]):
        assert 8 <= sum(signs) <= 32


def test_keras_orthogonal_start_is_not_orthogonal_per_gate():
    """The block of a whole (H, 4H) orthogonal matrix has ρ ≈ 0.5; ours draws every gate's block on its own."""
    _, params = drawn(cell="lstm", hidden=128, init="orthogonal")
    whole = np.linalg.qr(np.random.default_rng(0).normal(size=(512, 128)))[0]
    assert gf.spectral_radius(whole[:128]) == pytest.approx(0.52, abs=0.04)
    assert gf.spectral_radius(params["weight_hh_l0"][:128]) == pytest.approx(1.0, rel=1e-12)


def test_the_irnns_gradient_is_exactly_constant():
    """ReLU, W_hh = I, b = 0, positive input: every unit is active and ∂L/∂h_t is the same number at every step."""
    exp = gf.Experiment(activation="relu", init="identity", spectral_radius=1.0, hidden=8, length=500)
    _, params = drawn(**{"activation": "relu", "init": "identity", "hidden": 8})
    np.testing.assert_array_equal(params["weight_hh_l0"], np.eye(8))
    assert not params["bias_ih_l0"].any()
    assert not params["bias_hh_l0"].any()
    trace = gf.forward(gf.RNN("relu"), {**params, "weight_ih_l0": np.abs(params["weight_ih_l0"])}, np.ones((500, 2, 8)))
    direct = np.zeros(trace.h.shape)
    direct[-1] = gf.build(exp).readout.params["weight_probe"]
    flow = gf.backward(trace, direct)
    np.testing.assert_array_equal(flow.grad_h, np.broadcast_to(direct[-1], direct.shape))


@pytest.mark.parametrize("init", ["gaussian", "pytorch"])
def test_the_memory_bias_is_the_whole_bias_of_its_gate(init):
    for name, knob, gate in (
        ("lstm", "forget_bias", "f"),
        ("peephole", "forget_bias", "f"),
        ("gru", "update_bias", "z"),
    ):
        cell, params = drawn(cell=name, init=init, hidden=8, **{knob: 2.5})
        rows = slice(cell.gates.index(gate) * 8, (cell.gates.index(gate) + 1) * 8)
        np.testing.assert_array_equal(params["bias_ih_l0"][rows] + params["bias_hh_l0"][rows], 2.5)
        others = np.delete(params["bias_ih_l0"], np.r_[rows])
        assert others.any() == (init == "pytorch")


def test_chrono_biases():
    """b_f = ln U[1, T − 1], b_i = −b_f; a GRU's z remembers with the positive sign where it keeps, else the negative."""
    for seed in range(3):
        _, params = drawn(cell="lstm", chrono=True, init="orthogonal", length=100, hidden=256, seed=seed)
        i, f, g, o = (params["bias_ih_l0"] + params["bias_hh_l0"]).reshape(4, 256)
        np.testing.assert_array_equal(i, -f)
        assert not g.any()
        assert not o.any()
        memory = np.exp(f)
        assert memory.min() >= 1.0
        assert memory.max() <= 99.0
        assert memory.mean() == pytest.approx(50.0, abs=6.0)
    keep, write = (
        drawn(cell="gru", chrono=True, gru_update=u, hidden=64, init="orthogonal")[1]["bias_ih_l0"]
        for u in ("keep", "write")
    )
    np.testing.assert_array_equal(keep, -write)
    assert keep[64:128].min() >= 0.0
    short = drawn(cell="lstm", chrono=True, length=1)[1]
    assert not (short["bias_ih_l0"] + short["bias_hh_l0"]).any()


def test_the_input_adds_its_standard_deviation_to_a_unit():
    for scale in (0.0, 0.5, 3.0):
        network = gf.build(gf.Experiment(hidden=256, length=400, input_scale=scale))
        added = network.sequences.x @ network.params["weight_ih_l0"].T
        assert added.std() == pytest.approx(scale, rel=0.03)


def test_the_same_seed_gives_the_same_numbers():
    exp = gf.Experiment(cell="gru", length=30, hidden=16, seed=7)
    first, second = gf.run(exp), gf.run(gf.Experiment(cell="gru", length=30, hidden=16, seed=7))
    np.testing.assert_array_equal(first.log10_norm, second.log10_norm)
    assert all(np.array_equal(first.grads[k], second.grads[k]) for k in first.grads)
    assert not np.array_equal(
        first.log10_norm, gf.run(gf.Experiment(cell="gru", length=30, hidden=16, seed=8)).log10_norm
    )


BASE = {"length": 20, "hidden": 8, "batch": 3}


@pytest.mark.parametrize("name", KNOBS_OF)
def test_every_cell_reads_the_same_input_through_the_same_probe(name):
    ours, theirs = gf.build(gf.Experiment(**BASE, **KNOBS_OF[name])), gf.build(gf.Experiment(**BASE))
    np.testing.assert_array_equal(ours.sequences.x, theirs.sequences.x)
    np.testing.assert_array_equal(ours.readout.params["weight_probe"], theirs.readout.params["weight_probe"])
    np.testing.assert_array_equal(ours.params["weight_hh_l0"][:8], theirs.params["weight_hh_l0"])


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"spectral_radius": 2.0}, {"x", "weight_ih_l0", "probe"}),
        ({"input_scale": 2.0}, {"x", "weight_hh_l0", "probe"}),
        ({"activation": "relu"}, {"x", "weight_ih_l0", "weight_hh_l0", "probe"}),
        ({"init": "orthogonal"}, {"x", "weight_ih_l0", "probe"}),
        ({"sequence_type": "many-to-many"}, {"x", "weight_ih_l0", "weight_hh_l0", "probe"}),
        ({"loss": "prediction"}, {"x", "weight_ih_l0", "weight_hh_l0"}),
        ({"input": "impulse"}, {"weight_hh_l0", "probe"}),
        ({"hidden": 9}, {"x"}),
    ],
)
def test_one_knob_leaves_all_other_draws_alone(change, same):
    def arrays(**knobs):
        network = gf.build(gf.Experiment(**{**BASE, **knobs}))
        return {"x": network.sequences.x, "probe": network.readout.params.get("weight_probe"), **network.params}

    before, after = arrays(), arrays(**change)
    unchanged = {k for k in before if np.array_equal(before[k], after[k])} - {"bias_ih_l0", "bias_hh_l0"}
    assert unchanged == same


def test_longer_and_wider_runs_begin_with_the_same_noise():
    short, longer = (gf.build(gf.Experiment(**{**BASE, **k})).sequences.x for k in ({}, {"length": 40, "batch": 5}))
    np.testing.assert_array_equal(short, longer[:20, :3])


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_from_torch_tells_the_cell_by_its_rows(name):
    params = params_for(name)
    loaded = gf.from_torch(params)
    assert all(np.array_equal(loaded[k], params[k]) for k in params)
    assert all(loaded[k] is not params[k] for k in params)
    gf.from_torch(params, cell=name)
    for other in {"rnn", "lstm", "gru"} - {name}:
        with pytest.raises(ValueError, match=f"weight_hh_l0.*{other} having {GATES[other]} gate"):
            gf.from_torch(params, cell=other)


def test_from_torch_tells_a_peephole_lstm_by_its_diagonals():
    params = params_for("peephole")
    loaded = gf.from_torch(params)
    assert all(np.array_equal(loaded[k], params[k]) for k in params)
    gf.from_torch(params, cell="peephole")
    with pytest.raises(ValueError, match="has extra weight_ci, weight_cf, weight_co"):
        gf.from_torch(params, cell="lstm")
    del params["weight_cf"]
    with pytest.raises(ValueError, match=r"lacks weight_cf$"):
        gf.from_torch(params)


def test_unit_weights_have_a_stream_of_their_own():
    """The peephole LSTM has the LSTM's weights, number for number, and three diagonals of U(−1/√H, 1/√H)."""
    for init in INITS:
        lstm, peephole = (drawn(cell=name, init=init, hidden=16, seed=5)[1] for name in ("lstm", "peephole"))
        assert all(np.array_equal(lstm[name], peephole[name]) for name in lstm)
        diagonals = np.stack([peephole[name] for name in peephole if name not in lstm])
        assert diagonals.shape == (3, 16)
        assert np.abs(diagonals).max() <= 0.25
        assert diagonals.std() == pytest.approx(0.25 / np.sqrt(3), rel=0.3)
        assert relative(diagonals[0], diagonals[1]) > 0.1


class Odd:
    """A tensor that is complex, or has no dense numbers, as a sparse one or one on the meta device."""

    dtype = "complex64"

    def __init__(self, is_complex):
        self.is_complex = lambda: is_complex

    def __repr__(self):
        return "Odd"

    def numpy(self):
        raise TypeError


@pytest.mark.parametrize(
    ("state_dict", "told"),
    [
        (None, "state_dict must map names to arrays, got None"),
        ([("weight_hh_l0", 1)], "state_dict must map names to arrays"),
        ({}, "lacks weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0"),
        ({**params_for("rnn"), "weight_ih_l1": np.ones((4, 4))}, "has extra weight_ih_l1"),
        ({**params_for("rnn"), "weight_hh_l0_reverse": np.ones((4, 4))}, "has extra weight_hh_l0_reverse"),
        ({k: v for k, v in params_for("lstm").items() if "bias" not in k}, "lacks bias_ih_l0, bias_hh_l0"),
        ({**params_for("rnn"), "weight_hh_l0": np.ones((8, 4))}, r"must have shape \(H, H\) for RNN.*got \(8, 4\)"),
        ({**params_for("rnn"), "weight_hh_l0": np.ones(4)}, r"weight_hh_l0'\] must have shape .*got \(4,\)"),
        ({**params_for("rnn"), "weight_hh_l0": np.ones((0, 0))}, r"weight_hh_l0'\] must have shape .*got \(0, 0\)"),
        ({**params_for("rnn"), "bias_ih_l0": np.ones(5)}, r"bias_ih_l0'\] must have shape \(4,\), got \(5,\)"),
        (
            {**params_for("rnn"), "bias_ih_l0": [1, 2, 3, np.nan]},
            r"bias_ih_l0'\] must be finite, got nan at index \(3,\)",
        ),
        ({**params_for("rnn"), "weight_ih_l0": np.full((4, 3), -np.inf)}, r"weight_ih_l0'\] must be finite, got -inf"),
        ({**params_for("rnn"), "weight_ih_l0": "W"}, r"weight_ih_l0'\] must be an array of numbers, got 'W'"),
        ({**params_for("rnn"), "weight_ih_l0": [[1], [1, 2]]}, r"weight_ih_l0'\] must be an array of numbers"),
        ({**params_for("peephole"), "weight_co": np.ones(3)}, r"weight_co'\] must have shape \(4,\), got \(3,\)"),
        ({**params_for("gru"), "weight_co": np.ones(4)}, "has extra weight_co"),
        ({**params_for("rnn"), "weight_ih_l0": np.ones((4, 3)) * 1j}, r"weight_ih_l0'\] must be an array of numbers"),
        ({**params_for("lstm"), "weight_hh_l0": np.ones((4, 4, 4))}, r"\(4·H, H\) for LSTM .* got \(4, 4, 4\)"),
        ({**params_for("rnn"), "weight_ih_l0": Odd(True)}, r"weight_ih_l0'\] must be real, got complex64"),
        ({**params_for("rnn"), "weight_ih_l0": Odd(False)}, r"weight_ih_l0'\] must hold its numbers, dense, got Odd"),
    ],
)
def test_from_torch_refuses(state_dict, told):
    with pytest.raises(ValueError, match=told):
        gf.from_torch(state_dict)


def test_drawing_leaves_silent_input_alone():
    """No input at all: W_ih is drawn nevertheless, and nothing divides by zero."""
    params = draw_params(gf.RNN(), 3, 4, "gaussian", 1.0, 0.5, 0.0, None, 0)
    assert np.isfinite(params["weight_ih_l0"]).all()
