"""The Streamlit side: controls made from Experiment's knobs, caching, the character strip, sharing."""

from pathlib import Path

HERE = Path(__file__).parent
STYLE, ICON = HERE / "style.css", HERE / "icon.svg"
