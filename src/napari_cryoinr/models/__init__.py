"""Models: how the densities of the occupied voxels are represented.

A model is an object with two functions, `fit_steps` and `load`; `get` knows them by name. A name
read from a file is looked up here and nowhere else: nothing is ever imported by a file's wish.
"""

from __future__ import annotations

from .base import Fitted, Model, Representation, Target

__all__ = ["Fitted", "Model", "Representation", "Target", "get"]


def get(name: str) -> Model:
    """The model of this name.

    Raises
    ------
    KeyError
        if there is none; records.check has refused such names before.
    """
    if name == "paper":
        from .paper.paper_model import PaperModel

        return PaperModel()
    if name == "field":
        from .field.field_model import FieldModel

        return FieldModel()
    raise KeyError(name)
