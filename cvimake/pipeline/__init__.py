"""The stages of a model, as values: one module for each kind of stage. Nothing runs here."""
