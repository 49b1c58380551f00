"""The quality report: what was lost."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .quality_report import Band, Place, QualityReport

if TYPE_CHECKING:
    from .comparison import compare, compare_steps
    from .model_report import ModelReport, Residue

# Loaded when they are first used: whoever reads an archive needs the record alone.
_HOME = {
    "ModelReport": ".model_report",
    "Residue": ".model_report",
    "compare": ".comparison",
    "compare_steps": ".comparison",
}

__all__ = ["Band", "ModelReport", "Place", "QualityReport", "Residue", "compare", "compare_steps"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
