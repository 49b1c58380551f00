"""The context network that was trained beforehand, and its tables; see `edition_files`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...coding.probability_tables import Tables
from ..edition_files import edition_arrays, network_of
from .context_model import ContextModel

EDITIONS = (1,)


@lru_cache(maxsize=4)
def pretrained(edition: int = EDITIONS[-1]) -> ContextModel:
    """Load an edition; raises CinrError if this version of the package has no such one."""
    arrays = edition_arrays(__package__, edition, EDITIONS)
    return ContextModel(network_of(arrays), Tables(arrays["counts"].astype(np.int64)))
