"""The numbers of a quality report, and their text."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from ..maps.envelope import KEPT
from ..maps.terms import KINDS, SOURCES
from ..support import records
from ..support.records import checked_field
from .verdict import verdict_line, verdict_of

BAND_HEAD = ("band", "voxels", "within 20 %", "mean relative error")
"""Titles of the columns of `QualityReport.band_rows`."""

DERIVED = ("verdict", "summary", "ratio", "bits_per_voxel")
"""What `QualityReport.to_dict` adds, which follows from the rest."""

# Significant digits that an archive keeps.
_DIGITS = dict.fromkeys(("nrmse", "correlation", "max_error", "nyquist", "psnr"), 4)
_DIGITS |= {"error_of_noise": 4}
_DIGITS |= {"resolution": 5}
_DIGITS |= dict.fromkeys(("within_20_percent", "mean_relative_error", "fsc_099", "fsc_05"), 3)
_NOTES = {
    "labels": "A mask or labels: stored exactly, as neither a goal nor a threshold was given",
    "tomogram": "No solvent can be told from density, as in a tomogram or a crystal: the whole"
    " volume is kept; give a threshold for a contour",
    "half-map": "One of two half-maps, as their correlation shows: the whole volume is kept, and"
    " with it their noise",
}


@dataclass(frozen=True)
class Band:
    """The paper's figures for one band of densities."""

    low: float = checked_field(
        "lower end of the band, as a share of the largest magnitude", low=0, high=1
    )
    high: float = checked_field(
        "upper end of the band, as a share of the largest magnitude", low=0, high=1
    )
    voxels: int = checked_field("voxels in the band", low=0)
    within_20_percent: float = checked_field(
        "share of them with a relative error of at most 20 %", low=0, high=1
    )
    mean_relative_error: float = checked_field("their mean relative error", low=0)


@dataclass(frozen=True)
class Place:
    """A place in a map, and how well both maps agree there."""

    voxel: tuple[int, ...] = checked_field("voxel (z, y, x)", low=0, length=(3, 3))
    position: tuple[float, ...] = checked_field("its position (z, y, x), Å", length=(3, 3))
    correlation: float = checked_field("correlation in a sphere around it", low=-1, high=1)


