"""What the header says of a map that the model `field` stores."""

from __future__ import annotations

from dataclasses import dataclass

from ...support.records import checked_field

MAX_TILE = 64


@dataclass(frozen=True)
class FieldConfig:
    """Everything that the decoder must know beside the stream of latents."""

    edition: int = checked_field("edition of the pretrained networks", low=1, high=255)
    block: int = checked_field("side of a block of latents, voxels", low=4, high=16)
    shape: str = checked_field("shape of the basis functions", choices=("smooth", "sharp"))
    tile: int = checked_field("side of a tile, blocks", low=1, high=MAX_TILE)
    step: float = checked_field("density of a latent of 1", above=0)
    base: float = checked_field("density where all latents are 0")
    symmetry: tuple[int, ...] = checked_field(
        "generators of the point group, four integers each: number of the rotation, translation"
        " along z, y, x; none where every voxel is stored for itself",
        (),
        low=-(1 << 17),
        high=1 << 17,
        length=(0, 12),
    )
    reference: int | None = checked_field(
        "number of an earlier member whose latents predict these; absent where none does",
        None,
        low=0,
        high=65534,
    )
