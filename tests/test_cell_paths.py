"""Paths through a cell, against complex steps path by path, every route written out, and closed forms."""

import math
from itertools import product

import numpy as np
import pytest
from helpers import (
    ACTIVATIONS,
    CELLS,
    GATES,
    KNOBS_OF,
    PHI,
    last_row,
    params_for,
    relative,
    scatter,
    sigma,
    zero_params,
)

import gradflow as gf
from gradflow.adding import LONGEST, TRAINED
from gradflow.cells.cell import HIGHWAY
from gradflow.paths import DIRECT, MIXED, ROUTES
from gradflow.paths import GATES as BY_GATES
from gradflow.training import adding_problem

STEP = 1e-30j
NAMES = {"rnn": ("h",), "lstm": ("i", "f", "g", "o", HIGHWAY), "gru": ("r", "z", "n", HIGHWAY)}
NAMES["peephole"] = NAMES["lstm"]


def one_step(name, activation, params, x_t, h, c):
    """h_t, or h_t and c_t behind one another, from the textbook; every path reads a h_{t−1} and c_{t−1} of its own."""
    kind, *options = name.split("-")
    phi = PHI[activation]
    u, b = np.split(params["weight_hh_l0"], GATES[kind]), np.split(params["bias_hh_l0"], GATES[kind])
    inputs = np.split(params["weight_ih_l0"] @ x_t + params["bias_ih_l0"], GATES[kind])
    if kind == "rnn":
        return phi(inputs[0] + u[0] @ h["h"] + b[0])
    if kind in ("lstm", "peephole"):
        w_ci, w_cf, w_co = (params.get(f"weight_c{gate}", 0.0) for gate in "ifo")
        a = [i + u_k @ h[k] + b_k for i, u_k, k, b_k in zip(inputs, u, "ifgo", b, strict=True)]
        c_t = sigma(a[1] + w_cf * c["f"]) * c[HIGHWAY] + sigma(a[0] + w_ci * c["i"]) * phi(a[2])
        return np.concatenate([sigma(a[3] + w_co * c_t) * phi(c_t), c_t])
    r, z = (sigma(inputs[k] + u[k] @ h["rz"[k]] + b[k]) for k in (0, 1))
    from_state = u[2] @ (r * h["n"]) + b[2] if "before" in options else r * (u[2] @ h["n"] + b[2])
    n = phi(inputs[2] + from_state)
    return z * n + (1 - z) * h[HIGHWAY] if "write" in options else (1 - z) * n + z * h[HIGHWAY]


def jacobians(name, activation, params, x_t, h, c):
    """Path → ∂(h_t, c_t)/∂(the h_{t−1} and c_{t−1} that it reads), by complex steps."""
    paths = NAMES[name.split("-")[0]]
    state = h if c is None else np.concatenate([h, c])
    found = {}
    for path in paths:
        columns = []
        for unit in np.eye(len(state)):
            read = {k: state + (STEP * unit if k == path else 0j) for k in paths}
            h_read, c_read = {k: v[: len(h)] for k, v in read.items()}, {k: v[len(h) :] for k, v in read.items()}
            columns.append(one_step(name, activation, params, x_t, h_read, c_read).imag / STEP.imag)
        found[path] = np.stack(columns, axis=1)
    return found


def case(name, activation="tanh", steps=5, hidden=3, reads="all"):
    """A flow of one sequence, and its Jacobians by step and path."""
    params, x = params_for(name, hidden, 2), scatter((steps, 1, 2), 3) * 1.5
    h0 = scatter((1, hidden), 4)
    c0 = scatter((1, hidden), 5) if name in ("lstm", "peephole") else None
    trace = gf.forward(CELLS[name](activation), params, x, h0, c0)
    flow = gf.backward(trace, scatter(trace.h.shape, 6) if reads == "all" else last_row(trace))
    c = [None] * steps if trace.c is None else trace.c[:, 0]
    by_step = [jacobians(name, activation, params, x[t, 0], trace.h[t, 0], c[t]) for t in range(steps)]
    return flow, by_step


