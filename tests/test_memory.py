"""Memory: how much a file may ask for, and what is returned to the system."""

from __future__ import annotations

import numpy as np

from napari_cryoinr.support.memory import default_memory_limit, trim_heap


def test_freed_memory_can_be_returned_at_any_time() -> None:
    kept = np.arange(1000)
    for _ in range(2):
        trim_heap()
    np.testing.assert_array_equal(kept, np.arange(1000))


def test_the_usual_limit_is_half_of_what_the_machine_has() -> None:
    import psutil

    assert 1 << 20 < default_memory_limit() <= psutil.virtual_memory().total // 2
