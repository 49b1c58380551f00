"""Entry point: finds the sub-command, and turns every error into one line on stderr."""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any

import click

from ..errors import CinrError
from .common_options import echo

# name -> one-line help; the module is loaded only when its command runs, so that --help is quick
COMMANDS = {
    "compress": "Compress density maps into a .cinr file.",
    "batch": "Compress many maps, here or on a cluster, with a summary.",
    "decompress": "Write a map of a .cinr file as an MRC file.",
    "info": "Show what a .cinr file holds.",
    "verify": "Check checksums and decode everything.",
    "compare": "Print the quality report of two maps.",
    "report": "Write the quality report as one HTML file, or a PNG picture.",
    "to-zarr": "Write an MRC file as an OME-Zarr pyramid.",
    "bench": "Compare with SPERR, SZ3 and ZFP at the same error.",
    "study": "Measure what the source of the model paper claims and leaves open.",
    "train-picker": "Train a particle picker on micrographs whose particles are known.",
    "pick": "Find particles in micrographs.",
    "demo": "Open napari with a map and a guided tour.",
    "sample": "Write a synthetic or a real map to try things on.",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f".{name.replace('-', '_')}", __package__)
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="napari-cryoinr", prog_name="cryoinr")
def cryoinr() -> None:
    """Small files for cryo-EM density maps, by implicit neural representation."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with 0 only on success."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", DeprecationWarning)  # of other packages, for their authors
        warnings.showwarning = _show_warning
        try:
            result: Any = cryoinr.main(arguments, prog_name="cryoinr", standalone_mode=False)
        except click.ClickException as error:
            return _fail(error.format_message(), error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            return _fail("cancelled", 130)
        except (CinrError, OSError, MemoryError) as error:
            return _fail(str(error) or type(error).__name__, 1)
    return result if isinstance(result, int) else 0


def _fail(message: str, code: int) -> int:
    echo("error: " + " ".join(message.split()), err=True)
    return code


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    echo("warning: " + " ".join(str(message).split()), err=True)
