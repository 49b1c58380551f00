"""Files of the pretrained parts: writing them, and using one in place of the package's own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from napari_cryoinr.models import edition_files
from napari_cryoinr.models.edition_files import narrow, network_arrays
from napari_cryoinr.models.field import lapped, pretrained
from napari_cryoinr.models.field.context_network import ContextNetwork
from napari_cryoinr.models.field.pretrained import BLOCKS, SHAPES
from napari_cryoinr.models.inr import pretrained as inr_pretrained
from napari_cryoinr.support.array_types import AnyArray, Int64Array

Transforms = dict[tuple[int, str], tuple[Int64Array, Int64Array]]
"""By side of a block and shape of the basis: the matrices within blocks and across boundaries."""


def write_edition(
    path: Path,
    network: ContextNetwork,
    counts: Int64Array,
    bands: Int64Array,
    transforms: Transforms,
) -> None:
    """Write what `napari_cryoinr.models.field.pretrained` reads; the same bytes for the same parts.

    `counts`, shape (tables, tokens), says how likely each token is, by table; `bands`, shape
    (contexts, bands), the same for the last bands of the blocks.
    """
    arrays: dict[str, AnyArray] = {
        **network_arrays(network.network),
        "counts": counts.astype(np.int32),
        "bands": bands.astype(np.uint16),
    }
    for block in BLOCKS:
        for shape in SHAPES:
            blocks, joins = transforms[block, shape]
            arrays[f"{shape}_block{block}"] = narrow(blocks)
            arrays[f"{shape}_join{block}"] = narrow(joins)
    np.savez_compressed(path, **arrays)  # zip entries of numpy carry no time of day


def use_edition(path: Path) -> None:
    """Let this process take its pretrained parts from a file, whatever edition it asks for.

    Those of the model `inr` are taken from the file beside it whose name begins with inr_, or from
    the package where there is none.
    """
    beside = path.with_name(f"inr_{path.name}")
    packaged = Path(inr_pretrained.__file__).with_name("pretrained1.npz")
    files = {
        pretrained.__package__: path,
        inr_pretrained.__package__: beside if beside.exists() else packaged,
    }
    edition_files.resources = SimpleNamespace(  # type: ignore[assignment]
        files=lambda package: SimpleNamespace(joinpath=lambda _: files[package])
    )
    for cached in (pretrained.pretrained, inr_pretrained.pretrained):
        cached.cache_clear()
    lapped._piece.cache_clear()
    lapped.axis_matrix.cache_clear()
