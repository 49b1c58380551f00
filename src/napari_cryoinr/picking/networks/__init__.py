"""The networks of the picker, by name."""

from __future__ import annotations

from importlib import import_module

from .network_base import Network

_HOME = {"modern": "ModernNetwork", "deepem": "DeepEMNetwork"}


def network_class(name: str) -> type[Network]:
    """The class of a network; its module is loaded now."""
    found: type[Network] = getattr(import_module(f".{name}", __name__), _HOME[name])
    return found
