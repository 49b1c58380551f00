"""Compressing, decompressing and estimating: the functions over which all front ends are thin."""
