from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from releases import Shop

from cvimake.core import digest
from cvimake.release import provenance
from cvimake.release.contents import PROVENANCE


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    with pytest.MonkeyPatch.context() as monkeypatch:
        shop = Shop(tmp_path_factory.mktemp("project"), monkeypatch)
        shop.released()
        return shop


@pytest.fixture
def told(shop: Shop) -> dict[str, Any]:
    path = shop.root / "release" / "bench-1.0" / PROVENANCE
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def test_the_provenance_follows_in_toto_and_slsa(told: dict[str, Any]) -> None:
    """A field that they do not have, or a value of another type, is refused here."""
    Statement.copy_from_pb(json_format.ParseDict(told, statement_pb2.Statement())).validate()
    parsed = json_format.ParseDict(told["predicate"], provenance_pb2.Provenance())
    # Those that SLSA requires.
    assert parsed.build_definition.build_type
    assert parsed.build_definition.HasField("external_parameters")
    assert parsed.run_details.builder.id
    for descriptor in parsed.build_definition.resolved_dependencies:
        assert descriptor.digest


def test_the_provenance_names_every_source_and_the_commit(shop: Shop, told: dict[str, Any]) -> None:
    found = {
        item["name"]: item["digest"] for item in told["predicate"]["buildDefinition"]["resolvedDependencies"]
    }
    for name in (
        "dodo.py",
        "pyproject.toml",
        "datasets/samples/00.png",
        "datasets/samples/dataset.toml",
        "models/m0000/model.toml",
        "models/m0000/tiny.onnx",
    ):
        assert found[name] == {"sha256": digest.of_file(shop.root / name)}
    assert len(found["commit"]["gitCommit"]) == 40
    assert "cvimake/toolchain/container/run_tool.py" in found
    assert found["toolchain"] == {"sha256": digest.of_value(shop.identity)}


def test_the_provenance_contains_no_path_of_this_machine(shop: Shop, told: dict[str, Any]) -> None:
    text = json.dumps(told)
    assert str(shop.root) not in text
    assert str(Path(provenance.__file__).parents[2]) not in text
    assert not [part for part in shop.root.parts if len(part) > 8 and part in text]


def test_every_action_is_there_with_its_key_and_command(shop: Shop, told: dict[str, Any]) -> None:
    actions = {
        action["name"]: action
        for action in told["predicate"]["buildDefinition"]["internalParameters"]["actions"]
    }
    assert set(actions) == set(shop.ran)
    assert len({action["key"] for action in actions.values()}) == len(actions)
    mlir, int8 = actions["m0000:mlir"], actions["m0000:int8"]
    assert int8["inputs"]["m0000.mlir"] == mlir["outputs"]["m0000.mlir"]
    assert "--quantize=INT8" in int8["definition"]["argv"]
    assert "00.png" in actions["m0000:calibration"]["folders"]["/dataset"]


def test_an_action_in_the_frameworks_image_names_that_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path, monkeypatch)
    shop.take_tflite()
    shop.commit()
    text = (shop.released() / PROVENANCE).read_bytes()
    found = provenance.read(text)
    fingerprints = {
        "toolchain": digest.of_value(shop.identity),
        "frameworks": digest.of_value(shop.frameworks),
    }
    assert {name: found.sources[name] for name in fingerprints} == fingerprints
    assert found.images == {"toolchain": shop.identity, "frameworks": shop.frameworks}
    images = {action["name"]: action["image"] for action in found.internal["actions"]}
    assert {name for name, image in images.items() if image == "frameworks"} == {"m0000:mlir"}
    assert "models/m0000/tiny.tflite" in found.sources
    assert list(provenance.inconsistencies(found)) == []

    # Whatever is changed of it shows.
    found.images["frameworks"]["packages"]["torch"]["version"] = "2.0.2"
    key = "m0000:mlir: its key does not follow from its definition, image and inputs"
    listed = "the digest of the frameworks image does not follow from its listed contents"
    assert list(provenance.inconsistencies(found)) == [listed, key]
    del found.images["frameworks"]
    assert list(provenance.inconsistencies(found)) == [listed, key]
    found = provenance.read(text)
    for action in found.internal["actions"]:
        action["image"] = "toolchain"
    assert list(provenance.inconsistencies(found)) == [key]


def test_a_whole_one_has_no_inconsistencies(told: dict[str, Any]) -> None:
    assert list(provenance.inconsistencies(provenance.read(json.dumps(told).encode()))) == []


def test_an_input_that_nothing_made_so_is_one(told: dict[str, Any]) -> None:
    for action in told["predicate"]["buildDefinition"]["internalParameters"]["actions"]:
        if action["name"] == "m0000:mlir":
            action["outputs"]["m0000.mlir"] = "0" * 64
    found = list(provenance.inconsistencies(provenance.read(json.dumps(told).encode())))
    assert "m0000:int8: it read another m0000.mlir than the one that was made" in found


