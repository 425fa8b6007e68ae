"""Processes beside this one for the parts of a sweep: threads would wait for one another, since every call of NumPy's is short.

A worker is Python with this package and a pipe to each side; it ends when its owner does. It is started by the first sweep that
has use for it and takes part in those that begin once it is there. Where none can be started, this process does all, with the
same results.
"""

import os
import pickle
import signal
import subprocess
import sys
from atexit import register
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

A = TypeVar("A")
R = TypeVar("R")

MOST = 4  # processes in all: each worker holds 50 MB before it does anything


def cores() -> int:
    """How many processes may run side by side, this one included."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, MOST)


def map_on_cores(function: Callable[[A], R], arguments: list[A]) -> list[R]:
    """[function(a) for a in arguments], shared out to this thread and all workers that are free; all must be picklable."""
    if len(arguments) == 1:
        return [function(arguments[0])]
    staff = staff_of(os.getpid())
    jobs, done = iter(enumerate(arguments)), dict[int, R]()

    def help_out(worker: Worker) -> None:
        try:
            for k, argument in jobs:
                done[k] = worker.call(function, argument)
        except Unknown:
            pass  # what it was at is left over, here and where it is gone
        except Gone:
            staff.vacancies.put(None)
            return
        except BaseException:  # whatever was raised there: nobody goes on, and the worker stays
            drop(jobs)
            staff.workers.put(worker)
            raise
        staff.workers.put(worker)

    helpers = [staff.threads.submit(help_out, worker) for worker in staff.all_free()]
    try:
        for k, argument in jobs:
            done[k] = function(argument)
        for helper in helpers:
            helper.result()
    finally:
        drop(jobs)  # after an error nobody goes on
    return [done[k] if k in done else function(argument) for k, argument in enumerate(arguments)]


def drop(jobs: Iterator[Any]) -> None:
    for _ in jobs:
        pass


class Staff:
    """A process's workers, one less than it has cores, and a thread for each to wait for it."""

    def __init__(self) -> None:
        count = cores() - 1
        self.workers: SimpleQueue[Worker] = SimpleQueue()  # those that are free
        self.threads = ThreadPoolExecutor(max(1, count))
        self.vacancies: SimpleQueue[None] = SimpleQueue()
        for _ in range(count):
            self.vacancies.put(None)

    def hire(self) -> None:
        """Starts a worker, which takes a moment."""
        with suppress(OSError, Gone):
            self.workers.put(Worker())

    def all_free(self) -> list["Worker"]:
        """Takes all workers that nobody else has taken."""
        taken: list[Worker] = []
        with suppress(Empty):
            while True:
                taken.append(self.workers.get_nowait())
        return taken


STAFFS: dict[int, Staff] = {}  # by process: what is forked from one has workers of its own


def staff_of(process: int) -> Staff:
    """The staff of this process; whoever asks has workers hired where they are wanting."""
    staff = STAFFS.get(process) or STAFFS.setdefault(process, Staff())
    with suppress(Empty):
        while True:
            staff.vacancies.get_nowait()  # each is taken once, whoever else asks at the same time
            Thread(target=staff.hire, daemon=True).start()
    return staff


class Gone(Exception):
    """A worker has ended, or can't be understood and was ended."""


class Unknown(Exception):
    """A worker does not know what it was sent, such as a class of a notebook's own."""


class Worker:
    """A process that calls functions for its owner; raises Gone where it has ended."""

    def __init__(self) -> None:
        if not sys.executable:
            raise Gone
        # the owner's own package, and nothing from the current directory
        serve = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); from gradflow.workers import serve; serve()"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", serve], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdin
        assert self.process.stdout
        self.to, self.back = self.process.stdin, self.process.stdout
        register(self.end)
        self.exchange(b"")  # whether it is there

    def call(self, function: Callable[[A], R], argument: A) -> R:
        """function(argument); what is raised there is raised here, Unknown where the worker does not know one of them."""
        # before anything is sent: half a message would be taken for the beginning of the next
        answer = self.exchange(pickle.dumps((function, argument)))
        if answer is None:
            raise Unknown
        result, error = answer
        if error is not None:
            raise error
        return result

    def exchange(self, message: bytes) -> Any:
        try:
            pickle.dump(message, self.to)  # packed twice: who does not know what is in it can still read it to its end
            self.to.flush()
            return pickle.load(self.back)
        except Exception as error:  # an answer that was not read to its end would be taken for the next one's
            self.end()
            raise Gone from error

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.to, self.back):
            with suppress(OSError):
                pipe.close()


def serve() -> None:
    """What a worker does: reads a function and its argument, sends back what comes of it, until its owner is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the owner
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed must not get among the results
    try:
        while True:
            results.write(reply(pickle.load(sys.stdin.buffer)))
            results.flush()
    except Exception:  # the owner is gone
        os._exit(0)  # without a last try to send what nobody reads


def reply(message: bytes) -> bytes:
    """What the call gives and what it raises; None where it is not known here."""
    try:
        function, argument = pickle.loads(message)
    except Exception:  # whatever its classes raise here: the owner does it himself
        return pickle.dumps(None)
    try:
        return pickle.dumps((function(argument), None))
    except Exception as error:  # raised again by the owner
        return pickle.dumps((None, error))
