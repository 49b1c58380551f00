"""Compressing many maps one after the other; a failure does not stop the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ... import workers
from ...errors import CinrError
from ...maps.density_map import COMPRESSIONS, MAP_SUFFIXES
from ...maps.map_reading import read_map
from ...progress import Progress, Steps
from ...settings import Settings
from ...support.output_paths import file_stems
from ..io.map_layers import MapReader, map_reader

Item = tuple[str, MapReader]  # name of a map, and a function that reads it in any thread


def items_of_layers(layers: Sequence[Any]) -> list[Item]:
    """Return the maps of layers, as they are now."""
    return [(layer.name, map_reader(layer)) for layer in layers]


def items_of_folder(folder: Path) -> list[Item]:
    """Return the MRC/CCP4 files of a folder, in the order of their names."""
    suffixes = tuple(suffix + packed for suffix in MAP_SUFFIXES for packed in ("", *COMPRESSIONS))
    files = [path for path in sorted(folder.iterdir()) if path.name.lower().endswith(suffixes)]
    return [(path.name, partial(read_map, path)) for path in files if path.is_file()]


def batch_steps(
    items: Sequence[Item],
    folder: Path,
    settings: Settings,
    replace_files: bool,
    report: Callable[[str, str], object],
) -> Steps[str]:
    """Compress maps into files of a folder, each in a child process.

    `report` is called with the name of each map and a line about it, in the thread that does the
    work. Files that exist are left as they are unless `replace_files` is set. Returns a line about
    the batch.
    """
    done, names = 0, []
    for number, (name, read) in enumerate(items):
        yield Progress(name, 0, 1, share=number / len(items))
        try:
            density_map = read()
            names.append(density_map.name)
            stem = file_stems(names)[-1]  # unlike those before
            target = folder / f"{stem}.cinr"
            if target.exists() and not replace_files:
                raise CinrError(f"{target.name} exists already; left as it is")
            steps = workers.compress_steps(density_map, target, settings)
            (made,) = yield from _placed_steps(steps, name, number, len(items))
        except (CinrError, OSError, MemoryError) as error:
            report(name, " ".join(str(error).split()))
        else:
            done += 1
            text = f"{made.bytes:,} bytes, {made.ratio:,.1f} : 1, NRMSE {made.nrmse:.3g}"
            report(name, text)
    failed = f", {len(items) - done} not" if done < len(items) else ""
    return f"Batch: {done} compressed{failed}"


def _placed_steps(steps: Steps[Any], name: str, number: int, count: int) -> Steps[Any]:
    """Show the progress of one map as a share of the whole batch."""
    try:
        while True:
            record = next(steps)
            share = (number + (record.share or 0.0)) / count
            yield replace(record, phase=f"{name}: {record.phase}", share=share, loss=None)
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()
