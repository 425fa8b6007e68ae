"""What all visitors share: one computation for a whole class, and no more than fits."""

from threading import Barrier, Thread

import pytest
from visit import Visit

from gradflow.summary import summarise
from gradflow.ui import cache


@pytest.fixture
def counted():
    """A cached computation that counts how often it is really done."""
    calls = []

    def compute(exp, cells, seeds, quantity):
        calls.append(exp)
        return summarise(exp, cells, seeds, quantity)

    cached = cache.shared(compute)
    cached.clear()
    yield cached, calls
    cached.clear()


def test_a_class_of_40_that_opens_one_link_computes_once(counted):
    cached, calls = counted
    exp = Visit().experiment
    together, results = Barrier(40), []

    def student():
        together.wait()
        results.append(cached(exp, ("rnn", "lstm", "gru"), tuple(range(20)), "dL/dh"))

    class_of_40 = [Thread(target=student) for _ in range(40)]
    for thread in class_of_40:
        thread.start()
    for thread in class_of_40:
        thread.join()
    assert len(calls) == 1
    assert len(results) == 40
    assert all((r["rnn"].middle == results[0]["rnn"].middle).all() for r in results)


def test_what_is_shared_is_bounded(counted):
    cached, calls = counted
    exp = Visit(length="2").experiment
    for seed in range(140):
        cached(exp, ("rnn",), (seed,), "dL/dh")
    cached(exp, ("rnn",), (139,), "dL/dh")
    assert len(calls) == 140
    cached(exp, ("rnn",), (0,), "dL/dh")
    assert len(calls) == 141  # the oldest has been given up
