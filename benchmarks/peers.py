"""The same gradients three times: gradflow, a PyTorch cell loop and a jitted JAX scan.

Every peer is a function (problem) → run, and run() → Gradients. What can be made once, such as tensors and compiled code,
is made in the first call, so that run() holds the forward pass, the backward pass and nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

import gradflow as gf

jax.config.update("jax_enable_x64", True)
torch.set_default_dtype(torch.float64)

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
TORCH_CELLS = {"rnn": torch.nn.RNNCell, "lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}


@dataclass(frozen=True)
class Problem:
    """A cell with PyTorch's parameters, an input x (T, B, D) and the loss L = Σ probe ⊙ h_T, probe (B, H)."""

    cell: str
    params: dict[str, np.ndarray]
    x: np.ndarray
    probe: np.ndarray

    @property
    def hidden(self) -> int:
        return self.probe.shape[1]


@dataclass(frozen=True)
class Gradients:
    """∂L/∂h_t and ∂L/∂c_t for t = 0 … T (lists or arrays, whichever the library gives), and the parameters' gradients."""

    h: Any
    c: Any
    params: dict[str, Any]


Run = Callable[[], Gradients]


def make_problem(cell: str, length: int, batch: int, hidden: int, inputs: int = 8, seed: int = 0) -> Problem:
    """Gaussian weights of spectral radius about 1, Gaussian input and probe."""
    rng, rows = np.random.default_rng(seed), GATES[cell] * hidden
    params = {
        "weight_ih_l0": 0.1 * rng.normal(size=(rows, inputs)),
        "weight_hh_l0": rng.normal(size=(rows, hidden)) / np.sqrt(hidden),
        "bias_ih_l0": 0.1 * rng.normal(size=rows),
        "bias_hh_l0": 0.1 * rng.normal(size=rows),
    }
    return Problem(cell, params, rng.normal(size=(length, batch, inputs)), rng.normal(size=(batch, hidden)))


def gradflow_run(problem: Problem) -> Run:
    """`gf.forward` and `gf.backward`, as a user calls them."""
    direct = np.zeros((len(problem.x) + 1, *problem.probe.shape))
    direct[-1] = problem.probe

    def run() -> Gradients:
        flow = gf.backward(gf.forward(problem.cell, problem.params, problem.x), direct)
        return Gradients(flow.grad_h, flow.grad_c, flow.grads)

    return run


def torch_run(problem: Problem) -> Run:
    """A loop over `RNNCell`, `LSTMCell` or `GRUCell` with `retain_grad` on every state."""
    cell = TORCH_CELLS[problem.cell](problem.x.shape[-1], problem.hidden)
    with torch.no_grad():
        for name, parameter in cell.named_parameters():
            parameter.copy_(torch.from_numpy(problem.params[f"{name}_l0"]))
    x, probe = torch.from_numpy(problem.x), torch.from_numpy(problem.probe)

    def run() -> Gradients:
        cell.zero_grad()
        h = torch.zeros_like(probe, requires_grad=True)
        c = torch.zeros_like(probe, requires_grad=True)
        hs, cs = [h], [c]
        for x_t in x:
            if problem.cell == "lstm":
                h, c = cell(x_t, (h, c))
                c.retain_grad()
                cs.append(c)
            else:
                h = cell(x_t, h)
            h.retain_grad()
            hs.append(h)
        (h * probe).sum().backward()
        grads = {f"{name}_l0": parameter.grad for name, parameter in cell.named_parameters()}
        return Gradients([h.grad for h in hs], [c.grad for c in cs] if problem.cell == "lstm" else None, grads)

    return run


def jax_step(cell: str, states: Any, from_input: Any, from_state: Any, nudge: Any) -> Any:
    """One step in PyTorch's gate order, from W_ih x + b_ih and W_hh h + b_hh; every new state gets its nudge."""
    if cell == "rnn":
        return (jnp.tanh(from_input + from_state) + nudge[0],)
    if cell == "lstm":
        i, f, g, o = jnp.split(from_input + from_state, 4, -1)
        c = jax.nn.sigmoid(f) * states[1] + jax.nn.sigmoid(i) * jnp.tanh(g) + nudge[1]
        return jax.nn.sigmoid(o) * jnp.tanh(c) + nudge[0], c
    (r, z, n), (u_r, u_z, u_n) = jnp.split(from_input, 3, -1), jnp.split(from_state, 3, -1)
    z = jax.nn.sigmoid(z + u_z)
    return ((1.0 - z) * jnp.tanh(n + jax.nn.sigmoid(r + u_r) * u_n) + z * states[0] + nudge[0],)


def jax_states(cell: str, params: Any, x: Any, nudges: Any) -> Any:
    """h_T of a scan that adds nudges[0][t] to h_t, and nudges[1][t] to the LSTM's c_t: ∂L/∂nudge is ∂L/∂state."""
    w_hh_t, from_input = params["weight_hh_l0"].T, x @ params["weight_ih_l0"].T + params["bias_ih_l0"]

    def step(states: Any, inputs: Any) -> tuple[Any, None]:
        from_input, nudge = inputs
        return jax_step(cell, states, from_input, states[0] @ w_hh_t + params["bias_hh_l0"], nudge), None

    states, _ = jax.lax.scan(step, tuple(n[0] for n in nudges), (from_input, [n[1:] for n in nudges]))
    return states[0]


def jax_gradient(cell: str) -> Any:
    """The compiled (params, nudges, x, probe) ↦ gradients by the first two; it is compiled anew for every shape."""

    def loss(params: Any, nudges: Any, x: Any, probe: Any) -> Any:
        return (jax_states(cell, params, x, nudges) * probe).sum()

    return jax.jit(jax.grad(loss, argnums=(0, 1)))


def jax_run(problem: Problem) -> Run:
    """`jit(grad(scan))`."""
    gradient = jax_gradient(problem.cell)
    params = {name: jnp.asarray(array) for name, array in problem.params.items()}
    x, probe = jnp.asarray(problem.x), jnp.asarray(problem.probe)
    nudges = [jnp.zeros((len(x) + 1, *probe.shape))] * (2 if problem.cell == "lstm" else 1)

    def run() -> Gradients:
        grads, (h, *c) = jax.block_until_ready(gradient(params, nudges, x, probe))
        return Gradients(h, c[0] if c else None, grads)

    return run


PEERS: dict[str, Callable[[Problem], Run]] = {"gradflow": gradflow_run, "torch": torch_run, "jax": jax_run}


def difference(one: Gradients, other: Gradients) -> float:
    """The largest difference of any two corresponding gradients, relative to the largest entry."""
    pairs = [(one.h, other.h), *((one.params[name], other.params[name]) for name in one.params)]
    pairs += [] if one.c is None else [(one.c, other.c)]
    arrays = [(np.stack([np.asarray(row) for row in a]), np.stack([np.asarray(row) for row in b])) for a, b in pairs]
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in arrays)
