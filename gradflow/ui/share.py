"""What every page gives away: a link to exactly this state, the data, and the Python that makes it."""

from collections.abc import Callable
from dataclasses import fields
from urllib.parse import urlencode

import streamlit as st

from gradflow.experiment import Experiment


def experiment_code(exp: Experiment, *without: str) -> str:
    """The Python that makes this experiment; only what differs from the defaults is written out."""
    given = {
        f.name: getattr(exp, f.name) for f in fields(exp) if f.name not in without and getattr(exp, f.name) != f.default
    }
    arguments = "".join(f"    {name}={value!r},\n" for name, value in given.items())
    return f"exp = gf.Experiment(\n{arguments})\n" if given else "exp = gf.Experiment()\n"


def link() -> str:
    """The address that restores exactly this page."""
    query = urlencode({name: st.query_params.get_all(name) for name in st.query_params}, doseq=True)
    return f"{st.context.url}?{query}" if query else str(st.context.url)


def share(csv: Callable[[], bytes], python: str, name: str) -> None:
    """The link, the data and the Python in one row; a figure is saved as SVG from its own toolbar.

    csv is called only when the reader asks for the file `name`.csv; python is a program that prints the page's numbers.
    """
    with st.container(horizontal=True):
        with st.popover("Link to this page", icon=":material/link:"):
            st.caption("Opens exactly this state, seed included.")
            st.code(link(), language=None, wrap_lines=True)
        st.download_button("Data as CSV", csv, f"{name}.csv", "text/csv", on_click="ignore", icon=":material/download:")
        with st.popover("Python that makes this", icon=":material/code:"):
            st.code(python)
