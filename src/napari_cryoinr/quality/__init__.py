"""The quality report: what was lost."""

from .measure import compare, compare_steps
from .report import Band, QualityReport

__all__ = ["Band", "QualityReport", "compare", "compare_steps"]
