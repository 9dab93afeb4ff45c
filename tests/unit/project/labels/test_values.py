from __future__ import annotations

import json

from cvimake.project.labels import Annotation, LabelledImage, Labels, Runs

KEYPOINTS = (1.0, 2.0, 2.0, 0.0, 0.0, 0.0)


def test_the_written_form_is_coco_with_fixed_order_and_ids() -> None:
    labels = Labels(
        images=(LabelledImage("b/\N{SNOWMAN}.png", 4, 3), LabelledImage("a.png", 4, 3)),
        classes=("cat",),
        annotations=(
            Annotation(
                1,
                0,
                (0.0, 1.0, 2.0, 3.0),
                6.0,
                crowd=True,
                keypoints=(1.0, 2.0, 2.0, 0.0, 0.0, 0.0),
                outline=Runs((0, 12), 4, 3),
            ),
            Annotation(0, 0, (0.1, 1.0, 2.0, 3.0), 6.0, outline=((1.0, 2.0, 3.0, 4.0, 5.0, 6.0),)),
            Annotation(0, 0),
        ),
        notes=("a note",),
    )
    assert labels.coco().decode() == (
        '{"annotations":['
        '{"area":6.0,"bbox":[0.0,1.0,2.0,3.0],"category_id":0,"id":1,"image_id":1,"iscrowd":1,'
        '"keypoints":[1.0,2.0,2.0,0.0,0.0,0.0],"num_keypoints":1,'
        '"segmentation":{"counts":[0,12],"size":[3,4]}},'
        '{"area":6.0,"bbox":[0.1,1.0,2.0,3.0],"category_id":0,"id":2,"image_id":0,"iscrowd":0,'
        '"segmentation":[[1.0,2.0,3.0,4.0,5.0,6.0]]},'
        '{"category_id":0,"id":3,"image_id":0,"iscrowd":0}],'
        '"categories":[{"id":0,"name":"cat"}],'
        '"images":[{"file_name":"b/\\u2603.png","height":3,"id":0,"width":4},'
        '{"file_name":"a.png","height":3,"id":1,"width":4}]}\n'
    )
    assert json.loads(labels.coco())["images"][0]["file_name"] == "b/\N{SNOWMAN}.png"
