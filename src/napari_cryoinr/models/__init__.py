"""Models: how the densities of the occupied voxels are represented.

A model is a class derived from `Model`, in a folder that also holds its settings and its fields of
the header. A new one is added to `_MODELS`. Names that are read from files are looked up there;
nothing is imported by a name from a file.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .base import Model

GOALS = ("target_fsc", "target_nrmse", "target_psnr", "target_ratio", "max_error", "lossless")
AUTO = "auto"


class _Entry(NamedTuple):
    """A model: what it is good for, where it is, and for which goals it can be used."""

    purpose: str
    module: str
    name: str
    goals: tuple[str, ...]


_MODELS = {
    "field": _Entry("small files", ".field.field_model", "FieldModel", GOALS[:-1]),
    "inr": _Entry("trained on the map", ".inr.inr_model", "InrModel", GOALS[:-1]),
    "paper": _Entry("a network", ".paper.paper_model", "PaperModel", GOALS[1:]),
    "lossless": _Entry("every bit", ".lossless.lossless_model", "LosslessModel", GOALS[-1:]),
}
NAMES = tuple(_MODELS)
PURPOSES = {AUTO: "what fits the goal"} | {name: entry.purpose for name, entry in _MODELS.items()}


def get(name: str) -> Model:
    """Return the model of this name; KeyError if there is none."""
    entry = _MODELS[name]
    model: Model = getattr(importlib.import_module(entry.module, __name__), entry.name)()
    return model


def chosen(name: str, goal: str | None) -> tuple[str, str | None]:
    """Return (model, goal) where a model is named, or auto, and a goal is given, or none.

    Raises
    ------
    ValueError
        if the model cannot be used for that goal.
    """
    if name == AUTO:
        return ("lossless" if goal == "lossless" else "field"), goal
    allowed = _MODELS[name].goals
    if goal is None and len(allowed) == 1:
        return name, allowed[0]
    if goal is not None and goal not in allowed:
        raise ValueError(
            f"{goal} and model = {name!r} are given, which supports {', '.join(allowed)} only;"
            " leave the model at auto"
        )
    return name, goal


def alternatives(goal: str | None) -> tuple[str, ...]:
    """Return the models that auto tries beside the usual one, where they are quick.

    The smaller file wins, so none where the size is the goal.
    """
    return () if goal in ("lossless", "target_ratio") else ("inr",)


def aims(name: str) -> tuple[str, ...]:
    """Return the goals that a model, or auto, aims at; others are only checked after the fit."""
    return GOALS if name == AUTO else get(name).aims


def usual_aim(name: str, kept: str) -> tuple[str, float] | None:
    """Return (goal, number) of a model, or auto, where none is given; None if it has none."""
    return get(chosen(name, None)[0]).usual_aims.get(kept)
