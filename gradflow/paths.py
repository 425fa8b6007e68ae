"""Which way the gradient takes back through a cell: the highway that meets no weight, or a gate, and W_hh or a peephole.

The *memory* is the node on which the highway runs: c_t in a cell that has one, h_t elsewhere. One step back its gradient is
the sum of the cell's `paths`, each a vector:

    LSTM   ∂L/∂c_{t−1} = f_t ⊙ ∂L/∂c_t + Σ_k D_{t−1} U_kᵀ ∂L/∂a_{k,t} + direct,   k = i, f, g, o;   D = ∂h/∂c = o ⊙ φ′(c)
           with peepholes p_k, D has p_o ⊙ ∂h/∂a_o as well, and the paths of k = i, f also have p_k ⊙ ∂L/∂a_{k,t}
    GRU    ∂L/∂h_{t−1} = z_t ⊙ ∂L/∂h_t + Σ_k U_kᵀ ∂L/∂a_{k,t} + direct,   k = r, z, n (r ⊙ stands before U_nᵀ or behind it)
    RNN    ∂L/∂h_{t−1} = W_hhᵀ ∂L/∂a_t + direct

with the total derivatives on the right; the direct part comes from a loss that is read at step t−1 itself. Over several
steps every path of the unrolled network takes at each step either the highway or a gate. Sorted by what they have taken:
the highway at every step (this is ∏f_t alone), a gate at every step, or each at least once (mixed); and no step yet, the
direct part. These four are vectors that add up to the total derivative, and they may point against each other.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradflow.activations import Array
from gradflow.blocks import apart, blank_local
from gradflow.cells import Cell
from gradflow.cells.cell import HIGHWAY, Product
from gradflow.cells.gru import ResetAfterGRU
from gradflow.checks import check_kind, check_number
from gradflow.exponents import EXPONENT_OF_ZERO, Exponent, exponent_of, log10_norm, shift
from gradflow.flow import Flow, Trace
from gradflow.layout import columns
from gradflow.parameters import Params, check_params, unit_columns

DIRECT, GATES, MIXED = "direct", "gates", "mixed"
ROUTES = (DIRECT, HIGHWAY, GATES, MIXED)
# what a step by the highway, or else by a gate, makes of each of ROUTES
AFTER_HIGHWAY = {DIRECT: HIGHWAY, HIGHWAY: HIGHWAY, GATES: MIXED, MIXED: MIXED}
AFTER_GATES = {DIRECT: GATES, HIGHWAY: MIXED, GATES: GATES, MIXED: MIXED}
LEADS = np.array([[after[route] == to for after in (AFTER_HIGHWAY, AFTER_GATES) for route in ROUTES] for to in ROUTES])


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """A gradient as the sum of its parts, at the rows t = 0, 1, … of the memory, for every sequence.

    log10_norm (parts, rows, B) of each part's Euclidean norm, −inf for exactly zero; log10_whole (rows, B) that of the
    whole, as `backward` gives it. share (parts, rows, B): each part's projection on the whole, ⟨part, whole⟩ / ‖whole‖²: the
    shares add up to 1, a part that points against the whole has a negative one, and all are NaN where the whole is zero.
    error (rows, B): ‖sum of the parts − whole‖ / ‖whole‖, 0 where both are zero; where long parts cancel, it is that much
    larger than their rounding.
    """

    parts: tuple[str, ...]
    log10_norm: Array
    log10_whole: Array
    share: Array
    error: Array


def split_steps(flow: Flow) -> Split:
    """The gradient at the memory of every row t = 0 … T − 1 by the path that it took in the last step back, from t + 1.

    Parts: the cell's paths and the direct part. Raises ValueError where sequences lack steps.
    """
    trace, before, after = checked(flow).trace, flow.exponent[:-1], flow.exponent[1:]
    cell = trace.cell
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        local, *others = local_derivatives(trace)
        dh = shift(flow.mantissa_h[1:], after - before)
        dc = None if flow.mantissa_c is None else flow.mantissa_c[1:]  # has the exponent `before`
        direct = (columns(flow.direct[:-1]), 0.0)
        paths = cell.paths(dh, dc, local, *others, *slot_products(trace), *unit_columns(cell, trace.params))
        parts = np.stack([at_memory(cell, others, *share) for share in (*paths.values(), direct)])
    exponents = np.stack([*(before for _ in paths), np.zeros_like(before)])
    return measured((*paths, DIRECT), parts, exponents, *memory(flow, slice(0, -1)))


def split_routes(flow: Flow, start: int | None = None) -> Split:
    """The gradient at the memory of every row t = 0 … start by the route that it took from step `start`, the last by default.

    Parts: ROUTES. The total gradient at `start` counts as direct there; losses that are read before join in as direct parts
    of their own step, and so do the routes from there. Raises ValueError where sequences lack steps or `start` is not a step.
    """
    trace = checked(flow).trace
    steps, (batch, hidden) = len(trace.x), trace.h.shape[1:]
    start = steps if start is None else start
    start = check_number("start", start, 1, steps, integer=True)
    cell, arriving = trace.cell, columns(flow.direct)
    nodes = cell.states
    parts = np.zeros((len(ROUTES), start + 1, nodes, hidden, batch))  # nodes: h and, where there is one, c
    exponent = np.zeros((len(ROUTES), start + 1, batch), np.int64)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        parts[0, start, 0], exponent[0, start] = flow.mantissa_h[start], flow.exponent[start]
        if flow.mantissa_c is not None:
            parts[0, start, 1] = shift(flow.mantissa_c[start], flow.exponent_c[start] - flow.exponent[start])
        local, *others = local_derivatives(trace)
        UT = (*slot_products(trace), *unit_columns(cell, trace.params))
        for t in range(start, 0, -1):
            here = parts[:, t]
            dc = here[:, 1] if cell.has_c else None
            paths = cell.paths(here[:, 0], dc, local[:, t - 1, None], *(other[t - 1] for other in others), *UT)
            went = np.zeros((2, *here.shape))  # by the highway, by the gates
            for name, share in paths.items():
                for node in range(nodes):
                    went[0 if name == HIGHWAY else 1, :, node] += share[node]
            before, exponent[:, t - 1] = joined(went.reshape(-1, *here.shape[1:]), np.tile(exponent[:, t], (2, 1)))
            before[0, 0] += arriving[t - 1]
            if cell.has_c and t > 1:
                before[:, 1] = cell.total_c(before[:, 0], before[:, 1], *(other[t - 2] for other in others))
            parts[:, t - 1] = before
    return measured(ROUTES, parts[:, :, -1], exponent, *memory(flow, slice(0, start + 1)))


def joined(went: Array, exponent: Exponent) -> tuple[Array, Exponent]:
    """What went by the highway and by the gates, (2 · routes, nodes, H, B), added up by the routes that it is on now.

    Every route keeps an exponent of its own, (routes, B): one that fades far below the others keeps its digits.
    """
    reach = exponent_of(went).max(1)
    size = np.where(reach > EXPONENT_OF_ZERO, exponent + reach, EXPONENT_OF_ZERO)
    top = np.where(LEADS[..., None], size, EXPONENT_OF_ZERO).max(1)
    below = np.clip(size - top[:, None], -9999, 0).astype(np.int32)
    scale = np.where(LEADS[..., None], np.ldexp(1.0, below), 0.0)
    unit = shift(went, np.broadcast_to(-reach[:, None], (*went.shape[:2], went.shape[-1])))
    return np.einsum("ksb,snhb->knhb", scale, unit), np.where(top > EXPONENT_OF_ZERO, top, 0)


def checked(flow: Flow) -> Flow:
    """The flow, if every sequence has every step."""
    check_kind("flow", flow, Flow)
    if flow.trace.mask is not None:
        raise ValueError("flow must be of sequences of one length, got a mask: split each line of a text on its own")
    return flow


def local_derivatives(trace: Trace) -> list[Array]:
    """The cell's `partials` for all steps: the slots' own, (slots, T, H, B), and the others, (T, H, B) each."""
    cell, h = trace.cell, columns(trace.h)
    local = blank_local(cell, len(trace.x), h.shape[1:])
    derivatives = apart(cell, local)
    c = None if trace.c is None else columns(trace.c)
    cell.partials(trace.a, trace.saved, h, c, *derivatives, *unit_columns(cell, trace.params))
    return derivatives


def slot_products(trace: Trace) -> list[Product]:
    """da ↦ U_kᵀ da_k for every slot k on its own, (slots, …, H, B) → the same, for the early and for the late rows of W_hh."""
    hidden = trace.h.shape[-1]
    first, last = trace.cell.early_slots
    early = trace.w[first * hidden : last * hidden, :hidden]
    return [slot_product(columns(w.reshape(-1, hidden, hidden))) for w in (early, trace.late_w) if w is not None]


def slot_product(w_t: Array) -> Product:
    """da ↦ w_t[k] da_k, slot by slot."""
    return lambda da: np.matmul(w_t[:, None], da)


def at_memory(cell: Cell, others: list[Array], dh: Any, dc: Any) -> Array:
    """A path's shares at the rows 0 … T − 1 of h and c, as it shows at the memory: what is in h_t goes on to c_t."""
    if not cell.has_c:
        return dh
    of_step = (other[:-1] for other in others)
    inside = cell.total_c(dh[1:], 0.0, *of_step) if np.ndim(dh) else 0.0
    total = np.zeros_like(others[0]) + dc
    total[1:] += inside
    return total


