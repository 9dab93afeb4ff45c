"""Measures how fast cvimake is, each time against something else in the same run: `./doit bench`."""
