"""Trains the detector from nothing and writes it as ONNX: `python models/shapes/train.py [--output FILE]`.

Draws its own images, on two cores; needs `pip install .[train]`. What is written is the last epoch's: none
is chosen by the validation's images, and the test's are not looked at.
"""

from __future__ import annotations

import argparse
import copy
import math
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from needs import needs

needs("numpy", "onnx", "onnxruntime", "PIL", "pycocotools", "torch")

import numpy as np
import torch
from detect import Floats, detect
from export import export
from loss import Truth, loss
from measure import DATASET, FOLDER, AveragePrecision, average_precision
from network import Detector
from torch import Tensor

sys.path.append(str(DATASET))

import generate
import scenes

SEED = 2002
CORES = 2
IMAGES, VALIDATION_IMAGES = 5000, 200
EPOCHS, BATCH = 22, 16
LEARNING_RATE, WEIGHT_DECAY, WARM_UP_STEPS = 2e-3, 0.02, 300
# Of the averaged weights, which are what is measured and written.
AVERAGE_DECAY = 0.998
LARGEST_GRADIENT = 10.0
_MEASURED_EVERY = 2


@dataclass(frozen=True)
class Sample:
    """A decoded scene: RGB `[h,w,3]`, boxes `[n,4]` (left, top, right, bottom in pixels), classes `[n]`."""

    image: scenes.Bytes
    boxes: Floats
    classes: np.typing.NDArray[np.int64]


def turned(sample: Sample, chance: np.random.Generator) -> Sample:
    """The scene from one of its eight sides, its colours exchanged."""
    image, boxes = sample.image[..., chance.permutation(3)], sample.boxes
    size = image.shape[0]
    if chance.random() < 0.5:
        image, boxes = (
            image[:, ::-1],
            np.stack([size - boxes[:, 2], boxes[:, 1], size - boxes[:, 0], boxes[:, 3]], 1),
        )
    for _ in range(int(chance.integers(4))):
        # A quarter to the left: what was above is at the left, what was right is above.
        image = np.rot90(image)
        boxes = np.stack([boxes[:, 1], size - boxes[:, 2], boxes[:, 3], size - boxes[:, 0]], 1)
    return Sample(image, boxes, sample.classes)


def batch(samples: list[Sample]) -> tuple[Tensor, Truth]:
    """Images `[n,3,h,w]` in 0..1, and what they show."""
    most = max(len(sample.classes) for sample in samples)
    boxes, classes = torch.zeros(len(samples), most, 4), torch.zeros(len(samples), most, dtype=torch.int64)
    present = torch.zeros(len(samples), most, dtype=torch.bool)
    for index, sample in enumerate(samples):
        count = len(sample.classes)
        boxes[index, :count] = torch.from_numpy(np.ascontiguousarray(sample.boxes))
        classes[index, :count] = torch.from_numpy(sample.classes)
        present[index, :count] = True
    # A stack of turned views is not in order by itself.
    stacked = torch.from_numpy(np.ascontiguousarray(np.stack([sample.image for sample in samples])))
    # Channels last in memory, as they are drawn: it is also what computes fastest on a CPU.
    return stacked.permute(0, 3, 1, 2).float() / 255, Truth(boxes, classes, present)


def learning_rate(step: int, steps: int) -> float:
    """Rises for some steps, then falls along half a cosine, to a hundredth."""
    if step < WARM_UP_STEPS:
        return LEARNING_RATE * (step + 1) / WARM_UP_STEPS
    done = (step - WARM_UP_STEPS) / max(steps - WARM_UP_STEPS, 1)
    return LEARNING_RATE * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def average(averaged: Detector, detector: Detector, step: int) -> None:
    """Moves averaged weights towards the trained ones; faster in the beginning, when they are far apart."""
    decay = AVERAGE_DECAY * (1 - math.exp(-(step + 1) / 300))
    with torch.no_grad():
        for kept, new in zip(averaged.state_dict().values(), detector.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)


