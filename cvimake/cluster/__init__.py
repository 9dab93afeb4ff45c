"""Actions on the workers of a Dask cluster. Files travel through the store, and processes send only JSON."""
