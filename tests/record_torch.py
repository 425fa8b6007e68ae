"""Records PyTorch's float64 gradients for the tests: `PYTHONPATH=. python tests/record_torch.py` writes tests/data/torch.npz.

Only this script needs PyTorch. The inputs are made by `helpers.scatter` and so need not be stored.
"""

from pathlib import Path

import numpy as np
import torch
from torch_cases import CASES, case_arrays, rows_recorded

FILE = Path(__file__).parent / "data" / "torch.npz"
MODULES = {
    "rnn": lambda d, h: torch.nn.RNNCell(d, h, dtype=torch.float64),
    "rnn-relu": lambda d, h: torch.nn.RNNCell(d, h, nonlinearity="relu", dtype=torch.float64),
    "lstm": lambda d, h: torch.nn.LSTMCell(d, h, dtype=torch.float64),
    "gru": lambda d, h: torch.nn.GRUCell(d, h, dtype=torch.float64),
}
LAYERS = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def record(case):
    """Total derivatives of Σ_t ⟨dL_dh_t, h_t⟩ by autograd through an unrolled loop, every state's gradient retained."""
    arrays = case_arrays(case)
    module = MODULES[case.cell](case.inputs, case.hidden)
    for name, value in arrays["params"].items():
        getattr(module, name.removesuffix("_l0")).data = torch.from_numpy(value)
    x = torch.tensor(arrays["x"], requires_grad=True)
    h, c = torch.tensor(arrays["h0"], requires_grad=True), torch.tensor(arrays["c0"], requires_grad=True)
    hs, cs = [h], [c]
    for x_t in x:
        if case.cell == "lstm":
            h, c = module(x_t, (hs[-1], cs[-1]))
            c.retain_grad()
            cs.append(c)
        else:
            h = module(x_t, hs[-1])
        h.retain_grad()
        hs.append(h)
    sum((torch.from_numpy(d) * h).sum() for d, h in zip(arrays["dL_dh"], hs, strict=True)).backward()
    out = {name: getattr(module, name.removesuffix("_l0")).grad.numpy() for name in arrays["params"]}
    grad_h = np.stack([h.grad.numpy() for h in hs])
    out |= {"h": torch.stack(hs).detach().numpy()[-1], "norm_h": np.linalg.norm(grad_h, axis=-1)}
    out |= {"grad_h": grad_h[rows_recorded(case.length)], "grad_x": x.grad.numpy()[rows_recorded(case.length)[1:] - 1]}
    if case.cell == "lstm":
        grad_c = np.stack([c.grad.numpy() for c in cs])
        out |= {"norm_c": np.linalg.norm(grad_c, axis=-1), "grad_c": grad_c[rows_recorded(case.length)]}
    return {f"{case.key}/{name}": value for name, value in out.items()}


def record_layer(name, dtype):
    """A layer's own state dict and what it computes."""
    torch.manual_seed(0)
    layer = LAYERS[name](3, 4, dtype=dtype)
    x = torch.randn(6, 2, 3, dtype=dtype)
    with torch.no_grad():
        out = {**{k: v.numpy() for k, v in layer.state_dict().items()}, "x": x.numpy(), "h": layer(x)[0].numpy()}
    return {f"layer/{name}/{str(dtype)[6:]}/{k}": v for k, v in out.items()}


if __name__ == "__main__":
    recorded = {}
    for case in CASES:
        recorded |= record(case)
    for name in LAYERS:
        for dtype in (torch.float64, torch.float32):
            recorded |= record_layer(name, dtype)
    a = torch.tensor([3.0, 4.0], dtype=torch.float64)
    b = torch.tensor([12.0], dtype=torch.float64)
    for label, (p, q) in {"finite": (a, b), "infinite": (a, b * np.inf), "nan": (a, b * np.nan)}.items():
        weights = [torch.zeros_like(p, requires_grad=True), torch.zeros_like(q, requires_grad=True)]
        weights[0].grad, weights[1].grad = p.clone(), q.clone()
        torch.nn.utils.clip_grad_norm_(weights, 5.0)
        recorded |= {f"clip/{label}/a": weights[0].grad.numpy(), f"clip/{label}/b": weights[1].grad.numpy()}
    np.savez_compressed(FILE, **recorded)
    print(f"{len(CASES)} cases, {FILE.stat().st_size / 1e3:.0f} kB")
