"""Running a cell's lines one by one gives what the two time loops gave, bit for bit."""

import re

import numpy as np
import pytest
from helpers import ACTIVATIONS, CELLS, KNOBS_OF

import gradflow as gf
from gradflow.derivation import derive, replay
from gradflow.derivation_findings import signed, title_of
from gradflow.equations import lines, plain


def rows(flow):
    """Symbol → its last row, as the backward lines leave it."""
    return {
        plain(e.symbol): number for number, e in enumerate(e for line in lines(flow.trace.cell) for e in line.equations)
    }


@pytest.mark.parametrize("reads", ["many-to-one", "many-to-many"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", CELLS)
def test_the_lines_give_the_trace_and_the_flow(name, activation, reads):
    """States, pre-activations and every total derivative, at every step, each with its exponent."""
    exp = gf.Experiment(activation=activation, length=40, hidden=6, batch=2, sequence_type=reads, **KNOBS_OF[name])
    flow = gf.run(exp)
    mantissa, exponent = replay(flow)
    row, trace = rows(flow), flow.trace
    np.testing.assert_array_equal(mantissa[row["h_t"]], trace.h[1:, 0])
    np.testing.assert_array_equal(mantissa[row["∂L/∂h_{t−1}"]], flow.mantissa_h[:-1, :, 0])
    np.testing.assert_array_equal(exponent[row["∂L/∂h_{t−1}"]], flow.exponent[:-1, 0])
    if trace.cell.has_c:
        np.testing.assert_array_equal(mantissa[row["c_t"]], trace.c[1:, 0])
        np.testing.assert_array_equal(mantissa[row["∂L/∂c_t"]], flow.mantissa_c[1:, :, 0])
    names = [symbol for symbol in row if symbol.startswith("∂L/∂a_")]
    targets = {plain(e.symbol): e.target for line in lines(trace.cell) for e in line.equations}
    assert len(names) == trace.cell.slots
    for name_of_a in names:
        slot = int(targets[name_of_a][3:-1])
        np.testing.assert_array_equal(mantissa[row[name_of_a]], flow.mantissa_a[slot, :, :, 0])
        np.testing.assert_array_equal(mantissa[row[name_of_a.removeprefix("∂L/∂")]], trace.a[slot, :, :, 0])


@pytest.mark.parametrize(("radius", "far"), [(0.01, -500.0), (3.0, 100.0)])
def test_gradients_beyond_float64_keep_their_size(radius, far):
    exp = gf.Experiment(spectral_radius=radius, length=400, hidden=4, batch=1, input_scale=0.0)
    d, flow = derive(exp), gf.run(exp)
    np.testing.assert_allclose(d.log10_norm[-1], flow.log10_norm[:-1, 0], rtol=0, atol=1e-12)
    assert np.abs(d.log10_norm[-1, 0]) > abs(far)
    assert np.sign(d.log10_norm[-1, 0]) == np.sign(far)


def test_what_is_measured():
    exp = gf.Experiment(cell="peephole", length=12, hidden=5, batch=1, input="text", text="abcdefghijkl", seed=3)
    flow, d = gf.run(exp), derive(exp, unit=2)
    assert d.cell == "peephole"
    assert d.steps == tuple("abcdefghijkl")
    assert d.log10_norm.shape == d.least.shape == d.greatest.shape == d.unit_value.shape == (len(d.symbols), 12)
    h = d.symbols.index("h_t")
    np.testing.assert_array_equal(d.least[h], flow.trace.h[1:, 0].min(-1))
    np.testing.assert_array_equal(d.greatest[h], flow.trace.h[1:, 0].max(-1))
    np.testing.assert_array_equal(d.unit_value[h], flow.trace.h[1:, 0, 2])
    np.testing.assert_allclose(d.log10_norm[h], np.log10(np.linalg.norm(flow.trace.h[1:, 0], axis=-1)), rtol=1e-13)
    np.testing.assert_array_equal(d.log10_norm_h, flow.log10_norm[:, 0])
    assert "12 steps" in repr(d)


@pytest.mark.parametrize("name", CELLS)
def test_a_picture_shows_gates_states_what_is_handed_on_and_gradients(name):
    d = derive(gf.Experiment(length=3, hidden=3, batch=1, **KNOBS_OF[name]))
    shown = [d.symbols[number] for number in d.drawn]
    assert len(shown) == len(set(shown)) <= 21
    assert "h_t" in shown
    assert shown[-1] == "∂L/∂h_{t−1}"
    assert not any(symbol.startswith("a_") for symbol in shown)
    assert (
        sum(symbol.startswith("∂L/∂a_") for symbol in shown)
        == gf.run(gf.Experiment(length=3, **KNOBS_OF[name])).trace.cell.slots
    )


def test_the_frame_is_tidy():
    d = derive(gf.Experiment(cell="gru", length=4, hidden=3, batch=1), unit=1)
    frame = d.to_frame()
    assert len(frame) == len(d.symbols) * 4
    assert not frame.duplicated(["step", "part", "source", "symbol"]).any()
    part = frame[(frame["symbol"] == "∂L/∂h_{t−1}") & (frame["step"] == 2)]
    assert part["log10_norm"].item() == d.log10_norm[-1, 1]
    assert part["unit_value"].item() == d.unit_value[-1, 1]
    assert set(frame["unit"]) == {1}


def test_refused():
    for unit in (-1, 32, 1.5, None, True):
        with pytest.raises(ValueError, match=r"unit must be a whole number in \[0, 31\], got"):
            derive(gf.Experiment(length=3), unit=unit)
    with pytest.raises(ValueError, match="mask must be None to replay"):
        derive(gf.Experiment(input="text", text="abc\nab"))


def test_the_title_is_the_step_s_factor():
    d = derive(gf.Experiment(cell="lstm", length=20, hidden=8, batch=1))
    got = title_of(d, 20)
    told = re.fullmatch(r"Step 20 of the LSTM multiplies the gradient by (.+): ‖∂L/∂h₁₉‖ = (.+)", got)
    before = 10.0 ** d.log10_norm_h[19]
    assert d.log10_norm_h[20] == pytest.approx(0.0, abs=1e-12)  # a unit probe, so both numbers are one
    assert told
    assert told[1] == told[2]
    assert float(told[1]) == pytest.approx(before, rel=0.05)
    assert d.log10_norm_h[18] - d.log10_norm_h[19] != pytest.approx(d.log10_norm_h[18], abs=0.1)
    factor = float(title_of(d, 19).partition(" by ")[2].partition(":")[0])
    assert factor == pytest.approx(10.0 ** (d.log10_norm_h[18] - d.log10_norm_h[19]), rel=0.05)
    dead = derive(gf.Experiment(spectral_radius=0.0, length=3, batch=1))
    assert title_of(dead, 3).endswith("into ‖∂L/∂h₂‖ = exactly 0")
    assert title_of(dead, 1).endswith("turns ‖∂L/∂h₁‖ = exactly 0 into ‖∂L/∂h₀‖ = exactly 0")


@pytest.mark.parametrize(
    ("value", "log10_norm", "said"),
    [
        (0.5, 0.0, "0.50"),
        (-0.5, 0.0, "−0.50"),
        (-3.21e-7, -6.0, "−3.2·10⁻⁷"),
        (0.0, 0.0, "0"),
        (0.0, -np.inf, "0"),
        (0.0, -400.0, "below 10⁻³⁰⁰"),
        (-np.inf, 400.0, "beyond −10³⁰⁸"),
    ],
)
def test_values_in_words(value, log10_norm, said):
    assert signed(value, log10_norm) == said
