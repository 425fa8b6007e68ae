"""Every test runs with NumPy's floating-point errors raised and with warnings as errors: nothing may leak."""

import os
import warnings
from math import copysign

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as app.py does; the test processes together use every core already

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import settings

from gradflow.figures.theme import Plain

FREE = {"text", "ticktext", "name", "hovertext"}  # any words do
plain, passed = Plain.__init__, set()


def checked(figure, parts):
    """Here Plotly checks each trace and layout, which takes it long, unless one of the same outline has passed.

    Frames have no more than traces do.
    """
    new = [trace for trace in parts["data"] if outline(trace) not in passed]
    layout = {} if outline(parts["layout"]) in passed else parts["layout"]
    if new or layout:
        go.Figure(new, layout)
        passed.update(map(outline, (*new, layout)))
    plain(figure, parts)


def outline(part, name=""):
    """A part of a figure without what may differ in one that is as right: of numbers the sign, of data and words the type."""
    if isinstance(part, dict):
        return frozenset((key, outline(value, key)) for key, value in part.items())
    if isinstance(part, np.ndarray):
        return part.dtype, part.ndim
    if isinstance(part, list | tuple):
        return frozenset(outline(one, name) for one in part)
    if isinstance(part, int | float) and not isinstance(part, bool):
        return type(part), copysign(1.0, part) if part else 0.0
    return type(part) if name in FREE else part


Plain.__init__ = checked
settings.register_profile("gradflow", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("gradflow")


def pytest_xdist_auto_num_workers():
    """One process more than there are cores, since those with a browser mostly wait for it."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def nothing_leaks():
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        yield
