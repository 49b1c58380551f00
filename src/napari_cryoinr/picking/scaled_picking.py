"""Training and picking where micrographs and models have different pixel sizes.

The box of a model is as long in Å in every micrograph. Where pixel sizes are not known, it has as
many pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import MicrographError
from ..progress import Steps
from . import picker
from .examples import Example
from .micrographs import Micrograph
from .networks.network_base import ScoreMap
from .particles import Particles
from .picker_model import PickerModel
from .picking_settings import SelectionSettings, TrainingSettings
from .preprocessing import SIDE
from .pixel_sizes import converted, is_same, resampled, same_binning


def train_picker_steps(
    examples: Sequence[Example], settings: TrainingSettings, start: PickerModel | None = None
) -> Steps[PickerModel]:
    """Train a picker as `picker.train_picker_steps`; the model knows its pixel size.

    That is the one of the first micrograph that states one, and the box is in its pixels; the
    others are resampled to it.

    Raises
    ------
    MicrographError
        As there, and if the layers of `start` are those of another pixel size.
    """
    alike, pixel_size = same_binning(examples)
    if start is not None:
        pixel_size = pixel_size or start.pixel_size
        if pixel_size is not None and not is_same(start.pixel_size, pixel_size):
            if not start.is_scale_free:
                raise MicrographError(
                    f"the layers of a {start.network.name} depend on the pixel size, which was"
                    f" {start.pixel_size:g} Å and is {pixel_size:g}: continue with micrographs of"
                    " the same binning, or start afresh"
                )
            start = start.at(pixel_size)
        if is_same(start.box, settings.box):
            settings = replace(settings, box=start.box)
    model = yield from picker.train_picker_steps(alike, settings, start)
    return replace(model, pixel_size=pixel_size)


def pick_steps(
    micrograph: Micrograph,
    model: PickerModel,
    selection: SelectionSettings | None = None,
    device: str = "auto",
) -> Steps[Particles]:
    """Pick as `picker.pick_steps`, with the box that is as long in Å as the model's."""
    fitting = _fitting(model, micrograph.pixel_size)
    if fitting is not None:
        return (yield from picker.pick_steps(micrograph, fitting, selection, device))
    found = yield from picker.pick_steps(
        _resampled_for(micrograph, model), model, selection, device
    )
    return converted(found, micrograph.pixel_size)


def score_map_steps(
    micrograph: Micrograph, model: PickerModel, device: str = "auto"
) -> Steps[ScoreMap]:
    """Score as `picker.score_map_steps`, with the box that is as long in Å as the model's."""
    fitting = _fitting(model, micrograph.pixel_size)
    if fitting is not None:
        return (yield from picker.score_map_steps(micrograph, fitting, device))
    image = _resampled_for(micrograph, model)
    found = yield from picker.score_map_steps(image, model, device)
    assert image.pixel_size is not None and micrograph.pixel_size is not None
    scale = image.pixel_size / micrograph.pixel_size
    (y, x), (rows, columns) = found.start, found.step
    return ScoreMap(found.values, (y * scale, x * scale), (rows * scale, columns * scale))


def _fitting(model: PickerModel, pixel_size: float | None) -> PickerModel | None:
    """Return the model for pixels of this size; None if micrographs have to be resampled.

    A network whose layers depend on the box needs that. So does one whose images have more pixels
    than a micrograph: the frequencies that are missing there are not those of the training.
    """
    if pixel_size is None or is_same(model.pixel_size, pixel_size):
        return model
    if not model.is_scale_free:
        return None
    other = model.at(pixel_size)
    return other if min(model.box, other.box) >= SIDE else None


def _resampled_for(micrograph: Micrograph, model: PickerModel) -> Micrograph:
    assert model.pixel_size is not None
    return resampled(micrograph, model.pixel_size)
