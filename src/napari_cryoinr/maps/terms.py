"""Words that are stored with a map."""

KINDS = ("density", "labels", "tomogram", "half-map")
"""What a volume may be."""

SOURCES = {
    "given": "as given",
    "half-maps": "where the FSC of the half-maps falls below 0.143",
    "solvent": "where the power in the mask falls to that of the solvent",
    "filter": "where a low-pass filter cuts the spectrum off",
    "weak": "where shells hold less than 1e-4 of the power of the strongest",
    "values": "where rounding to the values that voxels can hold hides the signal",
    "grid": "the finest that the grid holds",
}
"""Where a resolution comes from, and what that means."""
