"""What several tests share: every cell, reproducible numbers, textbook cells to compare with, and error measures."""

import numpy as np

import gradflow as gf

CELLS = {
    "rnn": gf.RNN,
    "lstm": gf.LSTM,
    "gru": gf.GRU,
    "peephole": gf.PeepholeLSTM,
    "gru-before": lambda activation="tanh": gf.GRU(activation, reset="before"),
    "gru-write": lambda activation="tanh": gf.GRU(activation, update="write"),
    "gru-before-write": lambda activation="tanh": gf.GRU(activation, reset="before", update="write"),
}
KNOBS_OF = {
    "rnn": {"cell": "rnn"},
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "peephole": {"cell": "peephole"},
    "gru-before": {"cell": "gru", "gru_reset": "before"},
    "gru-write": {"cell": "gru", "gru_update": "write"},
    "gru-before-write": {"cell": "gru", "gru_reset": "before", "gru_update": "write"},
}
ACTIVATIONS = ("tanh", "sigmoid", "relu")
GATES = {"rnn": 1, "lstm": 4, "gru": 3, "peephole": 4}
PEEPHOLES = ("weight_ci", "weight_cf", "weight_co")


def scatter(shape, seed):
    """Numbers in [−1, 1) that look random and are the same, bit for bit, on any machine and in any library (splitmix64)."""
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed * 0x1000003)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0).reshape(shape)


def make_params(gates, hidden, inputs, seed, scale=1.0):
    """PyTorch's four arrays, uniform in ±scale/√H."""
    shapes = {
        "weight_ih_l0": (gates * hidden, inputs),
        "weight_hh_l0": (gates * hidden, hidden),
        "bias_ih_l0": (gates * hidden,),
        "bias_hh_l0": (gates * hidden,),
    }
    return {k: scatter(shape, 100 * seed + i) * scale / np.sqrt(hidden) for i, (k, shape) in enumerate(shapes.items())}


def params_for(name, hidden=4, inputs=3, seed=1, scale=1.5):
    """PyTorch's four arrays and, for the peephole LSTM, its three diagonals, all uniform in ±scale/√H."""
    params = make_params(GATES[name.split("-")[0]], hidden, inputs, seed, scale)
    if name == "peephole":
        diagonals = scatter((3, hidden), 100 * seed + 50) * scale / np.sqrt(hidden)
        params |= dict(zip(PEEPHOLES, diagonals, strict=True))
    return params


def zero_params(gates, hidden, inputs=1, **changes):
    """All four arrays zero but for `changes`: {name: array}."""
    params = make_params(gates, hidden, inputs, 0, 0.0)
    return {**params, **{name: np.asarray(value, float) for name, value in changes.items()}}


def last_row(trace, row=None):
    """A direct derivative that is non-zero at the last step only."""
    direct = np.zeros(trace.h.shape)
    direct[-1] = np.eye(trace.h.shape[-1])[0] if row is None else row
    return direct


def sigma(a):
    return 1.0 / (1.0 + np.exp(-a))


PHI = {"tanh": np.tanh, "sigmoid": sigma, "relu": lambda a: a * (a.real > 0.0)}


def textbook(name, activation, params, x, h, c=None):
    """The states of any of CELLS one step at a time, straight from the papers: h (T + 1, B, H), and c or None."""
    phi = PHI[activation]
    kind, *options = name.split("-")
    hs, cs = [h], [c]
    for x_t in x:
        i_part = np.split(x_t @ params["weight_ih_l0"].T + params["bias_ih_l0"], GATES[kind], axis=1)
        u, b = np.split(params["weight_hh_l0"], GATES[kind]), np.split(params["bias_hh_l0"], GATES[kind])
        h_part = [h @ u_k.T + b_k for u_k, b_k in zip(u, b, strict=True)]
        if kind == "rnn":
            h = phi(i_part[0] + h_part[0])
        elif kind == "lstm":
            i, f, g, o = (i_k + h_k for i_k, h_k in zip(i_part, h_part, strict=True))
            c = sigma(f) * c + sigma(i) * phi(g)
            h = sigma(o) * phi(c)
        elif kind == "peephole":  # Gers & Schmidhuber 2000: i and f see the old cell state, o the new one
            i, f, g, o = (i_k + h_k for i_k, h_k in zip(i_part, h_part, strict=True))
            i, f = i + params["weight_ci"] * c, f + params["weight_cf"] * c
            c = sigma(f) * c + sigma(i) * phi(g)
            h = sigma(o + params["weight_co"] * c) * phi(c)
        else:
            r, z = sigma(i_part[0] + h_part[0]), sigma(i_part[1] + h_part[1])
            n = phi(i_part[2] + ((r * h) @ u[2].T + b[2] if "before" in options else r * h_part[2]))
            h = z * n + (1 - z) * h if "write" in options else (1 - z) * n + z * h
        hs.append(h)
        cs.append(c)
    return np.stack(hs), None if c is None else np.stack(cs)


def relative(got, want):
    """Largest error against the largest entry of what is wanted."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    assert np.isfinite(want).all()
    scale = np.abs(want).max(initial=0.0)
    error = np.abs(got - want).max(initial=0.0)
    return error / scale if scale else error


def relative_rows(got, want):
    """Largest error of a row (the last axis) against that row's norm."""
    scale = np.linalg.norm(want, axis=-1)
    error = np.linalg.norm(got - want, axis=-1)
    return float(np.max(np.where(scale > 0.0, error / np.where(scale > 0.0, scale, 1.0), error)))


def linear_rnn(w, steps):
    """At zero state and zero input tanh is linear: ∂L/∂h_{t−1} = Wᵀ ∂L/∂h_t, exactly."""
    w = np.asarray(w, float)
    return gf.forward("rnn", zero_params(1, len(w), weight_hh_l0=w), np.zeros((steps, 1, 1)))


def one_unit_rnn(w, b, activation, steps, h0):
    """h_t = φ(w h_{t−1} + b) from h0, no input."""
    params = zero_params(1, 1, weight_hh_l0=[[w]], bias_ih_l0=[b])
    return gf.forward(gf.RNN(activation), params, np.zeros((steps, 1, 1)), h0=[[h0]])


def run_or_overflow(exp):
    """The run, or the ForwardOverflow it ends in."""
    try:
        return gf.run(exp)
    except gf.ForwardOverflow as overflow:
        return overflow


def pair_of(trace):
    """A batch's only sequence twice, as a batch of its own."""
    states = [np.repeat(state[0], 2, axis=0) for state in (trace.h, trace.c) if state is not None]
    return gf.forward(trace.cell, trace.params, np.repeat(trace.x, 2, axis=1), *states)
