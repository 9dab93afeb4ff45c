"""Downloads the files that declarations name in `[fetch]`."""
