"""The app as a visitor meets it, without a browser."""

import pytest
from visit import Visit


@pytest.fixture(autouse=True)
def nothing_leaks():
    """Other people's warnings are theirs; pyproject.toml still makes every RuntimeWarning an error."""


@pytest.fixture
def page():
    """A fresh session on the first page with its defaults."""
    return Visit()
