"""What napari sees: readers, writers, sample data. The only place that knows napari and Qt."""
