"""Point groups of the voxel grid: finding them, and folding maps by them."""
