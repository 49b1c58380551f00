"""Parts that are worked on at once come in order, and an error or an end stops the rest."""

from __future__ import annotations

import threading

import pytest

from napari_cryoinr.support.devices import import_torch
from napari_cryoinr.support.threads import ordered_map


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> int:
    torch = import_torch()
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    assert torch.get_num_threads() == request.param  # whoever asks keeps what they had
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_parts_come_in_order(threads: int, count: int) -> None:
    assert list(ordered_map(lambda number: number**2, count)) == [n**2 for n in range(count)]


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_two_parts_are_worked_on_at_once(threads: int) -> None:
    together = threading.Barrier(2, timeout=30)
    assert sorted(ordered_map(lambda number: together.wait() * 0 + number, 2)) == [0, 1]


def test_no_more_is_begun_than_is_asked_for(threads: int) -> None:
    begun = []
    parts = ordered_map(begun.append, 100)
    next(parts)
    parts.close()
    assert len(begun) <= threads + 2


def test_errors_reach_whoever_asks(threads: int) -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("the third")
        return number

    found = []
    with pytest.raises(ValueError, match="the third"):
        found.extend(ordered_map(work, 9))
