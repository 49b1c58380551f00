"""Training pickers and picking apart: the viewer's process never loads PyTorch for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CinrError
from ..picking.examples import Example
from ..picking.micrographs import Micrograph, read_micrograph
from ..picking.networks.network_base import ScoreMap
from ..picking.particles import Particles
from ..picking.picker import pick_steps as pick_here_steps
from ..picking.picker import score_map_steps as score_here_steps
from ..picking.picker import train_picker_steps as train_here_steps
from ..picking.picker_model import PickerModel
from ..picking.picking_settings import SelectionSettings, TrainingSettings
from ..picking.session import ModelSummary, TrainingLabels
from ..progress import Clock, Progress, Steps
from ..support import atomic_files
from ..support.records import from_dict, to_dict
from .parent_process import python, told_steps

_PROGRAM = python("apart")
_PICKED = "{}.npz"  # candidates of the micrograph with this number


@dataclass(frozen=True, eq=False)
class Image:
    """A micrograph to be worked on: its file, or what a viewer holds of one that is in no file."""

    name: str
    source: Path | Micrograph

    def told(self, folder: Path, number: int) -> dict[str, Any]:
        """For the process: pixels go through a temporary file."""
        if isinstance(self.source, Path):
            return {"name": self.name, "path": os.path.abspath(self.source)}
        pixels = folder / f"image{number}.npy"
        np.save(pixels, self.source.data)
        return {"name": self.name, "pixels": str(pixels), "pixel_size": self.source.pixel_size}


def train_picker_steps(
    examples: Sequence[tuple[Image, TrainingLabels]],
    settings: TrainingSettings,
    model: Path,
    *,
    go_on: bool = False,
) -> Steps[ModelSummary]:
    """`picker.train_picker_steps` in a process of its own, which ends when this is closed.

    Parameters
    ----------
    model : where the model is written once it is trained.
    go_on : start from the model that is there.

    Raises
    ------
    CinrError
        what is raised there, or if the process cannot be started.
    OSError
        if the model cannot be written.
    """
    clock = Clock()
    with _folder() as name:
        folder = Path(name)
        given = []
        for number, (image, known) in enumerate(examples):
            yield Progress("handing over", number, len(examples), clock.seconds)
            places = {
                "particles": known.particles.xy.tolist(),
                "rejected": known.rejected.xy.tolist(),
            }
            given.append(image.told(folder, number) | places)
        out = folder / "model.h5"
        job = {
            "task": "train picker",
            "examples": given,
            "settings": settings.to_dict(),
            "start": str(model) if go_on else None,
            "out": str(out),
        }
        told = yield from told_steps(
            _PROGRAM, job, "training", clock, temporary=folder, background=True
        )
        model.parent.mkdir(parents=True, exist_ok=True)
        atomic_files.write_bytes(model, out.read_bytes())
    return from_dict(ModelSummary, told)


def pick_apart_steps(
    images: Sequence[Image],
    model: Path,
    selection: SelectionSettings,
    device: str,
    found: Callable[[str, Particles], None],
    failed: Callable[[str, str], None],
) -> Steps[int]:
    """`picker.pick_steps` for one micrograph after another, in one process of its own.

    Parameters
    ----------
    found : called with name and candidates of each micrograph as soon as it is picked.
    failed : called with name and reason of one that cannot be picked; the others are.

    Returns
    -------
    How many were picked.

    Raises
    ------
    CinrError
        if the model cannot be read, or the process cannot be started.
    """
    clock = Clock()
    left = dict(enumerate(images))
    with _folder() as name:
        folder = Path(name)

        def collect() -> None:
            for number in list(left):
                file = folder / _PICKED.format(number)
                if file.exists():
                    found(left.pop(number).name, _particles(file))

        job = {
            "task": "pick",
            "images": [image.told(folder, number) for number, image in enumerate(images)],
            "model": str(model),
            "selection": selection.to_dict(),
            "device": device,
            "folder": str(folder),
        }
        steps = told_steps(_PROGRAM, job, "picking", clock, temporary=folder, background=True)
        try:
            while True:
                record = next(steps)
                collect()
                yield record
        except StopIteration as stop:
            refused = stop.value
        finally:
            steps.close()
        collect()
    for number, reason in refused:
        failed(images[number].name, reason)
    return len(images) - len(left)


def score_picker_steps(image: Image, model: Path, device: str) -> Steps[ScoreMap]:
    """How probable a particle is at each place of a micrograph, by a process of its own.

    Raises
    ------
    CinrError
        what is raised there, or if the process cannot be started.
    """
    clock = Clock()
    with _folder() as name:
        folder = Path(name)
        out = folder / "scores.npy"
        job = {
            "task": "score",
            "image": image.told(folder, 0),
            "model": str(model),
            "device": device,
            "out": str(out),
        }
        told = yield from told_steps(
            _PROGRAM, job, image.name, clock, temporary=folder, background=True
        )
        values = np.load(out)
    return ScoreMap(values, tuple(told["start"]), tuple(told["step"]))


def adopt_picker_steps(model: Path, target: Path) -> Steps[ModelSummary]:
    """Check a model from elsewhere and copy it.

    Raises
    ------
    CinrError
        if it is none.
    OSError
        if it cannot be copied.
    """
    job = {"task": "describe picker", "model": os.path.abspath(model)}
    told = yield from told_steps(_PROGRAM, job, model.name, Clock())
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic_files.write_bytes(target, model.read_bytes())
    return from_dict(ModelSummary, told)


def _folder() -> tempfile.TemporaryDirectory[str]:
    """For what the process needs, and what it leaves unfinished should it be ended."""
    return tempfile.TemporaryDirectory(prefix="cryoinr-", ignore_cleanup_errors=True)


def _particles(file: Path) -> Particles:
    with np.load(file) as arrays:
        sizes = [float(size) or None for size in arrays["sizes"]]
        return Particles(arrays["xy"], arrays["score"], *sizes)


# -- what the process does


def _heard(told: dict[str, Any]) -> Micrograph:
    if "path" in told:
        return read_micrograph(told["path"])
    return Micrograph(np.load(told["pixels"]), told["pixel_size"], told["name"])


def _facts(model: PickerModel) -> dict[str, Any]:
    return to_dict(ModelSummary(model.network.name, model.box, model.threshold, model.rounds))


def _do_train(job: dict[str, Any]) -> Steps[Any]:
    examples = []
    for number, told in enumerate(job["examples"]):
        yield Progress("reading", number, len(job["examples"]))
        particles, rejected = Particles(told["particles"]), Particles(told["rejected"])
        examples.append(Example(_heard(told), particles, rejected))
    settings = TrainingSettings.from_dict(job["settings"])
    start = None if job["start"] is None else PickerModel.load(job["start"])
    model = yield from train_here_steps(examples, settings, start)
    model.save(job["out"])
    return _facts(model)


def _do_pick(job: dict[str, Any]) -> Steps[Any]:
    clock, images, refused = Clock(), job["images"], []
    yield Progress("loading the model", 0, 1)
    model = PickerModel.load(job["model"])
    selection = SelectionSettings.from_dict(job["selection"])
    for number, told in enumerate(images):
        now = Progress(told["name"], number, len(images), clock.seconds, share=number / len(images))
        yield now
        try:
            steps = pick_here_steps(_heard(told), model, selection, job["device"])
            particles = yield from _renamed_steps(steps, now, clock)
        except (CinrError, OSError, MemoryError) as error:
            refused.append([number, str(error) or type(error).__name__])
            continue
        assert particles.score is not None
        sizes = [particles.box or 0.0, particles.pixel_size or 0.0]  # 0 where it is not known
        with atomic_files.replacing(Path(job["folder"]) / _PICKED.format(number)) as file:
            np.savez(file, xy=particles.xy, score=particles.score, sizes=sizes)
    return refused


def _renamed_steps(steps: Steps[Particles], now: Progress, clock: Clock) -> Steps[Particles]:
    """The steps of one micrograph, told as those of a whole folder."""
    try:
        while True:
            next(steps)
            yield replace(now, seconds=clock.seconds)
    except StopIteration as stop:
        return stop.value


def _do_score(job: dict[str, Any]) -> Steps[Any]:
    model = PickerModel.load(job["model"])
    scores = yield from score_here_steps(_heard(job["image"]), model, job["device"])
    np.save(job["out"], scores.values)
    return {"start": list(scores.start), "step": list(scores.step)}


def _do_describe(job: dict[str, Any]) -> Steps[Any]:
    yield Progress("reading the model", 0, 1)
    return _facts(PickerModel.load(job["model"]))


TASKS: dict[str, Callable[[dict[str, Any]], Steps[Any]]] = {
    "train picker": _do_train,
    "pick": _do_pick,
    "score": _do_score,
    "describe picker": _do_describe,
}
