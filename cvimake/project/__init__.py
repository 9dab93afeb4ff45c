"""What the user declares: models with their variants, datasets, settings."""

from cvimake.project.dataset import DeclaredDataset
from cvimake.project.reader import Declarations, DeclaredModel, DeclaredVariant, read_declarations

__all__ = ["Declarations", "DeclaredDataset", "DeclaredModel", "DeclaredVariant", "read_declarations"]
