"""Work in threads: jobs, and blocking runs of readers and writers."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

import napari_cryoinr as cryoinr
from leftovers import working
from napari_cryoinr.progress import Progress

pytest.importorskip("napari")

from napari_cryoinr.gui.jobs.blocking_run import run
from napari_cryoinr.gui.jobs.job import Job

WAIT = 60_000  # ms at most


class Endless:
    """A generator of progress that ends only when it is closed."""

    def __init__(self, error: Exception | None = None) -> None:
        self.closed, self._error = threading.Event(), error

    def steps(self) -> Iterator[Progress]:
        try:
            while True:
                yield Progress("working", 1, 2)
        finally:
            self.closed.set()
            if self._error is not None:
                raise self._error


class Calls(list):
    """Callbacks of a job that note what they were called with, and by which thread."""

    def callbacks(self) -> dict:
        def noting(name):
            return lambda *given: self.append((name, *given, threading.current_thread()))

        return {name: noting(name) for name in ("progress", "done", "failed", "cancelled")}

    @property
    def end(self) -> tuple:
        """The one call that is not of progress."""
        (end,) = [call[:-1] for call in self if call[0] != "progress"]
        return end


def finish(qtbot, job: Job) -> None:
    qtbot.waitUntil(lambda: not job.running, timeout=WAIT)
    assert not working()


def test_a_job_calls_back_in_the_main_thread(qtbot) -> None:
    def steps():
        yield Progress("working", 0, 1)
        return threading.current_thread()

    calls = Calls()
    finish(qtbot, Job(steps(), **calls.callbacks()))
    assert calls[0][:2] == ("progress", Progress("working", 0, 1))
    assert calls.end[0] == "done"
    assert calls.end[1] is not threading.main_thread()
    assert {call[-1] for call in calls} == {threading.main_thread()}


def test_a_job_that_fails_hands_on_the_error(qtbot) -> None:
    error = cryoinr.GoalMissed("not met")

    def steps():
        yield Progress("working", 0, 1)
        raise error

    calls = Calls()
    finish(qtbot, Job(steps(), **calls.callbacks()))
    assert calls.end == ("failed", error)


def test_a_cancelled_job_closes_its_generator(qtbot) -> None:
    work, calls = Endless(), Calls()
    job = Job(work.steps(), **calls.callbacks())
    job.cancel()
    finish(qtbot, job)
    assert work.closed.is_set()
    assert calls.end == ("cancelled",)


def test_an_error_in_the_clean_up_ends_the_job(qtbot) -> None:
    error = OSError("the folder cannot be removed")
    work, calls = Endless(error), Calls()
    job = Job(work.steps(), **calls.callbacks())
    qtbot.waitUntil(lambda: bool(calls), timeout=WAIT)
    job.cancel()
    finish(qtbot, job)
    assert calls.end == ("failed", error)


class Cycle:
    """Garbage that only a collection removes; notes in which thread that was."""

    def __init__(self, threads: set) -> None:
        self.itself, self._threads = self, threads

    def __del__(self) -> None:
        self._threads.add(threading.current_thread())


def test_garbage_is_collected_in_the_main_thread(qtbot) -> None:
    collected, more = set(), threading.Event()

    def steps():
        while not more.is_set():
            # Python would collect in this thread, which allocates the most.
            made = [[] for _ in range(2000)]
            yield Progress("working", len(made), 0)

    first, second = Job(steps()), Job(steps())
    for _ in range(100):
        Cycle(collected)
    qtbot.waitUntil(lambda: bool(collected), timeout=WAIT)
    assert collected == {threading.main_thread()}
    assert not gc.isenabled()
    more.set()
    finish(qtbot, first)
    finish(qtbot, second)
    assert gc.isenabled()


def test_a_job_is_asked_to_finish(qtbot) -> None:
    sent, enough = [], threading.Event()

    def steps():
        sent.append((yield Progress("training", 0, 1)))
        enough.wait(60)
        sent.extend([(yield Progress("training", 1, 1)), (yield Progress("coding", 0, 1))])
        return "what was reached"

    calls = Calls()
    job = Job(steps(), **calls.callbacks())
    qtbot.waitUntil(lambda: bool(sent), timeout=WAIT)
    job.finish()
    enough.set()
    finish(qtbot, job)
    assert sent == [None, True, True]
    assert calls.end == ("done", "what was reached")


def test_a_forgotten_job_calls_nothing(qtbot) -> None:
    work, calls = Endless(), Calls()
    job = Job(work.steps(), **calls.callbacks())
    job.forget()
    finish(qtbot, job)
    assert work.closed.is_set()
    assert not calls


# ------------------------------------------------------------------------- blocking runs


def test_a_blocking_run_returns_the_result(qtbot) -> None:
    def steps():
        yield Progress("working", 0, 1, loss=0.5)
        return threading.current_thread()

    assert run(steps(), "Test") is not threading.main_thread()


def test_errors_of_the_work_are_raised(qtbot) -> None:
    def steps():
        yield Progress("working", 1, 2)
        raise cryoinr.GoalMissed("it did not work")

    with pytest.raises(cryoinr.GoalMissed, match="did not work"):
        run(steps(), "Test")


def test_another_thread_simply_drains(qtbot) -> None:
    def steps():
        yield Progress("working", 0, 1)
        return threading.current_thread()

    found = []
    thread = threading.Thread(target=lambda: found.append(run(steps(), "Test")))
    thread.start()
    thread.join()
    assert found == [thread]
