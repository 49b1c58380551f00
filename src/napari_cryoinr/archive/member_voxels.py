"""A member as a map whose voxels stay in the archive until they are asked for."""

from __future__ import annotations

from typing import Any

from ..maps.density_map import DensityMap
from ..maps.voxel_source import VoxelSource
from ..support.array_types import Float32Array
from .member import Member


class MemberVoxels(VoxelSource):
    """Voxels of a member; an index decodes them."""

    def __init__(self, member: Member) -> None:
        super().__init__(member.shape)
        self._member = member

    def __getitem__(self, index: Any) -> Float32Array:
        return self._member.read(index)


def lazy_map(member: Member) -> DensityMap:
    """Return a member as a `DensityMap` whose voxels are decoded when they are indexed."""
    data: Any = MemberVoxels(member)
    return DensityMap(data, member.voxel_size, member.origin, member.mrc, member.name)
