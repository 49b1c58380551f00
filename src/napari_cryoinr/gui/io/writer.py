"""Writers: image layers to a `.cinr` file, one image layer to an MRC file."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import CinrError
from ...maps.density_map import COMPRESSIONS, MAP_SUFFIXES
from ...progress import Progress, Steps
from ...quality.quality_report import QualityReport
from ...support.output_paths import check_output
from ..jobs.blocking_run import Cancelled, has_event_loop, run
from ..preferences import saved_settings
from .layer_matching import KEY
from .map_layers import LayerData, map_of


def write_cinr(path: str, layers: list[LayerData]) -> list[str]:
    """Compress image layers into one archive; napari's window stays responsive.

    The settings come from the plugin's page in Preferences; of a layer that is shown as an
    iso-surface in 3-D, the iso threshold counts.

    Returns
    -------
    The path that was written; none if the user cancelled.

    Raises
    ------
    CinrError
        If a layer is no density map or the goal was not met. (Never `ValueError`, which napari
        would swallow.)
    """
    target = _with_suffix(Path(path), (".cinr",), ".cinr")
    check_output(target, inputs=_files_of_lazy_layers(layers), overwrite=True)  # the dialog asks
    settings = saved_settings()
    thresholds = [_threshold(meta, settings.threshold) for _, meta, _ in layers]
    if has_event_loop():  # in a child process, so that nothing stalls the window
        from ...workers import compress_steps
    else:
        from ...codec import compression

        compress_steps = partial(compression.compress_steps, overwrite=True)

    def save_steps() -> Steps[list[QualityReport]]:
        maps = []
        for number, (data, meta, _) in enumerate(layers):
            yield Progress("reading", number, len(layers))
            maps.append(map_of(data, meta))
        return (yield from compress_steps(maps, target, settings, thresholds))

    try:
        run(save_steps(), f"Saving {target.name}")
    except Cancelled as cancelled:
        warnings.warn(str(cancelled), stacklevel=2)
        return []
    except OSError as error:
        raise CinrError(f"{target}: cannot be written ({error.strerror or error})") from error
    return [str(target)]


def _threshold(meta: dict[str, Any], default: float | str) -> float | str:
    """Return the layer's iso threshold if it is shown as an iso-surface, else the default."""
    from napari import current_viewer

    viewer = current_viewer()
    in_3d = viewer is None or viewer.dims.ndisplay == 3  # without a window the layer alone decides
    is_iso = str(meta.get("rendering")) == "iso" and meta.get("iso_threshold") is not None
    return float(meta["iso_threshold"]) if is_iso and in_3d else default


def write_mrc(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write one image layer as an MRC file.

    Raises
    ------
    CinrError
        If the layer is no density map, or the file cannot be written.
    """
    from ...maps.map_writing import write_map

    target = _with_suffix(Path(path), (*MAP_SUFFIXES, *COMPRESSIONS), ".mrc")
    check_output(target, inputs=_files_of_lazy_layers([(data, meta, "image")]), overwrite=True)
    label = "written by napari-cryoinr from a napari layer"
    write_map(map_of(data, meta), target, label=label, overwrite=True)
    return [str(target)]


def _files_of_lazy_layers(layers: list[LayerData]) -> list[str]:
    """Return the files that multiscale layers are still read from, so that they must stay."""
    from napari import current_viewer

    viewer = current_viewer()
    open_layers = [] if viewer is None else [layer.as_layer_data_tuple() for layer in viewer.layers]
    lazy = [meta for _, meta, _ in layers + open_layers if meta.get("multiscale")]
    details = [(meta.get("metadata") or {}).get(KEY) or {} for meta in lazy]
    return [one["path"] for one in details if one.get("path") is not None]


def _with_suffix(path: Path, accepted: tuple[str, ...], default: str) -> Path:
    """Add the suffix to a path as typed in the dialog; napari does not add it."""
    return path if path.suffix.lower() in accepted else path.with_name(path.name + default)
