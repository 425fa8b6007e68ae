"""Trains the LSTM and the GRU of gradflow/data/adding.npz: `PYTHONPATH=. python tests/record_adding.py` takes a few minutes.

Adam on the adding problem, from PyTorch's own start: no bias is set by hand, so that gates which stay open have learned to.
"""

from pathlib import Path

import numpy as np

import gradflow as gf
from gradflow.adding import LONGEST, TRAINED
from gradflow.training import adding_problem
from gradflow.weights import draw_params

FILE = Path(gf.__file__).parent / "data" / "adding.npz"
HIDDEN, BATCH, STEPS, RATE, SHORTEST = 16, 32, 6000, 0.01, 10
BETA_1, BETA_2, EPSILON, LIMIT = 0.9, 0.999, 1e-8, 1.0  # Kingma & Ba 2015; gradients longer than LIMIT are clipped


def start(cell, rng):
    """PyTorch's default start of the layer and of the linear readout."""
    bound = HIDDEN**-0.5
    layer = draw_params(gf.CELLS[cell](), 2, HIDDEN, "pytorch", None, 1.0, 0.0, None, seed=0)
    for name in ("bias_ih_l0", "bias_hh_l0"):
        layer[name] = rng.uniform(-bound, bound, layer[name].shape)
    return {**layer, "weight_hy": rng.uniform(-bound, bound, HIDDEN), "bias_hy": rng.uniform(-bound, bound, ())}


def answer(cell, theta, x):
    layer = {name: value for name, value in theta.items() if name.endswith("_l0")}
    trace = gf.forward(cell, layer, x)
    return trace, trace.h[-1] @ theta["weight_hy"] + theta["bias_hy"]


def gradients(cell, theta, x, y):
    """∂L/∂θ of half the mean squared error, clipped by norm."""
    trace, answers = answer(cell, theta, x)
    dy = (answers - y) / len(y)
    direct = np.zeros(trace.h.shape)
    direct[-1] = np.outer(dy, theta["weight_hy"])
    grads = {**gf.backward(trace, direct).grads, "weight_hy": dy @ trace.h[-1], "bias_hy": dy.sum()}
    return gf.clip_by_norm(grads, LIMIT).grads


def squared_error(cell, theta, rng, length, batch=1000):
    x, y = adding_problem(rng, length, batch)
    return np.square(answer(cell, theta, x)[1] - y).mean()


def train(cell):
    rng = np.random.default_rng(0)
    theta = start(cell, rng)
    mean = {name: np.zeros_like(value) for name, value in theta.items()}
    square = {name: np.zeros_like(value) for name, value in theta.items()}
    for step in range(1, STEPS + 1):
        x, y = adding_problem(rng, int(rng.integers(SHORTEST, LONGEST + 1)), BATCH)
        rate = RATE * 0.5 * (1.0 + np.cos(np.pi * step / STEPS))
        for name, g in gradients(cell, theta, x, y).items():
            mean[name] = BETA_1 * mean[name] + (1.0 - BETA_1) * g
            square[name] = BETA_2 * square[name] + (1.0 - BETA_2) * g * g
            unbiased = mean[name] / (1.0 - BETA_1**step), square[name] / (1.0 - BETA_2**step)
            theta[name] = theta[name] - rate * unbiased[0] / (np.sqrt(unbiased[1]) + EPSILON)
        if step % 500 == 0:
            print(cell, step, squared_error(cell, theta, np.random.default_rng(1), LONGEST), flush=True)
    return theta


if __name__ == "__main__":
    stored = {}
    for cell in TRAINED:
        theta = {name: np.asarray(value, np.float32) for name, value in train(cell).items()}
        error = squared_error(cell, {k: v.astype(float) for k, v in theta.items()}, np.random.default_rng(2), LONGEST)
        stored |= {f"{cell}/{name}": value for name, value in {**theta, "error": np.float32(error)}.items()}
    np.savez_compressed(FILE, **stored)
    print(f"{FILE.stat().st_size / 1e3:.0f} kB")
