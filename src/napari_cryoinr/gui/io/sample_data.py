"""Sample data: a synthetic map made on the spot, and a real one from the EMDB."""

from __future__ import annotations

from ...errors import CinrError
from .map_layers import LayerData, layer_of
from .reader import read_map_file, switch_on_scale_bar

# EMD-6824: 70 × 70 × 70 voxels of a single particle at 5.8 Å. EMDB data are CC0.
EMDB_URL = "https://ftp.ebi.ac.uk/pub/databases/emdb/structures/EMD-6824/map/emd_6824.map.gz"


def synthetic() -> list[LayerData]:
    """Make a molecule of pseudo-atoms in solvent noise, the same each time."""
    from ...maps.auto_threshold import auto_threshold
    from ...maps.map_statistics import statistics
    from ...maps.synthetic_maps import synthetic_map

    density_map = synthetic_map(96, name="synthetic map")
    contour = auto_threshold(statistics(density_map))
    switch_on_scale_bar()
    return [layer_of(density_map.data, density_map, None, contour, {})]


def emdb() -> list[LayerData]:
    """Fetch a real EMDB entry once and keep it in the user's cache; `CinrError` if that fails."""
    import pooch

    cache = pooch.os_cache("napari-cryoinr")
    try:
        # No checksum is known: the archive revises its files. The reader checks what comes.
        path = pooch.retrieve(EMDB_URL, None, EMDB_URL.rsplit("/", 1)[-1], cache)
    except (OSError, ValueError) as error:
        line = str(error).split("\n")[0]
        raise CinrError(f"{EMDB_URL}: cannot be fetched ({line}); is there a network?") from error
    layers = read_map_file(path)
    switch_on_scale_bar()
    return layers
