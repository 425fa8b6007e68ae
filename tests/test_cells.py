"""Every cell against its textbook equations, every gradient against complex steps, and the cells' options."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import (
    ACTIVATIONS,
    CELLS,
    GATES,
    KNOBS_OF,
    PEEPHOLES,
    PHI,
    last_row,
    params_for,
    relative,
    scatter,
    sigma,
    textbook,
    zero_params,
)

import gradflow as gf

STEP = 1e-30j  # the derivative is the imaginary part: no difference is taken, so no digit is lost
READS = {
    "many-to-one": {"sequence_type": "many-to-one"},
    "many-to-many-mean": {"sequence_type": "many-to-many", "reduction": "mean"},
    "many-to-many-sum": {"sequence_type": "many-to-many", "reduction": "sum"},
    "one-to-many": {"sequence_type": "one-to-many"},
    "encoder-decoder": {"sequence_type": "encoder-decoder"},
}
LOSSES = {
    "probe": {"loss": "probe"},
    "squared-error": {"loss": "prediction"},
    "cross-entropy": {"loss": "prediction", "input": "text", "text": "abcabd\nbca\ncab"},
}


def loss_of(network, x, params, h0, c0, readout):
    trace = gf.forward(network.cell, params, x, h0, c0, mask=network.sequences.mask)
    return replace(network.readout, params=readout).read(trace.h + 0j).loss.sum()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("reads", READS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", CELLS)
def test_every_gradient_against_complex_steps(name, activation, reads, loss):
    """One random direction per array: parameters, readout, input and initial states."""
    exp = gf.Experiment(
        activation=activation, length=6, hidden=4, batch=2, **KNOBS_OF[name], **READS[reads], **LOSSES[loss]
    )
    network = gf.build(exp)
    batch = network.sequences.x.shape[1]
    params = params_for(name, 4, network.sequences.x.shape[2])
    readout = {k: scatter(v.shape, 7) for k, v in network.readout.params.items()}
    given = {"x": network.sequences.x + 0.0, "h0": scatter((batch, 4), 5), **params, **readout}
    if network.cell.has_c:
        given["c0"] = scatter((batch, 4), 6)

    def loss_at(values):
        p, r = ({k: values[k] for k in names} for names in (params, readout))
        return loss_of(network, values["x"], p, values["h0"], values.get("c0"), r)

    trace = gf.forward(network.cell, params, given["x"], given["h0"], given.get("c0"), mask=network.sequences.mask)
    reading = replace(network.readout, params=readout).read(trace.h)
    flow = gf.backward(trace, reading.dL_dh)
    got = {**flow.grads, **reading.grads, "x": flow.grad_x, "h0": flow.grad_h[0]}
    if network.cell.has_c:
        got["c0"] = flow.grad_c[0]
    assert got.keys() == given.keys()
    for number, (array, gradient) in enumerate(got.items()):
        direction = scatter(given[array].shape, 40 + number)
        want = loss_at({**given, array: given[array] + STEP * direction}).imag / STEP.imag
        terms = gradient * direction
        assert abs(terms.sum() - want) <= 1e-11 * np.abs(terms).sum(), array


@pytest.mark.parametrize("name", CELLS)
def test_every_entry_of_every_gradient(name):
    """Entry by entry, for one setting: a direction could only hide errors that cancel."""
    cell, params = CELLS[name](), params_for(name, 3, 2)
    x, dL_dh = scatter((5, 2, 2), 3), scatter((6, 2, 3), 4)
    flow = gf.backward(gf.forward(cell, params, x), dL_dh)
    for array, gradient in flow.grads.items():
        want = np.empty_like(gradient)
        for entry in np.ndindex(gradient.shape):
            moved = {k: v.astype(complex) for k, v in params.items()}
            moved[array][entry] += STEP
            want[entry] = (gf.forward(cell, moved, x).h * dL_dh).sum().imag / STEP.imag
        assert relative(gradient, want) < 1e-13, array


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", CELLS)
def test_states_are_the_textbooks(name, activation):
    params, x, h0 = params_for(name), scatter((30, 2, 3), 2), scatter((2, 4), 3)
    c0 = scatter((2, 4), 4) if CELLS[name]().has_c else None
    trace = gf.forward(CELLS[name](activation), params, x, h0, c0)
    h, c = textbook(name, activation, params, x, h0, c0)
    assert relative(trace.h, h) < 1e-13
    assert (trace.c is None) == (c is None)
    if c is not None:
        assert relative(trace.c, c) < 1e-13


def test_gates_are_the_textbooks():
    x = scatter((4, 2, 3), 2)
    for name in ("lstm", "peephole"):
        trace = gf.forward(name, params_for(name), x)
        gates, c = trace.gates, trace.c
        assert list(gates) == ["i", "f", "g", "o"]
        assert all(value.shape == (4, 2, 4) for value in gates.values())
        np.testing.assert_allclose(gates["f"] * c[:-1] + gates["i"] * gates["g"], c[1:], rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(gates["o"] * np.tanh(c[1:]), trace.h[1:], rtol=1e-13, atol=1e-15)
    for name in ("gru", "gru-before"):
        trace = gf.forward(CELLS[name](), params_for(name), x)
        z, n = trace.gates["z"], trace.gates["n"]
        np.testing.assert_allclose((1 - z) * n + z * trace.h[:-1], trace.h[1:], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("reads", READS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_peephole_lstm_is_a_loop_written_out(activation, reads):
    """Back-propagation one step, one gate at a time, and complex steps through the textbook's own loop."""
    exp = gf.Experiment(cell="peephole", activation=activation, length=9, hidden=4, batch=2, **READS[reads])
    network = gf.build(exp)
    params, x = params_for("peephole", 4, network.sequences.x.shape[2]), network.sequences.x
    h0, c0 = scatter((2, 4), 5), scatter((2, 4), 6)
    direct = network.readout.read(gf.forward(network.cell, params, x, h0, c0).h).dL_dh
    flow = gf.backward(gf.forward(network.cell, params, x, h0, c0), direct)

    h, c = textbook("peephole", activation, params, x, h0, c0)
    u, wanted = params["weight_hh_l0"].reshape(4, 4, 4), dict.fromkeys(params, 0.0)
    dh, dc_later = direct[-1], 0.0
    for t in range(9, 0, -1):
        a = x[t - 1] @ params["weight_ih_l0"].T + params["bias_ih_l0"]
        a = a + h[t - 1] @ params["weight_hh_l0"].T + params["bias_hh_l0"]
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
        i, f = sigma(a_i + params["weight_ci"] * c[t - 1]), sigma(a_f + params["weight_cf"] * c[t - 1])
        g, o = PHI[activation](a_g), sigma(a_o + params["weight_co"] * c[t])
        da_o = dh * PHI[activation](c[t]) * o * (1 - o)
        dc = dc_later + dh * o * slope(activation, c[t]) + da_o * params["weight_co"]
        da_i, da_f, da_g = dc * g * i * (1 - i), dc * c[t - 1] * f * (1 - f), dc * i * slope(activation, a_g)
        assert relative(flow.grad_h[t], dh) < 1e-11
        assert relative(flow.grad_c[t], dc) < 1e-11
        da = np.hstack([da_i, da_f, da_g, da_o])
        for name, part in {
            "weight_ih_l0": da.T @ x[t - 1],
            "weight_hh_l0": da.T @ h[t - 1],
            "bias_ih_l0": da.sum(0),
            "bias_hh_l0": da.sum(0),
            "weight_ci": (da_i * c[t - 1]).sum(0),
            "weight_cf": (da_f * c[t - 1]).sum(0),
            "weight_co": (da_o * c[t]).sum(0),
        }.items():
            wanted[name] = wanted[name] + part
        dc_later = f * dc + da_i * params["weight_ci"] + da_f * params["weight_cf"]
        dh = da_i @ u[0] + da_f @ u[1] + da_g @ u[2] + da_o @ u[3] + direct[t - 1]
    assert relative(flow.grad_h[0], dh) < 1e-11
    assert relative(flow.grad_c[0], dc_later) < 1e-11
    for number, (name, gradient) in enumerate(wanted.items()):
        assert relative(flow.grads[name], gradient) < 1e-11, name
        direction = scatter(gradient.shape, 60 + number)
        moved, _ = textbook("peephole", activation, {**params, name: params[name] + STEP * direction}, x, h0, c0)
        terms = flow.grads[name] * direction
        step = (moved * direct).sum().imag / STEP.imag
        assert abs(terms.sum() - step) <= 1e-11 * np.abs(terms).sum(), name


