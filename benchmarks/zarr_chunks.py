#!/usr/bin/env python3
r"""Bytes and time of Zarr chunks: the codec `cinr`, lossless blosc-zstd, and SPERR.

    python benchmarks/zarr_chunks.py OUT_NAME MAP [--psnr 30] [--chunks 64 96 128]
        [--efforts fast balanced] [--editions FOLDER]

The map is cut into chunks, and each is stored on its own. `cinr` may have the RMS error that the
PSNR allows of the range of the whole map. SPERR is brought to that RMS error in each chunk, by
bisection of its own PSNR; the last of its encodings is timed. blosc-zstd, as zarr uses it without
further settings, stores the values as they are, in the type of the voxels in the file. Seconds are
those of all chunks, one after the other. With --editions, pretrained parts are used that were made
without the map, where the folder has them: see rate_distortion.py.

Tables go to benchmarks/results/OUT_NAME.json and .md.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import zarr
from harness import parser_for, write_results
from rate_distortion import PACKAGED, edition_for, use_edition
from zarr.codecs import BloscCodec

import napari_cryoinr as cryoinr
from napari_cryoinr.bench.peers import peer_named
from napari_cryoinr.bench.table import markdown_table, versions
from napari_cryoinr.maps.mrc_header import VOXEL_TYPES
from napari_cryoinr.ome_zarr.chunk_coding import decode_chunk, encode_chunk_steps
from napari_cryoinr.ome_zarr.chunk_settings import ChunkSettings
from napari_cryoinr.settings import EFFORTS

T = TypeVar("T")
TITLES = (
    "chunk",
    "effort",
    "chunks",
    "cinr",
    "blosc-zstd",
    "SPERR",
    "cinr / blosc",
    "cinr / SPERR",
)
TIMES = tuple(f"{name} {what} s" for name in ("cinr", "blosc", "SPERR") for what in ("enc", "dec"))
_BISECTIONS = 16


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what some work returns, and its seconds."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def rms(values: np.ndarray, decoded: np.ndarray) -> float:
    return math.sqrt(np.square(decoded.astype(np.float64) - values).mean())


def cinr(values: np.ndarray, settings: ChunkSettings) -> tuple[int, float, float]:
    """Return bytes and the seconds of encoding and decoding."""
    data, encode_s = timed(lambda: cryoinr.drain(encode_chunk_steps(values, settings)))
    decoded, decode_s = timed(lambda: decode_chunk(data, values.shape, values.dtype))
    assert rms(values, decoded) <= settings.goal[1]
    return len(data), encode_s, decode_s


def blosc(values: np.ndarray) -> tuple[int, float, float]:
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(
        store,
        shape=values.shape,
        chunks=values.shape,
        dtype=values.dtype,
        compressors=BloscCodec(cname="zstd"),
    )
    _, encode_s = timed(lambda: array.__setitem__(..., values))
    decoded, decode_s = timed(lambda: array[...])
    assert np.array_equal(decoded, values)
    return array.nbytes_stored() - _metadata_bytes(store), encode_s, decode_s


def _metadata_bytes(store: Any) -> int:
    return len(store._store_dict["zarr.json"].to_bytes())


def sperr(values: np.ndarray, allowed: float) -> tuple[int, float, float]:
    """Return the same, at the lowest PSNR that keeps the error."""
    peer, given = peer_named("sperr", lossless=False), values.astype(np.float32)
    middle = 20 * math.log10(max(float(np.ptp(given)), 1e-30) / allowed)
    low, high = middle - 6, middle + 6
    for _ in range(_BISECTIONS):
        knob = (low + high) / 2
        decoded = peer.decode(peer.encode(given, knob), given.shape, given.dtype)
        low, high = (low, knob) if rms(values, decoded) <= allowed else (knob, high)
    data, encode_s = timed(lambda: peer.encode(given, high))
    decoded, decode_s = timed(lambda: peer.decode(data, given.shape, given.dtype))
    assert rms(values, decoded) <= allowed
    return len(data), encode_s, decode_s


def measure(voxels: np.ndarray, allowed: float, side: int, effort: str) -> dict[str, Any]:
    """Return bytes and seconds of each codec over all chunks."""
    settings = ChunkSettings(rms_error=allowed, effort=effort)
    sums = np.zeros((3, 3))
    corners = list(itertools.product(*(range(0, n, side) for n in voxels.shape)))
    for corner in corners:
        part = tuple(slice(start, start + side) for start in corner)
        values = np.ascontiguousarray(voxels[part])
        sums += [cinr(values, settings), blosc(values), sperr(values, allowed)]
    sizes = [int(size) for size in sums[:, 0]]
    return {
        "chunk": side,
        "effort": effort,
        "chunks": len(corners),
        **dict(zip(("cinr", "blosc", "sperr"), sizes, strict=True)),
        "cinr / blosc": sizes[0] / sizes[1],
        "cinr / sperr": sizes[0] / sizes[2],
        "seconds": sums[:, 1:].tolist(),
    }


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out")
    parser.add_argument("map", type=Path)
    parser.add_argument("--psnr", type=float, default=30.0)
    parser.add_argument("--chunks", type=int, nargs="+", default=[64, 96, 128])
    parser.add_argument("--efforts", nargs="+", default=EFFORTS[:2], choices=EFFORTS)
    parser.add_argument("--editions", type=Path, help="folder of editions made without a map")
    args = parser.parse_args()
    edition = edition_for(args.map, args.editions) if args.editions else PACKAGED
    use_edition(edition)
    original = cryoinr.read_map(args.map)
    voxels = original.data.astype(VOXEL_TYPES[original.mode])
    extent = float(original.data.max()) - float(original.data.min())
    allowed = extent * 10 ** (-args.psnr / 20)
    cinr(voxels[:16, :16, :16], ChunkSettings(rms_error=allowed))  # loads torch
    rows, cells = [], []
    for side, effort in itertools.product(args.chunks, args.efforts):
        row = measure(voxels, allowed, side, effort)
        print(row, flush=True)
        rows.append(row)
        sizes = [f"{row[name]:,}" for name in ("cinr", "blosc", "sperr")]
        ratios = [f"{row[f'cinr / {name}']:.3f}" for name in ("blosc", "sperr")]
        seconds = [f"{value:.3g}" for value in itertools.chain(*row["seconds"])]
        cells.append([str(side), effort, str(row["chunks"]), *sizes, *ratios, *seconds])
    shape = " × ".join(map(str, voxels.shape))
    parts = "of the package" if edition == PACKAGED else "made without the map"
    about = f"an RMS error of {allowed:.4g} in each chunk; pretrained parts {parts}."
    lines = [
        f"# {args.out}: Zarr chunks of {args.map.name} at {args.psnr:g} dB",
        "",
        f"{shape} voxels, {voxels.dtype}; {about}",
        "",
        *markdown_table([*TITLES, *TIMES], cells),
    ]
    data = {"versions": versions() | {"zarr": zarr.__version__}, "map": args.map.name}
    write_results(args.out, data | {"psnr": args.psnr, "rms_error": allowed, "rows": rows}, lines)


if __name__ == "__main__":
    main()
