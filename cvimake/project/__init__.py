"""Everything that a user declares: models with their variants, datasets, settings."""

from cvimake.project.dataset import DeclaredDataset
from cvimake.project.declarations import Declarations, DeclaredModel, DeclaredVariant
from cvimake.project.reader import read_declarations

__all__ = ["Declarations", "DeclaredDataset", "DeclaredModel", "DeclaredVariant", "read_declarations"]