def slope(activation, a):
    y = PHI[activation](a)
    return {"tanh": 1 - y**2, "sigmoid": y * (1 - y), "relu": (a > 0.0) * 1.0}[activation]


def test_without_its_diagonals_a_peephole_lstm_is_the_lstm():
    params, x, dL_dh = params_for("lstm"), scatter((20, 2, 3), 2), scatter((21, 2, 4), 3)
    flow = gf.backward(gf.forward("lstm", params, x), dL_dh)
    blind = gf.backward(gf.forward("peephole", {**params, **dict.fromkeys(PEEPHOLES, np.zeros(4))}, x), dL_dh)
    assert np.array_equal(blind.grad_h, flow.grad_h)
    assert np.array_equal(blind.grad_c, flow.grad_c)
    assert all(np.array_equal(blind.grads[name], grad) for name, grad in flow.grads.items())
    seeing = gf.backward(gf.forward("peephole", params_for("peephole"), x), dL_dh)
    assert relative(seeing.grad_h, flow.grad_h) > 0.05


def test_the_two_resets_differ_by_the_reset_of_the_bias_and_of_the_mixed_state():
    """With r fixed and U_n diagonal the networks differ exactly by (1 − r) b_hn in the candidate."""
    u = np.diag([0.5, -0.7])
    params = zero_params(3, 2, weight_hh_l0=np.vstack([np.zeros((4, 2)), u]), bias_hh_l0=[0, 0, 0, 0, 0.3, -0.2])
    h0 = np.array([[0.4, -0.6]])
    after, before = (gf.forward(gf.GRU(reset=reset), params, np.zeros((1, 1, 1)), h0) for reset in ("after", "before"))
    b_hn, inner = params["bias_hh_l0"][4:], h0 @ u.T
    np.testing.assert_allclose(after.gates["n"][0], np.tanh(0.5 * (inner + b_hn)), rtol=1e-14)
    np.testing.assert_allclose(before.gates["n"][0], np.tanh(0.5 * inner + b_hn), rtol=1e-14)


