"""Encoding a map with all parts of the model `field` or without some, decoded and measured."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ablation_editions import Editions
from editions import use_edition

import napari_cryoinr as cryoinr
from napari_cryoinr.archive import container
from napari_cryoinr.archive.header import ArchiveHeader
from napari_cryoinr.bench import Case
from napari_cryoinr.bench.error_measures import ErrorMeasure


@dataclass(frozen=True, eq=False)
class Archive:
    """What one encoding made: its bytes, and the error of what it decodes to."""

    bytes: int
    error: float
    header: ArchiveHeader
    streams: dict[str, bytes]

    def with_stream(self, name: str, data: bytes) -> Archive:
        """The same archive, but for one stream."""
        return _archive(self.error, self.header, {**self.streams, name: data})


def _archive(error: float, header: ArchiveHeader, streams: dict[str, bytes]) -> Archive:
    (member,) = header.members
    entries = tuple(container.entry(name, data) for name, data in streams.items())
    header = replace(header, members=(replace(member, streams=entries),))
    return Archive(container.size_of(header, list(streams.values())), error, header, streams)


class Subject:
    """One map, its goal, and the editions to encode it with.

    Parameters
    ----------
    case : with a goal.
    """

    def __init__(
        self, density_map: cryoinr.DensityMap, case: Case, editions: Editions, effort: str
    ) -> None:
        self.map = density_map
        self.editions = editions
        self._asked = case.asked
        self._settings = case.settings(cryoinr.Settings(effort=effort, device="cpu"))
        self._measure = ErrorMeasure(density_map.data, case.regime, case.threshold)

    def encode(self, edition: Path | None = None, **field: Any) -> Archive:
        """Encode and decode.

        Parameters
        ----------
        edition : by default the whole one.
        field : settings of the model.

        Raises
        ------
        GoalMissed
            if the goal is missed, also by what is decoded.
        """
        use_edition(edition or self.editions.whole)
        settings = replace(self._settings, field=cryoinr.FieldSettings(**field))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "map.cinr"
            cryoinr.compress(self.map, path, settings)
            header, place = container.read_header(path)
            data = path.read_bytes()
            error = self._measure.of(cryoinr.open_archive(path)[0].read())
        if not self._measure.meets(error, self._asked):
            raise cryoinr.GoalMissed(f"{self.map.name}: {error:g}, {self._asked:g} was asked for")
        streams = {}
        for entry in header.entries():
            streams[entry.name] = data[place : place + entry.length]
            place += entry.length
        # The header's record of the settings is none of the parts: the same for all.
        return _archive(error, replace(header, settings=self._settings.changes()), streams)

    @cached_property
    def whole(self) -> Archive:
        """With all parts."""
        return self.encode()

    @property
    def basis(self) -> dict[str, Any]:
        """The settings that stand for the basis that was chosen with all parts."""
        config = self.whole.header.members[0].field
        return {"block": config.block, "shape": config.shape}

    @cached_property
    def exact(self) -> Archive:
        """With a mask."""
        return self.encode(occupancy="exact")
