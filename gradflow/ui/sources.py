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
        for tab, cell in zip(st.tabs([type(cell).__name__ for cell in cells]), cells, strict=True):
            with tab:
                st.code(inspect.getsource(type(cell)))
