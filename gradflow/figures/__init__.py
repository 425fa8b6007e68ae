"""Figures: a result in, a Plotly figure out; nothing is computed here."""

from gradflow.figures.flow_curves import direct_curves, flow_curves
from gradflow.figures.radius_board import radius_board
from gradflow.figures.theme import CONFIG
from gradflow.figures.unit_maps import unit_maps

__all__ = ["CONFIG", "direct_curves", "flow_curves", "radius_board", "unit_maps"]
