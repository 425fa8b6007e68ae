"""The equations: the very source that computes them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import streamlit as st

from gradflow.cells import Cell


def show_sources(tabs: Mapping[str, Sequence[type | Callable[..., Any]]]) -> None:
    """One tab per name with the source of its classes and functions, sent only once somebody opens them."""
    equations = st.expander(
        "Equations, in the lines that compute them", icon=":material/function:", key="equations", on_change="rerun"
    )
    if not (equations.open and tabs):
        return
    with equations:
        for tab, sources in zip(st.tabs(list(tabs)), tabs.values(), strict=True):
            with tab:
                st.code("\n\n".join(map(source, sources)))


# Python parses the file anew at every call
source = lru_cache(maxsize=None)(inspect.getsource)


def cell_classes(cell: Cell) -> list[type]:
    """The cell's class, after any cell it builds on."""
    return [c for c in reversed(type(cell).__mro__) if issubclass(c, Cell) and c is not Cell]
