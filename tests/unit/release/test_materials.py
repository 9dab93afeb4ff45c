from __future__ import annotations

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from cvimake.release.materials import bill

IDENTITY = {
    "python": "3.10.13",
    "packages": {
        "numpy": {"version": "1.24.3", "sha256": "ab" * 32},
        "torch": {"version": "2.0.1+cpu", "sha256": "cd" * 32},
    },
    "onnx_packages": {
        "numpy": {"version": "1.24.3", "sha256": "ab" * 32},
        "onnx": {"version": "1.22.0", "sha256": "01" * 32},
    },
    "system": {"libc6": "2.36-9+deb12u14", "libm.so.6": "ef" * 32},
}


def test_the_bill_of_materials_is_valid_by_the_official_schema() -> None:
    assert (
        JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill("toolchain", IDENTITY))) is None
    )


def test_the_validator_sees_what_is_wrong() -> None:
    wrong = {**bill("toolchain", IDENTITY), "components": [{"name": "without a type"}]}
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(wrong)) is not None


def test_the_bill_of_materials_names_every_package() -> None:
    listed = bill("toolchain", IDENTITY)["components"]
    components = {component["name"]: component for component in listed}
    assert set(components) == {"python", "numpy", "torch", "onnx", "libc6", "libm.so.6"}
    # In two environments, and so twice.
    assert len(listed) == len(components) + 1
    assert components["numpy"]["purl"] == "pkg:pypi/numpy@1.24.3"
    assert components["torch"]["purl"] == "pkg:pypi/torch@2.0.1%2Bcpu"
    assert components["numpy"]["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert components["libc6"]["version"] == "2.36-9+deb12u14"
    assert components["libm.so.6"]["hashes"][0]["content"] == "ef" * 32


def test_equal_toolchains_have_equal_bills_and_others_another_number() -> None:
    made = bill("toolchain", IDENTITY)
    assert made == bill("toolchain", json.loads(json.dumps(IDENTITY)))
    assert made["serialNumber"] != bill("toolchain", {**IDENTITY, "python": "3.10.14"})["serialNumber"]
