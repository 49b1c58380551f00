"""Single particles in micrographs: images and coordinates, in and out."""
