"""A sweep over the spectral radius, side by side, and its memory: python -m benchmarks.sweep"""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

import gradflow as gf
from benchmarks.peers import GATES, jax_states
from benchmarks.timing import interleaved

VALUES = np.linspace(0.0, 3.0, 61)
ROUNDS = 15


def experiment(cell: str, length: int = 200) -> gf.Experiment:
    return gf.Experiment(cell=cell, length=length, hidden=64, batch=8)


def stacked(cell: str, length: int) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """What the peers are given ready-made: W_hh (S, G·H, H), the other parameters, x (T, B, D), the probe (H,)."""
    networks = [gf.build(gf.Experiment(**{**vars(experiment(cell, length)), "spectral_radius": v})) for v in VALUES]
    w_hh = np.stack([network.params["weight_hh_l0"] for network in networks])
    return w_hh, networks[0].params, networks[0].sequences.x, networks[0].readout.params["weight_probe"]


def gradflow_run(cell: str, length: int) -> Callable[[], np.ndarray]:
    """`gf.sweep`, everything included: drawing the networks, their input, both passes, and more norms than asked for."""
    return lambda: gf.sweep(experiment(cell, length), "spectral_radius", VALUES).log10_norm


def torch_run(cell: str, length: int) -> Callable[[], np.ndarray]:
    """All values in one batched product per step (`baddbmm`), `retain_grad` on every h_t."""
    w_hh, params, x, probe = (torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in stacked(cell, length))
    w_ih, b_ih, b_hh = (torch.from_numpy(params[f"{name}_l0"]) for name in ("weight_ih", "bias_ih", "bias_hh"))
    w_hh_t = w_hh.transpose(1, 2).contiguous()

    def step(h: Any, c: Any, from_input: Any) -> tuple[Any, Any]:
        if cell == "gru":
            from_state = torch.baddbmm(b_hh, h, w_hh_t)
            (r, z, n), (u_r, u_z, u_n) = from_input.chunk(3, -1), from_state.chunk(3, -1)
            z = torch.sigmoid(z + u_z)
            n = torch.tanh(n + torch.sigmoid(r + u_r) * u_n)
            return n + z * (h - n), c
        a = torch.baddbmm((from_input + b_hh).expand(len(h), -1, -1), h, w_hh_t)
        if cell == "rnn":
            return torch.tanh(a), c
        i, f, g, o = a.chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def run() -> np.ndarray:
        h = torch.zeros(len(w_hh), x.shape[1], w_hh.shape[-1], requires_grad=True)
        c, hs = torch.zeros_like(h), [h]
        for from_input in x @ w_ih.T + b_ih:
            h, c = step(h, c, from_input)
            h.retain_grad()
            hs.append(h)
        (h * probe).sum().backward()
        return torch.stack([h.grad.norm(dim=-1) for h in hs], 1).log10().numpy()

    return run


def jax_run(cell: str, length: int) -> Callable[[], np.ndarray]:
    """`jit(vmap(grad(scan)))` over W_hh, norms taken inside."""
    w_hh, params, x, probe = stacked(cell, length)
    arrays = {name: jnp.asarray(array) for name, array in params.items()}
    x, probe = jnp.asarray(x), jnp.asarray(probe)
    nudges = [jnp.zeros((length + 1, x.shape[1], w_hh.shape[-1]))] * (2 if cell == "lstm" else 1)

    def norms(w: Any, nudge_h: Any) -> Any:
        def loss(nudge_h: Any) -> Any:
            return (jax_states(cell, arrays | {"weight_hh_l0": w}, x, [nudge_h, *nudges[1:]]) * probe).sum()

        return jnp.log10(jnp.linalg.norm(jax.grad(loss)(nudge_h), axis=-1))

    gradient, w = jax.jit(jax.vmap(norms, (0, None))), jnp.asarray(w_hh)
    return lambda: np.asarray(gradient(w, nudges[0]))


PEERS = {"gradflow": gradflow_run, "torch": torch_run, "jax": jax_run}


def check(cell: str, length: int = 20) -> None:
    """All give the same norms; at a short length, for beyond ρ ≈ 1 a last digit's difference grows with every step."""
    ours, *theirs = (prepare(cell, length)() for prepare in PEERS.values())
    for norms in theirs:
        if not np.allclose(10.0**ours, 10.0**norms, rtol=1e-9, atol=1e-300):
            raise AssertionError(f"the sweeps differ for {cell}")


def main() -> None:
    print("| cell | gradflow ms | PyTorch ms | JAX ms | better peer / gradflow | gradflow's memory MB |")
    print("|---|---|---|---|---|---|")
    for cell in GATES:
        check(cell)
        runs = {name: prepare(cell, 200) for name, prepare in PEERS.items()}
        ms = {name: 1e3 * t for name, t in interleaved(runs, ROUNDS).items()}
        fresh = [sys.executable, "-m", "benchmarks.memory", cell]
        memory = float(subprocess.run(fresh, capture_output=True, text=True, check=True).stdout)
        ratio = min(ms["torch"], ms["jax"]) / ms["gradflow"]
        print(f"| {cell} | {' | '.join(f'{t:.0f}' for t in ms.values())} | {ratio:.2f}× | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
