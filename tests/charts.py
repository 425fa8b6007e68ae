"""What is on the page, read back: curves out of a Plotly figure, shown numbers out of text."""

import base64
import re

import numpy as np

SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
POWER = r"(?:(\d+(?:\.\d+)?)·)?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)"
PLAIN = r"\d+(?:\.\d+)?"
SHOWN = rf"exactly 0|{POWER}|{PLAIN}"


def decoded(values):
    """A figure's array as numbers: Plotly sends {"dtype", "bdata", "shape"}, or a list."""
    if isinstance(values, dict):
        dtype = np.dtype({"f8": "<f8", "f4": "<f4"}.get(values["dtype"], values["dtype"]))
        array = np.frombuffer(base64.b64decode(values["bdata"]), dtype)
        shape = values.get("shape")
        return array.reshape([int(n) for n in shape.split(",")]) if isinstance(shape, str) else array
    return np.array([np.nan if v is None else v for v in values])


def curves(traces):
    """Cell → (steps, log10 of the median) for every named line of a figure's traces."""
    return {t["name"]: (decoded(t["x"]), decoded(t["y"])) for t in traces if t.get("name")}


def bands(traces):
    """Cell → (steps, low, high) of the band around its line."""
    edges = {}
    for t in traces:
        if not t.get("name") and t.get("legendgroup"):
            edges.setdefault(t["legendgroup"], []).append((decoded(t["x"]), decoded(t["y"])))
    return {name: (low[0], low[1], high[1]) for name, (low, high) in edges.items()}


def read_number(shown):
    """(log10, tolerance in log10) of a number as the page writes it: 0.79, 3·10⁻¹², 10⁻¹², exactly 0."""
    if shown == "exactly 0":
        return -np.inf, 0.0
    power = re.fullmatch(POWER, shown)
    digits, exponent = (power[1] or "1", int(power[2].translate(SUPERSCRIPTS))) if power else (shown, 0)
    value, unit = float(digits), 10.0 ** -len(digits.partition(".")[2])
    # half a unit of the last digit, to either side; logarithms are wider downwards
    return np.log10(value) + exponent, -np.log10(1.0 - min(0.5001 * unit / value, 0.999))


def assert_shows(shown, log10):
    """The text `shown` is 10^log10, to the digits that it has."""
    got, tolerance = read_number(shown)
    assert got == log10 or abs(got - log10) <= tolerance, f"{shown} is not 10^{log10}"
