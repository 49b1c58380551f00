"""Particle picking in napari: layers, clicks, previews, and what is going on behind the widget."""
