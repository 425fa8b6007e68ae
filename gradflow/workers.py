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
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

A = TypeVar("A")
R = TypeVar("R")

MOST = 4  # processes in all: each worker holds 50 MB before it does anything


def map_on_cores(function: Callable[[A], R], arguments: list[A]) -> list[R]:
    """[function(a) for a in arguments], shared out to this thread and all workers that are free; all must be picklable."""
    if len(arguments) == 1:
        return [function(arguments[0])]
    workers, threads = staff(os.getpid())
    jobs, done = iter(enumerate(arguments)), dict[int, R]()

    def help_out(worker: Worker) -> None:
        for k, argument in jobs:
            try:
                done[k] = worker.call(function, argument)
            except Gone:
                return  # what it was at is left over
            except Exception:
                workers.put(worker)
                raise
        workers.put(worker)

    helpers = [threads.submit(help_out, worker) for worker in list(free(workers))]
    for k, argument in jobs:
        done[k] = function(argument)
    for helper in helpers:
        helper.result()
    return [done[k] if k in done else function(argument) for k, argument in enumerate(arguments)]


def free(workers: "SimpleQueue[Worker]") -> Iterator["Worker"]:
    """Takes all workers that nobody else has taken."""
    with suppress(Empty):
        while True:
            yield workers.get_nowait()


@cache
def staff(process: int) -> tuple["SimpleQueue[Worker]", ThreadPoolExecutor]:
    """The workers, one less than there are cores, and a thread for each to wait for it.

    They belong to one process; what is forked from it has workers of its own.
    """
    count = min(os.cpu_count() or 1, MOST) - 1
    workers: SimpleQueue[Worker] = SimpleQueue()
    Thread(target=hire, args=(workers, count), daemon=True).start()
    return workers, ThreadPoolExecutor(max(1, count))


def hire(workers: "SimpleQueue[Worker]", count: int) -> None:
    """Starts workers, which takes a moment; none where there can be none."""
    with suppress(OSError, Gone):
        for _ in range(count):
            workers.put(Worker())


class Gone(Exception):
    """A worker has ended."""


class Worker:
    """A process that calls functions for its owner; raises Gone where it has ended."""

    def __init__(self) -> None:
        path = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from gradflow.workers import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        )
        register(self.end)
        self.exchange(None)

    def call(self, function: Callable[[A], R], argument: A) -> R:
        """function(argument); what is raised there is raised here."""
        result, error = self.exchange((function, argument))
        if error is not None:
            raise error
        return result

    def exchange(self, message: Any) -> Any:
        whole = pickle.dumps(
            message
        )  # before anything is sent: half a message would be taken for the beginning of the next
        to, back = self.process.stdin, self.process.stdout
        assert to
        assert back
        try:
            to.write(whole)
            to.flush()
            return pickle.load(back)
        except (OSError, EOFError) as error:
            raise Gone from error

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def serve() -> None:
    """What a worker does: reads a function and its argument, sends back what comes of it, until its owner is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the owner
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed must not get among the results
    try:
        while True:
            results.write(reply(pickle.load(sys.stdin.buffer)))
            results.flush()
    except Exception:  # the owner is gone, or sent what is not known here and will do it itself
        os._exit(0)  # without a last try to send what nobody reads


def reply(message: tuple[Callable[[Any], Any], Any] | None) -> bytes:
    """What the call gives and what it raises; no message asks whether the worker is there."""
    try:
        return pickle.dumps((message and message[0](message[1]), None))
    except Exception as error:
        return pickle.dumps((None, error))
