"""Density maps: MRC files, voxel types, thresholds, synthetic maps."""
