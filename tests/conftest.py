"""Every test runs with NumPy's floating-point errors raised and with warnings as errors: nothing may leak."""

import os
import warnings

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as app.py does; the test processes together use every core already

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import settings

from gradflow.figures.theme import Plain

plain = Plain.__init__


def checked(figure, parts):
    """Here Plotly checks every property of every figure; frames have no more than traces do."""
    go.Figure(parts["data"], parts["layout"])
    plain(figure, parts)


Plain.__init__ = checked
settings.register_profile("gradflow", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("gradflow")


@pytest.fixture(autouse=True)
def nothing_leaks():
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        yield
