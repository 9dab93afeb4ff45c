"""The bill of materials of an image, in the format CycloneDX 1.6.

Source: https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from cvimake import __version__
from cvimake.core import digest

# A serial number is a uuid, made with this one from the fingerprint: equal for equal images.
_SERIALS = uuid.UUID("6f1d3a52-4d0e-5b4e-9f0a-3f6b1b6a7c11")
_SHA256_DIGITS = 64
# The two Python environments of an image: that of the toolchain, and the one that converts ONNX networks.
_ENVIRONMENTS = ("packages", "onnx_packages")


def bill(name: str, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the bill of materials as a JSON value, equal for equal images.

    Args:
        name: the name of the image.
        identity: its contents; see `toolchain/container/toolchain_identity.py`.
    """
    fingerprint = digest.of_value(identity)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SERIALS, fingerprint)}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "cvimake", "version": __version__}]},
            "component": {
                "type": "container",
                "bom-ref": name,
                "name": f"cvimake-{name}",
                "version": fingerprint,
            },
        },
        "components": list(_components(identity)),
    }


def _components(identity: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    python = str(identity["python"])
    yield {"type": "platform", "bom-ref": "python", "name": "python", "version": python}
    for environment in _ENVIRONMENTS:
        for name, package in sorted(identity.get(environment, {}).items()):
            purl = f"pkg:pypi/{name}@{package['version'].replace('+', '%2B')}"
            yield {
                "type": "library",
                # A package can be in both environments.
                "bom-ref": f"{environment}:{purl}",
                "name": name,
                "version": package["version"],
                "purl": purl,
                "hashes": [{"alg": "SHA-256", "content": package["sha256"]}],
            }
    for name, version in sorted(identity["system"].items()):
        # Without a package manager, the version of a library is the sha256 of its file.
        if len(version) == _SHA256_DIGITS:
            hashes = [{"alg": "SHA-256", "content": version}]
            yield {"type": "file", "bom-ref": f"file:{name}", "name": name, "hashes": hashes}
        else:
            yield {"type": "library", "bom-ref": f"system:{name}", "name": name, "version": version}