def training(samples: list[Sample], epochs: int) -> Iterator[tuple[Detector, list[float]]]:
    """After each epoch the averaged network, and the epoch's mean losses of box, class and distribution."""
    chance = np.random.default_rng(SEED)
    detector = Detector(len(scenes.CLASSES))
    detector.to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(detector).eval()
    # Biases and normalisations are not pulled to zero: they set no scale.
    weights = [value for value in detector.parameters() if value.ndim > 1]
    others = [value for value in detector.parameters() if value.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": weights}, {"params": others, "weight_decay": 0.0}], weight_decay=WEIGHT_DECAY
    )
    steps_of_epoch = len(samples) // BATCH
    for epoch in range(epochs):
        order = chance.permutation(len(samples))
        sums = torch.zeros(3)
        for number in range(steps_of_epoch):
            step = epoch * steps_of_epoch + number
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, epochs * steps_of_epoch)
            picked = order[number * BATCH : (number + 1) * BATCH]
            images, truth = batch([turned(samples[index], chance) for index in picked])
            # Half the time, on a CPU that computes in BF16. Weights and loss stay FP32, and so does all
            # that is measured and written.
            with torch.autocast("cpu", torch.bfloat16):
                heads = detector(images)
            parts = torch.stack(loss([head.float() for head in heads], truth))
            optimizer.zero_grad()
            parts.sum().backward()
            torch.nn.utils.clip_grad_norm_(detector.parameters(), LARGEST_GRADIENT)
            optimizer.step()
            average(averaged, detector, step)
            sums += parts.detach()
        yield averaged, (sums / steps_of_epoch).tolist()


def measured(detector: Detector, validation: list[scenes.Scene]) -> AveragePrecision:
    """How good it is on scenes."""
    found = []
    with torch.inference_mode():
        for scene in validation:
            images, _ = batch([_decoded(scene)])
            found.append(detect([head.numpy() for head in detector(images)]))
    return average_precision(generate.labels(validation), found)


def _decoded(scene: scenes.Scene) -> Sample:
    return Sample(scenes.decoded(scene.jpeg), scene.boxes, scene.classes)


def drawn(split: str, count: int) -> list[scenes.Scene]:
    """The first scenes of a split."""
    with multiprocessing.get_context("spawn").Pool(CORES) as pool:
        return pool.starmap(generate.scene, [(split, index) for index in range(count)], chunksize=50)


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description="train the detector of shapes")
    parser.add_argument("--output", type=Path, default=FOLDER / "shapes.onnx", help="the ONNX file to write")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"without it {EPOCHS}")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"images of an epoch, without it {IMAGES}")
    arguments = parser.parse_args()
    if arguments.epochs < 1 or arguments.images < BATCH:
        print(f"train: at least 1 epoch and {BATCH} images", file=sys.stderr)
        return 2
    if not arguments.output.parent.is_dir():
        print(f"train: {arguments.output.parent}: no such folder", file=sys.stderr)
        return 2
    began = time.monotonic()
    random.seed(SEED)
    torch.manual_seed(SEED)
    # With two, the layers being small, each waits for the other: twice the work in the same time.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    print(f"drawing {arguments.images} + {VALIDATION_IMAGES} images", flush=True)
    samples = [_decoded(scene) for scene in drawn("training", arguments.images)]
    validation = drawn("validation", VALIDATION_IMAGES)
    print(f"{time.monotonic() - began:.0f} s", flush=True)
    started = time.monotonic()
    detector = None
    for epoch, (detector, losses) in enumerate(training(samples, arguments.epochs), 1):
        box, classes, distribution = losses
        line = f"epoch {epoch:2}/{arguments.epochs}  losses: box {box:.3f}, class {classes:.3f}"
        line += f", distribution {distribution:.3f}"
        if epoch % _MEASURED_EVERY == 0 or epoch == arguments.epochs:
            precision = measured(detector, validation)
            line += f"  mAP50 {precision.at_50:.4f}  mAP50-95 {precision.at_50_to_95:.4f}"
        left = (time.monotonic() - started) / epoch * (arguments.epochs - epoch)
        print(f"{line}  {left / 60:.1f} min left", flush=True)
    assert detector is not None  # noqa: S101  # for the type checker: there is an epoch
    export(detector, scenes.SIZE, arguments.output)
    times = os.times()
    cpu = times.user + times.system + times.children_user + times.children_system
    wall = time.monotonic() - began
    size = arguments.output.stat().st_size
    print(f"{arguments.output}: {size} bytes, {wall / 60:.1f} min, CPU {cpu / 60:.1f} min")
    return 0


if __name__ == "__main__":
    sys.exit(main())
