"""The networks of the picker, by name."""

from __future__ import annotations

from importlib import import_module

from .network_base import Network

_CLASSES = {
    "modern": (".modern.modern_network", "ModernNetwork"),
    "deepem": (".deepem.deepem_network", "DeepEMNetwork"),
}


def network_class(name: str) -> type[Network]:
    """Return the class of a network; its module is imported by this call."""
    module, class_name = _CLASSES[name]
    found: type[Network] = getattr(import_module(module, __package__), class_name)
    return found
