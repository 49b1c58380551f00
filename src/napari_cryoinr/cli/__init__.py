"""The command line `cryoinr`: one file per sub-command, each a thin layer over the package."""

from .main import main

__all__ = ["main"]
