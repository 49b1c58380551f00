"""Lossless coding of a volume of voxels, without a model."""

from .lossless_stream import decode_steps, encode_steps

__all__ = ["decode_steps", "encode_steps"]
