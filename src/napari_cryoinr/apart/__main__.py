"""The process of its own: `python -m napari_cryoinr.apart`."""

from .tasks import main

main()
