"""The quality report: what was lost."""

from .comparison import compare, compare_steps
from .quality_report import Band, QualityReport

__all__ = ["Band", "QualityReport", "compare", "compare_steps"]
