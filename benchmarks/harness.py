"""What the benchmarks share: results and their tables, and editions that never saw a map.

A benchmark is a script of its own. It measures, and ends with `write_results(NAME, data, lines)`,
which makes `benchmarks/results/NAME.json` and `.md`. A codec to compare with is added in
`napari_cryoinr.bench.peers`, not here.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import napari_cryoinr as cryoinr

BENCHMARKS = Path(__file__).resolve().parent
RESULTS = BENCHMARKS / "results"
sys.path.insert(0, str(BENCHMARKS.parent / "pretraining"))

_BEGINNING = re.compile(r"emd_\d+|[^\W_]+")


def parser_for(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose description is the first line of a script's documentation.

    Warnings about the headers of maps are off: they are no result.
    """
    warnings.simplefilter("ignore", cryoinr.MapWarning)
    return argparse.ArgumentParser(description=(doc or "").splitlines()[0])


def write_results(name: str, data: Any, lines: Sequence[str]) -> None:
    """Write what was measured as JSON, and as a page of Markdown."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    (RESULTS / f"{name}.md").write_text("\n".join(lines).rstrip() + "\n")


def stored_rows(name: str, resume: bool) -> list[dict[str, Any]]:
    """The rows that an earlier run left, where it is to be resumed."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["rows"] if resume and path.exists() else []


def beginning(name: str) -> str:
    """What the file names of all crops of the same data begin with: emd_1234, or a word."""
    match = _BEGINNING.match(name)
    return match[0] if match else name


def edition_without(path: Path, folder: Path, workers: int) -> Path:
    """The edition of the pretrained parts that was made without a map.

    Made from the maps that lie beside it, without all whose names begin alike, for they may be
    crops of the same data. Kept in `folder`, and made anew if it is missing there.
    """
    from make import Effort, Printer, make_edition
    from sources import all_maps

    left_out = beginning(path.name)
    edition = folder / f"without_{left_out}.npz"
    if not edition.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"without_{left_out}.part.npz"  # a run that fails leaves no edition
        maps = all_maps(path.parent, [left_out])
        make_edition(maps, part, Effort(tries=1), workers, Printer())
        part.rename(edition)
    return edition


def command_with_edition(edition: Path, module: str) -> list[str]:
    """A command that runs a module of the package with an edition in place of its own."""
    return [sys.executable, str(BENCHMARKS / "with_edition.py"), str(edition), module]
