"""Drag the spectral radius of W_hh: eigenvalues, gradient curves, maps and per-step factors move together."""

from dataclasses import replace

from gradflow.figures.radius_board import radius_board
from gradflow.radii import study_radii, with_radius
from gradflow.ui.cache import shared
from gradflow.ui.chart import draw
from gradflow.ui.frame import experiment, problems_told, setting, title

SEEDS = 5
radius = setting("spectral_radius")
seeds = tuple(range(setting("seed"), setting("seed") + SEEDS))
with problems_told("Spectral radius"):
    exp = experiment(
        cell="rnn", sequence_type="many-to-one", loss="probe", rescale=True, init="gaussian", spectral_radius=1.0
    )
    study = shared(study_radii)
    studies = with_radius(study(exp, seeds=seeds), study(exp, (radius,), seeds))
title("At ρ = 1 a tanh RNN keeps 0.72 of the gradient per step; it passes unchanged at ρ ≈ 1.86")
draw(radius_board(studies, radius), key="radius_board", alt="x")
