"""Readers for `.cinr` and MRC/CCP4 files: maps, and micrographs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import CinrError, MapError
from ...progress import Progress, Steps
from ..jobs.blocking_run import Cancelled, has_event_loop, in_event_loop, run
from .layer_matching import KEY
from .map_layers import LayerData, layer_of
from .map_stacks import stacked
from .opened_maps import announce, kept_by
from .pyramid import block_means, count_levels, is_large, pyramid
from .save_dialog import mend_dialog

if TYPE_CHECKING:
    from ...archive import Archive, Member
    from ...maps.density_map import DensityMap
    from ...maps.mrc_header import MrcHeader

Reader = Callable[[Any], list[Any]]

_NO_LAYER = [(None,)]  # how a reader says that it read a file and made no layer
_SAMPLE_VOXELS = 1 << 24  # what the contour of a large map is chosen from
_SAMPLE_PLANES = 8  # at least
_MOST_FILES = 50  # of a folder that are opened at once
_SOME = "Some voxels are infinite or NaN"  # of a large map, of which only planes were looked at
_SCALE_BAR_SHOWN = "cryoinr_scale_bar"  # a property of the window: then the user decides


def get_cinr_reader(path: str | list[str]) -> Reader | None:
    """Return a reader of `.cinr` files, or None if one of the paths is no file; never raises.

    Any file is accepted: the reader says what is wrong with one that is something else.
    """
    return _reader(path, _archive_layers)


def get_map_reader(path: str | list[str]) -> Reader | None:
    """Return a reader of MRC/CCP4 files, or None if one of the paths is no file; never raises."""
    return _reader(path, read_map_file)


def get_folder_reader(path: str | list[str]) -> Reader | None:
    """Return a reader of the maps in a folder, or None if that is no folder; never raises."""
    paths = _paths(path)
    if len(paths) != 1 or not paths[0].is_dir():
        return None
    return partial(_read, layers_of=_folder_layers)


def _paths(path: Any) -> list[Path]:
    return [Path(p) for p in (path if isinstance(path, list | tuple) else [path])]


def _reader(path: Any, layers_of: Callable[[Path], list[LayerData]]) -> Reader | None:
    paths = _paths(path)
    return partial(_read, layers_of=layers_of) if paths and all(map(Path.is_file, paths)) else None


def _read(path: Any, layers_of: Callable[[Path], list[LayerData]]) -> list[Any]:
    paths = _paths(path)
    try:
        layers = [layer for file in paths for layer in layers_of(file)]
        if len(paths) > 1:  # napari passes several only if they are opened as a stack
            layers = stacked(layers)
    except Cancelled as cancelled:
        if not in_event_loop():
            warnings.warn(str(cancelled), stacklevel=2)
        return _NO_LAYER
    except (CinrError, OSError) as error:
        if _notify(error, paths):
            return _NO_LAYER
        raise
    switch_on_scale_bar()
    if has_event_loop():
        mend_dialog()
        details = [(meta["name"], meta.get("metadata", {}).get(KEY, {})) for _, meta, _ in layers]
        announce([f"{name}: {one['kept']}" for name, one in details if "kept" in one])
    for _, meta, _ in layers:
        if (text := meta.get("metadata", {}).get(KEY, {}).get("no_density")) is not None:
            _warn(f"{meta['name']}: {text}. It can be looked at, and repaired in Prepare map")
    return layers


def _warn(line: str) -> None:
    """Show a warning to a user, or give it to a script."""
    if in_event_loop():
        from napari.utils.notifications import show_warning

        show_warning(line)
    else:
        warnings.warn(line, stacklevel=4)


def switch_on_scale_bar() -> None:
    """Show the scale bar of the current window if it has no layers yet; once for each window."""
    if not has_event_loop():
        return
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is None or len(viewer.layers):
        return
    window = viewer.window._qt_window
    if not window.property(_SCALE_BAR_SHOWN):
        window.setProperty(_SCALE_BAR_SHOWN, True)
        viewer.canvas.overlays.scale_bar.visible = True


def _notify(error: Exception, paths: Iterable[Path]) -> bool:
    """Show a notification that a file cannot be opened; return whether it was shown.

    napari 0.9 wraps whatever a reader raises in another error, whose last line gives the reason,
    and shows only the first line. The error should be raised where a script opens the files, which
    expects an exception, and where another plugin reads them too, which napari offers then.
    """
    if not in_event_loop():
        return False
    from napari.utils.notifications import show_error
    from npe2 import PluginManager

    line = str(error)
    for path in paths:
        readers = PluginManager.instance().iter_compatible_readers(str(path))
        if len({reader.plugin_name for reader in readers}) > 1:
            return False
        line = line.replace(str(path), path.name)  # a folder would fill the visible line
    show_error(line)
    return True


def _folder_layers(folder: Path) -> list[LayerData]:
    """Make the layers of all maps and archives in a folder, those of its sub-folders left out."""
    from ...batches.planning import map_files

    archives = sorted(one for one in folder.iterdir() if one.suffix.lower() == ".cinr")
    files = [*map_files(folder, deep=False), *archives]
    if not files:
        raise MapError(f"{folder}: holds no density map (.mrc, .map, ...) and no .cinr file")
    if len(files) > _MOST_FILES:
        raise MapError(
            f"{folder}: holds {len(files)} maps; open those you need, or compress all of them in"
            " the section Batch of Compress map"
        )
    layers = []
    for file in files:
        layers += (_archive_layers if file in archives else read_map_file)(file)
    return layers


def _archive_layers(file: Path) -> list[LayerData]:
    from ...archive import open_archive

    archive = open_archive(file)
    layers = []
    for member in archive:
        voxels = run(_voxels_steps(member), f"Opening {member.name}")
        # The last layer is the one that is selected: the map, to be saved or compressed.
        layers += [*_axes_layers(member), member_layer(archive, member, voxels)]
    return layers


def _voxels_steps(member: Member) -> Steps[Any]:
    """Return the voxels of a member, or its levels if it is large.

    The coarsest level is decoded at once: thumbnails and the 3-D view show it, and a damaged stream
    is noticed.
    """
    if not is_large(member.shape):
        return (yield from member.read_steps())
    last = count_levels(member.shape) - 1
    coarsest = yield from member.read_steps(level=last)
    name = f"cinr-{member.header.decoded_checksum}"
    levels = pyramid(member.read, member.shape, name, whole_chunks=True)
    return [*levels[:last], coarsest]


def member_layer(archive: Archive, member: Member, data: Any) -> LayerData:
    """Make the layer of a member of an archive, with its voxels or its levels."""
    quality = member.quality and member.quality.with_size(archive.bytes, archive.raw_bytes)
    details = {
        "path": str(archive.path),
        "member": member.name,
        "kept": kept_by(archive, member),
        "settings": archive.header.settings,
        "quality": quality and quality.to_dict(),
        "symmetry": member.symmetry,
    }
    return layer_of(data, member, member.contrast_limits, member.contour, details)


def _axes_layers(member: Member) -> list[LayerData]:
    """Make a layer of the axes of a symmetry, hidden until it is switched on."""
    size, origin = np.array(member.voxel_size), np.array(member.origin)
    ends = (np.array(member.symmetry_axes).reshape(-1, 2, 3) - origin) / size
    if not len(ends):
        return []
    # Lines without a length at two corners: napari's first view is of the whole map, and its
    # sliders move by voxels, though the axes come before the map.
    corners = np.array([[0.0, 0.0, 0.0], np.array(member.shape) - 1.0])
    ends = np.concatenate([ends, np.stack([corners, corners], axis=1)])
    meta = {
        "name": f"{member.name}: {member.symmetry.partition(' ')[0]} axes",
        "visible": False,
        "scale": size,
        "translate": origin,
        "units": ("angstrom",) * 3,
        "axis_labels": ("z", "y", "x"),
        "edge_width": 1.0,
        "vector_style": "line",
        "edge_color": "orange",
    }
    return [(np.stack([ends[:, 0], ends[:, 1] - ends[:, 0]], axis=1), meta, "vectors")]


def read_map_file(path: str | Path) -> list[LayerData]:
    """Make the layer of an MRC/CCP4 file."""
    return [run(_map_steps(Path(path)), f"Opening {Path(path).name}")]


def _map_steps(file: Path) -> Steps[LayerData]:
    """Make the layer of an MRC file, a map or a micrograph."""
    from ...maps.auto_threshold import auto_threshold
    from ...maps.map_reading import read_map
    from ...maps.map_statistics import statistics
    from ...maps.mrc_header import INTEGER_MODES, VOXEL_TYPES
    from ...maps.repair import fill_no_density, find_no_density
    from ...maps.volume_kinds import kind_of

    yield Progress("reading", 0, 2)
    image = _micrograph_layer(file)  # first: some programs call an image a volume
    if image is not None:
        return image
    density_map = read_map(file, finite=False, lazy=True)
    data: Any = density_map.data
    if is_large(data.shape):
        data = pyramid(block_means(density_map), data.shape, _name(file))
        density_map = _sample(density_map)
    else:
        data = np.asarray(data)
        density_map = replace(density_map, data=data)
    yield Progress("reading", 1, 2)
    details = {"path": str(file)}
    if (found := find_no_density(density_map.data)) is not None:
        details["no_density"] = _SOME if isinstance(data, list) else found.text
        density_map = fill_no_density(density_map)
    stats = statistics(density_map)
    high = stats.high if stats.high > stats.low else stats.low + 1.0
    limits = stats.low, high  # those of the header are often out of date
    made = layer_of(data, density_map, limits, auto_threshold(stats), details)
    whole = density_map.mode in INTEGER_MODES and not isinstance(data, list)
    if not whole or kind_of(density_map, stats) != "labels":
        return made
    # A layer of labels may be asked for, which holds integers and has no iso-surface.
    _, meta, kind = made
    meta.pop("rendering", None)
    return data.astype(VOXEL_TYPES[density_map.mode]), meta, kind


def _micrograph_layer(file: Path) -> LayerData | None:
    """Make the layer of a file that is one large enough image; None for other files."""
    from ...maps.mrc_file import open_mrc
    from ...picking.micrographs import SMALLEST
    from .micrograph_layers import micrograph_layer

    def refuse(path: Path, header: MrcHeader) -> None:
        if header.file_shape[0] != 1 or min(header.file_shape[1:]) < SMALLEST:
            raise MapError(f"{path}: no micrograph")

    try:
        open_mrc(file, refuse, MapError)
    except MapError:
        return None
    return micrograph_layer(file)


def _name(file: Path) -> str:
    """Return a name for the voxels of a file; another one once the file has changed."""
    from dask.base import tokenize

    status = file.stat()
    return f"map-{tokenize(str(file.absolute()), status.st_mtime_ns, status.st_size)}"


def _sample(density_map: DensityMap) -> DensityMap:
    """Read some evenly spaced planes of a large map."""
    data = density_map.data
    planes = min(len(data), max(_SAMPLE_PLANES, _SAMPLE_VOXELS // data[0].size))
    step = -(-planes * data[0].size // _SAMPLE_VOXELS)
    places = np.linspace(0, len(data) - 1, planes).round().astype(int)
    sample = np.stack([data[z, ::step] for z in places])
    shape = len(data) / planes, step, 1  # planes and rows are as far apart as the sample says
    size = [n * v for n, v in zip(shape, density_map.voxel_size, strict=True)]
    return replace(density_map, data=sample, voxel_size=(size[0], size[1], size[2]))
