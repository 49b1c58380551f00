"""Training pickers and picking particles in a child process."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CinrError
from ..picking import picker
from ..picking.examples import Example
from ..picking.networks.network_base import ScoreMap
from ..picking.particles import Particles
from ..picking.picker_model import PickerModel
from ..picking.picking_settings import SelectionSettings, TrainingSettings
from ..picking.session import ModelSummary, TrainingLabels
from ..progress import Clock, Progress, Steps, drain
from ..support import atomic_files
from ..support.atomic_files import temporary_folder
from ..support.records import from_dict
from .child_process import emit
from .parent_process import run_in_child
from .stored_data import MicrographSource, StoredMicrograph, store_micrograph

Places = tuple[tuple[float, ...], ...]
"""Centres of particles, x then y, pixels."""


@dataclass(frozen=True)
class StoredExample:
    """A micrograph to learn from."""

    micrograph: StoredMicrograph
    particles: Places
    rejected: Places


@dataclass(frozen=True)
class Picked:
    """The candidates of one micrograph, or why there are none."""

    number: int
    xy: Places = ()
    score: tuple[float, ...] = ()
    box: float | None = None
    pixel_size: float | None = None
    problem: str | None = None

    def particles(self) -> Particles:
        """The candidates."""
        return Particles(np.array(self.xy), np.array(self.score), self.box, self.pixel_size)


# -- in the parent


def train_picker_steps(
    examples: Sequence[tuple[MicrographSource, TrainingLabels]],
    settings: TrainingSettings,
    model: Path,
    *,
    go_on: bool = False,
) -> Steps[ModelSummary]:
    """`picker.train_picker_steps` in a child process; closing the generator kills the child.

    Parameters
    ----------
    model : Path
        Where the model is written once it is trained.
    go_on : bool
        Start from the model that is there.

    Raises
    ------
    CinrError
        What is raised there; or if the child cannot be started or dies.
    OSError
        If the model cannot be written.
    """
    clock = Clock()
    with temporary_folder() as folder:
        stored = []
        for number, (micrograph, labels) in enumerate(examples):
            yield Progress("handing over", number, len(examples), clock.seconds)
            stored.append(
                StoredExample(
                    store_micrograph(micrograph, folder / str(number)),
                    _places(labels.particles),
                    _places(labels.rejected),
                )
            )
        out = folder / "model.h5"
        start = os.path.abspath(model) if go_on else None
        call = partial(train_task, tuple(stored), settings, str(out), start)
        summary = yield from run_in_child(call, folder, "training")
        model.parent.mkdir(parents=True, exist_ok=True)
        atomic_files.write_bytes(model, out.read_bytes())
    return summary


def pick_steps(
    micrographs: Sequence[MicrographSource],
    model: Path,
    selection: SelectionSettings,
    device: str,
    found: Callable[[str, Particles], None],
    failed: Callable[[str, str], None],
) -> Steps[int]:
    """`picker.pick_steps` for one micrograph after another, in one child process.

    Parameters
    ----------
    found : callable
        Called with name and candidates of each micrograph as soon as it is picked, in the thread
        that runs this generator.
    failed : callable
        Called with name and reason of one that cannot be picked; the others are.

    Returns
    -------
    int
        How many were picked.

    Raises
    ------
    CinrError
        If the model cannot be read, or the child cannot be started or dies.
    """

    def on_item(data: Any) -> None:
        picked = from_dict(Picked, data, CinrError)
        name = micrographs[picked.number].name
        if picked.problem is None:
            found(name, picked.particles())
        else:
            failed(name, picked.problem)

    with temporary_folder() as folder:
        stored = [store_micrograph(m, folder / str(n)) for n, m in enumerate(micrographs)]
        call = partial(pick_task, tuple(stored), os.path.abspath(model), selection, device)
        return (yield from run_in_child(call, folder, "picking", item=on_item))


def score_map_steps(micrograph: MicrographSource, model: Path, device: str) -> Steps[ScoreMap]:
    """`picker.score_map_steps` in a child process; closing the generator kills the child."""
    with temporary_folder() as folder:
        out = folder / "scores.npy"
        stored = store_micrograph(micrograph, folder / "0")
        call = partial(score_task, stored, os.path.abspath(model), device, str(out))
        start, step = yield from run_in_child(call, folder, micrograph.name)
        return ScoreMap(np.load(out), (start[0], start[1]), (step[0], step[1]))


def adopt_picker_steps(model: Path, target: Path) -> Steps[ModelSummary]:
    """Check a model from elsewhere, and copy it.

    Raises
    ------
    CinrError
        If the file is no model.
    OSError
        If it cannot be copied.
    """
    with temporary_folder() as folder:
        call = partial(describe_model_task, os.path.abspath(model))
        summary = yield from run_in_child(call, folder, model.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic_files.write_bytes(target, model.read_bytes())
    return summary


def _places(particles: Particles) -> Places:
    return tuple((x, y) for x, y in particles.xy.tolist())


# -- in the child


def train_task(
    examples: tuple[StoredExample, ...], settings: TrainingSettings, path: str, start: str | None
) -> Steps[ModelSummary]:
    """Train a model and write it to a file; `start` is one to start from."""
    loaded = []
    for number, stored in enumerate(examples):
        yield Progress("reading", number, len(examples))
        particles, rejected = (
            Particles(np.array(stored.particles)),
            Particles(np.array(stored.rejected)),
        )
        loaded.append(Example(stored.micrograph.load(), particles, rejected))
    first = None if start is None else PickerModel.load(start)
    model = yield from picker.train_picker_steps(loaded, settings, first)
    model.save(path, overwrite=True)
    return _summary(model)


def pick_task(
    micrographs: tuple[StoredMicrograph, ...], model: str, selection: SelectionSettings, device: str
) -> Steps[int]:
    """Emit `Picked` for each micrograph; returns how many could be picked."""
    clock, count, total = Clock(), 0, len(micrographs)
    yield Progress("loading the model", 0, 1)
    loaded = PickerModel.load(model)
    for number, stored in enumerate(micrographs):
        yield Progress(stored.name, number, total, clock.seconds, share=number / total)
        try:
            particles = drain(picker.pick_steps(stored.load(), loaded, selection, device))
        except (CinrError, OSError, MemoryError) as error:
            emit(Picked(number, problem=str(error) or type(error).__name__))
            continue
        assert particles.score is not None
        score = tuple(particles.score.tolist())
        emit(Picked(number, _places(particles), score, particles.box, particles.pixel_size))
        count += 1
    return count


def score_task(
    micrograph: StoredMicrograph, model: str, device: str, path: str
) -> Steps[tuple[tuple[float, ...], ...]]:
    """Write the values of a score map to an `.npy` file; returns its start and step."""
    loaded = PickerModel.load(model)
    scores = yield from picker.score_map_steps(micrograph.load(), loaded, device)
    np.save(path, scores.values)
    return scores.start, scores.step


def describe_model_task(path: str) -> Steps[ModelSummary]:
    """Read a model."""
    yield Progress("reading the model", 0, 1)
    return _summary(PickerModel.load(path))


def _summary(model: PickerModel) -> ModelSummary:
    return ModelSummary(model.network.name, model.box, model.threshold, model.rounds)


PICKING_TASKS = (train_task, pick_task, score_task, describe_model_task)
