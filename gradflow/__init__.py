"""gradflow: how gradients flow through time in recurrent networks.

import gradflow as gf
flow = gf.run(gf.Experiment(cell="lstm", length=100))
flow.log10_norm, flow.grads, flow.to_frame()
"""

import numpy as np

from gradflow.adding import TrainedNetwork, trained_network
from gradflow.cells import CELLS, GRU, LSTM, RNN, Cell, PeepholeLSTM
from gradflow.cliff import Descent, Steepest, Surface, descents, steepest, surface
from gradflow.clipped_run import ClippedRun, clipped_run
from gradflow.clipping import Clipped, clip_by_norm, clip_by_value
from gradflow.experiment import Experiment, Run, build, run
from gradflow.flow import Flow, Trace
from gradflow.gradient_check import Check, check_gradients
from gradflow.loss_matrix import LossMatrix, loss_matrix
from gradflow.measures import half_life, log10_factor, verdict
from gradflow.memory import Memory, measure_memory, sweep_memory
from gradflow.one_unit import Cycle, FixedPoint, OneUnit, fixed_points, one_unit, two_cycle
from gradflow.operating_points import OperatingPoint, operating_points
from gradflow.path_summary import PathSummary, summarise_paths
from gradflow.paths import Split, other_convention, split_routes, split_steps
from gradflow.radii import RadiusStudy, study_radii
from gradflow.spectrum import (
    MeanField,
    eigenvalues,
    log10_jacobian_singular_values,
    log10_pascanu_bound,
    lyapunov_exponents,
    mean_field,
    singular_values,
)
from gradflow.summary import Summary, summarise
from gradflow.sweeps import Sweep, compare, sweep
from gradflow.training import Learning, Training, race, train
from gradflow.truncation import Truncation, path_depths, steps_back, truncate, truncated_gradients
from gradflow.unroll import ForwardOverflow, backward, forward
from gradflow.weights import from_torch, spectral_radius

__version__ = "0.1.0"

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "Check",
    "Clipped",
    "ClippedRun",
    "Cycle",
    "Descent",
    "Experiment",
    "FixedPoint",
    "Flow",
    "ForwardOverflow",
    "Learning",
    "LossMatrix",
    "MeanField",
    "Memory",
    "OneUnit",
    "OperatingPoint",
    "PathSummary",
    "PeepholeLSTM",
    "RadiusStudy",
    "Run",
    "Split",
    "Steepest",
    "Summary",
    "Surface",
    "Sweep",
    "Trace",
    "TrainedNetwork",
    "Training",
    "Truncation",
    "backward",
    "build",
    "check_gradients",
    "clip_by_norm",
    "clip_by_value",
    "clipped_run",
    "compare",
    "descents",
    "eigenvalues",
    "fixed_points",
    "forward",
    "from_torch",
    "half_life",
    "log10_factor",
    "log10_jacobian_singular_values",
    "log10_pascanu_bound",
    "loss_matrix",
    "lyapunov_exponents",
    "mean_field",
    "measure_memory",
    "one_unit",
    "operating_points",
    "other_convention",
    "path_depths",
    "race",
    "run",
    "singular_values",
    "spectral_radius",
    "split_routes",
    "split_steps",
    "steepest",
    "steps_back",
    "study_radii",
    "summarise",
    "summarise_paths",
    "surface",
    "sweep",
    "sweep_memory",
    "train",
    "trained_network",
    "truncate",
    "truncated_gradients",
    "two_cycle",
    "verdict",
]

# glibc hands large arrays back to the system at every free and faults their pages in anew, until a block this large has
# been freed once; measured, it makes runs of a few megabytes twice as fast
np.empty(31 * 2**17)
