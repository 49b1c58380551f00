"""The model `lossless`: the voxels themselves, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence

from ...progress import Clock, Steps
from ..base import FitRequest, Fitted, Model, Representation, Stored, Target
from .lossless_representation import LosslessRepresentation
from .lossless_stream import encode_steps
from .repeats import find_repeats_steps


class LosslessModel(Model):
    """No fit at all: every voxel is coded, predicted from its neighbours."""

    member_streams = ("lossless",)
    aims = ("lossless",)

    def residual_kind(self, goal: str | None) -> None:
        """Return None: nothing is left to restore."""

    def fit_steps(
        self,
        targets: Sequence[Target],
        request: FitRequest,
        known_bytes: int,
        limit: int | None = None,
    ) -> Steps[Fitted]:
        """Code the voxels of each map."""
        clock = Clock()
        own = []
        for target in targets:
            data = target.map.data
            repeats = yield from find_repeats_steps(data, target.map.voxel_size, clock)
            stream = yield from encode_steps(data, target.map.mode, repeats, clock)
            own.append({"lossless": stream})
        return Fitted(None, {}, own, [None] * len(own))

    def load(self, stored: Stored, device: str) -> Representation:
        """Return the representation of one member; it decodes the voxels at the first read."""
        return LosslessRepresentation(stored.own["lossless"], stored.shape, stored.mode)
