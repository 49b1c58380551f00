"""The quality report: what was lost."""

from .comparison import compare, compare_steps
from .model_report import ModelReport, Residue
from .quality_report import Band, Place, QualityReport

__all__ = ["Band", "ModelReport", "Place", "QualityReport", "Residue", "compare", "compare_steps"]
