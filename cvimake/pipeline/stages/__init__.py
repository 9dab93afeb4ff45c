"""The stages of a model: one file for each kind, whose `stages` makes those of a model."""
