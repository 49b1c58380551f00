"""Sample data: a real map in the package, a synthetic one, and a real one from the EMDB."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CinrError
from ...progress import Clock, Progress, Steps
from ...support import atomic_files
from ..jobs.blocking_run import Cancelled, run
from .map_layers import LayerData, layer_of
from .reader import read_map_file, switch_on_scale_bar

if TYPE_CHECKING:
    from ...maps.density_map import DensityMap

# EMD-6824: 70 × 70 × 70 voxels of a single particle at 5.8 Å. EMDB data are CC0.
EMDB_URL = "https://ftp.ebi.ac.uk/pub/databases/emdb/structures/EMD-6824/map/emd_6824.map.gz"
_CHUNK = 1 << 16  # bytes
_TIMEOUT = 15  # seconds without an answer


def real() -> list[LayerData]:
    """Decode the map in the package, EMD-6824, as if its MRC file had been opened."""
    from ...samples import real_map_steps

    return _original(run(real_map_steps(), "Opening EMD-6824"))


def synthetic() -> list[LayerData]:
    """Make a molecule of pseudo-atoms in solvent noise, the same each time."""
    from ...maps.synthetic_maps import synthetic_map

    return _original(synthetic_map(96, name="synthetic map"))


def emdb() -> list[LayerData]:
    """Fetch a real EMDB entry once and keep it in the user's cache.

    Where it cannot be fetched, a warning says so, and the map is the one in the package.
    """
    from napari.utils.notifications import show_info, show_warning

    try:
        path = run(_download_steps(), "Downloading EMD-6824")
    except Cancelled:
        show_info("The download was cancelled: this is EMD-6824 from the package")
        return real()
    except CinrError as error:
        show_warning(str(error))
        return real()
    layers = read_map_file(path)
    switch_on_scale_bar()
    return layers


def _original(density_map: DensityMap) -> list[LayerData]:
    """Make the layer of a map that came out of no archive of the user."""
    from ...maps.auto_threshold import auto_threshold
    from ...maps.map_statistics import statistics

    stats = statistics(density_map)
    switch_on_scale_bar()
    limits = (stats.low, stats.high)
    return [layer_of(density_map.data, density_map, limits, auto_threshold(stats), {})]


def _download_steps() -> Steps[Path]:
    """Fetch the map unless it is in the cache already; return where it is."""
    import platformdirs

    path = Path(platformdirs.user_cache_dir("napari-cryoinr")) / EMDB_URL.rsplit("/", 1)[-1]
    if path.is_file():
        return path
    clock = Clock()
    yield Progress("connecting", 0, 1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            urllib.request.urlopen(EMDB_URL, timeout=_TIMEOUT) as answer,
            atomic_files.replacing(path) as written,
            written.open("wb") as file,
        ):
            size = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                yield Progress("fetching", file.tell(), max(size, file.tell()), clock.seconds)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise CinrError(
            f"EMD-6824 cannot be fetched from the EMDB without a network ({reason}): this is"
            " the one in the package"
        ) from error
    return path
