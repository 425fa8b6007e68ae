"""Workers: the same results as this process, whatever becomes of them."""

import os
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import truediv
from pathlib import Path

import pytest

import gradflow as gf
from gradflow import sweeps, workers
from gradflow.workers import Gone, Worker, map_on_cores, staff_of

DEADLINE = 30.0


def wait_until(there):
    end = time.monotonic() + DEADLINE
    while not there():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def team(monkeypatch):
    """The queue of one worker, of two cores, as soon as it is there."""
    monkeypatch.setattr(workers, "cores", lambda: 2)
    monkeypatch.setattr(workers, "STAFFS", {})
    idle = staff_of(os.getpid()).workers
    wait_until(idle.qsize)
    yield idle
    while idle.qsize():
        idle.get().end()


# to be called by `eval`, which a worker knows as it knows the package; a moment each, so that nobody does all alone
WHO = "__import__('time').sleep(0.05) or __import__('os').getpid()"
DIE = "__import__('time').sleep(0.05) or __import__('os').getpid() == {owner} or __import__('os')._exit(1)"


def test_a_worker_takes_its_share(team):
    found = map_on_cores(eval, [WHO] * 8)
    assert len(set(found)) == 2
    assert os.getpid() in found
    assert team.qsize() == 1


def test_results_come_in_order(team):
    assert map_on_cores(str, list(range(100))) == [str(k) for k in range(100)]


def test_a_sweep_is_the_same_in_a_worker(team):
    exp = gf.Experiment(cell="lstm", length=30, hidden=16, batch=3)
    experiments = [gf.Experiment(**{**vars(exp), "spectral_radius": radius}) for radius in (0.0, 0.9, 2.7)]
    worker = team.get()
    theirs, ours = worker.call(sweeps.measure, experiments), sweeps.measure(experiments)
    team.put(worker)
    for there, here in zip(theirs, ours, strict=True):
        for name, value in vars(here).items():
            assert (vars(there)[name] == value).all() if hasattr(value, "all") else vars(there)[name] == value


def test_what_is_raised_there_is_raised_here_and_the_worker_stays(team):
    with pytest.raises(ZeroDivisionError):
        map_on_cores(partial(truediv, 1.0), [1.0, 0.0, 0.0, 0.0])
    wait_until(team.qsize)
    assert team.get().call(str, 1) == "1"


def test_what_cannot_be_sent_does_no_harm(team):
    """To the worker or back; what the worker does not know is done here."""
    with pytest.raises((pickle.PicklingError, AttributeError)):
        map_on_cores(lambda _: 1, [1, 2, 3])
    with pytest.raises(TypeError):
        map_on_cores(eval, ["__import__('time').sleep(0.05) or __import__('threading').Lock()"] * 4)
    wait_until(team.qsize)
    assert map_on_cores(known_here, [1, 2, 3]) == [2, 3, 4]
    wait_until(team.qsize)
    assert team.get().call(abs, -1) == 1


def known_here(number):
    time.sleep(0.05)
    return number + 1


def test_what_is_printed_there_is_no_result(team):
    worker = team.get()
    assert worker.call(print, "a word") is None
    assert worker.call(str, 2) == "2"


def test_a_worker_that_is_gone_is_done_without(team):
    worker = team.get()
    worker.end()
    team.put(worker)
    assert map_on_cores(abs, [-1, -2, -3]) == [1, 2, 3]
    assert not team.qsize()


def test_the_next_sweep_has_another_in_its_place(team):
    worker = team.get()
    worker.process.kill()
    team.put(worker)
    assert map_on_cores(abs, [-1, -2, -3]) == [1, 2, 3]
    assert map_on_cores(abs, [-1, -2, -3]) == [1, 2, 3]
    wait_until(team.qsize)
    found = map_on_cores(eval, [WHO] * 8)
    assert len(set(found)) == 2
    assert worker.process.pid not in found


def test_one_that_goes_in_the_middle_leaves_nothing_undone(team):
    assert map_on_cores(eval, [DIE.format(owner=os.getpid())] * 4) == [True] * 4
    assert not team.qsize()


