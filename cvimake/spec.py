"""What the user declares: models and their variants, read strictly from `models/NAME/model.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from cvimake import toml
from cvimake.errors import DeclarationError

# The stages that every model has; a variant cannot be called like one of them.
STAGES = frozenset({"transform", "toolchain"})
# What doit itself or cvimake understands as a command or task.
RESERVED_MODEL_NAMES = frozenset({
    "clean", "doctor", "dumpdb", "engine", "forget", "help", "ignore", "image", "info", "list", "reset-dep",
    "run", "strace", "tabcompletion", "test", "toolchain",
})  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

Processor = Literal["cv180x", "cv181x", "cv182x", "cv183x"]
PixelFormat = Literal["rgb", "bgr", "gray"]
Quantize = Literal["F16", "BF16", "INT8"]
CustomizationFormat = Literal["RGB_PACKED", "RGB_PLANAR", "BGR_PACKED", "BGR_PLANAR", "GRAYSCALE"]
Similarity = Annotated[float, Field(ge=-1.0, le=1.0)]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelInput(_Declared):
    """How the network's inputs look, and how an image becomes one.

    Attributes:
        shapes: one shape for each input, batch first.
        mean: one for each channel, subtracted from the pixel values 0..255.
        scale: one for each channel, multiplied after that.
        keep_aspect_ratio: pad an image to the input's shape instead of stretching it.
    """

    shapes: Annotated[list[Annotated[list[PositiveInt], Field(min_length=1)]], Field(min_length=1)]
    mean: list[float] | None = None
    scale: list[float] | None = None
    pixel_format: PixelFormat | None = None
    keep_aspect_ratio: bool = False


class ModelOutput(_Declared):
    """Which tensors the network ends in.

    Attributes:
        names: tensors of the source; empty for its own outputs.
    """

    names: list[str] = []


class Verify(_Declared):
    """What the transformed network and the variants are checked with.

    Attributes:
        input: an image, relative to the model's folder.
        tolerance: least cosine and Euclidean similarity of every layer after the transform, -1..1.
    """

    input: str
    tolerance: tuple[Similarity, Similarity] | None = None


class Variant(_Declared):
    """One cvimodel of a model.

    Attributes:
        tolerance: least cosine and Euclidean similarity of every layer to the float network, -1..1.
        fuse_preprocess: the camera's image goes in as it is; mean and scale become part of the network.
        customization_format: how that image lies in memory.
    """

    quantize: Quantize
    quant_input: bool = False
    quant_output: bool = False
    tolerance: tuple[Similarity, Similarity] | None = None
    fuse_preprocess: bool = False
    customization_format: CustomizationFormat | None = None


class Model(_Declared):
    """One `model.toml`.

    Attributes:
        source: the network's file, relative to the model's folder.
        variant: the cvimodels to make, by name.
    """

    description: str = ""
    source: str
    processor: Processor = "cv181x"
    input: ModelInput
    output: ModelOutput = ModelOutput()
    verify: Verify
    variant: Annotated[dict[str, Variant], Field(min_length=1)]

    @model_validator(mode="after")
    def _variant_names(self) -> Model:
        for name in self.variant:
            if not _NAME.fullmatch(name) or name in STAGES:
                raise ValueError(f"a variant cannot be called {name!r}: {_name_rule('stage', STAGES)}")
        return self


class DeclaredModel(_Declared):
    """A model with its name and the folder that its paths are relative to."""

    name: str
    folder: Path
    model: Model

    @property
    def source(self) -> Path:
        """Where the network's file lies."""
        return self.folder / self.model.source

    @property
    def test_input(self) -> Path:
        """Where the image for the checks lies."""
        return self.folder / self.model.verify.input


def read_models(folder: Path) -> tuple[DeclaredModel, ...]:
    """All models declared in a folder, one `NAME/model.toml` each, by name.

    Raises:
        DeclarationError: with every mistake of every file.
    """
    models, mistakes = [], []
    for path in sorted(folder.glob("*/model.toml")):
        try:
            models.append(_read_model(path))
        except DeclarationError as error:  # noqa: PERF203 - all files' mistakes are wanted
            mistakes.append(error.what)
    if mistakes:
        raise DeclarationError("\n".join(mistakes))
    return tuple(models)


def _read_model(path: Path) -> DeclaredModel:
    name = path.parent.name
    if not _NAME.fullmatch(name) or name in RESERVED_MODEL_NAMES:
        rule = _name_rule("command", RESERVED_MODEL_NAMES)
        raise DeclarationError(f"{path.parent}: a model cannot be called {name!r}: {rule}")
    values = toml.read(path)
    try:
        return DeclaredModel(name=name, folder=path.parent, model=Model.model_validate(values))
    except ValidationError as error:
        raise DeclarationError("\n".join(_explain(path, error))) from error


def _explain(path: Path, error: ValidationError) -> Iterable[str]:
    for mistake in error.errors():
        key = _key(mistake["loc"])
        message = "no such key" if mistake["type"] == "extra_forbidden" else mistake["msg"]
        yield f"{path}: {key}: {message}" if key else f"{path}: {message}"


def _key(location: Iterable[int | str]) -> str:
    """`variant.int8.tolerance[1]`, from the parts of a place in a file."""
    key = ""
    for part in location:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    return key


def _name_rule(taken_by: str, taken: frozenset[str]) -> str:
    return (
        "it takes letters, digits, '_', '.' and '-', begins with a letter or digit, "
        f"and is not the name of a {taken_by} ({', '.join(sorted(taken))})"
    )
