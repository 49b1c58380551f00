"""Long work inside napari: threads, progress, Cancel."""
