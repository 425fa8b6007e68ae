"""Every knob: its range, its type, the sentence that refuses a value; and the run that an experiment is."""

from dataclasses import fields, replace

import numpy as np
import pytest
from helpers import KNOBS_OF, run_or_overflow
from hypothesis import given
from hypothesis import strategies as st

import gradflow as gf
from gradflow.experiment import KNOBS, NUMERIC

NUMBERS = [(name, KNOBS[name], next(f for f in fields(gf.Experiment) if f.name == name).default) for name in NUMERIC]
CHOICES = [name for name, knob in KNOBS.items() if knob.choices]
SWITCHES = ["chrono", "rescale"]


def refused(**knobs):
    with pytest.raises(ValueError, match=f"^{next(iter(knobs))} must ") as caught:
        gf.Experiment(**knobs)
    return str(caught.value)


def test_every_field_is_a_number_a_choice_a_switch_or_the_text():
    assert (
        sorted([*NUMERIC, *CHOICES, *SWITCHES, "text"])
        == sorted(KNOBS)
        == sorted(f.name for f in fields(gf.Experiment))
    )
    assert all(knob.label and knob.help for knob in KNOBS.values())


@pytest.mark.parametrize(("name", "knob", "default"), NUMBERS, ids=NUMERIC)
def test_numbers_out_of_range(name, knob, default):
    nearby = 1 if isinstance(default, int) else 1e-9
    for value in (knob.low - nearby, knob.high + nearby, -(10**12), 10**12):
        told = refused(**{name: value})
        assert f"[{knob.low:g}, {knob.high:g}]" in told
        assert told.endswith(f"got {value!r}")
    for value in (knob.low, knob.high, default):
        assert getattr(gf.Experiment(**{name: type(default)(value)}), name) == value


@pytest.mark.parametrize(("name", "knob", "default"), NUMBERS, ids=NUMERIC)
@pytest.mark.parametrize(
    "value", [True, False, "1", "", None, np.nan, np.inf, -np.inf, 1j, [1], (), {}, b"1", np.array([1])]
)
def test_numbers_of_the_wrong_type(name, knob, default, value):
    assert "got " in refused(**{name: value})


@pytest.mark.parametrize(("name", "knob", "default"), NUMBERS, ids=NUMERIC)
def test_numpys_numbers_are_numbers(name, knob, default):
    kinds = [np.int64, np.int16, np.uint8] if isinstance(default, int) else [np.float64, np.float32, np.int64]
    for kind in kinds:
        gf.Experiment(**{name: kind(1)})
    assert "got np.True_" in refused(**{name: np.True_})
    if isinstance(default, int):
        assert "a whole number" in refused(**{name: 1.0})
        assert "a whole number" in refused(**{name: np.float64(1.0)})


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["", "none of them", None, 0, True, 1.5, np.nan, ["rnn"], b"rnn"])
def test_choices(name, value):
    told = refused(**{name: value})
    assert all(choice in told for choice in KNOBS[name].choices)
    assert repr(value) in told


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("value", [0, 1, "True", None, np.True_, np.nan, []])
def test_switches(name, value):
    assert refused(**{name: value}) == f"{name} must be True or False, got {value!r}"


def test_a_long_value_is_cut():
    assert len(refused(cell="x" * 10_000)) < 150


def test_the_sentence_of_the_design():
    with pytest.raises(ValueError, match=r"^spectral_radius must be in \[0, 3\], got 7$"):
        gf.Experiment(spectral_radius=7)


def test_an_experiment_is_frozen_hashable_and_equal_by_value():
    exp = gf.Experiment(length=5)
    assert exp == gf.Experiment(length=5)
    assert hash(exp) == hash(gf.Experiment(length=5))
    with pytest.raises(AttributeError):
        exp.length = 6


CJK = "".join(map(chr, range(0x4E00, 0x4E00 + 4500)))  # every character another input


@pytest.mark.parametrize(
    "knobs",
    [
        {"length": 5000, "batch": 256, "hidden": 512},
        {"cell": "lstm", "length": 5000, "batch": 256, "hidden": 32},
        {"cell": "gru", "gru_reset": "before", "length": 4000, "batch": 200, "hidden": 100},
        {"hidden": 1, "length": 5000, "text": CJK, "loss": "prediction", "sequence_type": "many-to-many"},  # the logits
        {"cell": "lstm", "hidden": 512, "length": 5000, "text": CJK},  # the weights
    ],
)
def test_more_than_a_gigabyte_is_refused(knobs):
    with pytest.raises(ValueError, match=r"must fit in 1 GB, got .* which needs [\d.]+ GB"):
        gf.run(gf.Experiment(**{"input": "text" if "text" in knobs else "noise", **knobs}))


