"""Every derivative against PyTorch's float64 autograd, recorded by `record_torch.py`."""

from pathlib import Path

import numpy as np
import pytest
from helpers import relative, relative_rows
from torch_cases import CASES, case_arrays, rows_recorded

import gradflow as gf

RECORDED = np.load(Path(__file__).parent / "data" / "torch.npz")
OURS = {"rnn": gf.RNN(), "rnn-relu": gf.RNN("relu"), "lstm": gf.LSTM(), "gru": gf.GRU()}


def recorded(prefix):
    return {k.removeprefix(f"{prefix}/"): RECORDED[k] for k in RECORDED.files if k.startswith(f"{prefix}/")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
def test_derivatives_are_those_of_autograd(case):
    want, given = recorded(case.key), case_arrays(case)
    c0 = given["c0"] if case.cell == "lstm" else None
    trace = gf.forward(OURS[case.cell], given["params"], given["x"], given["h0"], c0)
    flow = gf.backward(trace, given["dL_dh"])
    rows = rows_recorded(case.length)
    assert relative(trace.h[-1], want["h"]) < 1e-10
    assert relative_rows(flow.grad_h[rows], want["grad_h"]) < 1e-10
    assert relative_rows(flow.grad_x[rows[1:] - 1], want["grad_x"]) < 1e-10
    assert np.abs(flow.log10_norm - np.log10(want["norm_h"])).max() < 1e-10
    if case.cell == "lstm":
        assert relative_rows(flow.grad_c[rows], want["grad_c"]) < 1e-10
        assert np.abs(flow.log10_norm_c - np.log10(want["norm_c"])).max() < 1e-10
        joint = np.hypot(want["norm_h"], want["norm_c"])
        assert np.abs(flow.log10_norm_joint - np.log10(joint)).max() < 1e-10
    for name, grad in flow.grads.items():
        assert relative(grad, want[name]) < 1e-10, name


class Tensor:
    """As much of a tensor as `from_torch` may rely on."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.array


@pytest.mark.parametrize("wrap", [np.asarray, Tensor, np.ndarray.tolist], ids=["array", "tensor", "list"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_a_layers_state_dict_loads_unchanged(name, dtype, wrap):
    layer = recorded(f"layer/{name}/{dtype}")
    x, h = layer.pop("x"), layer.pop("h")
    params = gf.from_torch({key: wrap(value) for key, value in layer.items()})
    assert all(value.dtype == np.float64 for value in params.values())
    assert all(np.array_equal(params[key], layer[key]) for key in layer)
    assert relative(gf.forward(name, params, x).h[1:], h.astype(float)) < (1e-14 if dtype == "float64" else 1e-6)


@pytest.mark.parametrize("label", ["finite", "infinite", "nan"])
def test_clipping_is_pytorchs(label):
    want = recorded(f"clip/{label}")
    b = {"finite": 12.0, "infinite": np.inf, "nan": np.nan}[label]
    got = gf.clip_by_norm({"a": [3.0, 4.0], "b": [b]}, 5.0, error_if_nonfinite=False).grads
    np.testing.assert_array_equal(got["a"], want["a"])
    np.testing.assert_array_equal(got["b"], want["b"])