@pytest.mark.parametrize("update", ["keep", "write"])
def test_the_two_resets_are_two_networks(update):
    """Same weights, same input: states and gradients move apart by far more than rounding."""
    params, x = params_for("gru"), scatter((20, 2, 3), 2)
    traces = [gf.forward(gf.GRU(reset=reset, update=update), params, x) for reset in ("after", "before")]
    flows = [gf.backward(trace, np.ones(trace.h.shape)) for trace in traces]
    assert relative(traces[0].h, traces[1].h) > 0.05
    assert relative(flows[0].grad_h, flows[1].grad_h) > 0.05
    runs = [gf.run(gf.Experiment(cell="gru", gru_reset=reset)) for reset in ("after", "before")]
    assert np.array_equal(runs[0].trace.params["weight_hh_l0"], runs[1].trace.params["weight_hh_l0"])
    assert 0.001 < abs(runs[0].log10_norm[0] - runs[1].log10_norm[0]).max() < 30.0


@pytest.mark.parametrize("reset", ["after", "before"])
def test_write_is_keep_with_the_update_gate_negated(reset):
    """z ↦ 1 − z = σ(−a_z): the same network once the z rows of weights and biases change sign."""
    params, x, dL_dh = params_for("gru"), scatter((20, 2, 3), 2), scatter((21, 2, 4), 3)
    z_rows = slice(4, 8)
    negated = {name: value.copy() for name, value in params.items()}
    for value in negated.values():
        value[z_rows] *= -1.0
    keep = gf.backward(gf.forward(gf.GRU(reset=reset), params, x), dL_dh)
    write = gf.backward(gf.forward(gf.GRU(reset=reset, update="write"), negated, x), dL_dh)
    assert relative(write.trace.h, keep.trace.h) < 1e-14
    assert relative(write.grad_h, keep.grad_h) < 1e-14
    for name, grad in write.grads.items():
        sign = np.ones(grad.shape)
        sign[z_rows] = -1.0
        assert relative(sign * grad, keep.grads[name]) < 1e-14, name