@pytest.mark.parametrize("name", KNOBS_OF)
def test_shapes_and_rows(name):
    flow = gf.run(gf.Experiment(length=6, hidden=5, batch=3, **KNOBS_OF[name]))
    assert flow.grad_h.shape == (7, 3, 5)
    assert (flow.grad_c is None) == (name not in ("lstm", "peephole"))
    assert flow.log10_norm.shape == flow.log10_norm_joint.shape == flow.log10_norm_direct.shape == (7, 3)
    assert flow.log10_abs_h.shape == (7, 3, 5)
    assert flow.grad_x.shape == flow.trace.x.shape == (6, 3, 8)
    readout, own = {"weight_probe"}, {"weight_ci", "weight_cf", "weight_co"} if name == "peephole" else set()
    assert set(flow.grads) == {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"} | own | readout
    np.testing.assert_allclose(flow.log10_norm, np.log10(np.linalg.norm(flow.grad_h, axis=-1)), rtol=0, atol=1e-12)
    np.testing.assert_allclose(flow.log10_abs_h, np.log10(np.abs(flow.grad_h)), rtol=0, atol=1e-10)
    assert not flow.log10_norm_direct[-1].any() or np.abs(flow.log10_norm_direct[-1]).max() < 1e-15
    assert np.isneginf(flow.log10_norm_direct[:-1]).all()


def test_run_is_build_forward_read_backward():
    exp = gf.Experiment(
        cell="lstm", length=12, hidden=6, input="text", text="abcd efg\nhij", sequence_type="many-to-many"
    )
    flow, network = gf.run(exp), gf.build(exp)
    trace = gf.forward(network.cell, network.params, network.sequences.x, mask=network.sequences.mask)
    by_hand = gf.backward(trace, network.readout.read(trace.h).dL_dh)
    np.testing.assert_array_equal(flow.log10_norm, by_hand.log10_norm)
    np.testing.assert_array_equal(flow.loss, network.readout.read(trace.h).loss)


ANY = st.fixed_dictionaries(
    {
        "cell": st.sampled_from(KNOBS["cell"].choices),
        "activation": st.sampled_from(KNOBS["activation"].choices),
        "gru_reset": st.sampled_from(KNOBS["gru_reset"].choices),
        "gru_update": st.sampled_from(KNOBS["gru_update"].choices),
        "init": st.sampled_from(KNOBS["init"].choices),
        "input": st.sampled_from(KNOBS["input"].choices),
        "sequence_type": st.sampled_from(KNOBS["sequence_type"].choices),
        "loss": st.sampled_from(KNOBS["loss"].choices),
        "reduction": st.sampled_from(KNOBS["reduction"].choices),
        "chrono": st.booleans(),
        "rescale": st.booleans(),
        "length": st.integers(2, 300),
        "hidden": st.integers(1, 6),
        "batch": st.integers(1, 3),
        "spectral_radius": st.floats(0, 3),
        "forget_bias": st.floats(-10, 10),
        "update_bias": st.floats(-10, 10),
        "input_scale": st.floats(0, 10),
        "seed": st.integers(0, 9999),
    }
)


@given(ANY)
def test_any_experiment_runs_or_overflows_and_nothing_else(knobs):
    """No NaN, no warning, and every result that is offered can be had."""
    flow = run_or_overflow(gf.Experiment(**knobs))
    if isinstance(flow, gf.ForwardOverflow):
        assert 1 <= flow.step <= knobs["length"]
        assert knobs["activation"] == "relu"
        return
    for array in (flow.log10_norm, flow.log10_norm_joint, flow.log10_abs_h, flow.loss, flow.grad_h, flow.grad_x):
        assert not np.isnan(array).any()
    if flow.grad_c is not None:
        assert not np.isnan(flow.grad_c).any()
    assert all(not np.isnan(grad).any() for grad in flow.grads.values())
    assert not flow.to_frame()["log10_norm"].isna().any()
    assert not any(np.isnan(gate).any() for gate in flow.trace.gates.values())
    jacobian = gf.log10_jacobian_singular_values(flow.trace)
    assert not np.isnan(jacobian[:, 0]).any()
    larger, smaller = jacobian[:, :-1], jacobian[:, 1:]
    assert (larger >= smaller)[~np.isnan(smaller)].all()


def test_a_rescaled_network_keeps_its_directions():
    one, two = (gf.build(gf.Experiment(cell="gru", spectral_radius=r)).params["weight_hh_l0"] for r in (1.0, 2.0))
    np.testing.assert_allclose(two, 2.0 * one, rtol=1e-15)
    raw = gf.build(gf.Experiment(rescale=False)).params["weight_hh_l0"]
    other = gf.build(replace(gf.Experiment(rescale=False), spectral_radius=2.0)).params["weight_hh_l0"]
    np.testing.assert_array_equal(raw, other)


def test_small_numpy_numbers_become_python_s():
    exp = gf.Experiment(length=np.int8(127), hidden=np.uint8(100), spectral_radius=np.float32(0.5))
    assert [type(v) for v in (exp.length, exp.hidden, exp.spectral_radius)] == [int, int, float]
    with pytest.raises(ValueError, match="length must be a whole number"):
        gf.Experiment(length=np.timedelta64(5, "D"))
