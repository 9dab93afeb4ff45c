"""Releases: cvimodels with everything that is needed to use, audit and rebuild them."""
