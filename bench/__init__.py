"""How fast cvimake is, each figure against something else in the same run: `./doit bench`."""