def inside(flow, t):
    """∂h_t/∂c_t, through what the output gate may see of c_t too."""
    y, o = flow.trace.cell.phi.value(flow.trace.c[t, 0]), flow.trace.gates["o"][t - 1, 0]
    slope = flow.trace.cell.phi.slope(flow.trace.c[t, 0], y)
    return o * slope + flow.trace.params.get("weight_co", 0.0) * o * (1.0 - o) * y


def cotangent(flow, t):
    """(∂L/∂h_t, what c_{t+1} sends of ∂L/∂c_t): all that arrives at step t from later ones and from its own loss."""
    dh = flow.grad_h[t, 0]
    return dh if flow.grad_c is None else np.concatenate([dh, flow.grad_c[t, 0] - inside(flow, t) * dh])


def at_memory(flow, t, dh, dc):
    """A share of (∂L/∂h_t, ∂L/∂c_t) as it shows at the memory."""
    if flow.grad_c is None:
        return dh
    return dc + (inside(flow, t) * dh if t > 0 else 0.0)


def sent(flow, jacobian, vector):
    """What a path makes of a cotangent one step back, at h and at c."""
    back = jacobian.T @ vector
    return np.split(back, 2) if flow.grad_c is not None else (back, np.zeros_like(back))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", CELLS)
def test_every_part_of_a_step_is_that_path_s_own_derivative(name, activation):
    flow, by_step = case(name, activation)
    split = gf.split_steps(flow)
    assert set(split.parts) == {*by_step[0], DIRECT}
    for t in range(5):
        whole = (flow.grad_h if flow.grad_c is None else flow.grad_c)[t, 0]
        want = {path: at_memory(flow, t, *sent(flow, j, cotangent(flow, t + 1))) for path, j in by_step[t].items()}
        want[DIRECT] = at_memory(flow, t, flow.direct[t, 0], 0.0 * whole)
        assert relative(sum(want.values()), whole) < 1e-13
        for k, part in enumerate(split.parts):
            norm = np.linalg.norm(want[part])
            assert 10.0 ** split.log10_norm[k, t, 0] == pytest.approx(norm, rel=1e-12, abs=1e-14)
            assert split.share[k, t, 0] == pytest.approx(want[part] @ whole / (whole @ whole), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("start", [1, 3, 5])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", CELLS)
def test_routes_are_the_sum_of_all_paths_written_out(name, activation, start):
    """All 2^k ways to take the highway or a gate at each of k steps, as products of Jacobians."""
    flow, by_step = case(name, activation, reads="last")
    split = gf.split_routes(flow, start)
    assert split.parts == ROUTES
    size = flow.trace.h.shape[-1]
    for t in range(start):
        want = dict.fromkeys(ROUTES, np.zeros(size))
        for choices in product((HIGHWAY, BY_GATES), repeat=start - t):
            vector = cotangent(flow, start)
            for step, choice in zip(range(start - 1, t - 1, -1), choices, strict=True):
                took = [
                    sent(flow, j, vector) for p, j in by_step[step].items() if (p == HIGHWAY) == (choice == HIGHWAY)
                ]
                dh, dc = np.sum(took, axis=0) if took else np.zeros((2, size))
                vector = dh if flow.grad_c is None else np.concatenate([dh, dc])
            route = choices[0] if len(set(choices)) == 1 else MIXED
            want[route] = want[route] + at_memory(flow, t, dh, dc)
        for k, part in enumerate(ROUTES):
            norm = np.linalg.norm(want[part])
            assert 10.0 ** split.log10_norm[k, t, 0] == pytest.approx(norm, rel=1e-11, abs=1e-15), part


READS = ("many-to-one", "many-to-many", "one-to-many", "encoder-decoder")


@pytest.mark.parametrize("reads", READS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", CELLS)
def test_the_parts_add_up_to_the_whole_at_every_step(name, activation, reads):
    exp = gf.Experiment(activation=activation, sequence_type=reads, length=120, hidden=16, batch=3, **KNOBS_OF[name])
    flow = gf.run(exp)
    splits = gf.split_steps(flow), gf.split_routes(flow), gf.split_routes(flow, 40)
    for split, last in zip(splits, (119, 120, 40), strict=True):
        assert split.share.shape == split.log10_norm.shape == (len(split.parts), last + 1, 3)
        assert split.error.max() <= 1e-12
        np.testing.assert_allclose(split.share.sum(0), 1.0, rtol=0, atol=1e-11)
        whole = flow.log10_norm if flow.log10_norm_c is None else flow.log10_norm_c
        np.testing.assert_allclose(split.log10_whole, whole[: last + 1], rtol=1e-14, atol=0)


@pytest.mark.parametrize("bias", [-700.0, -30.0, -5.0])
def test_the_highway_alone_is_the_product_of_the_forget_gates_at_any_size(bias):
    """Far below float64's range, beside routes that are thousands of decades larger."""
    params = params_for("lstm")
    params["bias_ih_l0"][4:8] = bias
    trace = gf.forward("lstm", params, scatter((300, 2, 3), 2))
    flow = gf.backward(trace, last_row(trace, [0.5, -0.6, 0.3, 0.2]))
    split = gf.split_routes(flow)
    a_f = trace.pre_activations[2]
    kept = -np.logaddexp(0.0, -a_f) / math.log(10.0)
    parts = kept[::-1].cumsum(0)[::-1] + np.log10(np.abs(flow.grad_c[-1]))
    largest = parts.max(-1)
    with np.errstate(under="ignore"):
        want = largest + 0.5 * np.log10((10.0 ** (2.0 * (parts - largest[..., None]))).sum(-1))
    np.testing.assert_allclose(split.log10_norm[ROUTES.index(HIGHWAY), :-1], want, rtol=1e-12, atol=1e-10)
    longest = 10.0 ** np.maximum(0.0, split.log10_norm.max(0) - split.log10_whole)
    assert (split.error <= 1e-14 * np.maximum.accumulate(longest[::-1])[::-1]).all()  # no more than their cancellation


def test_parts_that_cancel_keep_their_own_digits():
    """With f near 0.007 and large weights the mixed routes undo what the gates alone send, 40,000 times the whole."""
    params = params_for("lstm")
    params["bias_ih_l0"][4:8] = -5.0
    trace = gf.forward("lstm", params, scatter((300, 2, 3), 2))
    split = gf.split_routes(gf.backward(trace, last_row(trace, [0.5, -0.6, 0.3, 0.2])))
    gates, mixed = (split.share[ROUTES.index(route), :, 0] for route in (BY_GATES, MIXED))
    assert gates.min() < -1e4
    assert mixed.max() > 1e4
    np.testing.assert_allclose(split.share[..., 0].sum(0), 1.0, rtol=0, atol=1e-9)


def test_gates_alone_are_the_product_of_the_gates_jacobians_at_any_size():
    """A GRU that keeps nothing is a vanilla RNN with a gate of σ(30): no highway, one route."""
    params = zero_params(
        3,
        2,
        weight_hh_l0=np.vstack([np.zeros((4, 2)), 1e-3 * np.eye(2)]),
        bias_ih_l0=[30.0, 30.0, -30.0, -30.0, 0.0, 0.0],
    )
    trace = gf.forward("gru", params, np.zeros((300, 1, 1)))
    split = gf.split_routes(gf.backward(trace, last_row(trace)))
    rate = np.log10(sigma(30.0)) + np.log10(sigma(30.0) * 1e-3)
    np.testing.assert_allclose(
        split.log10_norm[ROUTES.index(BY_GATES), :-1, 0], rate * np.arange(300, 0, -1), rtol=1e-12
    )
    highway = -np.logaddexp(0.0, 30.0) / math.log(10.0)
    np.testing.assert_allclose(
        split.log10_norm[ROUTES.index(HIGHWAY), :-1, 0], highway * np.arange(300, 0, -1), rtol=1e-12
    )


def test_a_vanilla_rnn_has_one_path():
    flow = gf.run(gf.Experiment(cell="rnn", length=30))
    assert gf.split_steps(flow).parts == ("h", DIRECT)
    routes = gf.split_routes(flow)
    assert np.isneginf(routes.log10_norm[[ROUTES.index(HIGHWAY), ROUTES.index(MIXED)]]).all()
    np.testing.assert_allclose(routes.share[ROUTES.index(BY_GATES), :-1], 1.0, rtol=0, atol=1e-13)


def test_losses_on_the_way_join_as_direct_parts():
    flow = gf.run(gf.Experiment(cell="gru", sequence_type="many-to-many", reduction="sum", length=20, batch=2))
    for split in (gf.split_steps(flow), gf.split_routes(flow)):
        direct = split.log10_norm[split.parts.index(DIRECT)]
        np.testing.assert_allclose(direct[1:20], flow.log10_norm_direct[1:20], rtol=0, atol=1e-14)
        assert np.isneginf(direct[0]).all()


def test_where_nothing_arrives_there_is_no_share():
    """A dead ReLU network: exactly zero, not NaN turned into a number, not a warning."""
    params = zero_params(3, 2, bias_ih_l0=[0.0, 0.0, -800.0, -800.0, -1.0, -1.0])
    trace = gf.forward(gf.GRU("relu"), params, np.zeros((4, 1, 1)))
    for split in (
        gf.split_steps(gf.backward(trace, last_row(trace))),
        gf.split_routes(gf.backward(trace, last_row(trace))),
    ):
        assert np.isneginf(split.log10_whole[:4]).all()
        assert np.isnan(split.share[:, :4]).all()
        assert (split.error == 0.0).all()


def test_what_cannot_be_split_is_refused():
    text = gf.run(gf.Experiment(cell="gru", input="text", text="one\nanother"))
    with pytest.raises(ValueError, match="flow must be of sequences of one length"):
        gf.split_steps(text)
    with pytest.raises(ValueError, match="flow must be of sequences of one length"):
        gf.split_routes(text)
    flow = gf.run(gf.Experiment(length=5))
    for start in (0, 6, 2.5, "x"):
        with pytest.raises(ValueError, match=r"start must be a whole number in \[1, 5\], got"):
            gf.split_routes(flow, start)


@pytest.mark.parametrize("reset", ["after", "before"])
def test_the_other_convention_is_the_same_network(reset):
    params, x, direct = params_for("gru"), scatter((40, 2, 3), 2), scatter((41, 2, 4), 3)
    for update in ("keep", "write"):
        cell = gf.GRU(reset=reset, update=update)
        other, negated = gf.other_convention(cell, params)
        assert {cell.update, other.update} == {"keep", "write"}
        here = gf.backward(gf.forward(cell, params, x), direct)
        there = gf.backward(gf.forward(other, negated, x), direct)
        assert relative(there.trace.h, here.trace.h) <= 1e-14
        assert np.abs(there.grad_h - here.grad_h).max(-1).max() <= 1e-14 * np.abs(here.grad_h).max(-1).min()
        again = gf.other_convention(other, negated)
        assert again[0] == cell
        assert all(np.array_equal(again[1][name], value) for name, value in params.items())


@pytest.mark.parametrize("cell", TRAINED)
def test_the_trained_weights_have_learned_to_add(cell):
    """Held to fresh sequences; always answering 1 has an error of 1/6."""
    network = gf.trained_network(cell)
    x, y = adding_problem(np.random.default_rng(99), LONGEST, 400)
    with np.errstate(under="ignore"):
        h = gf.forward(cell, network.params, x).h[-1]
    error = np.square(h @ network.weight_hy + network.bias_hy - y).mean()
    assert error < 2e-3
    assert error == pytest.approx(network.error, rel=0.5)
    assert np.square(1.0 - y).mean() == pytest.approx(1.0 / 6.0, rel=0.2)


def test_trained_weights_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        gf.trained_network("gru").params["weight_hh_l0"][0, 0] = 1.0
    with pytest.raises(ValueError, match="cell must be one of lstm, gru, got 'rnn'"):
        gf.trained_network("rnn")


def test_a_part_s_exponent_does_not_touch_the_others():
    """Shares and norms are the same numbers whether the gradient is of size 1 or 1e-300."""
    params, x = params_for("gru"), scatter((30, 1, 3), 2)
    trace = gf.forward("gru", params, x)
    big, small = (gf.backward(trace, last_row(trace, row)) for row in (np.ones(4), 2.0**-1000 * np.ones(4)))
    for split in (gf.split_steps, gf.split_routes):
        np.testing.assert_allclose(split(small).share, split(big).share, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(
            split(small).log10_norm, split(big).log10_norm - 1000.0 * math.log10(2.0), rtol=1e-13, atol=1e-10
        )
