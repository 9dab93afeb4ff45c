"""The training's loss: which cells answer for which shape, and how wrong their answers are.

Task-aligned assignment (Feng et al., TOOD, 2021) with the constants of YOLOv8; binary cross entropy on the
classes, complete IoU (Zheng et al., 2020) and distribution focal loss (Li et al., 2020) on the boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from network import BINS, SIDES, STRIDES
from torch import Tensor
from torch.nn import functional

# How many cells answer for a shape at most, and how score and overlap count when they are chosen.
_CELLS_OF_A_SHAPE = 10
_SCORE_POWER, _OVERLAP_POWER = 0.5, 6.0
BOX_WEIGHT, CLASS_WEIGHT, DISTRIBUTION_WEIGHT = 7.5, 0.5, 1.5
_TINY = 1e-9


@dataclass(frozen=True)
class Truth:
    """What a batch shows, filled up to the same number of shapes.

    Attributes:
        boxes: `[n,m,4]`: left, top, right, bottom in pixels.
        classes: `[n,m]`, indices.
        present: `[n,m]`, whether there is such a shape at all.
    """

    boxes: Tensor
    classes: Tensor
    present: Tensor


@dataclass(frozen=True)
class _Answers:
    """The heads' answers in one row for each cell of each grid.

    Attributes:
        distributions: `[n,cells,4,16]`, logits.
        classes: `[n,cells,classes]`, logits.
        boxes: `[n,cells,4]` in pixels.
        middles: `[cells,2]`, the cells' middles in pixels.
        strides: `[cells,1]`.
    """

    distributions: Tensor
    classes: Tensor
    boxes: Tensor
    middles: Tensor
    strides: Tensor


def loss(heads: Sequence[Tensor], truth: Truth) -> tuple[Tensor, Tensor, Tensor]:
    """The three weighted parts: box, class, distribution; to be added."""
    answers = _answers(heads)
    with torch.no_grad():
        shapes, wanted = _assigned(answers, truth)
    total = wanted.sum().clamp(min=1.0)
    classes = functional.binary_cross_entropy_with_logits(answers.classes, wanted, reduction="sum") / total
    # Only the cells that answer for a shape have something to say about its box.
    image, cell = torch.nonzero(wanted.sum(-1), as_tuple=True)
    weights = wanted[image, cell].sum(-1)
    boxes = truth.boxes[image, shapes[image, cell]]
    overlap = complete_iou(answers.boxes[image, cell], boxes)
    middles, strides = answers.middles[cell], answers.strides[cell]
    distances = torch.cat([middles - boxes[:, :2], boxes[:, 2:] - middles], 1) / strides
    distribution = _distribution_loss(answers.distributions[image, cell], distances)
    return (
        BOX_WEIGHT * ((1 - overlap) * weights).sum() / total,
        CLASS_WEIGHT * classes,
        DISTRIBUTION_WEIGHT * (distribution * weights).sum() / total,
    )


def complete_iou(one: Tensor, other: Tensor) -> Tensor:
    """Overlap of boxes `[...,4]`, less by how far apart and differently shaped they are."""
    shared = (
        (torch.minimum(one[..., 2:], other[..., 2:]) - torch.maximum(one[..., :2], other[..., :2]))
        .clamp(min=0)
        .prod(-1)
    )
    size, other_size = one[..., 2:] - one[..., :2], other[..., 2:] - other[..., :2]
    iou = shared / (size.prod(-1) + other_size.prod(-1) - shared + _TINY)
    around = torch.maximum(one[..., 2:], other[..., 2:]) - torch.minimum(one[..., :2], other[..., :2])
    apart = (one[..., :2] + one[..., 2:] - other[..., :2] - other[..., 2:]).square().sum(-1) / 4
    angle, other_angle = (torch.atan2(wide, high) for wide, high in (size.unbind(-1), other_size.unbind(-1)))
    proportions = 4 / torch.pi**2 * (angle - other_angle).square()
    with torch.no_grad():
        trade = proportions / (1 - iou + proportions + _TINY)
    return iou - apart / (around.square().sum(-1) + _TINY) - trade * proportions


def _answers(heads: Sequence[Tensor]) -> _Answers:
    distributions, classes, middles, strides = [], [], [], []
    for stride, box, logits in zip(STRIDES, heads[::2], heads[1::2], strict=True):
        count, _, height, width = box.shape
        distributions.append(box.permute(0, 2, 3, 1).reshape(count, -1, SIDES, BINS))
        classes.append(logits.permute(0, 2, 3, 1).reshape(count, height * width, -1))
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        middles.append((torch.stack([columns, rows], -1).reshape(-1, 2) + 0.5) * stride)
        strides.append(torch.full((height * width, 1), float(stride)))
    distribution, middle, size = torch.cat(distributions, 1), torch.cat(middles), torch.cat(strides)
    distances = distribution.softmax(-1) @ torch.arange(BINS, dtype=torch.float32) * size
    boxes = torch.cat([middle - distances[..., :2], middle + distances[..., 2:]], -1)
    return _Answers(distribution, torch.cat(classes, 1), boxes, middle, size)


def _assigned(answers: _Answers, truth: Truth) -> tuple[Tensor, Tensor]:
    """Which shape each cell answers for `[n,cells]`, and what it should score `[n,cells,classes]`.

    A cell that answers for none should give zeros.
    """
    from_corner = answers.middles - truth.boxes[:, :, None, :2]
    to_corner = truth.boxes[:, :, None, 2:] - answers.middles
    inside = torch.cat([from_corner, to_corner], -1).amin(-1) > _TINY
    possible = inside & truth.present[..., None]
    overlap = complete_iou(truth.boxes[:, :, None], answers.boxes[:, None]).clamp(min=0) * possible
    cells = answers.classes.shape[1]
    scores = answers.classes.sigmoid().transpose(1, 2)
    scores = scores.gather(1, truth.classes[..., None].expand(-1, -1, cells))
    alignment = scores.pow(_SCORE_POWER) * overlap.pow(_OVERLAP_POWER) * possible
    best, where = alignment.topk(_CELLS_OF_A_SHAPE, -1)
    chosen = torch.zeros_like(possible).scatter(-1, where, best > 0) & possible
    # A cell that several shapes have chosen answers for the one that it overlaps most.
    shapes = torch.where(chosen, overlap, -1.0).argmax(1)
    chosen &= functional.one_hot(shapes, truth.boxes.shape[1]).transpose(1, 2).bool()
    alignment, overlap = alignment * chosen, overlap * chosen
    # The best cell of a shape should score as high as its box is good, the others in proportion.
    scale = overlap.amax(-1, keepdim=True) / (alignment.amax(-1, keepdim=True) + _TINY)
    score = (alignment * scale).amax(1)
    classes = truth.classes.gather(1, shapes)
    return shapes, functional.one_hot(classes, answers.classes.shape[2]) * score[..., None]


def _distribution_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Cross entropy `[n]`: of the bins `[n,4,16]` the two next to each distance `[n,4]` should be likely."""
    distances = distances.clamp(0, BINS - 1 - 0.01)
    low = distances.floor().long()
    high_weight = distances - low
    logarithms = logits.log_softmax(-1)
    near_low, near_high = (logarithms.gather(-1, bins[..., None])[..., 0] for bins in (low, low + 1))
    return -(near_low * (1 - high_weight) + near_high * high_weight).mean(-1)
