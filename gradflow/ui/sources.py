"""The equations, and the very source that computes them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

import streamlit as st

from gradflow.cells import Cell
from gradflow.derivation_findings import PART_TITLES
from gradflow.equations import lines


def show_sources(tabs: Mapping[str, Cell | Sequence[type | Callable[..., Any]]]) -> None:
    """One tab per name with the source of its classes and functions, a cell's below its equations; sent only once opened."""
    equations = st.expander(
        "Equations, in the lines that compute them", icon=":material/function:", key="equations", on_change="rerun"
    )
    if not (equations.open and tabs):
        return
    with equations:
        for tab, shown in zip(st.tabs(list(tabs)), tabs.values(), strict=True):
            with tab:
                if isinstance(shown, Cell):
                    st.markdown(textbook(shown))
                st.code("\n\n".join(map(source, cell_classes(shown) if isinstance(shown, Cell) else shown)))


def textbook(cell: Cell) -> str:
    """Markdown: all equations of a step, forward and back, as they are read from the cell's lines."""
    parts = [
        "  \n".join([f"**{PART_TITLES[part]}**", *(f"${e.latex}$" for line in of_part for e in line.equations)])
        for part, of_part in groupby(lines(cell), lambda line: line.part)
    ]
    return "\n\n".join(parts)


# Python parses the file anew at every call
source = lru_cache(maxsize=None)(inspect.getsource)


def cell_classes(cell: Cell) -> list[type]:
    """The cell's class, after any cell it builds on."""
    return [c for c in reversed(type(cell).__mro__) if issubclass(c, Cell) and c is not Cell]
