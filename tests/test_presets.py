"""The presets keep the promises of their names, whatever the seeds and however long the sentence."""

import pytest

import gradflow as gf
from gradflow.findings import title
from gradflow.presets import PRESETS

PROMISED = {
    "Vanish": {"rnn": "vanishing", "lstm": "vanishing", "gru": "vanishing"},
    "Explode": {"rnn": "exploding"},
    "On the edge": {"rnn": "stable"},
    "LSTM's rescue": {"rnn": "vanishing", "lstm": "stable", "gru": "vanishing"},
}


@pytest.mark.parametrize("seed", [0, 40, 80])
@pytest.mark.parametrize("length", [50, 100])
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_keeps_its_promise(name, length, seed):
    knobs = dict(PRESETS[name])
    quantity = knobs.pop("quantity", "dL/dh")
    exp = gf.Experiment(input="text", batch=1, length=length, **knobs)
    by_cell = gf.summarise(exp, ("rnn", "lstm", "gru"), range(seed, seed + 20), quantity)
    assert {cell: by_cell[cell].verdict for cell in PROMISED[name]} == PROMISED[name]
    assert title(by_cell).startswith("RNN" if name in ("Explode", "On the edge") else "LSTM")


def test_vanish_goes_below_what_float32_can_hold():
    s = gf.summarise(gf.Experiment(input="text", batch=1, **PRESETS["Vanish"]), ["rnn"], range(20))["rnn"]
    assert s.middle[0] < -38