def memory(flow: Flow, rows: slice) -> tuple[Array, Exponent]:
    """The total derivative at the memory, mantissa and exponent."""
    if flow.mantissa_c is None:
        return flow.mantissa_h[rows], flow.exponent[rows]
    return flow.mantissa_c[rows], flow.exponent_c[rows]


def measured(names: tuple[str, ...], parts: Array, exponent: Exponent, whole: Array, whole_exponent: Exponent) -> Split:
    """Norms, shares and the sum's error of parts (parts, rows, H, B) of a whole (rows, H, B)."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        size = exponent_of(whole)
        zero = size == EXPONENT_OF_ZERO
        size = np.where(zero, 0, size)
        unit = shift(whole, -size)
        relative = shift(parts, exponent - whole_exponent - size)
        square = np.where(zero, np.nan, np.square(unit).sum(-2))
        share = (relative * unit).sum(-2) / square
        apart = np.sqrt(np.square(relative.sum(0) - unit).sum(-2))
        return Split(
            names,
            log10_norm(parts, exponent),
            log10_norm(whole, whole_exponent),
            share,
            np.where(zero, apart, apart / np.sqrt(square)),
        )


def other_convention(cell: ResetAfterGRU, params: Params) -> tuple[ResetAfterGRU, Params]:
    """The same GRU in the other update convention: z ↦ 1 − z = σ(−a_z), so z's rows of weights and biases change sign."""
    check_kind("cell", cell, ResetAfterGRU)
    params = check_params(cell, params)
    hidden = params["weight_hh_l0"].shape[-1]
    z_rows = cell.gates.index("z") * hidden + np.arange(hidden)
    negated = {name: value.copy() for name, value in params.items()}
    for value in negated.values():
        value[z_rows] *= -1.0
    return replace(cell, update="write" if cell.update == "keep" else "keep"), negated
