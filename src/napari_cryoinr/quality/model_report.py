"""What a decoded map means to an atomic model: the numbers of the comparison, and their text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..support import records
from ..support.records import checked_field

CHANGED = 10
"""Residues that a report lists."""

_MISPLACED = 0.2  # correlation round the atoms below which a model lies elsewhere

RESIDUE_HEAD = ("residue", "correlation before", "after", "change")
"""Titles of the columns of `ModelReport.residue_rows`."""


@dataclass(frozen=True)
class Residue:
    """A residue, and how well its density in two maps is that of the model."""

    chain: str = checked_field("chain")
    number: str = checked_field("number in the chain, with the insertion code")
    name: str = checked_field("name of the residue")
    before: float = checked_field("correlation of the model with the original", low=-1, high=1)
    after: float = checked_field("correlation of the model with the decoded map", low=-1, high=1)

    @property
    def change(self) -> float:
        """Correlation after less before."""
        return self.after - self.before


@dataclass(frozen=True)
class ModelReport:
    """An atomic model against the original and against the decoded map.

    Correlations of residues and of all atoms are over the voxels within `radius` of an atom.
    """

    name: str = checked_field("name of the model's file")
    atoms: int = checked_field("atoms inside the box", low=1)
    atoms_outside: int = checked_field("atoms outside the box, which are left out", low=0)
    where: str = checked_field("over what the Fourier shell correlations are, in words")
    resolution: float = checked_field("resolution of the model's density, Å", above=0)
    radius: float = checked_field("distance up to which voxels belong to an atom, Å", above=0)
    nyquist: float = checked_field("finest resolution of the grid, Å", above=0)
    correlation_before: float = checked_field("of all atoms with the original", low=-1, high=1)
    correlation_after: float = checked_field("of all atoms with the decoded map", low=-1, high=1)
    fsc_05_before: float | None = checked_field(
        "resolution where the FSC of model and original falls below 0.5, Å; absent: nowhere", None
    )
    fsc_05_after: float | None = checked_field(
        "resolution where the FSC of model and decoded map falls below 0.5, Å; absent: nowhere",
        None,
    )
    fsc_step: float = checked_field("width of an FSC shell, 1/Å", 1.0, above=0)
    fsc_before: tuple[float, ...] = checked_field(
        "FSC of model and original, of shell 1, 2, ...", (), low=-1, high=1
    )
    fsc_after: tuple[float, ...] = checked_field("FSC of model and decoded map", (), low=-1, high=1)
    residues: tuple[Residue, ...] = checked_field("all residues but waters", ())

    @property
    def most_changed(self) -> tuple[Residue, ...]:
        """The ten residues whose correlation changed most, the largest change first."""
        order = sorted(self.residues, key=lambda residue: -abs(residue.change))
        return tuple(residue for residue in order[:CHANGED] if residue.change)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return records.to_dict(self)

    def rows(self) -> list[tuple[str, str]]:
        """Return (name, value) for people."""
        misplaced = (
            [("note", "the model is hardly where density is: was it built into this map?")]
            if self.correlation_before < _MISPLACED
            else []
        )
        outside = f", {self.atoms_outside:,} more outside the box" if self.atoms_outside else ""
        return [
            *misplaced,
            ("atomic model", f"{self.name}: {self.atoms:,} atoms{outside}"),
            (
                f"model-map FSC {self.where} falls below 0.5 at",
                f"{self._at(self.fsc_05_before)} before, {self._at(self.fsc_05_after)} after",
            ),
            (
                f"model-map correlation within {self.radius:.2g} Å of the atoms",
                f"{self.correlation_before:.4f} before, {self.correlation_after:.4f} after",
            ),
            (
                "correlation of each residue, median",
                f"{self._median('before'):.4f} before, {self._median('after'):.4f} after",
            ),
        ]

    def residue_rows(self) -> list[tuple[str, str, str, str]]:
        """Return a row for each residue that changed most; see `RESIDUE_HEAD`."""
        return [
            (
                " ".join((residue.chain, residue.name, residue.number)).strip(),
                f"{residue.before:.3f}",
                f"{residue.after:.3f}",
                f"{residue.change:+.3f}",
            )
            for residue in self.most_changed
        ]

    def text(self) -> str:
        """Return the numbers and the residues that changed most as aligned lines."""
        rows = self.rows()
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:{width}}  {value}" for name, value in rows]
        if self.most_changed:
            table = (("residue", *RESIDUE_HEAD[1:]), *self.residue_rows())
            wide = max(len(row[0]) for row in table)
            lines.append(f"residues that changed most, of {len(self.residues):,}")
            lines += [
                f"{name:{wide}}  {before:>18}  {after:>6}  {change:>6}"
                for name, before, after, change in table
            ]
        return "\n".join(lines)

    def _at(self, resolution: float | None) -> str:
        return f"{resolution:.2f} Å" if resolution else f"nowhere down to {self.nyquist:.2f} Å"

    def _median(self, name: str) -> float:
        values = sorted(getattr(residue, name) for residue in self.residues) or [0.0]
        return float(values[len(values) // 2])
