"""The network `deepem`: the eight layers of DeepEM, as published."""
