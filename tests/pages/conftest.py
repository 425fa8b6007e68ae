"""The app as a visitor meets it, without a browser."""

import pytest
from visit import Visit

from gradflow.experiment import KNOBS


@pytest.fixture(autouse=True)
def nothing_leaks():
    """Other people's warnings are theirs; pyproject.toml still makes every RuntimeWarning an error."""


@pytest.fixture
def page():
    """A fresh session on the first page, its networks small so that a test takes no time."""
    return Visit(length="40", hidden="12")


@pytest.fixture
def wide_range():
    """The page's own bounds keep every state inside float64; with a spectral radius of 100 ReLU leaves it."""
    knob = KNOBS["spectral_radius"]
    before = knob.high
    object.__setattr__(knob, "high", 100.0)
    yield
    object.__setattr__(knob, "high", before)
