from __future__ import annotations

from types import SimpleNamespace

import onnx
import pytest
from small_networks import exported_bytes

from cvimake.toolchain.container import export_checkpoint


def metadata(made: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in made.metadata_props}


def test_what_differs_from_export_to_export_is_left_out_and_the_rest_stays() -> None:
    made = onnx.load_from_string(exported_bytes("yolo11n"))
    before = metadata(made)
    made.metadata_props.add(key="date", value="2026-11-29T22:00:00+00:00")
    assert "description" in metadata(made)
    export_checkpoint.without_changing_metadata(made)
    after = metadata(made)
    assert after == {key: value for key, value in before.items() if key not in {"date", "description"}}
    assert {"names", "task"} <= set(after)
    assert list(after) == sorted(after)


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({"imgsz": 320}, [320, 320]),
        ({"imgsz": [256, 320]}, [256, 320]),
        (SimpleNamespace(imgsz=96), [96, 96]),
        ({}, [640, 640]),
        (None, [640, 640]),
        ({"imgsz": "os.system"}, [640, 640]),
        ({"imgsz": 10**9}, [640, 640]),
        ({"imgsz": [1, 2, 3]}, [640, 640]),
        ({"imgsz": -1}, [640, 640]),
    ],
)
def test_the_size_of_the_training_is_taken_if_it_is_one(arguments: object, size: list[int]) -> None:
    network = SimpleNamespace(model=SimpleNamespace(args=arguments))
    assert export_checkpoint._trained_size(network) == size


def test_a_text_of_a_strangers_is_one_short_line_of_plain_characters() -> None:
    shown = export_checkpoint._printable('\x1b[31mred\n\nand "long" \u202e' + "x" * 1000)
    assert shown.startswith('\\u001b[31mred and "long" \\u202e')
    assert len(shown) < 400
    assert "\n" not in shown
