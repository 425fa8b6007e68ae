"""Drag the spectral radius of W_hh: eigenvalues, powers, per-step factors, gradient curves and maps move together."""

import streamlit as st

from gradflow.experiment import Experiment
from gradflow.figures import radius_board
from gradflow.radii import (
    RADII,
    RadiusStudy,
    log10_powers,
    predicted,
    radii_frame,
    rises_through_one,
    study,
    study_radii,
    with_radius,
)
from gradflow.radius_findings import radius_title, radius_words
from gradflow.spectrum import log10_pascanu_bound, mean_field
from gradflow.ui.cache import shared
from gradflow.ui.chart import draw
from gradflow.ui.frame import experiment, problems_told, setting, title
from gradflow.ui.share import experiment_code, share
from gradflow.ui.sources import show_sources
from gradflow.ui.viewport import narrow
from gradflow.weights import gaussian, identity, orthogonal

SEEDS = 5


def python_code(exp: Experiment, radius: float, seeds: tuple[int, ...]) -> str:
    """A program that prints the page's numbers."""
    return (
        f"import gradflow as gf\n\n{experiment_code(exp)}"
        f"radii = sorted({{*gf.radii.RADII, {radius!r}}})\n"
        f"studies = gf.study_radii(exp, radii, seeds=range({seeds[0]}, {seeds[-1] + 1}))\n\n"
        "for start, s in studies.items():\n"
        f"    print(start, s.unchanged_at, s.per_step_factor[radii.index({radius!r})], s.sigma_max)\n\n"
        "# s.log10_share: the curves, a row for each radius; s.eigenvalues, s.log10_powers: of W_hh at radius 1\n"
    )


on_a_phone = narrow()
radius = setting("spectral_radius")
seeds = tuple(range(setting("seed"), setting("seed") + SEEDS))
with problems_told("Spectral radius"):
    exp = experiment(
        cell="rnn", sequence_type="many-to-one", loss="probe", rescale=True, init="gaussian", spectral_radius=1.0
    )
    study_shared = shared(study_radii)
    studies = study_shared(exp, seeds=seeds)
    if radius not in RADII:
        studies = with_radius(studies, study_shared(exp, (radius,), seeds))

finding = radius_title(studies, radius)
title(finding)
draw(
    radius_board(studies, radius, on_a_phone),
    key="radius_board",
    presenter_scale=1.12,  # its panels have no room for more
    alt=f"{finding}. Eigenvalues, powers of W_hh, per-step factors, gradient curves and maps of radius and time from a "
    f"Gaussian, an orthogonal and an identity start, at ρ = {radius:g}; Spectral radius in the sidebar moves them too.",
)
st.markdown(radius_words(studies, radius, SEEDS))

share(
    csv=lambda: radii_frame(studies).to_csv(index=False).encode(),
    python=python_code(exp, radius, seeds),
    name="spectral-radius",
)
show_sources(
    {
        "The study": [study, RadiusStudy, rises_through_one, log10_powers],
        "Starts": [gaussian, orthogonal, identity],
        "Theory": [predicted, mean_field, log10_pascanu_bound],
    }
)
