"""The blocks that share an exponent: where they end must not matter."""

import numpy as np
import pytest
from helpers import CELLS, last_row, params_for, relative, scatter

import gradflow as gf
from gradflow import blocks, jacobians


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_blocks_of_any_size_give_the_same_gradients(name, batch, monkeypatch):
    """How many steps go back between two looks at the exponent must not be seen in any result."""
    params, x = params_for(name, scale=0.7), scatter((150, batch, 3), 2)
    trace = gf.forward(CELLS[name](), params, x)
    direct = last_row(trace, scatter((batch, 4), 3))
    flows = []
    for block in (1, 7, 64, 1000):
        monkeypatch.setattr(blocks, "BLOCK_STEPS", block)
        monkeypatch.setattr(jacobians, "BLOCK_STEPS", block)
        flows.append(gf.backward(trace, direct))
    for flow in flows[1:]:
        np.testing.assert_allclose(flow.log10_norm, flows[0].log10_norm, rtol=0, atol=1e-11)
        if flow.log10_norm_c is not None:
            np.testing.assert_allclose(flow.log10_norm_c, flows[0].log10_norm_c, rtol=0, atol=1e-11)
        for key, grad in flow.grads.items():
            assert relative(grad, flows[0].grads[key]) < 1e-12, key