def test_a_source_that_no_action_read_is_one(told: dict[str, Any]) -> None:
    dependencies = told["predicate"]["buildDefinition"]["resolvedDependencies"]
    network = next(item for item in dependencies if item["name"] == "models/m0000/tiny.onnx")
    network["digest"]["sha256"] = "0" * 64
    dependencies.append({"name": "models/m0000/other.onnx", "digest": {"sha256": "1" * 64}})
    found = list(provenance.inconsistencies(provenance.read(json.dumps(told).encode())))
    for name in ("models/m0000/tiny.onnx", "models/m0000/other.onnx"):
        assert f"resolvedDependencies: no action has read {name} with this digest" in found
    actions = told["predicate"]["buildDefinition"]["internalParameters"]["actions"]
    (source,) = (
        name
        for action in actions
        if action["name"] == "m0000:onnx"
        for name in action["inputs"]
        if name.endswith("source.onnx")
    )
    assert f"m0000:onnx: its input {source} is no source, and no action made it" in found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("subject.0.digest.sha256", 5),
        ("subject.0.digest.sha256", "x" * 64),
        ("subject.0.digest", {"sha256": "0" * 64, "md5": "0"}),
        ("subject.0.name", ["a"]),
        ("predicate.buildDefinition.externalParameters.sourceDateEpoch", True),
        ("predicate.buildDefinition.externalParameters.sourceDateEpoch", 10**400),
        ("predicate.buildDefinition.externalParameters.sourceDateEpoch", -1),
        ("predicate.buildDefinition.externalParameters.models", "m0000"),
        ("predicate.buildDefinition.externalParameters.version", 1.0),
        ("predicate.buildDefinition.internalParameters.dirty", "false"),
        ("predicate.buildDefinition.internalParameters.dirty", 0),
        ("predicate.buildDefinition.internalParameters.images", []),
        ("predicate.buildDefinition.internalParameters.declared", {"m0000": None}),
        ("predicate.buildDefinition.internalParameters.actions.0.inputs", [["a", "0" * 64]]),
        ("predicate.buildDefinition.internalParameters.actions.0.definition.argv", "sh"),
        ("predicate.buildDefinition.resolvedDependencies.0.digest", {}),
        ("predicate.buildDefinition.resolvedDependencies.0.digest", {"gitCommit": "HEAD"}),
        ("predicate.runDetails.builder.version.cvimake", None),
        ("predicate.more", 1),
    ],
)
def test_a_value_of_another_type_is_refused_and_named(told: dict[str, Any], path: str, value: object) -> None:
    *above, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = told
    for part in above:
        place = place[part]
    place[last] = value
    with pytest.raises(ValueError, match=re.escape(path.rsplit(".", maxsplit=1)[-1])):
        provenance.read(json.dumps(told).encode())


def test_a_name_that_stands_twice_is_refused(told: dict[str, Any]) -> None:
    told["subject"].append(told["subject"][0])
    with pytest.raises(ValueError, match="2 times"):
        provenance.read(json.dumps(told).encode())


def test_a_table_of_the_users_own_is_released_under_the_cvimodels_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path, monkeypatch)
    (shop.root / "models" / "m0000" / "mine.txt").write_text("# layers\nconv F32\n", encoding="utf-8")
    shop.declare("qtable = { expected_cos = 0.9999, min_layer_cos = 0.9999 }", 'qtable = "mine.txt"')
    shop.commit()
    folder = shop.released()
    assert (
        (folder / "m0000" / "m0000_cv181x_mix_quantize_table.txt")
        .read_text(encoding="utf-8")
        .endswith("F32\n")
    )
    assert shop.doit("release:verify", str(folder)) == 0
    shutil.rmtree(folder)


def test_the_accuracy_of_a_release_is_what_its_stages_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path, monkeypatch)
    shop.measure()
    shop.commit()
    text = (shop.released() / PROVENANCE).read_bytes()
    found = provenance.read(text)
    assert list(provenance.inconsistencies(found)) == []
    # Programs of cvimake have one name, wherever cvimake is installed.
    assert "cvimake/camera/layouts.py" in found.sources
    assert str(Path(provenance.__file__).parents[2].name) + "/cvimake" not in text.decode()
    (subject,) = (each for each in found.value["subject"] if each["name"].endswith("float_accuracy.json"))
    subject["digest"]["sha256"] = "0" * 64
    assert list(provenance.inconsistencies(provenance.Provenance(found.value))) == [
        "m0000/m0000_float_accuracy.json: none of the actions made it"
    ]
