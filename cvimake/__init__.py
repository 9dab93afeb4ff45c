"""make for cvimodels: neural networks onto the Seeed reCamera, reproducibly."""

__version__ = "0.1.0"
