"""Container programs: they run in the container, under its Python 3.10 and with its packages."""
