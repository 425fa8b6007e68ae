"""What all sessions share: results by experiment, and one lock around the NumPy work.

Only small arrays are cached, never figures: an unpickled figure serialises in another order and would be drawn anew.
"""

from dataclasses import astuple
from threading import Lock

import numpy as np
import streamlit as st

from gradflow.experiment import Experiment
from gradflow.summary import Summary, summarise

# sessions that compute at the same time only slow each other down on a small machine; one after the other is faster
COMPUTING = Lock()


@st.cache_data(max_entries=256, show_spinner="Computing gradients…", hash_funcs={Experiment: astuple})
def summaries(exp: Experiment, cells: tuple[str, ...], seeds: tuple[int, ...], quantity: str) -> dict[str, Summary]:
    """`summarise`, once for everybody."""
    with COMPUTING, np.errstate(all="ignore"):
        return summarise(exp, cells, seeds, quantity)
