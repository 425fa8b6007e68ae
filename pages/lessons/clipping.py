"""Clipping: the cliff that it is for, what it does to a vector, to a training run, and what it leaves alone."""

from dataclasses import fields, replace
from time import monotonic

import numpy as np
import pandas as pd
import streamlit as st

from gradflow.cliff import KNOBS, cliff, descents, descents_frame, steepest, surface
from gradflow.clipped_run import clipped_run, clipped_runs_frame
from gradflow.clipping import clip_by_norm, clip_by_value
from gradflow.clipping_findings import (
    cliff_title,
    cliff_words,
    clipped_title,
    clipped_words,
    race_title,
    race_words,
    steepest_title,
    steepest_words,
    stopped_title,
)
from gradflow.experiment import Experiment
from gradflow.figures import cliff_paths, clipped_runs, clipped_vector, race_curves
from gradflow.training import Learning, Training, adding_problem, loss_and_gradients, race, race_frame, recorded, train
from gradflow.ui.cache import COMPUTING, shared
from gradflow.ui.chart import draw
from gradflow.ui.controls import control
from gradflow.ui.frame import own_controls, own_more, problems_told, setting, title
from gradflow.ui.share import share
from gradflow.ui.sources import show_sources

DESCENT = {"threshold": 0.5, "rate": 0.5, "start_w": 5.5, "start_b": -2.0}
TRAINED = ("spectral_radius", "activation", "rate", "length", "steps")  # the fields of Training under More
RADII = (3.0, 0.5)  # of a network that explodes from most seeds, and of one that vanishes
LOOK_EVERY, WORK = 0.6, 0.5  # seconds between two looks at a training run, and for how many of them it trains


def python_code(descent: dict[str, float], setup: Training, seed: int) -> str:
    """A program that prints the page's numbers."""
    trained = "".join(f"    {f.name}={v!r},\n" for f in fields(setup) if (v := getattr(setup, f.name)) != f.default)
    return (
        "import os\n\n"
        'os.environ["OPENBLAS_NUM_THREADS"] = "1"  # with matrices this small, threads would only wait for one another\n\n'
        "import gradflow as gf\n\n"
        f"for kind, d in gf.descents({', '.join(f'{name}={value!r}' for name, value in descent.items())}).items():\n"
        "    print(kind, d.w[-1], d.b[-1], d.error[-1], d.norm.max())\n\n"
        f"for radius in {RADII}:\n"
        f"    exp = gf.Experiment(spectral_radius=radius, batch=1, seed={seed})\n"
        f"    run = gf.clipped_run(exp, threshold={descent['threshold']!r})\n"
        "    print(radius, run.norm_before, run.norm_after, run.log10_norm[0])\n\n"
        f"*_, runs = gf.race(gf.Training({trained and chr(10) + trained}))  # takes some seconds\n"
        "for kind, run in runs.items():\n"
        "    print(kind, run.final_loss, run.share_clipped, run.ended)\n"
    )


def start_training(setup: Training) -> None:
    runs = race(setup)
    with COMPUTING, np.errstate(all="ignore"):
        st.session_state["raced"] = (setup, next(runs))
    st.session_state["race"] = (setup, runs)


def stop_training() -> None:
    st.session_state.pop("race", None)


def train_on() -> None:
    """Trains for a moment; what is reached is kept in the session, block by block."""
    setup, runs = st.session_state["race"]
    until = monotonic() + WORK
    while monotonic() < until:
        with COMPUTING, np.errstate(all="ignore"):
            reached = next(runs, None)
        if reached is None:
            stop_training()
            st.rerun()
        st.session_state["raced"] = (setup, reached)


def last_race() -> tuple[Training, dict[str, Learning]]:
    """The last race of this session; before the first one, the recorded race of the default settings."""
    return st.session_state.get("raced") or (Training(), recorded())


def training() -> None:
    """The last race; while one runs, it goes on for a moment after what it has reached is drawn."""
    running = "race" in st.session_state
    setup, runs = last_race()
    reached = max(int(run.step[-1]) if len(run.step) else 0 for run in runs.values())
    if running:
        finding = f"Training, step {reached} of {setup.steps}"
    elif reached < setup.steps and not all(run.ended for run in runs.values()):
        finding = stopped_title(runs, reached)
    else:
        finding = race_title(runs)
    st.subheader(finding, anchor=False)
    draw(race_curves(setup, runs), key="race", alt=finding)
    st.markdown(race_words(setup, runs))
    if running:
        train_on()


with own_controls():
    descent = {name: control(f"clip_{name}", default, KNOBS[name]) for name, default in DESCENT.items()}
with own_more():
    knobs = {f.name: f for f in fields(Training)}
    trained = {
        name: control(f"train_{name}", knobs[name].default, replace(k, label=f"Training: {k.label.lower()}"))
        for name in TRAINED
        for k in [knobs[name].metadata["knob"]]
    }

with problems_told("Clipping"):
    by_kind = shared(descents)(**descent)
    setup = Training(threshold=descent["threshold"], seed=setting("seed"), **trained)
    exps = [Experiment(spectral_radius=radius, batch=1, seed=setting("seed")) for radius in RADII]
    strong, weak = (shared(clipped_run)(exp, descent["threshold"]) for exp in exps)

finding = cliff_title(by_kind, descent["threshold"])
title(finding)
wide, narrow = st.columns([9, 4])
with wide:
    draw(cliff_paths(shared(surface)(by_kind["none"].view), by_kind), key="cliff", alt=finding)
with narrow:
    longest = steepest(by_kind["norm"], descent["threshold"])
    st.markdown(f"**{steepest_title(longest)}**")
    draw(clipped_vector(longest), key="vector", alt=steepest_title(longest))
    st.markdown(steepest_words(longest))
st.markdown(cliff_words(by_kind, descent["threshold"], descent["rate"]))

running = "race" in st.session_state
races = st.container()
with st.container(horizontal=True, vertical_alignment="center"):
    if running:
        st.button("Stop", on_click=stop_training, icon=":material/stop:")
    else:
        st.button("Train", on_click=start_training, args=(setup,), icon=":material/play_arrow:")
    if last_race()[0] != setup:
        st.caption("This run had other settings: Train runs both networks with the present ones.")

st.subheader(clipped_title(), anchor=False)
draw(clipped_runs(strong, weak, descent["threshold"]), key="clipped", alt=clipped_title())
st.markdown(clipped_words((strong, weak)))


def data() -> bytes:
    """Everything the figures show, one row per number."""
    parts = {
        "cliff": descents_frame(by_kind),
        "training": race_frame(last_race()[1]),
        "network": clipped_runs_frame([strong, weak]),
    }
    frames = [frame.melt(frame.columns[:2], var_name="quantity") for frame in parts.values()]
    return pd.concat(frames, keys=parts, names=["figure"]).reset_index("figure").to_csv(index=False).encode()


share(csv=data, python=python_code(descent, last_race()[0], setting("seed")), name="clipping")
show_sources(
    {
        "Clipping": [clip_by_norm, clip_by_value],
        "The cliff": [cliff, descents],
        "Training": [adding_problem, loss_and_gradients, train],
    }
)
with races:  # last, so that training holds up nothing else
    st.fragment(training, run_every=LOOK_EVERY if running else None)()
