"""Single particles in micrographs: found by a small network that learns from what it is shown."""
