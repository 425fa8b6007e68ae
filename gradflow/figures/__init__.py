"""Figures: a result in, a Plotly figure out; nothing is computed here."""

from gradflow.figures.activations import activation_curves, activation_panels
from gradflow.figures.bias_sweeps import entry_against_bias, kept_against_bias
from gradflow.figures.cell_paths import gate_map, path_routes, path_steps
from gradflow.figures.cliff_paths import cliff_paths
from gradflow.figures.clipped_runs import clipped_runs
from gradflow.figures.clipped_vector import clipped_vector
from gradflow.figures.flow_curves import direct_curves, flow_curves
from gradflow.figures.gate_values import gate_values
from gradflow.figures.loss_matrices import lag_curves, loss_matrix_map, type_maps
from gradflow.figures.memory_curves import memory_curves
from gradflow.figures.one_unit import unit_map, unit_time
from gradflow.figures.race_curves import race_curves
from gradflow.figures.radius_board import radius_board
from gradflow.figures.theme import CONFIG
from gradflow.figures.truncated_paths import bias_curves, path_counts, surviving_paths
from gradflow.figures.unit_maps import unit_maps

__all__ = [
    "CONFIG",
    "activation_curves",
    "activation_panels",
    "bias_curves",
    "cliff_paths",
    "clipped_runs",
    "clipped_vector",
    "direct_curves",
    "entry_against_bias",
    "flow_curves",
    "gate_map",
    "gate_values",
    "kept_against_bias",
    "lag_curves",
    "loss_matrix_map",
    "memory_curves",
    "path_counts",
    "path_routes",
    "path_steps",
    "race_curves",
    "radius_board",
    "surviving_paths",
    "type_maps",
    "unit_map",
    "unit_maps",
    "unit_time",
]
