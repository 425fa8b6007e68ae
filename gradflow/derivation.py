"""What every line of a cell computes, at every step: the lines themselves are run, one by one, on a run's own arrays."""

import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from gradflow.activations import Array
from gradflow.blocks import apart, blank_local, transposed_products
from gradflow.cells import Cell
from gradflow.checks import check_number
from gradflow.equations import PARTS, Line, lines, plain
from gradflow.experiment import Experiment, run
from gradflow.exponents import Exponent, log10_norm, shift
from gradflow.flow import Flow
from gradflow.layout import columns, product_with
from gradflow.parameters import unit_columns

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Derivation:
    """The lines of one step of a cell, and the size of all that they compute, at every step of the first sequence.

    Rows are the lines' equations in their order (E), columns the steps t = 1 … T. log10_norm (E, T) is exact at any size,
    −inf says exactly zero; least, greatest and unit_value (E, T), over the hidden units and of one of them, are plain float64,
    so that beyond its range they read 0 or ±inf. At step t the way back leads from h_t to h_{t−1}. steps: the inputs by name.
    """

    cell: str
    lines: tuple[Line, ...]
    steps: tuple[str, ...]
    unit: int
    log10_norm: Array
    least: Array
    greatest: Array
    unit_value: Array
    log10_norm_h: Array  # ‖∂L/∂h_t‖, (T + 1,)
    drawn: tuple[int, ...]  # the equations a picture shows

    def __repr__(self) -> str:
        return f"<Derivation of {self.cell}: {len(self.log10_norm)} equations at {len(self.steps)} steps>"

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every equation's left-hand side as text, (E,)."""
        return tuple(plain(equation.symbol) for line in self.lines for equation in line.equations)

    def to_frame(self) -> "pd.DataFrame":
        """One row per equation and step."""
        import pandas as pd

        count = len(self.steps)
        by_equation = [(line, equation) for line in self.lines for equation in line.equations]
        return pd.DataFrame(
            {
                "step": np.tile(np.arange(1, count + 1), len(by_equation)),
                "input": np.tile(np.array(self.steps, object), len(by_equation)),
                "part": np.repeat([line.part for line, _ in by_equation], count),
                "source": np.repeat([line.source for line, _ in by_equation], count),
                "symbol": np.repeat(self.symbols, count),
                "log10_norm": self.log10_norm.ravel(),
                "least": self.least.ravel(),
                "greatest": self.greatest.ravel(),
                "unit": self.unit,
                "unit_value": self.unit_value.ravel(),
            }
        )


def derive(exp: Experiment, unit: int = 0) -> Derivation:
    """Runs an experiment, then its cell's lines again, one by one, and measures what they compute.

    `unit` is the hidden unit whose values are kept. Raises ValueError where the sequences differ in length or a value does not
    fit, ForwardOverflow where the state leaves float64's range.
    """
    check_number("unit", unit, 0, exp.hidden - 1, integer=True)
    flow = run(exp)
    mantissa, exponent = replay(flow)
    by_column, e = mantissa[..., None], exponent[..., None]
    values = shift(by_column, e)[..., 0]
    return Derivation(
        cell=exp.cell,
        lines=lines(flow.trace.cell),
        steps=flow.network.sequences.steps[0],
        unit=unit,
        log10_norm=log10_norm(by_column, e)[..., 0],
        least=values.min(-1),
        greatest=values.max(-1),
        unit_value=values[..., unit],
        log10_norm_h=flow.log10_norm[:, 0],
        drawn=drawn(flow.trace.cell),
    )


def drawn(cell: Cell) -> tuple[int, ...]:
    """Gates and states, the local derivatives that are handed on, and every gradient; each symbol once."""
    handed_on = {*parameters(cell, "back"), *(f"local[{k}]" for k in range(cell.slots))}
    numbered = enumerate((line, equation) for line in lines(cell) for equation in line.equations)
    first: dict[str, int] = {}
    for number, (line, equation) in numbered:
        is_pre_activation = equation.symbol.startswith("a_")
        if not is_pre_activation and (line.part != "local" or equation.target in handed_on):
            first.setdefault(equation.symbol, number)
    return tuple(first.values())


