"""One experiment over many seeds, boiled down to what a picture shows: a median curve, a band, a verdict, one unit map."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from gradflow.activations import Array
from gradflow.checks import check_choice
from gradflow.experiment import Experiment, build_cell, check_experiment, read_sequences, run
from gradflow.losses import steps_read
from gradflow.measures import band, half_life, log10_factor, median_factor, verdict
from gradflow.sequences import Sequences
from gradflow.sweeps import at_least_one, listed, sweep
from gradflow.unroll import ForwardOverflow

if TYPE_CHECKING:
    import pandas as pd

QUANTITIES = {"dL/dh": "∂L/∂h_t", "dL/dc": "∂L/∂c_t", "joint": "∂L/∂(h_t, c_t)"}


@dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """How the gradient flows back through one cell, over several seeds and all sequences.

    steps: the inputs x_1 … x_T of the longest sequence by name: characters, years or numbers; "" where the sequence type
    leaves none. low, middle, high: 10 %, 50 % and 90 % of log10 of the gradient's norm at steps 0 … T, (T + 1,), empty where
    every seed overflowed. log10_factor: median over seeds and sequences. units: log10 |∂L/∂h_t[i]| of the first sequence with
    the first seed, (T + 1, H), empty if that one overflowed. overflow_steps: where, for every seed that overflowed. direct:
    median of log10 of the direct derivative's norm, through the readout at step t only, (T + 1,); −inf where no loss is read.
    """

    cell: str
    steps: tuple[str, ...]
    seeds: int
    low: Array
    middle: Array
    high: Array
    log10_factor: float
    units: Array
    overflow_steps: tuple[int, ...]
    quantity: str = "dL/dh"
    sequence_type: str = "many-to-one"
    direct: Array = field(default_factory=lambda: np.empty(0))

    def __repr__(self) -> str:
        return f"<Summary of {self.cell}: {self.verdict}, {self.per_step_factor:.3g} per step over {self.length} steps>"

    @property
    def length(self) -> int:
        """T, the number of time steps."""
        return len(self.steps)

    @property
    def per_step_factor(self) -> float:
        """Geometric mean of ‖∂L/∂h_{t−1}‖ / ‖∂L/∂h_t‖."""
        return float(10.0**self.log10_factor)

    @property
    def half_life(self) -> float:
        """Steps after which half of the gradient is gone; inf where it does not shrink."""
        return float(half_life(self.log10_factor))

    @property
    def direct_sizes(self) -> Array:
        """‖direct ∂L/∂h_t‖ at every step that it is not exactly zero at."""
        return np.asarray(10.0 ** self.direct[np.isfinite(self.direct)])

    @property
    def verdict(self) -> str:
        """vanishing, stable or exploding, by `measures.RULE`; overflow where no seed has a finite forward pass."""
        if len(self.overflow_steps) == self.seeds:
            return "overflow"
        return "no gradient" if np.isnan(self.log10_factor) else verdict(self.log10_factor, self.length)


def summarise(
    exp: Experiment, cells: Iterable[str], seeds: Iterable[int], quantity: str = "dL/dh"
) -> dict[str, Summary]:
    """The same input, seeds and loss through each cell; a cell without c is left out where `quantity` is "dL/dc"."""
    check_experiment(exp)
    check_choice("quantity", quantity, QUANTITIES)
    seeds = at_least_one("seeds", seeds)
    by_cell = {cell: summarise_cell(replace(exp, cell=cell), seeds, quantity) for cell in listed("cells", cells)}
    return {cell: summary for cell, summary in by_cell.items() if summary is not None}


def summarise_cell(exp: Experiment, seeds: tuple[int, ...], quantity: str) -> Summary | None:
    """One cell's summary, or None where it does not have the quantity."""
    if quantity == "dL/dc" and not build_cell(exp).has_c:
        return None
    sw = sweep(exp, "seed", seeds)
    norm = {"dL/dh": sw.log10_norm, "dL/dc": sw.log10_norm_c, "joint": sw.log10_norm_joint}[quantity]
    assert norm is not None
    sequences = read_sequences(exp)
    names = sequences.steps
    finite = sw.overflow_step == 0
    low = middle = high = direct = np.empty(0)
    factor = np.nan
    if finite.any():
        low, middle, high = band(norm)
        _, direct, _ = band(sw.log10_norm_direct)
        factor = median_factor(log10_factor(norm[finite], [len(own) for own in names]))
    try:
        units = run(replace(exp, seed=seeds[0])).log10_abs_h[:, 0]
    except ForwardOverflow:
        units = np.empty(0)
    return Summary(
        cell=exp.cell,
        steps=inputs(sequences, exp.sequence_type),
        seeds=len(seeds),
        low=low,
        middle=middle,
        high=high,
        log10_factor=factor,
        units=units,
        overflow_steps=tuple(int(step) for step in sw.overflow_step[~finite]),
        quantity=quantity,
        sequence_type=exp.sequence_type,
        direct=direct,
    )


def inputs(sequences: Sequences, sequence_type: str) -> tuple[str, ...]:
    """The inputs of the longest sequence by name, "" at the steps that the sequence type silences."""
    longest = max(range(len(sequences.steps)), key=lambda b: len(sequences.steps[b]))
    has_input, _ = steps_read(sequence_type, sequences.present())
    return tuple(
        name if there else "" for name, there in zip(sequences.steps[longest], has_input[:, longest], strict=True)
    )


def summaries_frame(summaries: Mapping[str, Summary]) -> "pd.DataFrame":
    """One row per cell and step: log10 of the 10 %, 50 % and 90 % of the gradient's norm, and the direct derivative's median."""
    import pandas as pd

    frames = [
        pd.DataFrame(
            {
                "cell": s.cell,
                "quantity": s.quantity,
                "step": np.arange(s.length + 1),
                "input": ["", *s.steps],
                "log10_low": s.low,
                "log10_median": s.middle,
                "log10_high": s.high,
                "log10_direct": s.direct,
            }
        )
        for s in summaries.values()
        if s.middle.size
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
