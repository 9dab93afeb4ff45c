"""Programs that run inside the container, under its Python 3.10 and its packages."""
