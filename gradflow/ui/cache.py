"""What all sessions share: results by their arguments, and one lock around the NumPy work.

Only small arrays are cached, never figures: an unpickled figure serialises in another order and would be drawn anew.
"""

from collections.abc import Callable
from dataclasses import astuple
from functools import cache, wraps
from threading import Lock
from typing import ParamSpec, TypeVar

import numpy as np
import streamlit as st

from gradflow.experiment import Experiment

P = ParamSpec("P")
R = TypeVar("R")

# sessions that compute at the same time only slow each other down on a small machine; one after the other is faster
COMPUTING = Lock()


@cache  # Streamlit reads and hashes the function's source each time it makes one
def shared(compute: Callable[P, R]) -> Callable[P, R]:
    """`compute`, once for everybody: a class that opens one link waits for one computation."""

    @st.cache_data(max_entries=128, show_spinner="Computing gradients…", hash_funcs={Experiment: astuple})
    @wraps(compute)
    def once(*args: P.args, **kwargs: P.kwargs) -> R:
        with COMPUTING, np.errstate(all="ignore"):
            return compute(*args, **kwargs)

    return once
