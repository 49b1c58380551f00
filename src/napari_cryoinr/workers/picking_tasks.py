"""Training pickers and picking particles in a child process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..errors import CinrError, one_line
from ..picking import scaled_picking
from ..picking.examples import Example
from ..picking.micrographs import Micrograph, read_micrograph
from ..picking.networks.network_base import ScoreMap
from ..picking.particles import Particles
from ..picking.picker_model import PickerModel
from ..picking.picking_settings import SelectionSettings, TrainingSettings
from ..picking.pretrained_picker import pretrained_picker
from ..picking.session import ModelSummary, TrainingLabels
from ..progress import Clock, Progress, Steps, drain
from ..support import atomic_files
from ..support.atomic_files import temporary_folder
from .parent_process import run_in_child

MicrographSource = Path | Micrograph
"""The file of a micrograph; the micrograph itself where it is in no file."""

ModelSource = Path | float
"""The file of a model; or the diameter of a particle, pixels, for the one of the package."""


class Picked(NamedTuple):
    """The candidates of one micrograph, or why there are none."""

    number: int
    candidates: Particles | None = None
    problem: str = ""


# -- in the parent


def train_picker_steps(
    examples: Sequence[tuple[MicrographSource, TrainingLabels]],
    settings: TrainingSettings,
    model: Path,
    *,
    go_on: bool = False,
) -> Steps[ModelSummary]:
    """Run `scaled_picking.train_picker_steps` in a child process; closing kills the child.

    The model is written to the file `model` once it is trained; to `go_on` is to start from the one
    that is there.

    Raises
    ------
    CinrError
        What is raised there; or if the child cannot be started or dies.
    OSError
        If the model cannot be written.
    """
    with temporary_folder() as folder:
        out = folder / "model.h5"
        call = partial(train_task, examples, settings, out, model if go_on else None)
        summary = yield from run_in_child(call, folder, "training")
        _copy(out, model)
    return summary


def pick_steps(
    micrographs: Sequence[MicrographSource],
    model: ModelSource,
    selection: SelectionSettings,
    device: str,
    found: Callable[[Picked], None],
) -> Steps[int]:
    """Run `scaled_picking.pick_steps` for one micrograph after another, in one child process.

    `found` is called with each, as soon as it is picked or cannot be, in the thread that runs this
    generator. Returns how many were picked.

    Raises
    ------
    CinrError
        If the model cannot be read, or the child cannot be started or dies.
    """
    with temporary_folder() as folder:
        call = partial(pick_task, micrographs, model, selection, device)
        return (yield from run_in_child(call, folder, "picking", item=found))


def score_map_steps(
    micrograph: MicrographSource, model: ModelSource, device: str
) -> Steps[ScoreMap]:
    """Run `scaled_picking.score_map_steps` in a child process; closing kills the child."""
    with temporary_folder() as folder:
        call = partial(score_task, micrograph, model, device)
        return (yield from run_in_child(call, folder, micrograph.name))


def adopt_picker_steps(model: Path, target: Path) -> Steps[ModelSummary]:
    """Check a model from elsewhere, and copy it; raises CinrError or OSError where that fails."""
    with temporary_folder() as folder:
        summary = yield from run_in_child(partial(describe_model_task, model), folder, model.name)
    _copy(model, target)
    return summary


def _copy(model: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic_files.write_bytes(target, model.read_bytes())


# -- in the child


def train_task(
    examples: Sequence[tuple[MicrographSource, TrainingLabels]],
    settings: TrainingSettings,
    path: Path,
    start: Path | None,
) -> Steps[ModelSummary]:
    """Train a model and write it to a file; `start` is one to start from."""
    loaded = []
    for number, (micrograph, labels) in enumerate(examples):
        yield Progress("reading", number, len(examples))
        loaded.append(Example(_load(micrograph), labels.particles, labels.rejected))
    first = None if start is None else PickerModel.load(start)
    model = yield from scaled_picking.train_picker_steps(loaded, settings, first)
    model.save(path, overwrite=True)
    return _summary(model)


def pick_task(
    micrographs: Sequence[MicrographSource],
    model: ModelSource,
    selection: SelectionSettings,
    device: str,
) -> Generator[Progress | Picked, None, int]:
    """Yield `Picked` for each micrograph; return how many could be picked."""
    clock, count, total = Clock(), 0, len(micrographs)
    yield Progress("loading the model", 0, 1)
    loaded = _model(model)
    for number, source in enumerate(micrographs):
        yield Progress(source.name, number, total, clock.seconds, share=number / total)
        try:
            particles = drain(scaled_picking.pick_steps(_load(source), loaded, selection, device))
        except (CinrError, OSError, MemoryError) as error:
            yield Picked(number, problem=one_line(error))
        else:
            yield Picked(number, particles)
            count += 1
    return count


def score_task(micrograph: MicrographSource, model: ModelSource, device: str) -> Steps[ScoreMap]:
    """Make the score map of a micrograph."""
    return scaled_picking.score_map_steps(_load(micrograph), _model(model), device)


def describe_model_task(path: Path) -> Steps[ModelSummary]:
    """Read a model."""
    yield Progress("reading the model", 0, 1)
    return _summary(PickerModel.load(path))


def _load(source: MicrographSource) -> Micrograph:
    return read_micrograph(source) if isinstance(source, Path) else source


def _model(source: ModelSource) -> PickerModel:
    return PickerModel.load(source) if isinstance(source, Path) else pretrained_picker(source)


def _summary(model: PickerModel) -> ModelSummary:
    return ModelSummary(model.network.name, model.box, model.threshold, model.rounds)
