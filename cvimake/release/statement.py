"""The exact shape of a provenance, to check one that a stranger wrote.

Source: in-toto's Statement v1 and SLSA's provenance v1, as far as `provenance.statement` fills them in.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

_MOST_SECONDS = 2**40
_FIRST_FAULTS = 5

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Sha256Digest(_Strict):
    sha256: Sha256


class _CommitDigest(_Strict):
    gitCommit: Commit  # noqa: N815 - as SLSA names it


class _Subject(_Strict):
    name: str
    digest: _Sha256Digest


class _Dependency(_Strict):
    name: str
    digest: _Sha256Digest | _CommitDigest


class _Definition(_Strict):
    model_config = ConfigDict(extra="allow")
    argv: list[str]


class _Action(_Strict):
    name: str
    image: str
    key: Sha256
    definition: _Definition
    inputs: dict[str, Sha256]
    folders: dict[str, dict[str, Sha256]]
    outputs: dict[str, Sha256]


class _External(_Strict):
    name: str
    version: str
    models: list[str]
    sourceDateEpoch: Annotated[int, Field(ge=0, le=_MOST_SECONDS)]  # noqa: N815 - as it is written
    allowed: list[str]


class _Internal(_Strict):
    dirty: bool
    notHeld: list[str]  # noqa: N815 - as it is written
    images: dict[str, dict[str, Any]]
    declared: dict[str, dict[str, Any]]
    # Releases of earlier versions have none.
    labels: list[str] = []
    actions: list[_Action]


class _BuildDefinition(_Strict):
    buildType: str  # noqa: N815 - as SLSA names it
    externalParameters: _External  # noqa: N815 - the same
    internalParameters: _Internal  # noqa: N815 - the same
    resolvedDependencies: list[_Dependency]  # noqa: N815 - the same


class _Version(_Strict):
    cvimake: str


class _Builder(_Strict):
    id: str
    version: _Version


class _RunDetails(_Strict):
    builder: _Builder


class _Predicate(_Strict):
    buildDefinition: _BuildDefinition  # noqa: N815 - as SLSA names it
    runDetails: _RunDetails  # noqa: N815 - the same


class _Statement(_Strict):
    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: list[_Subject]
    predicateType: Literal["https://slsa.dev/provenance/v1"]  # noqa: N815 - as in-toto names it
    predicate: _Predicate


def check(text: bytes) -> None:
    """Check that a text is a statement of this shape.

    Raises:
        ValueError: it is not. The error names the first fields that are missing, unknown or of another type.
    """
    try:
        _Statement.model_validate_json(text)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'the whole'}: {fault['msg']}" for fault in error.errors()
        ]
        raise ValueError("; ".join(faults[:_FIRST_FAULTS])) from error
