"""Training and picking where micrographs and models have different pixel sizes.

The box of a model is as long in Å in every micrograph. Where pixel sizes are not known, it has as
many pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import MicrographError
from ..progress import Steps, drain
from . import picker
from .examples import Example
from .micrographs import Micrograph
from .networks.network_base import ScoreMap
from .particles import Particles
from .picker_model import PickerModel
from .picking_settings import SelectionSettings, TrainingSettings
from .pixel_sizes import converted, is_same, resampled, same_binning
from .preprocessing import SIDE

_ROUNDING = 1e-3


def train_picker_steps(
    examples: Sequence[Example], settings: TrainingSettings, start: PickerModel | None = None
) -> Steps[PickerModel]:
    """Train a picker, step by step.

    Parameters
    ----------
    examples : sequence of Example
        Micrographs with known particles, not necessarily all, and rejected places. Those of another
        pixel size than the first one that states it are resampled, and particles that state another
        than their micrograph are converted.
    settings : TrainingSettings
        Box, network and length of the training. The box is in pixels of the first micrograph that
        states their size.
    start : PickerModel, optional
        A model whose training is continued, with all examples, old and new.

    Yields
    ------
    Progress
        At least every half second. The generator may be closed at any time.

    Returns
    -------
    PickerModel
        It knows the pixel size, and so how long its box is in Å.

    Raises
    ------
    MicrographError
        If there is no particle, the box does not fit into a micrograph, or `start` has another
        network or box, or layers for another pixel size.

    Examples
    --------
    See `train_picker`; to see the progress:

    >>> import numpy
    >>> from napari_cryoinr import Example, Micrograph, Particles, TrainingSettings, drain
    >>> image = numpy.random.default_rng(0).standard_normal((96, 96))
    >>> example = Example(Micrograph(image), Particles([[40, 50]]))
    >>> steps = train_picker_steps([example], TrainingSettings(box=20, iterations=1, device="cpu"))
    >>> next(steps).phase
    'preparing'
    >>> steps.close()
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


def train_picker(
    examples: Sequence[Example], settings: TrainingSettings, start: PickerModel | None = None
) -> PickerModel:
    """Train a picker; `train_picker_steps` without its progress.

    Examples
    --------
    >>> import numpy
    >>> from napari_cryoinr import Example, Micrograph, Particles, TrainingSettings
    >>> image = numpy.random.default_rng(0).standard_normal((96, 96))
    >>> example = Example(Micrograph(image, pixel_size=1.5), Particles([[40, 50]]))
    >>> model = train_picker([example], TrainingSettings(box=20, iterations=1, device="cpu"))
    >>> model.box, model.pixel_size, model.rounds[0].particles
    (20.0, 1.5, 1)
    """
    return drain(train_picker_steps(examples, settings, start))


def pick(
    micrograph: Micrograph,
    model: PickerModel,
    selection: SelectionSettings | None = None,
    device: str = "auto",
) -> Particles:
    """Find all candidates of a micrograph with their scores; `pick_steps` without its progress.

    Examples
    --------
    >>> import numpy
    >>> from napari_cryoinr import Example, Micrograph, Particles, TrainingSettings
    >>> image = numpy.random.default_rng(0).standard_normal((96, 96))
    >>> example = Example(Micrograph(image, pixel_size=1.5), Particles([[40, 50]]))
    >>> model = train_picker([example], TrainingSettings(box=20, iterations=1, device="cpu"))
    >>> found = pick(Micrograph(image, pixel_size=1.0), model, device="cpu")
    >>> found.box, found.pixel_size
    (30.0, 1.0)
    """
    return drain(pick_steps(micrograph, model, selection, device))


def pick_steps(
    micrograph: Micrograph,
    model: PickerModel,
    selection: SelectionSettings | None = None,
    device: str = "auto",
) -> Steps[Particles]:
    """Find all candidates of a micrograph with their scores, the highest first, step by step.

    A score says how probable a particle is; the list of all candidates above 0.5 has the best
    expected F1. `Particles.above(threshold)` selects from the candidates, usually with the model's
    threshold.

    Parameters
    ----------
    micrograph : Micrograph
        The image. If it states a pixel size, and the model knows its own, the box is as long in Å
        as the model's; otherwise it has as many pixels.
    model : PickerModel
        A trained picker.
    selection : SelectionSettings, optional
        Which maxima of the score map are candidates.
    device : str
        auto, cpu, cuda or mps.

    Yields
    ------
    Progress
        At least every half second. The generator may be closed at any time.

    Returns
    -------
    Particles
        Centres in pixels of the micrograph, with scores, box and pixel size.

    Raises
    ------
    MicrographError
        If the model's box does not fit into the micrograph, or has less than 8 of its pixels.

    Examples
    --------
    See `pick`; to see the progress:

    >>> import numpy
    >>> from napari_cryoinr import Example, Micrograph, Particles, TrainingSettings
    >>> micrograph = Micrograph(numpy.random.default_rng(0).standard_normal((96, 96)))
    >>> example = Example(micrograph, Particles([[40, 50]]))
    >>> model = train_picker([example], TrainingSettings(box=20, iterations=1, device="cpu"))
    >>> [record.phase for record in pick_steps(micrograph, model, device="cpu")][-1]
    'selecting'
    """
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
    least = min(model.network.box, other.network.box)
    return other if least >= SIDE * (1 - _ROUNDING) else None


def _resampled_for(micrograph: Micrograph, model: PickerModel) -> Micrograph:
    assert model.pixel_size is not None
    return resampled(micrograph, model.pixel_size)