@pytest.mark.parametrize("bias", [-30.0, -5.0, 3.0, 30.0])
@pytest.mark.parametrize(("reset", "update"), [(r, u) for r in ("after", "before") for u in ("keep", "write")])
def test_remembering_is_a_positive_bias_if_z_keeps_and_a_negative_one_if_z_writes(reset, update, bias):
    """Candidate and gate weights zero: ∂L/∂h decays exactly as σ(±b_z)^k, also where a gate is all but shut."""
    cell = gf.GRU(reset=reset, update=update)
    params = zero_params(3, 2, bias_ih_l0=[0, 0, bias, bias, 0, 0])
    trace = gf.forward(cell, params, np.zeros((50, 1, 1)), h0=[[0.5, -0.5]])
    rate = -np.log1p(np.exp(-bias if update == "keep" else bias)) / np.log(10.0)
    want = rate * np.arange(50, -1, -1)
    np.testing.assert_allclose(
        gf.backward(trace, last_row(trace, [0.6, 0.8])).log10_norm[:, 0], want, rtol=0, atol=1e-9
    )
    assert cell.memory_sign == (1.0 if update == "keep" else -1.0)


@pytest.mark.parametrize("bias", [-30.0, -5.0, 1.0, 30.0])
def test_the_cell_states_gradient_decays_as_the_forget_gate(bias):
    """σ(b_f)^k, exactly; without recurrent weights nothing reaches an earlier h at all."""
    params = zero_params(4, 2, bias_ih_l0=[0, 0, bias, bias, 0, 0, 0, 0])
    trace = gf.forward("lstm", params, np.zeros((300, 1, 1)), c0=[[1.0, -2.0]])
    flow = gf.backward(trace, last_row(trace, [0.6, 0.8]))
    rate = -np.log1p(np.exp(-bias)) / np.log(10.0)
    want = flow.log10_norm_c[-1, 0] + rate * np.arange(300, -1, -1)
    np.testing.assert_allclose(flow.log10_norm_c[:, 0], want, rtol=1e-13, atol=1e-9)
    assert np.isneginf(flow.log10_norm[:-1]).all()
    np.testing.assert_allclose(flow.log10_norm_joint[:-1], flow.log10_norm_c[:-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("bias", [-5.0, 0.0, 3.0])
def test_a_peephole_lstm_at_rest_decays_at_its_own_rate_for_5000_steps(bias):
    """One unit at its fixed point, W_hh = 0: ∂c_t/∂c_{t−1} = f + w_ci σ′(a_i) g + w_cf σ′(a_f) c, far below 1e-308 too."""
    w_ci, w_cf, w_co, g = 0.8, -0.4, 0.5, np.tanh(0.7)
    diagonals = {"weight_ci": [w_ci], "weight_cf": [w_cf], "weight_co": [w_co]}
    params = zero_params(4, 1, bias_ih_l0=[0.3, bias, 0.7, 0.0], **diagonals)
    c = 0.0
    for _ in range(2000):
        i, f = sigma(0.3 + w_ci * c), sigma(bias + w_cf * c)
        c = f * c + i * g
    rate = np.log10(f + w_ci * i * (1 - i) * g + w_cf * f * (1 - f) * c)
    trace = gf.forward("peephole", params, np.zeros((5000, 1, 1)), c0=[[c]])
    flow = gf.backward(trace, last_row(trace))
    o = sigma(w_co * c)
    last = np.log10(o * (1 - np.tanh(c) ** 2) + w_co * o * (1 - o) * np.tanh(c))
    want = last + rate * np.arange(5000, -1, -1)
    np.testing.assert_allclose(flow.log10_norm_c[1:, 0], want[1:], rtol=1e-12, atol=1e-9)
    from_each_step = 10.0 ** np.maximum(want[1:], -300.0) * g * i * (1 - i) * c
    assert flow.grads["weight_ci"][0] == pytest.approx(from_each_step.sum(), rel=1e-9)


@pytest.mark.parametrize(("bias", "horizon"), [(0, 2.0), (1, 3.718), (2, 8.389), (3, 21.09), (5, 149.4)])
def test_the_memory_horizon_of_a_forget_bias(bias, horizon):
    """Σ_k σ(b)^k = 1/(1 − σ(b)) = 1 + e^b, summed over the measured decay of ∂L/∂c."""
    params = zero_params(4, 1, bias_ih_l0=[0, bias, 0, 0])
    trace = gf.forward("lstm", params, np.zeros((5000, 1, 1)))
    decay = gf.backward(trace, last_row(trace)).log10_norm_c[:, 0]
    with np.errstate(under="ignore"):
        assert (10.0 ** (decay - decay[-1])).sum() == pytest.approx(horizon, rel=3e-4)
        assert (10.0 ** (decay - decay[-1])).sum() == pytest.approx(1 + np.exp(bias), rel=1e-9)


def symmetric(values, seed):
    """A matrix with these eigenvalues whose real eigenvectors are pure modes of the gradient."""
    q = np.linalg.qr(scatter((len(values), len(values)), seed))[0]
    return q @ np.diag(values) @ q.T


def modes(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return zip(values, vectors.T, strict=True)


MODES = (1.5, 0.9, 0.4, -0.3, -0.8)


def test_lstm_rate_at_zero_state_and_zero_input():
    """Per mode of U_g: c′ = f c + i U_g h and h = o c give f + i·o·λ."""
    hidden, b_f = 5, 0.5
    u_g = symmetric(MODES, 3)
    u = np.vstack([scatter((2 * hidden, hidden), 4), u_g, scatter((hidden, hidden), 5)])
    params = zero_params(4, hidden, weight_hh_l0=u, bias_ih_l0=np.repeat([0, b_f, 0, 0], hidden))
    trace = gf.forward("lstm", params, np.zeros((100, 1, 1)))
    for value, vector in modes(u_g):
        log = gf.backward(trace, last_row(trace, vector)).log10_norm_c[:, 0]
        rate = np.log10(abs(sigma(b_f) + 0.25 * value))
        # a weak mode gains the strongest one's rounding errors with every step: compare while they are small
        np.testing.assert_allclose(log[-15:], log[-1] + rate * np.arange(14, -1, -1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("reset", ["after", "before"])
def test_gru_rate_at_zero_state_and_zero_input(reset):
    """Per mode of U_n: z + (1 − z)·r·λ."""
    hidden, b_r, b_z = 5, 0.3, 0.8
    u_n = symmetric(MODES, 3)
    u = np.vstack([scatter((2 * hidden, hidden), 4), u_n])
    params = zero_params(3, hidden, weight_hh_l0=u, bias_ih_l0=np.repeat([b_r, b_z, 0], hidden))
    trace = gf.forward(gf.GRU(reset=reset), params, np.zeros((100, 1, 1)))
    r, z = sigma(b_r), sigma(b_z)
    for value, vector in modes(u_n):
        flow = gf.backward(trace, last_row(trace, vector))
        want = np.log10(abs(z + (1 - z) * r * value)) * np.arange(100, -1, -1)
        # a mode that is not the strongest gains the strongest one's rounding errors: compare while they are small
        np.testing.assert_allclose(flow.log10_norm[-15:, 0], want[-15:], rtol=0, atol=1e-6)


def test_rnn_rate_at_zero_state_and_zero_input():
    """Per mode |λ_i(W_hh)|, here for a normal matrix, where every singular value of W^k is |λ_i|^k."""
    w = symmetric(MODES, 3)
    trace = gf.forward("rnn", zero_params(1, 5, weight_hh_l0=w), np.zeros((12, 1, 1)))
    log = gf.log10_jacobian_singular_values(trace)
    rates = np.log10(np.abs(gf.eigenvalues(w)))
    seen = np.isfinite(log[0])
    assert seen.sum() >= 2
    np.testing.assert_allclose(log[0][seen], 12 * rates[seen], rtol=0, atol=1e-3)
    np.testing.assert_allclose(log[0][:1], 12 * rates[:1], rtol=0, atol=1e-12)


def test_unknown_names_are_refused():
    for make, told in [
        (lambda: gf.RNN("elu"), "activation must be one of tanh, sigmoid, relu, got 'elu'"),
        (lambda: gf.LSTM(None), "activation must be one of tanh, sigmoid, relu, got None"),
        (lambda: gf.GRU(reset="never"), "reset must be one of after, before, got 'never'"),
        (lambda: gf.GRU(update=True), "update must be one of keep, write, got True"),
        (lambda: gf.forward("mgu", {}, [[[0.0]]]), "cell must be one of rnn, lstm, gru, peephole, got 'mgu'"),
    ]:
        with pytest.raises(ValueError, match=told):
            make()


def test_every_cell_is_listed():
    assert set(gf.CELLS) == set(GATES)
    for name, make in gf.CELLS.items():
        assert make().name == name
        assert len(make().gates) == GATES[name]
