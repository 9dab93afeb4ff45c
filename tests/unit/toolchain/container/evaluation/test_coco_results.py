from __future__ import annotations

import json

import numpy as np
from decoders.outputs import Detections, Labels

from cvimake.toolchain.container.evaluation import coco_results

NAN = float("nan")


def test_the_classes_of_a_damaged_network_are_left_out_of_the_file() -> None:
    found = coco_results.of_image(Labels(np.array([0.5, NAN], np.float32), np.array([1, 0])), 3)
    assert len(found) == 2
    assert json.loads(coco_results.text(found)) == [{"category_id": 1, "image_id": 3, "score": 0.5}]


def test_a_pose_with_a_keypoint_that_is_nowhere_is_left_out_of_the_file() -> None:
    poses = Detections(
        np.array([[0, 0, 4, 4]] * 2, np.float32),
        np.array([0.9, 0.8], np.float32),
        np.array([0, 0]),
        keypoints=np.array([[[1, 1, 1]], [[NAN, 1, 1]]], np.float32),
    )
    (kept,) = json.loads(coco_results.text(coco_results.of_image(poses, 0)))
    assert (kept["score"], kept["keypoints"]) == (0.9, [1.0, 1.0, 1.0])
