"""The networks that a picker can have."""