@np.errstate(over="ignore", under="ignore", invalid="ignore")
def replay(flow: Flow) -> tuple[Array, Exponent]:
    """Every left-hand side of the cell's lines at every step of the first sequence: mantissas (E, T, H), exponents (E, T).

    Each step starts from the states that the forward loop left there, and the way back hands its gradient on from step to step,
    so the lines must give again what the two loops gave, and `jacobians` to rounding. Raises ValueError where some sequences
    lack steps.
    """
    trace, cell = flow.trace, flow.trace.cell
    if trace.mask is not None:
        raise ValueError("mask must be None to replay a cell's lines, got sequences that lack steps")
    length, (batch, hidden) = len(trace.x), trace.h.shape[1:]
    h, c = columns(trace.h), None if trace.c is None else columns(trace.c)
    late = () if trace.late_w is None else (product_with(trace.late_w),)
    own, back_products = unit_columns(cell, trace.params), transposed_products(trace)
    exponent = np.zeros((equation_count(cell), length), np.int64)
    mantissa = np.empty((*exponent.shape, hidden))
    dc, e_later = None if c is None else np.zeros_like(flow.mantissa_h[-1]), flow.exponent[-1]
    arriving = columns(flow.direct)
    for t in reversed(range(length)):
        a, saved = np.empty((cell.slots, hidden, batch)), np.empty((len(cell.saves), hidden, batch))
        h_next, c_next = np.empty_like(h[t]), None if c is None else np.empty_like(c[t])
        ((a_t, saved_t),) = cell.rows(a[:, None], saved[:, None])
        loop = {"multiply": trace.w.dot, "row": trace.rows[t], "pre_t": a.reshape(-1, batch), "slots": a}
        before = (h[t], None if c is None else c[t])
        ahead = executed(cell, "forward", (a_t, saved_t, *before, h_next, c_next, *late, *own), loop)

        here, both = slice(t, t + 1), slice(t, t + 2)
        states, room = (h[both], None if c is None else c[both]), blank_local(cell, 1, h.shape[1:])
        local = apart(cell, room)
        partials = executed(cell, "local", (trace.a[:, here], trace.saved[:, here], *states, *local, *own), {})

        e = flow.exponent[t]
        dh, dc = (
            shift(flow.mantissa_h[t + 1], e_later - e).copy(),
            None if dc is None else shift(dc, e_later - e).copy(),
        )
        loop = {"arriving": arriving, "t": t, "e": e, "scaled": e.any()}
        of_step = (local[0][:, 0], *(other[0] for other in local[1:]))
        da = np.empty_like(a)
        fed = da[slice(*cell.early_slots)].reshape(-1, batch)
        gradients = (da, fed, np.empty_like(dh), None if dc is None else np.empty_like(dc))
        back = executed(cell, "back", (dh, dc, *of_step, *gradients, *back_products), loop)
        dc, e_later = gradients[-1], e

        values = [*ahead, *partials, *back]
        mantissa[:, t] = [value.reshape(hidden, batch)[:, 0] for value in values]
        exponent[-len(back) :, t] = e[0]
    return mantissa, exponent


def equation_count(cell: Cell) -> int:
    return sum(len(line.equations) for line in lines(cell))


def executed(cell: Cell, part: str, arguments: Iterable[Any], loop: dict[str, Any]) -> list[Array]:
    """Runs one part's lines on the arguments of its method, with the names of the loop around it; equation by equation."""
    names: dict[str, Any] = {"self": cell, **loop, **dict(zip(parameters(cell, part), arguments, strict=True))}
    values = []
    for line in lines(cell):
        if line.part == part:
            scope, (statement, targets) = vars(sys.modules[line.module]), compiled(line)
            exec(statement, scope, names)
            values += [np.array(eval(target, scope, names)) for target in targets]
    return values


@lru_cache(maxsize=64)
def parameters(cell: Cell, part: str) -> tuple[str, ...]:
    """The names of a method's parameters, `self` aside."""
    return tuple(inspect.signature(getattr(cell, PARTS[part])).parameters)


@lru_cache(maxsize=1024)
def compiled(line: Line) -> tuple[CodeType, tuple[CodeType, ...]]:
    """A line ready to run, and its left-hand sides."""
    targets = tuple(compile(equation.target, line.module, "eval") for equation in line.equations)
    return compile(line.source, line.module, "exec"), targets
