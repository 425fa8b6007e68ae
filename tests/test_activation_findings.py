"""The lesson's sentences: one for everything that a unit can do, and numbers that are those of the results."""

import math
from dataclasses import replace

import pytest

import gradflow as gf
from gradflow.activation_findings import (
    activations_title,
    curves_title,
    curves_words,
    panels_words,
    signed,
    unit_title,
    unit_words,
)
from gradflow.findings import number

EXP = gf.Experiment(length=20, hidden=8, batch=1)
SEEDS = range(3)
UNITS = {
    ("tanh", 0.9, 0.0, 0.9): "tanh forgets: from any h₀ it ends at 0, and its gradient keeps 0.9 per step",
    ("tanh", 1.5, 0.0, 0.9): "tanh latches at 0.859: one bit of h₀ lasts, but its gradient keeps 0.394 per step",
    ("tanh", 1.5, 0.0, -0.9): "tanh latches at −0.859: one bit of h₀ lasts, but its gradient keeps 0.394 per step",
    ("tanh", 1.5, 0.0, 0.0): "tanh balances on 0: the least disturbance grows × 1.5 per step",
    ("tanh", 1.0, 0.0, 0.9): "tanh on the edge: multiplier 1 at 0, so it forgets more and more slowly",
    ("tanh", -1.0, 0.0, 0.9): "tanh on the edge: multiplier −1 at 0, so it forgets more and more slowly",
    ("tanh", -0.5, 0.0, 0.9): "tanh forgets: from any h₀ it ends at 0, and its gradient keeps 0.5 per step",
    ("tanh", -1.5, 0.0, 0.9): "tanh oscillates between −0.859 and 0.859, and its gradient keeps 0.394 per step",
    ("sigmoid", 1.0, 0.0, 0.9): "sigmoid forgets: from any h₀ it ends at 0.659, and its gradient keeps 0.225 per step",
    ("sigmoid", 8.0, -4.0, 0.9): "sigmoid latches at 0.979: one bit of h₀ lasts, but its gradient keeps 0.166 per step",
    ("relu", 0.5, 1.0, 0.9): "ReLU forgets: from any h₀ it ends at 2, and its gradient keeps 0.5 per step",
    ("relu", 0.5, -1.0, 0.9): "ReLU forgets: from any h₀ it ends at 0, and no gradient comes back",
    ("relu", 1.0, 0.0, 0.9): "ReLU keeps 0.9 for ever, and its gradient whole: every h ≥ 0 is a fixed point",
    ("relu", 1.0, 0.5, 0.9): "ReLU grows for ever: it adds 0.5 at every step",
    ("relu", 1.5, 0.0, 0.9): "ReLU blows up: × 1.5 per step, out of float64's range at step 1,751",
    ("relu", 1.5, -0.2, 0.3): "ReLU dies: from below 0.4 it ends at 0, from above it would blow up",
    ("relu", 1.5, -0.2, 0.5): "ReLU blows up: × 1.5 per step, out of float64's range at step 1,757",
    ("relu", 1.5, -0.2, 0.4): "ReLU balances on 0.4: the least disturbance grows × 1.5 per step",
    ("relu", -2.0, 1.0, 0.9): "ReLU oscillates between 0 and 1, and no gradient comes back",
    ("relu", -1.0, 1.0, 0.9): "ReLU swaps 0.1 and 0.9 for ever: every h₀ from 0 to 1 has a cycle of its own",
    (
        "relu",
        -1.0,
        1.0,
        0.5,
    ): "ReLU keeps 0.5 for ever, and its gradient whole: every other h₀ from 0 to 1 has a cycle of its own",
}


@pytest.mark.parametrize("unit", UNITS, ids=str)
def test_every_fate_of_a_unit_has_its_sentence(unit):
    assert unit_title(gf.one_unit(*unit)) == UNITS[unit]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1e-14, "0"), (-0.3943, "−0.394"), (1.5, "1.5"), (-2e-5, "−2.0·10⁻⁵"), (12345.0, "1.2·10⁴")],
)
def test_numbers_of_either_sign(value, text):
    assert signed(value) == text


def test_titles_hold_the_numbers():
    points = gf.operating_points(EXP, SEEDS)
    for point in points.values():
        assert f"{point.mean_slope:.2f} of {point.max_slope:g}" in activations_title(points)
        assert f"{point.gradient.per_step_factor:.2f}" in curves_title(points)


WIDE = replace(EXP, length=100, hidden=32)


