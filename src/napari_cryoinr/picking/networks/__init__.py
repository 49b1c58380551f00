"""The networks of the picker, by name."""
