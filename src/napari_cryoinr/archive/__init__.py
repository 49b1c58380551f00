"""The `.cinr` file: a header table, checksummed streams, members that are read lazily."""

from .archive import Archive, open_archive
from .member import Member

__all__ = ["Archive", "Member", "open_archive"]
