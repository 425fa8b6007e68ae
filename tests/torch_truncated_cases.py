"""The cases that `record_torch_truncated.py` records and `test_truncation.py` replays."""

from torch_cases import Case, case_arrays

LENGTH = 17
STYLES = ((1, 1), (1, 5), (1, 17), (4, 4), (4, 7), (5, 3), (6, 17), (17, 4), (17, 17))  # k1, k2
CASES = [Case(cell, 4, 3, 2, LENGTH, "all") for cell in ("rnn", "rnn-relu", "lstm", "gru")]


def truncated_arrays(case):
    """As `case_arrays`, with every state of the same sequence read and none at h_0, which no weight makes."""
    arrays = case_arrays(case)
    arrays["dL_dh"][0] = 0.0
    return arrays
