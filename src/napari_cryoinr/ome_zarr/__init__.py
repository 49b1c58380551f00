"""Zarr arrays whose chunks are stored by the model `field`, and OME-Zarr pyramids of such arrays.

Only `codec` and what writes pyramids import zarr, which is an extra of the package; zarr finds the
codec by its entry point.
"""
