"""Forward and backward: masks, overflow, the caller's arrays, refused input."""

import numpy as np
import pytest
from helpers import (
    CELLS,
    linear_rnn,
    params_for,
    relative,
    scatter,
    textbook,
    zero_params,
)

import gradflow as gf

MASKS = {
    "left": [[0, 0, 0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1, 1, 1]],
    "right": [[1, 1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 0]],
    "gaps": [[1, 0, 0, 1, 1, 0, 1, 1], [0, 1, 0, 1, 0, 1, 0, 1]],
    "absent": [[1, 1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0, 1]],
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", CELLS)
def test_a_masked_batch_is_each_sequence_alone(name, mask):
    """States, gradients and the summed parameter gradients; loss is also read at steps that only carry a state over."""
    present = np.array(MASKS[mask], bool).T
    steps, batch = present.shape
    cell, params, x = CELLS[name](), params_for(name), scatter((steps, batch, 3), 2)
    dL_dh, h0 = scatter((steps + 1, batch, 4), 3), scatter((batch, 4), 4)
    c0 = scatter((batch, 4), 5) if cell.has_c else None
    trace = gf.forward(cell, params, x, h0, c0, mask=present)
    flow = gf.backward(trace, dL_dh)
    total = dict.fromkeys(params, 0.0)
    for b in range(batch):
        one = slice(b, b + 1)
        clock = np.concatenate([[0], np.cumsum(present[:, b])])  # which of its own steps a row shows
        folded = np.zeros((clock[-1] + 1, 1, 4))
        np.add.at(folded, clock, dL_dh[:, one])
        alone = gf.forward(cell, params, x[present[:, b], one], h0[one], None if c0 is None else c0[one])
        alone_flow = gf.backward(alone, folded)
        assert relative(trace.h[:, one], alone.h[clock]) < 1e-14
        first_of_its_step = np.insert(np.diff(clock) == 1, 0, True)
        assert relative(flow.grad_h[first_of_its_step, one], alone_flow.grad_h) < 1e-13
        if cell.has_c:
            assert relative(flow.grad_c[first_of_its_step, one], alone_flow.grad_c) < 1e-13
            # a state only carried over reaches the loss through the next step's gates and no h of its own
            passing = np.append(kept_of_c(alone) * alone_flow.grad_c[1:], np.zeros((1, 1, 4)), axis=0)
            assert relative(flow.grad_c[~first_of_its_step, one], passing[clock[~first_of_its_step]]) < 1e-13
        assert relative(flow.grad_x[present[:, b], one], alone_flow.grad_x) < 1e-13
        assert not flow.grad_x[~present[:, b], b].any()
        for key, grad in alone_flow.grads.items():
            total[key] = total[key] + grad
    for key, grad in flow.grads.items():
        assert relative(grad, total[key]) < 1e-13, key


def kept_of_c(trace):
    """∂c_t/∂c_{t−1} of every unit, with h_{t−1} held."""
    i, f, g = (trace.gates[gate] for gate in "ifg")
    w_ci, w_cf = (trace.params.get(name, 0.0) for name in ("weight_ci", "weight_cf"))
    return f + w_ci * i * (1 - i) * g + w_cf * f * (1 - f) * trace.c[:-1]


@pytest.mark.parametrize("name", CELLS)
def test_sequences_do_not_see_each_other(name):
    params, x, dL_dh = params_for(name), scatter((9, 3, 3), 2), scatter((10, 3, 4), 3)
    together = gf.backward(gf.forward(CELLS[name](), params, x), dL_dh)
    for b in range(3):
        alone = gf.backward(gf.forward(CELLS[name](), params, x[:, [b]]), dL_dh[:, [b]])
        assert relative(together.grad_h[:, [b]], alone.grad_h) < 1e-14


@pytest.mark.parametrize("name", CELLS)
def test_results_do_not_change_with_the_caller_s_arrays(name):
    params, x = params_for(name), scatter((6, 2, 3), 7)
    mask, states = np.ones((6, 2), bool), [scatter((2, 4), 8), scatter((2, 4), 9)]
    mask[:2, 1] = False
    direct = scatter((7, 2, 4), 10)
    cell = CELLS[name]()

    def run(arrays):
        return gf.forward(cell, params, arrays[0], *(arrays[1 : 3 if cell.has_c else 2]), mask=arrays[3])

    given = [x, *states, mask]
    want = gf.backward(run(given), direct)
    wanted = {"h": want.grad_h, "x": want.grad_x, **want.grads, "direct": want.log10_norm_direct}
    trace = run(given)
    for array in (*given, *params.values()):
        array[...] = 0
    np.testing.assert_array_equal(trace.x, scatter((6, 2, 3), 7))
    flow = gf.backward(trace, direct)
    direct[...] = 0.0
    got = {"h": flow.grad_h, "x": flow.grad_x, **flow.grads, "direct": flow.log10_norm_direct}
    for key, array in wanted.items():
        np.testing.assert_array_equal(got[key], array)
    with pytest.raises(ValueError, match="read-only"):
        flow.grad_h[...] = 0.0  # the norms are made of the same numbers


@pytest.mark.parametrize("w", [2.0, 10.0, 1e100])
def test_forward_overflow_names_the_step(w):
    """h_t = w^t: the first step beyond 1.797…e308, found by Python's own integers."""
    step = next(t for t in range(1, 2000) if int(w) ** t > int(np.finfo(float).max))
    params = zero_params(1, 1, weight_hh_l0=[[w]])
    with pytest.raises(gf.ForwardOverflow, match=f"step {step} of 1500") as caught:
        gf.forward(gf.RNN("relu"), params, np.zeros((1500, 2, 1)), h0=[[0.0], [1.0]])
    assert caught.value.step == step
    assert np.isfinite(gf.forward(gf.RNN("relu"), params, np.zeros((step - 1, 1, 1)), h0=[[1.0]]).h).all()


@pytest.mark.parametrize("name", ["lstm", "gru", "gru-before"])
def test_gated_cells_overflow_with_relu_too(name):
    """Gates wide open and a growing candidate; the step is that of the textbook loop."""
    params = params_for(name, 3, 1, scale=1.0)
    params = {k: np.abs(v) * 40.0 for k, v in params.items()}
    if name != "lstm":
        params["bias_ih_l0"][3:6] = -1e3
        params["weight_ih_l0"][3:6] = params["weight_hh_l0"][3:6] = params["bias_hh_l0"][3:6] = 0.0
    x, zeros = np.ones((400, 1, 1)), np.zeros((1, 3))
    with np.errstate(all="ignore"):
        h, c = textbook(name, "relu", params, x, zeros, zeros if name == "lstm" else None)
    finite = np.isfinite(h).all((1, 2)) & (True if c is None else np.isfinite(c).all((1, 2)))
    assert not finite.all()
    with pytest.raises(gf.ForwardOverflow) as caught:
        gf.forward(CELLS[name]("relu"), params, x)
    assert caught.value.step == finite.argmin()


def test_the_direct_part_and_the_total_are_told_apart():
    trace = linear_rnn([[0.5]], 3)
    flow = gf.backward(trace, np.ones((4, 1, 1)))
    np.testing.assert_allclose(flow.grad_h[:, 0, 0], [1.875, 1.75, 1.5, 1.0], rtol=1e-15)
    np.testing.assert_allclose(flow.log10_norm_direct, 0.0, atol=1e-15)
    frame = flow.to_frame()
    assert list(frame.columns) == ["step", "sequence", "quantity", "log10_norm"]
    assert set(frame["quantity"]) == {"dL/dh", "direct"}
    assert not frame.duplicated(["step", "sequence", "quantity"]).any()


def test_an_lstms_frame_has_its_four_curves():
    flow = gf.run(gf.Experiment(cell="lstm", length=5, hidden=4, batch=2))
    frame = flow.to_frame()
    assert set(frame["quantity"]) == {"dL/dh", "dL/dc", "joint", "direct"}
    assert len(frame) == 4 * 6 * 2
    row = frame[(frame.quantity == "dL/dc") & (frame.step == 3) & (frame.sequence == 1)]
    assert row["log10_norm"].item() == flow.log10_norm_c[3, 1]
    joint = np.hypot(np.linalg.norm(flow.grad_h, axis=-1), np.linalg.norm(flow.grad_c, axis=-1))
    np.testing.assert_allclose(10.0**flow.log10_norm_joint, joint, rtol=1e-13)


GOOD = {"cell": "rnn", "params": params_for("rnn", 4, 3), "x": np.zeros((5, 2, 3))}
BAD_FORWARD = [
    ({"cell": None}, "cell must be one of rnn, lstm, gru, peephole, got None"),
    ({"cell": gf.RNN}, "cell must be one of rnn, lstm, gru, peephole, got"),
    ({"params": None}, "params must map names to arrays, got None"),
    ({"params": []}, r"params must map names to arrays, got \[\]"),
    ({"params": {}}, "params must have exactly the keys .* lacks weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0"),
    ({"params": {**params_for("rnn"), "bias": 0}}, "params .* has extra bias"),
    ({"params": params_for("lstm")}, r"params\['weight_hh_l0'\] must have shape .*rnn having 1 gate, got \(16, 4\)"),
    ({"params": {**params_for("rnn"), "weight_ci": np.zeros(4)}}, "params .* has extra weight_ci$"),
    (
        {"cell": "peephole", "params": params_for("lstm", 4, 3)},
        "bias_hh_l0, weight_ci, weight_cf, weight_co; it lacks weight_ci, weight_cf, weight_co$",
    ),
    (
        {"cell": "peephole", "params": {**params_for("peephole"), "weight_cf": np.zeros((4, 1))}},
        r"params\['weight_cf'\] must have shape \(4,\), got \(4, 1\)",
    ),
    (
        {"cell": "peephole", "params": {**params_for("peephole"), "weight_co": np.full(4, np.inf)}},
        r"params\['weight_co'\] must be finite, got inf at index \(0,\)",
    ),
    ({"params": {**params_for("rnn"), "bias_hh_l0": np.zeros(3)}}, r"params\['bias_hh_l0'\] .* \(4,\), got \(3,\)"),
    ({"params": {**params_for("rnn"), "weight_ih_l0": np.zeros(4)}}, r"weight_ih_l0'\] .* \(4, D\), got \(4,\)"),
    (
        {"params": {**params_for("rnn"), "weight_hh_l0": np.full((4, 4), np.nan)}},
        r"weight_hh_l0'\] must be finite, got nan",
    ),
    ({"params": {**params_for("rnn"), "weight_hh_l0": "W"}}, r"weight_hh_l0'\] must be an array of numbers, got 'W'"),
    ({"x": None}, "x must be an array of numbers, got None"),
    ({"x": "abc"}, "x must be an array of numbers, got 'abc'"),
    ({"x": [[[1, 2, 10**400]]]}, "x must be an array of numbers"),
    ({"x": [[1.0], [1.0, 2.0]]}, "x must be an array of numbers"),
    ({"x": np.zeros((5, 2))}, r"x must have shape \(T, B, 3\), got \(5, 2\)"),
    ({"x": np.zeros((5, 2, 4))}, r"x must have shape \(T, B, 3\), got \(5, 2, 4\)"),
    ({"x": np.zeros((0, 2, 3))}, r"x must hold at least one step .* got shape \(0, 2, 3\)"),
    ({"x": np.zeros((5, 0, 3))}, r"x must hold at least one step and one sequence, got shape \(5, 0, 3\)"),
    ({"x": np.full((5, 2, 3), np.inf)}, r"x must be finite, got inf at index \(0, 0, 0\)"),
    ({"h0": np.zeros((2, 3))}, r"h0 must have shape \(2, 4\), got \(2, 3\)"),
    ({"h0": np.full((2, 4), np.nan)}, "h0 must be finite, got nan"),
    ({"c0": np.zeros((2, 4))}, "c0 must be None for a cell without c"),
    ({"mask": np.ones((5, 2))}, r"mask must be boolean of shape \(5, 2\), got float64"),
    ({"mask": np.ones((2, 5), bool)}, r"mask must be boolean of shape \(5, 2\), got bool \(2, 5\)"),
    ({"x": np.broadcast_to(0.0, (5000, 20_000, 3))}, "must fit in 1 GB, got 5000 × 20000 × 4"),
]


@pytest.mark.parametrize(("change", "told"), BAD_FORWARD, ids=lambda v: v if isinstance(v, str) else "")
def test_forward_refuses(change, told):
    with pytest.raises(ValueError, match=told):
        gf.forward(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("dL_dh", "told"),
    [
        (np.zeros((5, 2, 4)), r"dL_dh must have shape \(6, 2, 4\), got \(5, 2, 4\)"),
        (np.full((6, 2, 4), np.nan), "dL_dh must be finite, got nan"),
        (None, "dL_dh must be an array of numbers, got None"),
        (np.ones((6, 2, 4)) * 1j, "dL_dh"),
    ],
)
def test_backward_refuses(dL_dh, told):
    with pytest.raises(ValueError, match=told):
        gf.backward(gf.forward(**GOOD), dL_dh)


def test_integers_lists_and_float32_are_numbers():
    params = {k: v.astype(np.float32).tolist() for k, v in params_for("rnn", 4, 3).items()}
    trace = gf.forward("rnn", params, np.ones((2, 1, 3), np.int32))
    assert trace.h.dtype == np.float64
    assert gf.backward(trace, np.ones((3, 1, 4), np.float32)).grad_h.dtype == np.float64
