"""The equations: the very source that computes them."""

import inspect
from collections.abc import Iterable

import streamlit as st

from gradflow.cells import Cell


def show_equations(cells: Iterable[Cell]) -> None:
    """One tab per cell with the source of its forward step, its local derivatives and its step back."""
    with st.expander("Equations, in the lines that compute them", icon=":material/function:"):
        cells = list(cells)
        if not cells:
            return
        for tab, cell in zip(st.tabs([cell.title for cell in cells]), cells, strict=True):
            with tab:
                st.code(source(cell))


def source(cell: Cell) -> str:
    """The source of the cell's class, after that of any cell it builds on."""
    classes = [c for c in reversed(type(cell).__mro__) if issubclass(c, Cell) and c is not Cell]
    return "\n\n".join(inspect.getsource(c) for c in classes)
