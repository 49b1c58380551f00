"""The numbers of a quality report, and their text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..support import records
from ..support.records import checked_field

BAND_HEAD = ("band", "voxels", "within 20 %", "mean relative error")
"""Titles of the columns of `QualityReport.band_rows`."""

# Bounds of the verdict's words: half of the variance is lost, a tenth of it, half of the surface.
_LOST, _ROUGH, _POOR_OVERLAP = 0.7, 0.3, 0.5
# Significant digits that an archive keeps.
_DIGITS = dict.fromkeys(("nrmse", "correlation", "max_error", "nyquist", "psnr"), 4)
_DIGITS |= dict.fromkeys(("within_20_percent", "mean_relative_error", "fsc_099", "fsc_05"), 3)
_BAND_DIGITS = {"within_20_percent": 3, "mean_relative_error": 2}


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
class QualityReport:
    """What separates a decoded map from its original.

    "Above the contour" means original density > contour, or all voxels where there is no contour.

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
    above_contour: int = checked_field("voxels above the contour", low=0)
    nrmse: float = checked_field(
        "RMS error above the contour over the standard deviation of the original there", low=0
    )
    correlation: float = checked_field("Pearson correlation above the contour", low=-1, high=1)
    max_error: float = checked_field("largest error above the contour, density", low=0)
    within_20_percent: float = checked_field(
        "share of the voxels above the contour with a relative error of at most 20 %", low=0, high=1
    )
    mean_relative_error: float = checked_field("mean relative error above the contour", low=0)
    bands: tuple[Band, ...] = checked_field("the same by density band", length=(0, 16))
    iou: tuple[float, ...] = checked_field(
        "intersection over union of the voxels above 0.9, 1 and 1.1 times the level",
        low=0,
        high=1,
        length=(3, 3),
    )
    level: float = checked_field("level of the iso-surface")
    nyquist: float = checked_field("finest resolution of the grid, Å", above=0)
    psnr: float | None = checked_field(
        "over all voxels, range max - min, dB; absent: no error, or a constant original", None
    )
    contour: float | None = checked_field("the contour; absent: all voxels count", None)
    fsc_099: float | None = checked_field(
        "resolution where the FSC falls below 0.99, Å; absent: nowhere", None, above=0
    )
    fsc_05: float | None = checked_field(
        "resolution where the FSC falls below 0.5, Å; absent: nowhere", None, above=0
    )
    fsc_step: float | None = checked_field("width of an FSC shell, 1/Å", None, above=0)
    fsc: tuple[float, ...] | None = checked_field(
        "FSC of shell 1, 2, ... (not stored in archives)", None, low=-1.001, high=1.001
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

    def stored(self) -> QualityReport:
        """Return what an archive keeps: few digits, no curve, not what the file itself tells."""
        bands = tuple(_shortened(band, _BAND_DIGITS) for band in self.bands)
        iou = tuple(float(f"{share:.3g}") for share in self.iou)
        short: QualityReport = _shortened(self, _DIGITS)
        return replace(
            short, bands=bands, iou=iou, fsc_step=None, fsc=None, bytes=None, raw_bytes=None
        )

    def with_size(self, size: int, raw_bytes: int) -> QualityReport:
        """Return the report of a file of `size` bytes that holds this many raw bytes."""
        return replace(self, bytes=size, raw_bytes=raw_bytes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data, ratio and bits per voxel included."""
        out = records.to_dict(self)
        if self.ratio is not None:
            out |= {"ratio": self.ratio, "bits_per_voxel": self.bits_per_voxel}
        return out

    def verdict(self) -> str:
        """Say in one line what was kept, how exactly, the overlap of the surfaces and the size."""
        level = f"{self.level:.4g}"
        contour = "" if self.contour is None else f"{self.contour:.4g}"
        where = f"above {contour}" if contour else "in all voxels"
        error = f"NRMSE {_short_error(self.nrmse)}"
        if not self.above_contour:
            kept = f"No voxel is {where}: nothing was compared there"
        elif self.max_error == 0:
            kept = "Every voxel is kept exactly" if self.psnr is None else f"Kept exactly {where}"
        elif self.nrmse >= _LOST:
            kept = f"{error} {where}: little of the density is left"
        elif self.nrmse >= _ROUGH:
            kept = f"{error} {where}: only the rough shape is left"
        else:
            kept = f"Kept {where}: {error}" + (" there" if contour else "")
        overlap = f"surface overlap {self.iou[1]:.2f}"
        if level != contour:
            overlap += f" at {level}"
        if self.iou[1] < _POOR_OVERLAP:
            overlap += " (another surface)"
        size = ""
        if self.bytes is not None and self.ratio is not None:
            ratio = f"{self.ratio:,.0f}" if self.ratio >= 100 else f"{self.ratio:.3g}"
            size = f", {size_text(self.bytes)} ({ratio}:1)"
        return f"{kept}, {overlap}{size}"

    def rows(self) -> list[tuple[str, str]]:
        """Return (name, value) for people."""
        above = "above the contour" if self.contour is not None else "over all voxels"
        psnr = "no error" if self.max_error == 0 else "undefined: the original is constant"
        share = 100 * self.above_contour / self.voxels
        rows = [
            ("contour level", "none" if self.contour is None else f"{self.contour:.6g}"),
            ("voxels above it", f"{self.above_contour:,} of {self.voxels:,} ({share:.2f} %)"),
            ("PSNR", psnr if self.psnr is None else f"{self.psnr:.2f} dB"),
            (f"NRMSE {above}", f"{self.nrmse:.5f}"),
            (f"correlation {above}", f"{self.correlation:.6f}"),
            (f"maximum error {above}", f"{self.max_error:.6g}"),
            ("within 20 % relative error", f"{100 * self.within_20_percent:.2f} %"),
            ("mean relative error", f"{100 * self.mean_relative_error:.2f} %"),
            ("FSC falls below 0.99 at", self.resolution_text(self.fsc_099)),
            ("FSC falls below 0.5 at", self.resolution_text(self.fsc_05)),
            (
                f"IoU of the iso-surface at {self.level:.4g}, ±10 %",
                " / ".join(f"{value:.4f}" for value in self.iou),
            ),
        ]
        if self.bytes is None or self.ratio is None:
            return rows
        sizes = [
            ("file size", f"{self.bytes:,} bytes"),
            ("compression ratio", f"{self.ratio:.2f} : 1"),
            ("bits per voxel", f"{self.bits_per_voxel:.4f}"),
        ]
        return sizes + rows

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
        lines = [self.verdict(), *(f"{name:{width}}  {value}" for name, value in rows)]
        if self.bands:
            table = (("density band", *BAND_HEAD[1:]), *self.band_rows())
            wide = max(len(count) for _, count, _, _ in table)
            lines += [
                f"{band:12} {count:>{max(8, wide)}}  {within:>11}  {mean:>19}"
                for band, count, within, mean in table
            ]
        return "\n".join(lines)


def size_text(size: int) -> str:
    """Return a number of bytes for people, such as 1.7 kB."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"


def _short_error(error: float) -> str:
    """Two digits of a relative error, without an exponent where it is no tiny one."""
    return f"{error:.2f}" if error >= 0.1 else f"{error:.3f}" if error >= 0.001 else f"{error:.1g}"


def _shortened(record: Any, digits: dict[str, int]) -> Any:
    """Round numbers of a record to so many significant digits; None stays None."""
    values = {name: (getattr(record, name), count) for name, count in digits.items()}
    known = {name: float(f"{v:.{n}g}") for name, (v, n) in values.items() if v is not None}
    return replace(record, **known)
