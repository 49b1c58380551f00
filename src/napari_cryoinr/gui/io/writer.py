"""Writers: image layers to a `.cinr` file, one image layer to an MRC file."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import CinrError
from ...maps.density_map import COMPRESSIONS, MAP_SUFFIXES
from ...progress import Progress, Steps
from ...quality.quality_report import QualityReport
from ...quality.verdict import KEPT, verdict_of
from ...support.output_paths import check_output
from ..jobs.blocking_run import Cancelled, has_event_loop, in_event_loop, run
from .compressed import Compressed
from .layer_matching import KEY
from .map_layers import LayerData, map_of, volumes_of
from .save_dialog import asked_by_dialog
from .save_settings import choose
from .words import kept_words


def write_cinr(path: str, layers: list[LayerData]) -> list[str]:
    """Compress image layers into one archive; napari's window stays responsive.

    The settings are those of the open widget Compress map for its layer, also its result if it has
    made one with them; else those of the plugin's page in Preferences and, of a layer that is shown
    as an iso-surface in 3-D, the iso threshold.

    Returns
    -------
    The path that was written; none if the user cancelled.

    Raises
    ------
    CinrError
        If a layer is no density map or the goal was not met. (Never `ValueError`, which napari
        would swallow.) Where napari's dialog has asked, a notification says so instead.
    """
    if Path(path).suffix.lower() in MAP_SUFFIXES and len(layers) == 1:  # typed with our other type
        return write_mrc(path, *layers[0][:2])
    return _told(partial(_write_cinr, layers=layers), _with_suffix(Path(path), (".cinr",), ".cinr"))


def _write_cinr(target: Path, layers: list[LayerData]) -> list[str]:
    check_output(target, inputs=_files_of_lazy_layers(layers), overwrite=True)  # the dialog asks
    choice, in_child = choose(_viewer(), layers), has_event_loop()
    volumes = [  # a stack has several
        (volume, own, threshold)
        for (data, meta, _), threshold in zip(layers, choice.thresholds, strict=True)
        for volume, own in volumes_of(data, meta)
    ]

    def save_steps() -> Steps[list[QualityReport] | Compressed]:
        maps = []
        for number, (volume, own, _) in enumerate(volumes):
            yield Progress("reading", number, len(volumes))
            maps.append(map_of(volume, own))
        if choice.finished is not None and choice.finished.is_of(maps):
            return choice.finished
        how = (maps, target, choice.settings, [threshold for *_, threshold in volumes])
        if in_child:  # so that nothing stalls the window
            from ...workers import compress_steps

            return (yield from compress_steps(*how, half_maps=choice.half_maps))
        from ...codec import compression

        return (yield from compression.compress_steps(*how, overwrite=True))

    try:
        made = run(save_steps(), f"Saving {target.name}", may_finish=True)
    except OSError as error:
        raise CinrError(f"{target}: cannot be written ({error.strerror or error})") from error
    if isinstance(made, list):
        _tell([str(own.get("name") or "map") for _, own, _ in volumes], made, target)
    else:
        from .session import session_of

        session_of(_viewer()).save(made, target)
        _tell([made.name], [made.report], target)
    return [str(target)]


def _told(write: Callable[[Path], list[str]], target: Path) -> list[str]:
    """Write; where napari's dialog has asked, nothing but a notification says what went wrong."""
    try:
        return write(target)
    except Cancelled as cancelled:
        if not asked_by_dialog():
            warnings.warn(str(cancelled), stacklevel=3)
            return []
        return [str(target)]  # without a path, the dialog shows an error
    except CinrError as error:
        if not asked_by_dialog():
            raise
        from napari.utils.notifications import show_error

        show_error(str(error).replace(str(target), target.name))
        return [str(target)]


def _tell(names: list[str], reports: list[QualityReport], target: Path) -> None:
    """Notify the user of what was saved; a script, whose output this would be, is told nothing."""
    if not in_event_loop():
        return
    from napari.utils.notifications import show_info, show_warning

    kept = all(verdict_of(report) == KEPT for report in reports)
    what = [kept_words(report) for report in reports]
    size = f"{target.stat().st_size:,} bytes"
    if len(reports) == 1:
        line = f"{names[0]}: {size}, {what[0]}"
    else:
        line = f"{target.name}: {len(names)} maps, {size}; " + "; ".join(
            map(": ".join, zip(names, what, strict=True))
        )
    (show_info if kept else show_warning)(line)


def _viewer() -> Any:
    from napari import current_viewer

    return current_viewer()


def write_mrc(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write one image layer as an MRC file.

    Raises
    ------
    CinrError
        If the layer is no density map, or the file cannot be written.
    """
    if Path(path).suffix.lower() == ".cinr":  # typed with our other type
        return write_cinr(path, [(data, meta, "image")])
    target = _with_suffix(Path(path), (*MAP_SUFFIXES, *COMPRESSIONS), ".mrc")
    return _told(partial(_write_mrc, data=data, meta=meta), target)


def _write_mrc(target: Path, data: Any, meta: dict[str, Any]) -> list[str]:
    from ...maps.map_writing import write_map

    check_output(target, inputs=_files_of_lazy_layers([(data, meta, "image")]), overwrite=True)
    label = "written by napari-cryoinr from a napari layer"
    write_map(map_of(data, meta), target, label=label, overwrite=True)
    return [str(target)]


def _files_of_lazy_layers(layers: list[LayerData]) -> list[str]:
    """Return the files that multiscale layers are still read from, so that they must stay."""
    viewer = _viewer()
    open_layers = [] if viewer is None else [layer.as_layer_data_tuple() for layer in viewer.layers]
    lazy = [meta for _, meta, _ in layers + open_layers if meta.get("multiscale")]
    details = [(meta.get("metadata") or {}).get(KEY) or {} for meta in lazy]
    return [one["path"] for one in details if one.get("path") is not None]


def _with_suffix(path: Path, accepted: tuple[str, ...], default: str) -> Path:
    """Add the suffix to a path as typed in the dialog; napari does not add it."""
    return path if path.suffix.lower() in accepted else path.with_name(path.name + default)
