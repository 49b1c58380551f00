"""Batches: many map files, each compressed into a `.cinr` file of its own."""
