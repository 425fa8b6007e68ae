"""Records PyTorch's truncated gradients: `PYTHONPATH=. python tests/record_torch_truncated.py` writes a file in tests/data.

Only this script needs PyTorch. The state is detached where truncation cuts it, as a training loop does it.
"""

from pathlib import Path

import numpy as np
import torch
from record_torch import MODULES
from torch_truncated_cases import CASES, STYLES, truncated_arrays

FILE = Path(__file__).parent / "data" / "torch_truncated.npz"


def steps(module, x, state, start, stop):
    """The states after the steps start + 1 … stop: a list of h or of (h, c)."""
    states = []
    for t in range(start, stop):
        state = module(x[t], state)
        states.append(state)
    return states


def detached(state):
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


def record(case, k1, k2):
    """The parameters' gradients, added up over the passes: each begins anew from a detached state k2 steps before its end."""
    arrays = truncated_arrays(case)
    module = MODULES[case.cell](case.inputs, case.hidden)
    for name, value in arrays["params"].items():
        getattr(module, name.removesuffix("_l0")).data = torch.from_numpy(value)
    x, dL_dh = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["dL_dh"])
    first = torch.from_numpy(arrays["h0"])
    first = (first, torch.from_numpy(arrays["c0"])) if case.cell == "lstm" else first
    states = [first, *steps(module, x, first, 0, case.length)]
    begin = 0
    while begin < case.length:
        end = min(begin + k1, case.length)
        cut = max(0, end - k2)
        again = steps(module, x, detached(states[cut]), cut, end)
        loss = sum(
            (dL_dh[t] * (s[0] if case.cell == "lstm" else s)).sum()
            for t, s in enumerate(again, start=cut + 1)
            if t > begin
        )
        loss.backward()
        begin = end
    return {
        f"{case.key}/{k1}/{k2}/{name}": getattr(module, name.removesuffix("_l0")).grad.numpy()
        for name in arrays["params"]
    }


if __name__ == "__main__":
    recorded = {}
    for case in CASES:
        for k1, k2 in STYLES:
            recorded |= record(case, k1, k2)
    np.savez_compressed(FILE, **recorded)
    print(f"{len(recorded)} gradients, {FILE.stat().st_size / 1e3:.0f} kB")
