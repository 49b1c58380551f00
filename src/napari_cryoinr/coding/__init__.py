"""Entropy coding in integers: the same bytes decode to the same numbers on every machine."""

from .bricks import decode_brick, encode_brick, gather_counts
from .probability_tables import Tables

__all__ = ["Tables", "decode_brick", "encode_brick", "gather_counts"]
