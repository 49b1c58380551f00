"""Other codecs behind one small interface; `image_peers` has those of pictures.

Another codec is one more `Peer` in `LOSSY` or `LOSSLESS` below, and nothing else: the command line,
tables and plots use the codecs listed there.

The lossy ones are error-bounded codecs of floating-point volumes: SPERR (Li, Lindstrom and Clyne
2023), SZ3 (Liang et al. 2023) and ZFP (Lindstrom 2014). The lossless ones are gzip, Zstandard,
Blosc2 (Zstandard behind a shuffle of bytes or bits), pcodec, and ZFP in its reversible mode.
"""

from __future__ import annotations

import gzip
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import SettingsError
from ..support.array_types import AnyArray

_GZIP_LEVEL, _ZSTD_LEVEL, _BLOSC_LEVEL, _PCODEC_LEVEL = 9, 19, 9, 12


@dataclass(frozen=True)
class Peer:
    """A codec that ours is compared with."""

    name: str  # what it is called in tables and on the command line
    # from (voxels (z, y, x), knob) to bytes; lossless peers ignore the knob
    encode: Callable[[AnyArray, float], bytes]
    # from (bytes, shape, dtype) to voxels
    decode: Callable[[bytes, tuple[int, ...], np.dtype[Any]], AnyArray]
    # the loosest and the tightest knob, between which it is tuned; None if it is lossless
    knobs: tuple[float, float] | None = None
    needs: str = ""  # the part of imagecodecs that it needs; empty if it needs none

    @property
    def lossless(self) -> bool:
        """Whether every voxel comes back bit for bit."""
        return self.knobs is None


def codecs() -> Any:
    """Import imagecodecs; a `SettingsError` says how to install it."""
    try:
        return importlib.import_module("imagecodecs")
    except ImportError as error:
        raise SettingsError(
            f"the peers come with imagecodecs, which cannot be imported ({error}):"
            " python -m pip install imagecodecs"
        ) from error


def _tolerance(voxels: AnyArray, decades: float) -> float:
    """Return an absolute error, in decades below the standard deviation of the voxels."""
    return (float(voxels.std()) or 1.0) * 10.0**-decades


def _blosc2(voxels: AnyArray) -> bytes:
    options = {"level": _BLOSC_LEVEL, "compressor": "zstd"}
    shuffles = ("shuffle", "bitshuffle")
    return min(
        (bytes(codecs().blosc2_encode(voxels, shuffle=how, **options)) for how in shuffles), key=len
    )


def _from_bytes(data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
    return np.frombuffer(data, dtype).reshape(shape)


# The knob of SPERR is a PSNR in dB, those of SZ3 and ZFP are decades of an absolute error.
LOSSY = (
    Peer(
        "sperr",
        lambda voxels, knob: bytes(codecs().sperr_encode(voxels, level=knob, mode="psnr")),
        lambda data, shape, dtype: codecs().sperr_decode(data),
        (10.0, 110.0),
        "SPERR",
    ),
    Peer(
        "sz3",
        lambda voxels, knob: bytes(
            codecs().sz3_encode(voxels, mode="abs", abs=_tolerance(voxels, knob))
        ),
        lambda data, shape, dtype: codecs().sz3_decode(data, shape, dtype),
        (-1.5, 5.0),
        "SZ3",
    ),
    Peer(
        "zfp",
        lambda voxels, knob: bytes(
            codecs().zfp_encode(voxels, level=_tolerance(voxels, knob), mode="a")
        ),
        lambda data, shape, dtype: codecs().zfp_decode(data),
        (-2.0, 5.0),
        "ZFP",
    ),
)
LOSSLESS = (
    Peer(
        "gzip",
        lambda voxels, knob: gzip.compress(voxels.tobytes(), _GZIP_LEVEL),
        lambda data, shape, dtype: _from_bytes(gzip.decompress(data), shape, dtype),
    ),
    Peer(
        "zstd",
        lambda voxels, knob: bytes(codecs().zstd_encode(voxels.tobytes(), level=_ZSTD_LEVEL)),
        lambda data, shape, dtype: _from_bytes(codecs().zstd_decode(data), shape, dtype),
        needs="ZSTD",
    ),
    Peer(
        "blosc2",
        lambda voxels, knob: _blosc2(voxels),
        lambda data, shape, dtype: _from_bytes(codecs().blosc2_decode(data), shape, dtype),
        needs="BLOSC2",
    ),
    Peer(
        "pcodec",
        lambda voxels, knob: bytes(codecs().pcodec_encode(voxels, level=_PCODEC_LEVEL)),
        lambda data, shape, dtype: codecs().pcodec_decode(data, shape, dtype),
        needs="PCODEC",
    ),
    Peer(
        "zfp",
        # Its smallest type is of four bytes; every voxel of a shorter type is a float32 too.
        lambda voxels, knob: bytes(codecs().zfp_encode(voxels.astype(np.float32), mode="R")),
        lambda data, shape, dtype: codecs().zfp_decode(data).astype(dtype),
        needs="ZFP",
    ),
)


def peer_named(name: str, lossless: bool) -> Peer:
    """Return the lossy or lossless peer of this name."""
    return next(peer for peer in (LOSSLESS if lossless else LOSSY) if peer.name == name)


def chosen_peers(names: Sequence[str] | None = None) -> tuple[Peer, ...]:
    """Return the peers of these names, lossy and lossless; by default all that are available.

    Raises
    ------
    SettingsError
        For a name of no peer or of one that the installed imagecodecs lacks, and if there is no
        imagecodecs.
    """
    library = codecs()
    there = [
        peer
        for peer in LOSSY + LOSSLESS
        if not peer.needs or getattr(getattr(library, peer.needs, None), "available", False)
    ]
    known = dict.fromkeys(peer.name for peer in there)
    for name in names or ():
        if name not in known:
            raise SettingsError(
                f"peer {name!r}: with imagecodecs {library.__version__} it must be one of"
                f" {', '.join(known)}"
            )
    return tuple(peer for peer in there if names is None or peer.name in names)


def codecs_version() -> str:
    """Return the version of the imagecodecs that is installed."""
    return str(codecs().__version__)
