"""Experiment: the one list of knobs, from which controls, links, messages, captions and snippets are made."""

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from gradflow.activations import ACTIVATIONS, Array
from gradflow.cells import CELLS, GRU, Cell
from gradflow.cells.gru import RESETS, UPDATES
from gradflow.checks import check_choice, check_kind, check_number, shown
from gradflow.flow import Flow
from gradflow.losses import (
    LOSSES,
    REDUCTIONS,
    SEQUENCE_TYPES,
    Reading,
    Readout,
    placed,
)
from gradflow.parameters import Params
from gradflow.sequences import INPUTS, MAX_TEXT, Sequences, check_text, read_input
from gradflow.unroll import ForwardOverflow, backward, check_memory, forward
from gradflow.weights import INITS, draw_params

SENTENCE = "The keys to the old cabinet that my grandmother brought from the coast so long ago are on the table."


@dataclass(frozen=True)
class Knob:
    """What one field of Experiment is: its label, symbol, help, and either its choices or its range."""

    label: str
    help: str
    symbol: str = ""
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0
    unit: str = ""
    needs: tuple[str, tuple[Any, ...]] | None = None  # another field and the values with which this one has an effect


def knob(default: Any, label: str, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"knob": Knob(label, help, **more)})


def check_knobs(knobs: Any) -> None:
    """ValueError unless every field allows its value; numbers become Python's, as a small one of NumPy's would overflow."""
    for f in fields(knobs):
        k, value = f.metadata["knob"], getattr(knobs, f.name)
        if k.choices:
            check_choice(f.name, value, k.choices)
        elif isinstance(f.default, bool):
            if not isinstance(value, bool):
                raise ValueError(f"{f.name} must be True or False, got {shown(value)}")
        elif k.step:
            number = check_number(f.name, value, k.low, k.high, integer=isinstance(f.default, int), unit=k.unit)
            object.__setattr__(knobs, f.name, number)


@dataclass(frozen=True)
class Experiment:
    """One network, one input and one loss; every field is checked, ValueError names field, value and what is allowed."""

    cell: str = knob("rnn", "Cell", "Which recurrent network is unrolled.", choices=tuple(CELLS))
    activation: str = knob(
        "tanh",
        "Activation",
        "φ of the vanilla RNN; in gated cells the candidate's (and an LSTM output's) activation, gates stay sigmoid.",
        symbol="φ",
        choices=tuple(ACTIVATIONS),
    )
    length: int = knob(
        100,
        "Sequence length",
        "How many time steps the loss looks back over; of a longer text, the last ones are read.",
        symbol="T",
        low=1,
        high=5000,
        step=1,
        unit="steps",
    )
    hidden: int = knob(
        32, "Hidden units", "How many units the hidden state has.", symbol="H", low=1, high=512, step=1, unit="units"
    )
    batch: int = knob(
        8,
        "Batch",
        "How many sequences run side by side; for text, one per line instead.",
        symbol="B",
        low=1,
        high=256,
        step=1,
        unit="sequences",
    )
    spectral_radius: float = knob(
        1.0,
        "Spectral radius",
        "Largest |eigenvalue| of W_hh, set exactly; in gated cells that of every gate's own block.",
        symbol="ρ(W_hh)",
        needs=("rescale", (True,)),
        low=0.0,
        high=3.0,
        step=0.01,
    )
    forget_bias: float = knob(
        1.0,
        "Forget-gate bias",
        "Bias of an LSTM's forget gate: high keeps the cell state, low clears it.",
        symbol="b_f",
        needs=("chrono", (False,)),
        low=-10.0,
        high=10.0,
        step=0.1,
    )
    update_bias: float = knob(
        0.0,
        "Update-gate bias",
        "Bias of the GRU's update gate z; in PyTorch's convention high keeps the hidden state.",
        symbol="b_z",
        needs=("chrono", (False,)),
        low=-10.0,
        high=10.0,
        step=0.1,
    )
    chrono: bool = knob(
        False,
        "Chrono biases",
        "Draws the memory biases as ln U[1, T − 1], so that memories last from 2 to T steps (Tallec & Ollivier 2018).",
    )
    init: str = knob(
        "gaussian",
        "Start of W_hh",
        "How W_hh is drawn, gate by gate, before it is rescaled; PyTorch's start draws W_ih and the biases as well.",
        choices=tuple(INITS),
    )
    rescale: bool = knob(
        True, "Rescale to ρ", "Off: W_hh stays as it is drawn and the spectral radius is whatever it is."
    )
    input_scale: float = knob(
        0.5,
        "Input scale",
        "Standard deviation that W_ih x adds to a unit's pre-activation, per gate.",
        symbol="s",
        needs=("init", ("gaussian", "orthogonal", "identity")),
        low=0.0,
        high=10.0,
        step=0.05,
    )
    input: str = knob("noise", "Input", "What the network reads.", choices=tuple(INPUTS))
    text: str = knob(
        SENTENCE, "Sentence", f"Any text, up to {MAX_TEXT:,} characters; each line is a sequence of its own."
    )
    sequence_type: str = knob(
        "many-to-one",
        "Sequence type",
        "At which steps there is input, and at which the loss is read.",
        choices=tuple(SEQUENCE_TYPES),
    )
    loss: str = knob("probe", "Loss", "What is read from the hidden state.", choices=tuple(LOSSES))
    reduction: str = knob(
        "mean",
        "Loss over steps",
        "Where the loss is read at several steps: their average or their sum.",
        choices=tuple(REDUCTIONS),
        needs=("sequence_type", ("many-to-many", "one-to-many", "encoder-decoder")),
    )
    gru_reset: str = knob(
        "after",
        "GRU reset",
        "Reset after the matrix product (PyTorch) or before it (Cho 2014): two different networks.",
        choices=tuple(RESETS),
    )
    gru_update: str = knob(
        "keep",
        "GRU update",
        "Whether z is the share of the old state that is kept (PyTorch) or the share that is overwritten.",
        choices=tuple(UPDATES),
    )
    seed: int = knob(
        0, "Seed", "Draws weights, noise and probe; the same seed, the same numbers.", low=0, high=999_999, step=1
    )

    def __post_init__(self) -> None:
        check_knobs(self)
        check_text(self.text)


