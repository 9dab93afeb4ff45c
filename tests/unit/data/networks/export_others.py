"""Makes the graphs here that are not Ultralytics': exported by PyTorch, weights left out.

Run where PyTorch is installed (these are of torch 2.13.0, onnx 1.23.2), from the root of the repository:

    PYTHONPATH=. python tests/unit/data/networks/export_others.py
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import torch
from torch import nn

from cvimake.project.networks.skeleton import skeleton

HERE = Path(__file__).parent


class Residual(nn.Module):
    """Two convolutions beside their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Their sum."""
        return torch.relu(x + self.layers(x))


class VisionTransformer(nn.Module):
    """Patches, attention, and the mean of all."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 16, 16)
        layer = nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.last = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of classes."""
        return self.last(self.encoder(self.patches(x).flatten(2).transpose(1, 2)).mean(1))


class TextTransformer(nn.Module):
    """Words, attention, and a score for each word."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(100, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.last = nn.Linear(32, 100)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of words."""
        return self.last(self.encoder(self.words(x)))


class Pyramid(nn.Module):
    """Features on three grids, as a detector has them before its heads."""

    def __init__(self, *channels: int) -> None:
        super().__init__()
        self.begin = nn.Sequential(nn.Conv2d(3, 16, 8, 8), nn.ReLU())
        self.down = nn.ModuleList(nn.Conv2d(16, 16, 2, 2) for _ in channels[1:])
        self.heads = nn.ModuleList(nn.Conv2d(16, out, 1) for out in channels)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One tensor for each grid."""
        features = [self.begin(x)]
        for down in self.down:
            features.append(torch.relu(down(features[-1])))
        return tuple(head(feature) for head, feature in zip(self.heads, features, strict=True))


IMAGE = torch.zeros(1, 3, 64, 64)
GRAPHS: dict[str, tuple[nn.Module, torch.Tensor]] = {
    "other-residual-classifier": (
        nn.Sequential(
            nn.Conv2d(3, 16, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1), Residual(16), Residual(16),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 12),
        ),
        IMAGE,
    ),
    "other-flat-classifier": (
        nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1800, 32), nn.ReLU(),
            nn.Dropout(), nn.Linear(32, 7), nn.Softmax(1),
        ),
        IMAGE,
    ),
    "other-squeezed-classifier": (
        nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 9, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ),
        IMAGE,
    ),
    "unknown-vision-transformer": (VisionTransformer(), IMAGE),
    "unknown-text-transformer": (TextTransformer(), torch.zeros(1, 8, dtype=torch.int64)),
    "unknown-perceptron": (
        nn.Sequential(nn.Flatten(), nn.Linear(12288, 16), nn.ReLU(), nn.Linear(16, 4)), IMAGE,
    ),
    "unknown-segmentation": (
        nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 5, 2, 2)), IMAGE,
    ),
    "unknown-pyramid": (Pyramid(64, 64, 64), IMAGE),
    "unknown-pyramid-of-96": (Pyramid(96, 96, 96), IMAGE),
    "unknown-uneven-pyramid": (Pyramid(18, 20, 24), IMAGE),
    "unknown-autoencoder": (
        nn.Sequential(
            nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Flatten(), nn.Linear(2048, 16), nn.ReLU(),
            nn.Linear(16, 12288), nn.Unflatten(1, (3, 64, 64)),
        ),
        IMAGE,
    ),
    "unknown-recurrent": (nn.LSTM(8, 16, batch_first=True), torch.zeros(1, 5, 8)),
}  # fmt: skip


def main() -> None:
    """Writes all that are not here yet."""
    torch.manual_seed(0)
    for name, (network, example) in GRAPHS.items():
        target = HERE / f"{name}.onnx.gz"
        if not target.exists():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "network.onnx"
                torch.onnx.export(network.eval(), (example,), path, opset_version=17, dynamo=False)
                target.write_bytes(gzip.compress(skeleton(path), mtime=0))


if __name__ == "__main__":
    main()
