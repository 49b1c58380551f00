"""Generators of progress: draining them, and asking training to end early."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.progress import Progress, Steps, part_of


class Work:
    """Some steps of work that note what they are sent."""

    def __init__(self) -> None:
        self.sent: list[bool | None] = []
        self.closed = False

    def steps(self):
        try:
            for phase in ("fitting", "training", "training", "coding"):
                self.sent.append((yield Progress(phase, 0, 1)))
            return "result"
        finally:
            self.closed = True


def test_draining_reports_each_record_and_sends_nothing() -> None:
    work, records = Work(), []
    assert cryoinr.drain(work.steps(), records.append) == "result"
    assert [record.is_training for record in records] == [False, True, True, False]
    assert work.sent == [None] * 4


def test_a_caller_that_has_enough_says_so_after_each_record() -> None:
    work, records = Work(), []
    steps = work.steps()
    assert cryoinr.drain(steps, records.append, lambda: len(records) > 1) == "result"
    assert work.sent == [None, True, True, True]
    work = Work()
    assert cryoinr.drain(work.steps(), enough=lambda: True) == "result"
    assert work.sent == [True] * 4


def test_an_error_in_a_report_closes_the_work() -> None:
    work = Work()

    def report(record: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cryoinr.drain(work.steps(), report)
    assert work.closed


LONG = {  # trainings that would take hours
    "paper": cryoinr.Settings(
        model="paper",
        paper=cryoinr.PaperSettings(
            frequencies=3, latent_size=2, widths=(16, 8), max_steps=10**8, patience=10**6
        ),
    ),
    "inr": cryoinr.Settings(model="inr", inr=cryoinr.InrSettings(steps=100_000)),
}


@pytest.mark.parametrize("model", LONG)
def test_training_that_ends_early_keeps_the_promise(model: str, small_map, tmp_path) -> None:
    settings = dataclasses.replace(LONG[model], effort="fast", device="cpu", max_error=0.3)
    path, records = tmp_path / "a.cinr", []
    steps = cryoinr.compress_steps(small_map, path, settings)
    (report,) = cryoinr.drain(
        steps, records.append, lambda: sum(one.is_training for one in records) > 5
    )
    trained = [record.step for record in records if record.is_training]
    assert trained[-1] < trained[0] + 100_000
    assert report.max_error <= 0.3
    with cryoinr.open_archive(path) as archive:
        above = small_map.data > archive[0].threshold
        assert np.abs(archive[0].read() - small_map.data)[above].max() <= 0.3


@pytest.mark.parametrize(
    "settings", [{"model": "field"}, {"model": "field", "target_ratio": 40.0}, {"lossless": True}]
)
def test_other_work_goes_on(settings: dict, small_map, quick, tmp_path) -> None:
    wanted = dataclasses.replace(quick, **settings)
    cryoinr.compress(small_map, tmp_path / "whole.cinr", wanted)
    steps = cryoinr.compress_steps(small_map, tmp_path / "same.cinr", wanted)
    cryoinr.drain(steps, enough=lambda: True)
    assert (tmp_path / "same.cinr").read_bytes() == (tmp_path / "whole.cinr").read_bytes()


def test_parts_of_work_share_one_bar_and_pass_on_what_is_sent() -> None:
    sent = []

    def work() -> Steps[str]:
        for number in range(3):
            sent.append((yield Progress("training", number, 2, share=number / 2)))
        return "done"

    steps = part_of(work(), 1, 2)
    shares = [next(steps).share, steps.send(True).share, next(steps).share]
    assert shares == [0.5, 0.75, 1.0]
    with pytest.raises(StopIteration, match="done"):
        next(steps)
    assert sent == [True, None, None]


def test_phases_have_words_of_a_user() -> None:
    assert Progress("fitting", 0, 1).words == "preparing the training"
    assert Progress("training", 0, 1).words == "training"
