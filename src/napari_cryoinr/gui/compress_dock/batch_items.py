"""Compressing many maps, one after the other: each gets its line, and a failure stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ... import workers
from ...errors import CinrError
from ...maps.density_map import MAP_SUFFIXES
from ...maps.map_reading import read_map
from ...progress import Progress, Steps
from ...settings import Settings
from ..io.map_layers import MapReader, map_reader
from .compressed_map import file_stem

_PACKED = ("", ".gz", ".bz2")


@dataclass(frozen=True, eq=False)
class Item:
    """A map of a batch: its name, and a function that reads it, in any thread."""

    name: str
    read: MapReader


@dataclass(frozen=True)
class Line:
    """What became of a map of a batch."""

    name: str
    done: bool
    text: str


def items_of_layers(layers: Sequence[Any]) -> list[Item]:
    """Return the maps of layers, as they are now."""
    return [Item(layer.name, map_reader(layer)) for layer in layers]


def items_of_folder(folder: Path) -> list[Item]:
    """Return the MRC/CCP4 files of a folder, in the order of their names."""
    suffixes = tuple(suffix + packed for suffix in MAP_SUFFIXES for packed in _PACKED)
    files = [path for path in sorted(folder.iterdir()) if path.name.lower().endswith(suffixes)]
    return [Item(path.name, partial(read_map, path)) for path in files if path.is_file()]


def batch_steps(
    items: Sequence[Item],
    folder: Path,
    settings: Settings,
    replace_files: bool,
    report: Callable[[Line], None],
) -> Steps[tuple[int, int]]:
    """Compress maps into files of a folder, each in a process of its own.

    Parameters
    ----------
    replace_files : whether files that are there are replaced; they are left out otherwise.
    report : gets the line of each map, in the thread that does the work.

    Returns
    -------
    How many were compressed, and how many were not.
    """
    done = failed = 0
    for number, item in enumerate(items):
        yield Progress(item.name, 0, 1, share=number / len(items))
        try:
            line = yield from _one_steps(item, folder, settings, replace_files, number, len(items))
        except (CinrError, OSError, MemoryError) as error:
            line = Line(item.name, False, " ".join(str(error).split()))
        report(line)
        done, failed = done + line.done, failed + (not line.done)
    return done, failed


def _one_steps(
    item: Item, folder: Path, settings: Settings, replace_files: bool, number: int, count: int
) -> Steps[Line]:
    density_map = item.read()
    target = folder / f"{file_stem(density_map.name)}.cinr"
    if target.exists() and not replace_files:
        return Line(item.name, False, f"{target.name} is there already; left as it is")
    steps = workers.compress_steps(density_map, target, settings)
    try:
        while True:
            record = next(steps)
            share = (number + (record.share or 0.0)) / count
            yield replace(record, phase=f"{item.name}: {record.phase}", share=share, loss=None)
    except StopIteration as stop:
        (report,) = stop.value
    finally:
        steps.close()
    text = f"{report.bytes:,} bytes, {report.ratio:,.1f} : 1, NRMSE {report.nrmse:.3g}"
    return Line(item.name, True, text)
