"""The recurrent cells: a new one is a new file and a line in CELLS."""

from collections.abc import Callable

from gradflow.cells.cell import Cell
from gradflow.cells.gru import GRU
from gradflow.cells.lstm import LSTM
from gradflow.cells.peephole import PeepholeLSTM
from gradflow.cells.rnn import RNN
from gradflow.checks import check_choice

CELLS: dict[str, Callable[..., Cell]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU, "peephole": PeepholeLSTM}

__all__ = ["CELLS", "GRU", "LSTM", "RNN", "Cell", "PeepholeLSTM", "as_cell"]


def as_cell(cell: str | Cell) -> Cell:
    """A cell by its name with its defaults, or the cell itself."""
    if isinstance(cell, Cell):
        return cell
    check_choice("cell", cell, CELLS)
    return CELLS[cell]()
