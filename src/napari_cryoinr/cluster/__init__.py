"""Batches on a Dask cluster; Dask is loaded when one is used."""