@dataclass(frozen=True)
class QualityReport:
    """What separates a decoded map from its original.

    "What is kept" means, by `keep`: ``envelope``, the voxels where the soft mask is at least 0.5,
    and for Fourier shells the maps times the mask; ``contour``, the voxels whose original density
    is above the contour, and for Fourier shells the maps times the soft mask round them;
    ``volume``, all voxels. Relative errors are those of kept voxels above the contour, if there is
    one, as in the paper.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> original = cryoinr.synthetic_map(24)
    >>> report = cryoinr.compare(original, original, contour=2.0)
    >>> report.nrmse, report.iou
    (0.0, (1.0, 1.0, 1.0))
    >>> report.text().splitlines()[0] == report.verdict()
    True
    """

    voxels: int = checked_field("voxels of the map", low=1)
    keep: str = checked_field("what is kept, over which the numbers below are", choices=KEPT)
    kept_voxels: int = checked_field("voxels of what is kept", low=0)
    nrmse: float = checked_field(
        "RMS error in what is kept over the standard deviation of the original there", low=0
    )
    correlation: float = checked_field("Pearson correlation in what is kept", low=-1, high=1)
    max_error: float = checked_field("largest error in what is kept, density", low=0)
    within_20_percent: float = checked_field(
        "share of the kept voxels above the contour with a relative error of at most 20 %",
        low=0,
        high=1,
    )
    mean_relative_error: float = checked_field("their mean relative error", low=0)
    iou: tuple[float, ...] = checked_field(
        "intersection over union of the voxels above 0.9, 1 and 1.1 times the level, inside the"
        " envelope where that is kept",
        low=0,
        high=1,
        length=(3, 3),
    )
    level: float = checked_field("level of the iso-surface")
    nyquist: float = checked_field("finest resolution of the grid, Å", above=0)
    contour: float | None = checked_field(
        "the contour, round which the envelope lies; absent: there is none", None
    )
    fsc_099: float | None = checked_field(
        "resolution where the FSC in what is kept falls below 0.99, Å; absent: nowhere",
        None,
        above=0,
    )
    fsc_05: float | None = checked_field(
        "resolution where the FSC in what is kept falls below 0.5, Å; absent: nowhere",
        None,
        above=0,
    )
    lowest_fsc: float | None = checked_field(
        "lowest FSC in what is kept, of the shells up to the resolution", None, low=-1, high=1
    )
    resolution: float | None = checked_field(
        "resolution up to which Fourier shells count, Å; absent: all do", None, above=0
    )
    resolution_source: str | None = checked_field(
        "where that resolution comes from", None, choices=tuple(SOURCES)
    )
    half_map_resolution: float | None = checked_field(
        "resolution where the FSC of the half-maps, in what is kept, falls below 0.143, Å; absent:"
        " none were given",
        None,
        above=0,
    )
    half_map_resolution_after: float | None = checked_field(
        "the same if each half-map had an error of its own with the share of power of this one",
        None,
        above=0,
    )
    error_of_noise: float | None = checked_field(
        "largest power of the error in a shell up to the resolution, over that of the noise of the"
        " map that the half-maps show there",
        None,
        low=0,
    )
    fsc_step: float | None = checked_field("width of an FSC shell, 1/Å", None, above=0)
    fsc: tuple[float, ...] | None = checked_field(
        "FSC in what is kept, of shell 1, 2, ... (not stored in archives)", None, low=-1, high=1
    )
    shells_box: tuple[int, ...] | None = checked_field(
        "voxels along z, y, x of the box in the middle over which the Fourier shells above are;"
        " absent: over what is kept",
        None,
        low=1,
        length=(3, 3),
    )
    worst: tuple[Place, ...] = checked_field(
        "places in what is kept where the local correlation is lowest (not stored in archives)",
        (),
        length=(0, 16),
    )
    bands: tuple[Band, ...] = checked_field(
        "the paper's figures by density band; not stored in archives", (), length=(0, 16)
    )
    psnr: float | None = checked_field(
        "over the whole volume, what is not kept included, range max - min, dB; absent: no error,"
        " or a constant original",
        None,
    )
    kind: str = checked_field(
        "what the volume was recognised as, where nothing was asked for", "density", choices=KINDS
    )
    bytes: int | None = checked_field("bytes of the file (not stored in archives)", None, low=1)
    raw_bytes: int | None = checked_field(
        "bytes of the voxels of all maps in the file as float32 (not stored in archives)",
        None,
        low=1,
    )

    @property
    def ratio(self) -> float | None:
        """Raw bytes over bytes of the file."""
        return self.raw_bytes / self.bytes if self.bytes and self.raw_bytes else None

    @property
    def bits_per_voxel(self) -> float | None:
        """Bits of the file for each voxel."""
        return 32 * self.bytes / self.raw_bytes if self.bytes and self.raw_bytes else None

    @property
    def where(self) -> str:
        """What is kept, in words that go into a sentence."""
        if self.keep == "contour":
            return f"above {self.contour:.4g}" if self.contour is not None else "above the contour"
        return "inside the envelope" if self.keep == "envelope" else "in the whole volume"

    @property
    def shells_where(self) -> str:
        """Over what the Fourier shell correlation is, in words."""
        if self.shells_box is not None:
            return f"in the {' × '.join(map(str, self.shells_box))} voxels in the middle"
        return "in the soft mask round the contour" if self.keep == "contour" else self.where

    def stored(self) -> QualityReport:
        """Return what an archive keeps: few digits, no curve, not what the file itself tells."""
        iou = tuple(float(f"{share:.3g}") for share in self.iou)
        short: QualityReport = _shortened(self, _DIGITS)
        lowest = self.lowest_fsc
        if lowest is not None:  # downwards: what is promised must not be rounded to
            lowest = max(math.floor(1e4 * lowest + 1e-6) / 1e4, -1.0)
        return replace(
            short,
            bands=(),
            iou=iou,
            lowest_fsc=lowest,
            fsc_step=None,
            fsc=None,
            worst=(),
            bytes=None,
            raw_bytes=None,
        )

    def with_size(self, size: int, raw_bytes: int) -> QualityReport:
        """Return the report of a file of `size` bytes that holds this many raw bytes."""
        return replace(self, bytes=size, raw_bytes=raw_bytes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data, with the verdict, its line, the ratio and the bits per voxel."""
        out = {"verdict": verdict_of(self), "summary": self.verdict()} | records.to_dict(self)
        if self.ratio is not None:
            out |= {"ratio": self.ratio, "bits_per_voxel": self.bits_per_voxel}
        return out

    def verdict(self) -> str:
        """Say in one line whether the map is kept, by what, and the size of the file.

        The first words are kept, kept in part or lost; `napari_cryoinr.quality.verdict` has the
        rules.
        """
        return verdict_line(self)

    def notes(self) -> list[str]:
        """Say, a line each, what was chosen since nothing was asked for."""
        return [_NOTES[self.kind]] if self.kind in _NOTES else []

    def rows(self) -> list[tuple[str, str]]:
        """Return (name, value) for people: what is kept first, the whole volume last."""
        where, rows = self.where, []
        share = 100 * self.kept_voxels / self.voxels
        rows.append(("kept", self._kept_text()))
        rows.append(("voxels of that", f"{self.kept_voxels:,} of {self.voxels:,} ({share:.2f} %)"))
        if self.bytes is not None and self.ratio is not None:
            rows.append(("file size", f"{self.bytes:,} bytes"))
            rows.append(("compression ratio", f"{self.ratio:.2f} : 1"))
            rows.append(("bits per voxel", f"{self.bits_per_voxel:.4f}"))
        masked = self.shells_where
        if self.resolution is not None:
            why = SOURCES[self.resolution_source or "given"]
            rows.append(("resolution", f"{self.resolution:.4g} Å, {why}"))
            rows.append((f"lowest FSC up to it, {masked}", f"{self.lowest_fsc or 0:.4f}"))
        if self.half_map_resolution is not None:
            after = f"{self.half_map_resolution_after:.2f} Å with the error of this file"
            rows.append(("half-maps' FSC 0.143 at", f"{self.half_map_resolution:.2f} Å, {after}"))
            most = f"{self.error_of_noise or 0:.3f} times the power of the noise"
            rows.append(("error up to there at most", most))
        rows += [
            (f"FSC {masked} falls below 0.99 at", self.resolution_text(self.fsc_099)),
            (f"FSC {masked} falls below 0.5 at", self.resolution_text(self.fsc_05)),
            (
                f"IoU of the surface at {self.level:.4g}, ±10 %",
                " / ".join(f"{value:.4f}" for value in self.iou),
            ),
            (f"correlation {where}", f"{self.correlation:.6f}"),
            (f"NRMSE {where}", f"{self.nrmse:.5f}"),
            (f"maximum error {where}", f"{self.max_error:.6g}"),
        ]
        rows += [
            (f"lowest local correlation, place {number}", place_text(place))
            for number, place in enumerate(self.worst, 1)
        ]
        above = where if self.contour is None else f"above {self.contour:.4g}"
        psnr = "no error" if self.max_error == 0 else "undefined: the original is constant"
        return [
            *rows,
            (f"within 20 % relative error {above}", f"{100 * self.within_20_percent:.2f} %"),
            (f"mean relative error {above}", f"{100 * self.mean_relative_error:.2f} %"),
            ("PSNR over the whole volume", psnr if self.psnr is None else f"{self.psnr:.2f} dB"),
        ]

    def _kept_text(self) -> str:
        if self.keep == "volume":
            return "the whole volume"
        if self.contour is None:
            return "inside the given mask"
        if self.keep == "contour":
            return f"voxels above {self.contour:.6g}"
        return f"envelope: the soft mask round the density above {self.contour:.6g}"

    def resolution_text(self, resolution: float | None) -> str:
        """Say at which resolution the FSC falls below a level, or that it does so nowhere."""
        return f"{resolution:.2f} Å" if resolution else f"nowhere down to {self.nyquist:.2f} Å"

    def band_rows(self) -> list[tuple[str, str, str, str]]:
        """Return (band, voxels, within 20 %, mean relative error) for people; see `BAND_HEAD`."""
        return [
            (
                f"{band.low:.2f} - {band.high:.2f}",
                f"{band.voxels:,}",
                f"{100 * band.within_20_percent:.2f} %",
                f"{100 * band.mean_relative_error:.2f} %",
            )
            for band in self.bands
        ]

    def text(self) -> str:
        """Return the verdict, and the numbers as aligned lines."""
        rows = self.rows()
        width = max(len(name) for name, _ in rows)
        lines = [
            self.verdict(),
            *self.notes(),
            *(f"{name:{width}}  {value}" for name, value in rows),
        ]
        if self.bands:
            table = (("density band", *BAND_HEAD[1:]), *self.band_rows())
            wide = max(len(count) for _, count, _, _ in table)
            lines += [
                f"{band:12} {count:>{max(8, wide)}}  {within:>11}  {mean:>19}"
                for band, count, within, mean in table
            ]
        return "\n".join(lines)


def place_text(place: Place) -> str:
    """Say where a place is, x first as viewers do, and the correlation there."""
    (z, y, x), (k, j, i) = place.position, place.voxel
    return (
        f"{place.correlation:.3f} at x {x:.1f}, y {y:.1f}, z {z:.1f} Å (voxel x {i}, y {j}, z {k})"
    )


def _shortened(record: Any, digits: dict[str, int]) -> Any:
    """Round numbers of a record to so many significant digits; None stays None."""
    values = {name: (getattr(record, name), count) for name, count in digits.items()}
    known = {name: float(f"{v:.{n}g}") for name, (v, n) in values.items() if v is not None}
    return replace(record, **known)