@pytest.mark.parametrize("radius", [0.5, 1.0, 1.5, 3.0])
def test_what_random_weights_are_said_to_keep_is_near_what_they_keep(radius):
    """With ρ in the place of σ_w the words and the title would fall on either side of 1 at ρ = 1.5."""
    exp = replace(WIDE, spectral_radius=radius)
    points = gf.operating_points(exp, range(10))
    said = curves_words(exp, points, 10)
    assert f"σ_w = ‖W_hh‖_F / √H = {number(points['tanh'].sigma_w)} times" in said
    for point, title in zip(points.values(), ("tanh", "sigmoid", "ReLU"), strict=True):
        assert f"{number(point.expected_factor)} with {title}" in said
        assert point.expected_factor == pytest.approx(point.gradient.per_step_factor, rel=0.12)
        assert number(point.gradient.per_step_factor) in curves_title(points)


@pytest.mark.parametrize(
    "changes",
    [{"hidden": 8}, {"init": "orthogonal"}, {"sequence_type": "many-to-many"}, {"spectral_radius": 0.0}],
    ids=str,
)
def test_nothing_is_expected_of_weights_that_the_theory_is_not_about(changes):
    exp = replace(WIDE, **changes)
    points = gf.operating_points(exp, SEEDS)
    assert "σ_w" not in curves_words(exp, points, 3)
    assert curves_title(points).startswith("Losses at many steps") == ("sequence_type" in changes)


def test_without_a_way_back_it_is_said_once_for_all_three():
    exp = replace(EXP, spectral_radius=0.0)
    points = gf.operating_points(exp, SEEDS)
    assert curves_title(points) == (
        "Exactly nothing of the gradient arrives at the first step with tanh, sigmoid and ReLU"
    )
    said = curves_words(exp, points, 3)
    assert said.count("exactly zero") == 1
    assert "tanh, sigmoid and ReLU: up to step 19" in said
    assert "W_hh is zero" in said


@pytest.mark.parametrize(
    ("changes", "tried"),
    [
        ({}, "Try ρ = 1.5"),
        ({"spectral_radius": 1.5}, "Try ρ = 0.5"),
        ({"spectral_radius": 3.0}, "Try ρ = 0.5"),
        ({"spectral_radius": 1.5, "rescale": False}, "Turn on Rescale to ρ and try ρ = 1.5"),
        ({"input_scale": 2.0}, "Try an input scale of 0.5"),
        ({"init": "pytorch"}, "Choose a Gaussian start and an input scale of 2"),
    ],
    ids=str,
)
def test_what_is_to_be_tried_is_not_yet_so(changes, tried):
    exp = replace(EXP, **changes)
    points = gf.operating_points(exp, SEEDS)
    assert tried in panels_words(exp, points, 3) + curves_words(exp, points, 3)


def test_smaller_weights_have_steeper_slopes_and_keep_less():
    small, large = (gf.operating_points(replace(WIDE, spectral_radius=radius), SEEDS) for radius in (0.5, 1.5))
    for name in ("tanh", "sigmoid"):
        assert small[name].rms_slope > large[name].rms_slope
        assert small[name].gradient.log10_factor < large[name].gradient.log10_factor


def test_a_unit_is_tried_over_a_range():
    assert "Try w from 3 to 6 with b = −w/2" in unit_words(gf.one_unit("sigmoid", 6.0, -3.0, 0.9))
    few, latched = (len(gf.one_unit("sigmoid", w, -w / 2.0, 0.9).fixed_points) for w in (3.0, 6.0))
    assert (few, latched) == (1, 3)


def test_what_lies_beyond_the_axis_and_what_is_zero_is_said():
    wild = replace(EXP, spectral_radius=3.0, length=40)
    points = gf.operating_points(wild, SEEDS)
    share = 100.0 * (points["relu"].below + points["relu"].above)
    assert f"ReLU: {share:.0f} % of a_t lie beyond the axis." in panels_words(wild, points, 3)
    silent = replace(EXP, input_scale=0.0)
    points = gf.operating_points(silent, SEEDS)
    assert "ReLU: up to step 19 at least half of the runs have a gradient of exactly zero" in curves_words(
        silent, points, 3
    )


def test_overflow_is_said_and_nothing_is_nan():
    exp = gf.Experiment(length=800, hidden=4, batch=1, spectral_radius=3.0)
    points = gf.operating_points(exp, range(20), ["relu"])
    overflowed = [
        seed for seed in range(20) if math.isnan(gf.operating_points(exp, [seed], ["relu"])["relu"].mean_slope)
    ]
    points = gf.operating_points(exp, overflowed, ["relu"])
    for text in (
        activations_title(points),
        curves_title(points),
        curves_words(exp, points, 3),
        panels_words(exp, points, 3),
    ):
        assert "nan" not in text
    assert "float64" in activations_title(points)