def test_an_answer_that_cannot_be_read_is_never_taken_for_the_next_one(team, monkeypatch):
    def unreadable(_):
        raise TypeError

    worker = team.get()
    monkeypatch.setattr(pickle, "load", unreadable)
    with pytest.raises(Gone):
        worker.call(abs, -1)
    monkeypatch.undo()
    with pytest.raises(Gone):
        worker.call(abs, -2)


@pytest.mark.parametrize("mistake", [KeyboardInterrupt, ValueError])
def test_after_an_error_nobody_goes_on(team, mistake):
    """Neither this process's own error nor Ctrl-C leaves the worker with the rest."""

    def fails(_):
        raise mistake

    jobs = [WHO] * 400
    start = time.monotonic()
    with pytest.raises(mistake):
        map_on_cores(Split(fails), jobs)
    wait_until(team.qsize)
    assert time.monotonic() - start < 10.0
    assert team.get().call(abs, -1) == 1


class Split:
    """Calls a function here and another one, `eval`, wherever it is sent to."""

    def __init__(self, here):
        self.here = here

    def __call__(self, argument):
        return self.here(argument)

    def __reduce__(self):
        return (partial, (eval,))


def test_however_many_ask_at_once_there_is_one_staff(monkeypatch):
    monkeypatch.setattr(workers, "STAFFS", {})
    monkeypatch.setattr(workers, "cores", lambda: 3)
    hired = []
    monkeypatch.setattr(workers, "Worker", lambda: hired.append(1))
    with ThreadPoolExecutor(8) as threads:
        staffs = set(threads.map(lambda _: staff_of(os.getpid()), range(64)))
    assert len(staffs) == 1
    wait_until(lambda: len(hired) == 2)


def test_a_worker_has_its_owner_s_package_and_nothing_from_where_it_is(tmp_path):
    """Another package of the name in the current directory, and a file that is called like one of Python's."""
    (tmp_path / "gradflow").mkdir()
    (tmp_path / "gradflow" / "__init__.py").write_text("raise ImportError", encoding="utf-8")
    (tmp_path / "random.py").write_text("raise ImportError", encoding="utf-8")
    root = str(Path(gf.__file__).parents[1])
    code = f"import sys; sys.path[:0] = [{root!r}]; from gradflow.workers import Worker; print(Worker().call(abs, -5))"
    run = [sys.executable, "-P", "-c", code]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE)
    assert (done.stdout, done.stderr) == ("5\n", "")


def test_where_none_can_be_started_this_process_does_all(monkeypatch):
    monkeypatch.setattr(workers, "cores", lambda: 3)
    for python in ("/nowhere/python", None, ""):
        monkeypatch.setattr(sys, "executable", python)
        monkeypatch.setattr(workers, "STAFFS", {})
        assert set(map_on_cores(eval, [WHO] * 3)) == {os.getpid()}


OWNER = """
import os
from gradflow import workers

workers.cores = lambda: 2
print(workers.staff_of(os.getpid()).workers.get().process.pid, flush=True)
"""


@pytest.mark.parametrize("end", ["", "os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_worker_ends_with_its_owner(end):
    """At its usual end, at a hard one, and when it is killed."""
    several = "import os\nos.cpu_count = lambda: 2\n"
    done = subprocess.run(
        [sys.executable, "-c", several + OWNER + end], capture_output=True, text=True, timeout=DEADLINE
    )
    assert not done.stderr
    wait_until(lambda: not alive(int(done.stdout)))


def alive(process):
    """Whether it runs; one that has ended may still stand in the list until its parent has looked at it."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_no_worker_for_one_part(monkeypatch):
    monkeypatch.setattr(workers, "staff_of", None)
    assert map_on_cores(abs, [-3]) == [3]


def test_a_worker_can_be_ended_twice():
    worker = Worker()
    worker.end()
    worker.end()
    with pytest.raises(Gone):
        worker.call(abs, -1)
