"""Packing PyTorch's four arrays into one matrix, and its gradient back into four."""

import numpy as np
import pytest
from helpers import CELLS, params_for, scatter

from gradflow.parameters import NAMES, check_params, pack, unpack


@pytest.mark.parametrize("name", CELLS)
def test_unpack_is_the_transpose_of_pack(name):
    """⟨pack(p), w⟩ = ⟨p, unpack(w)⟩ for any w: every entry goes to its place and none is lost."""
    cell, params = CELLS[name](), params_for(name, 4, 3)
    w, late = pack(cell, params)
    dw = scatter(w.shape, 5)
    dlate = None if late is None else scatter(late.shape, 6)
    back = unpack(cell, dw, dlate)
    assert {k: v.shape for k, v in back.items()} == {k: params[k].shape for k in NAMES}
    packed = (w * dw).sum() + (0.0 if late is None else (late * dlate).sum())
    assert packed == pytest.approx(sum((params[k] * back[k]).sum() for k in NAMES), rel=1e-13)


@pytest.mark.parametrize("name", CELLS)
def test_every_parameter_is_packed(name):
    cell, params = CELLS[name](), params_for(name, 4, 3)
    w, late = pack(cell, params)
    for key in NAMES:
        value = params[key]
        moved, moved_late = pack(cell, {**params, key: value + 1.0})
        count = int((moved != w).sum()) + (0 if late is None else int((moved_late != late).sum()))
        assert count == value.size, key


@pytest.mark.parametrize("name", CELLS)
def test_sweep_axes_lead(name):
    cell = CELLS[name]()
    many = [params_for(name, seed=seed) for seed in range(3)]
    w, late = pack(cell, {k: np.stack([p[k] for p in many]) for k in many[0]})
    for s, params in enumerate(many):
        one, one_late = pack(cell, params)
        np.testing.assert_array_equal(w[s], one)
        assert late is None or np.array_equal(late[s], one_late)


@pytest.mark.parametrize("missing", ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"])
def test_missing_arrays_are_named(missing):
    params = params_for("gru")
    del params[missing]
    with pytest.raises(ValueError, match=f"it lacks {missing}$"):
        check_params(CELLS["gru"](), params)
