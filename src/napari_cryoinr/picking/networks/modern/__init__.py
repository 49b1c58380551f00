"""The network `modern`: convolutions that see a whole particle at low resolution."""
