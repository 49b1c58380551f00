"""The process of its own: `python -m napari_cryoinr.workers`."""

from .compression_tasks import main

main()
