"""The commands that cvimake adds to doit, one file for each."""
