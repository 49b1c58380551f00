"""`python -m napari_cryoinr` is `cryoinr`."""

from .cli import main

main()
