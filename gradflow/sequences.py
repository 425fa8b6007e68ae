"""What a network reads: typed text, a measured series, noise, or one impulse."""

import csv
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from gradflow.activations import Array
from gradflow.checks import MAX_BYTES, shown
from gradflow.weights import generator

MAX_TEXT = 5000
NOISE_INPUTS = 8
JOINER, NON_JOINER, FLAGS = 0x200D, 0x200C, range(0x1F1E6, 0x1F200)
VARIATIONS, SKIN_TONES, TAGS = range(0xFE00, 0xFE10), range(0x1F3FB, 0x1F400), range(0xE0020, 0xE0080)
JOINING = frozenset((JOINER, NON_JOINER, *VARIATIONS, *SKIN_TONES, *TAGS))


@dataclass(frozen=True, eq=False, repr=False)
class Sequences:
    """A batch of sequences: x (T, B, D); targets for predicting the next input, (T, B) symbols or (T, B, D) values.

    Sequences end together; where one is shorter, mask (T, B) is False at its front. `steps` names every step of every
    sequence for people: characters, years or numbers.
    """

    x: Array
    targets: NDArray
    mask: NDArray[np.bool_] | None
    steps: tuple[tuple[str, ...], ...]
    symbols: tuple[str, ...] = ()
    rms: float = 1.0  # √E‖x_t‖² of this kind of input, where there is one

    def present(self) -> NDArray[np.bool_]:
        """(T, B), True where a sequence has that step."""
        return np.ones(self.x.shape[:2], bool) if self.mask is None else self.mask


def characters(line: str) -> list[str]:
    """The characters of a line as a reader counts them: accents, joined emoji and flags stay whole."""
    out: list[str] = []
    for char in unicodedata.normalize("NFC", line):
        code = ord(char)
        joins = out and (
            unicodedata.category(char) in ("Mn", "Me", "Mc")
            or code in JOINING
            or ord(out[-1][-1]) == JOINER
            or (code in FLAGS and len(out[-1]) == 1 and ord(out[-1]) in FLAGS)
        )
        if joins:
            out[-1] += char
        else:
            out.append(char)
    return out


def check_text(text: object) -> None:
    """ValueError unless `text` is one to MAX_TEXT characters of which at least one can be read."""
    if not isinstance(text, str):
        raise ValueError(f"text must be a string of 1 to {MAX_TEXT:,} characters, got {shown(text)}")
    if not text.strip():
        raise ValueError(f"text must have 1 to {MAX_TEXT:,} characters, got {'none' if not text else 'only spaces'}")
    if len(text) > 20 * MAX_TEXT:  # no script joins so many code points into a character
        raise ValueError(f"text must have 1 to {MAX_TEXT:,} characters, got a string of {len(text):,}")
    count = len(text) if len(text) <= MAX_TEXT else sum(map(len, map(characters, text.splitlines())))
    if count > MAX_TEXT:
        raise ValueError(f"text must have 1 to {MAX_TEXT:,} characters, got {count:,}")


def check_size(steps: int, lines: int, symbols: int) -> None:
    """ValueError where the one-hot characters, and their copy in the forward pass, would need more than 1 GB."""
    if 16.0 * steps * lines * symbols > MAX_BYTES:
        raise ValueError(
            f"text must fit in {MAX_BYTES / 1e9:g} GB as length × lines × different characters, "
            f"got {steps:,} × {lines:,} × {symbols:,}"
        )


def typed_text(text: str, length: int, next_wanted: bool) -> Sequences:
    """One sequence per line, characters one-hot; of a longer line the last `length` characters are read.

    With `next_wanted`, a line's last character is only predicted, not read, so that every step has a target.
    """
    check_text(text)
    extra = 1 if next_wanted else 0
    lines = [characters(line)[-length - extra :] for line in text.splitlines() if line.strip()]
    short = min(lines, key=len)
    if len(short) <= extra:
        raise ValueError(
            f"text must have at least 2 characters per line to predict the next one, got {shown(short[0])}"
        )
    symbols = tuple(sorted({char for line in lines for char in line}))
    number = {char: k for k, char in enumerate(symbols)}
    steps = max(len(line) for line in lines) - extra
    check_size(steps, len(lines), len(symbols))
    x = np.zeros((steps, len(lines), len(symbols)))
    targets = np.zeros((steps, len(lines)), int)
    mask = np.zeros((steps, len(lines)), bool)
    for b, line in enumerate(lines):
        codes = [number[char] for char in line]
        first = steps - (len(codes) - extra)
        mask[first:, b] = True
        x[np.arange(first, steps), b, codes[: len(codes) - extra]] = 1.0
        targets[first : steps - 1 + extra, b] = codes[1:]
    read = tuple(tuple(line[: len(line) - extra]) for line in lines)
    return Sequences(x, targets, None if mask.all() else mask, read, symbols)


@lru_cache(maxsize=1)
def sunspots() -> tuple[tuple[str, ...], Array]:
    """Years and yearly mean sunspot numbers 1700–2008 (US National Geophysical Data Center, public domain)."""
    with resources.files("gradflow").joinpath("data/sunspots.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return tuple(row["year"] for row in rows), np.array([float(row["sunspots"]) for row in rows])


def measured_series(length: int, batch: int) -> Sequences:
    """Windows of the yearly sunspot numbers, standardised; the first is the latest, the others are spread over the rest."""
    years, values = sunspots()
    last_start = len(values) - length - 1
    if last_start < 0:
        raise ValueError(f"length must be in [1, {len(values) - 1}] for input='series', got {length}")
    z = (values - values.mean()) / values.std()
    starts = np.linspace(last_start, 0, batch).round().astype(int)
    windows = np.stack([z[s : s + length + 1] for s in starts], axis=1)[..., None]
    steps = tuple(years[s : s + length] for s in starts)
    return Sequences(windows[:-1], windows[1:], None, steps)


def noise(length: int, batch: int, seed: int) -> Sequences:
    """Independent standard normal inputs of dimension 8."""
    draws = [generator(seed, "input", b).normal(size=(length + 1, NOISE_INPUTS)) for b in range(batch)]
    x = np.stack(draws, axis=1)
    return Sequences(x[:-1], x[1:], None, numbered(length, batch), rms=NOISE_INPUTS**0.5)


def impulse(length: int, batch: int) -> Sequences:
    """A single 1 at the first step, then silence."""
    x = np.zeros((length + 1, batch, 1))
    x[0] = 1.0
    return Sequences(x[:-1], x[1:], None, numbered(length, batch))


def numbered(length: int, batch: int) -> tuple[tuple[str, ...], ...]:
    """The steps' numbers as their names."""
    return (tuple(str(t) for t in range(1, length + 1)),) * batch


@lru_cache(maxsize=8)
def read_input(kind: str, text: str, length: int, batch: int, seed: int, next_wanted: bool) -> Sequences:
    """The sequences of one of INPUTS; cached, because the runs of a sweep share them, and so read-only."""
    make: dict[str, Callable[[], Sequences]] = {
        "text": lambda: typed_text(text, length, next_wanted),
        "series": lambda: measured_series(length, batch),
        "noise": lambda: noise(length, batch, seed),
        "impulse": lambda: impulse(length, batch),
    }
    sequences = make[kind]()
    for array in (sequences.x, sequences.targets, sequences.mask):
        if array is not None:
            array.flags.writeable = False
    return sequences


INPUTS = {
    "text": "Typed text, characters one-hot",
    "series": "Yearly sunspot numbers 1700–2008",
    "noise": "Gaussian noise",
    "impulse": "One impulse at the first step",
}
