"""What the user declares: models with their variants, datasets, settings."""

from cvimake.spec.dataset import DeclaredDataset
from cvimake.spec.project import Declarations, DeclaredModel, DeclaredVariant, read_declarations

__all__ = ["Declarations", "DeclaredDataset", "DeclaredModel", "DeclaredVariant", "read_declarations"]