KNOBS: dict[str, Knob] = {f.name: f.metadata["knob"] for f in fields(Experiment)}
NUMERIC = tuple(name for name, k in KNOBS.items() if k.step)


def check_experiment(exp: object) -> None:
    """ValueError unless `exp` is an Experiment."""
    check_kind("exp", exp, Experiment)


@dataclass(frozen=True, eq=False, repr=False)
class Network:
    """What an experiment runs: cell, parameters, sequences and loss."""

    cell: Cell
    params: Params
    sequences: Sequences
    readout: Readout


def reading(exp: Experiment) -> tuple[Any, ...]:
    """The arguments of `read_input` for the experiment."""
    drawn_with = exp.seed if exp.input == "noise" else 0  # other inputs are the same for every seed, and made once
    return exp.input, exp.text, exp.length, exp.batch, drawn_with, exp.loss == "prediction"


def read_sequences(exp: Experiment) -> Sequences:
    """What the experiment's network reads, before its sequence type silences some of the steps."""
    return read_input(*reading(exp))


def build_cell(exp: Experiment, cell: str | None = None) -> Cell:
    """The experiment's cell with its options, or another cell with the same ones."""
    name = cell or exp.cell
    return GRU(exp.activation, exp.gru_reset, exp.gru_update) if name == "gru" else CELLS[name](exp.activation)


def memory_bias_field(cell: Cell) -> str:
    """The knob for the bias of the cell's memory gate: a cell with a c forgets, one without updates."""
    return "forget_bias" if cell.has_c else "update_bias"


def build(exp: Experiment) -> Network:
    """Draws the experiment's network, reads its input and places its loss."""
    check_experiment(exp)
    cell = build_cell(exp)
    sequences, readout = placed(reading(exp), exp.sequence_type, exp.loss, exp.reduction, exp.hidden, exp.seed)
    steps, batch, inputs = sequences.x.shape
    logits = int(readout.rows.sum()) * len(readout.params["bias_hy"]) if readout.kind == "prediction" else 0
    check_memory(cell, steps, batch, exp.hidden, inputs, logits)
    params = draw_params(
        cell,
        inputs,
        exp.hidden,
        exp.init,
        exp.spectral_radius if exp.rescale else None,
        exp.input_scale / sequences.rms,
        getattr(exp, memory_bias_field(cell)),
        steps if exp.chrono else None,
        exp.seed,
    )
    return Network(cell, params, sequences, readout)


@dataclass(frozen=True, eq=False, repr=False)
class Run(Flow):
    """The Flow of one experiment, with the loss (B,) and everything it was made of; `grads` has the readout's too."""

    experiment: Experiment
    network: Network
    reading: Reading

    @property
    def loss(self) -> Array:
        """The loss of every sequence, (B,)."""
        return self.reading.loss

    @cached_property
    def grads(self) -> Params:
        """Parameter name → ∂L/∂parameter, the readout's included, summed over the batch."""
        return {**super().grads, **self.reading.grads}


def run(exp: Experiment) -> Run:
    """Runs one experiment forward and backward. Raises ForwardOverflow where the state leaves float64's range."""
    network = build(exp)
    trace = forward(network.cell, network.params, network.sequences.x, mask=network.sequences.mask)
    reading = network.readout.read(trace.h)
    if reading.overflowed:
        raise ForwardOverflow(len(trace.x), len(trace.x), "the loss")
    flow = backward(trace, reading.dL_dh)
    return Run(
        **{f.name: getattr(flow, f.name) for f in fields(Flow)}, experiment=exp, network=network, reading=reading
    )
