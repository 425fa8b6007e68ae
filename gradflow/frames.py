"""Results as tidy tables, one row per observation."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gradflow.activations import Array


def norms_frame(norms: Mapping[str, Array], first_step: int = 0) -> pd.DataFrame:
    """Columns step, sequence, quantity, log10_norm from log10 norms (T + 1, B); −inf says zero, NaN that there is no row."""
    parts = []
    for quantity, norm in norms.items():
        steps, batch = norm.shape
        parts.append(
            pd.DataFrame(
                {
                    "step": np.repeat(np.arange(steps) + first_step, batch),
                    "sequence": np.tile(np.arange(batch), steps),
                    "quantity": quantity,
                    "log10_norm": norm.reshape(-1),
                }
            )
        )
    return pd.concat(parts, ignore_index=True).dropna(subset="log10_norm", ignore_index=True)
