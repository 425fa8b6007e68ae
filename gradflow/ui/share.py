"""What every page gives away: a link to exactly this state, the data, and the Python that makes it."""

from collections.abc import Mapping
from dataclasses import fields
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st

from gradflow.experiment import Experiment
from gradflow.summary import Summary


def python_snippet(exp: Experiment, cells: tuple[str, ...], seeds: tuple[int, ...], quantity: str) -> str:
    """A program that prints the page's numbers, run as pasted; only what differs from the defaults is written out."""
    given = {
        f.name: getattr(exp, f.name) for f in fields(exp) if f.name != "cell" and getattr(exp, f.name) != f.default
    }
    arguments = "".join(f"    {name}={value!r},\n" for name, value in given.items())
    last = "" if quantity == "dL/dh" else f"    quantity={quantity!r},\n"
    return (
        f"import gradflow as gf\n\nexp = gf.Experiment(\n{arguments})\n"
        f"by_cell = gf.summarise(\n    exp,\n    cells={cells!r},\n    seeds=range({seeds[0]}, {seeds[-1] + 1}),\n{last})\n"
        "for cell, s in by_cell.items():\n"
        "    print(cell, s.verdict, s.per_step_factor, s.half_life)\n\n"
        "# s.low, s.middle, s.high: the curves, log10 at steps 0 … T\n"
    )


def curves_csv(summaries: Mapping[str, Summary]) -> bytes:
    """The curves as CSV, one row per cell and step: log10 of the 10 %, 50 % and 90 % of the gradient's norm."""
    frames = [
        pd.DataFrame(
            {
                "cell": s.cell,
                "step": np.arange(s.length + 1),
                "input": ["", *s.steps],
                "log10_low": s.low,
                "log10_median": s.middle,
                "log10_high": s.high,
            }
        )
        for s in summaries.values()
        if s.middle.size
    ]
    return pd.concat(frames).to_csv(index=False).encode() if frames else b""


def link() -> str:
    """The address that restores exactly this page."""
    query = urlencode({name: st.query_params.get_all(name) for name in st.query_params}, doseq=True)
    return f"{st.context.url}?{query}" if query else str(st.context.url)


def share(
    exp: Experiment, cells: tuple[str, ...], seeds: tuple[int, ...], quantity: str, summaries: Mapping[str, Summary]
) -> None:
    """The link, the data and the Python, in one row; figures are saved as SVG from their own toolbar."""
    with st.container(horizontal=True):
        with st.popover("Link to this page", icon=":material/link:"):
            st.caption("Opens exactly this state, seed included.")
            st.code(link(), language=None, wrap_lines=True)
        st.download_button(
            "Data as CSV",
            lambda: curves_csv(summaries),
            "gradflow.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
        with st.popover("Python that makes this", icon=":material/code:"):
            st.code(python_snippet(exp, cells, seeds, quantity))
