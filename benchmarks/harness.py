"""What the benchmarks share: the parser of their options, and the files of their results."""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import napari_cryoinr as cryoinr

RESULTS = Path(__file__).resolve().parent / "results"


def parser_for(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser whose description is the first line of a script's documentation.

    Warnings about the headers of maps are switched off: they are no result.
    """
    warnings.simplefilter("ignore", cryoinr.MapWarning)
    return argparse.ArgumentParser(description=(doc or "").splitlines()[0])


def write_results(name: str, data: Any, lines: Sequence[str]) -> None:
    """Write what was measured to benchmarks/results, as JSON and as a page of Markdown."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    (RESULTS / f"{name}.md").write_text("\n".join(lines).rstrip() + "\n")
