"""What the first page must show for its settings: the library's numbers."""

import numpy as np
from charts import decoded

from gradflow.findings import NAMES


def assert_the_library_s(page):
    """What is drawn, written and saved equals `gf.summarise` for the values of the controls."""
    want = {NAMES[s.cell]: s for s in page.summaries.values()}
    if page.settings["derivative"] == "direct":
        assert_direct_and_total(page, want)
        return
    drawn, bands = page.curves, page.bands
    assert list(drawn) == [name for name, s in want.items() if s.middle.size]
    for name, y in drawn.items():
        s = want[name]
        middle = np.where(np.isfinite(s.middle), s.middle, np.nan)
        np.testing.assert_array_equal(y, middle)
        x, low, high = bands[name]
        np.testing.assert_array_equal(low, s.low[x])
        np.testing.assert_array_equal(high, s.high[x])
        assert set(x) == set(np.flatnonzero(np.isfinite(s.low) & np.isfinite(s.high)))
    for card, (name, s) in zip(page.cards, want.items(), strict=True):
        assert card.startswith(name)
        one_loss = s.sequence_type == "many-to-one" or s.direct_sizes.size == 1 or not s.middle.size
        assert (s.verdict if one_loss else "fed by many losses") in card


def assert_direct_and_total(page, want):
    """A line for the direct derivative where it is not zero, one for the whole total one, crosses at the zeros."""
    lines = {t["name"]: (decoded(t["x"]), decoded(t["y"])) for t in page.figures[0]["data"] if t.get("name")}
    for name, s in want.items():
        t, y = lines.pop(name)
        assert t.tolist() == np.flatnonzero(np.isfinite(s.direct)).tolist()
        np.testing.assert_array_equal(y, s.direct[t])
        _, total = lines.pop(f"{name}, total")
        np.testing.assert_array_equal(total, np.where(np.isfinite(s.middle), s.middle, np.nan))
    assert not lines
    (crosses,) = (decoded(t["x"]) for t in page.figures[0]["data"] if "name" not in t)
    assert crosses.tolist() == np.flatnonzero(np.isneginf(s.direct)).tolist()
