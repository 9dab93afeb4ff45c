"""The values of a report about one cvimodel."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from cvimake.camera.recognition import Recognition
from cvimake.pipeline.accuracy import Figure
from cvimake.pipeline.cvimodel_info import Comparison, Output
from cvimake.toolchain.cvimodel import Section, Tensor, Weight


class Value(BaseModel):
    """A value of a report."""

    model_config = ConfigDict(frozen=True)


class File(Value):
    """A file that figures come from.

    Attributes:
        label: what it holds, in words.
        path: relative to the project.
    """

    label: str
    path: str


class Layer(Value):
    """A figure of one layer."""

    name: str
    value: float


class Mixture(Value):
    """A mixture of layers that a search has tried.

    Attributes:
        float_layers: how many layers were float.
        last: the layer that was added last; the layers that follow it were added with it.
        cosine: of the network's outputs; None if it was not finite.
    """

    float_layers: int
    last: str
    cosine: float | None


class Search(Value):
    """The search for the layers that stay float.

    Attributes:
        ending: `reached`, `int8_suffices` or `gave_up`.
        int8_cos: the cosine of the network's outputs with all layers in INT8; None if it is not known.
        mix_cos: the same with the layers that it chose.
        losses: the cosine of a layer's own output in INT8, for each layer that was tried, in the order of the
            network.
        mixtures: in the order in which they were tried; empty if the search did not tell them.
    """

    ending: str
    expected_cos: float
    int8_cos: float | None
    mix_cos: float | None
    losses: tuple[Layer, ...]
    mixtures: tuple[Mixture, ...] = ()


class OutputSimilarity(Value):
    """The similarity of an output to that of the float network, over some images or all."""

    name: str
    cosine: float | None
    signal_to_noise: float | None
    worst_image: str
    images: int


class Accuracy(Value):
    """The accuracy of a cvimodel, beside the float network's.

    Attributes:
        figure: as the field measures it; None if there is no figure.
        camera: as the camera shows it; None if the camera shows nothing, `camera_reason` says why.
        drop: how much less than the float network; None if that is not known.
        outputs: how similar each output is to the float network's.
    """

    images: int
    figure: Figure | None
    camera: Figure | None
    camera_reason: str
    agreement: Figure | None
    drop: float | None
    camera_drop: float | None
    outputs: tuple[OutputSimilarity, ...]


class Input(Value):
    """A file that a stage has read, with its sha256."""

    path: str
    sha256: str


class Making(Value):
    """How a cvimodel was made, by its last run on record.

    Attributes:
        command: the tool's command line.
        key: the key of the action; empty if it can no longer be computed.
        ended: when, as `YYYY-MM-DD HH:MM`, in the time of this machine.
        toolchain: the version and the fingerprint.
    """

    command: tuple[str, ...]
    inputs: tuple[Input, ...]
    key: str
    toolchain: str
    ended: str
    seconds: float


class Trouble(Value):
    """The failure of a stage, or a reason why something is not built."""

    cause: str
    remedy: str = ""
    link: str = ""


class LayerTime(Value):
    """The time of one layer on the TPU, as a part of the whole (from 0 to 1)."""

    name: str
    operation: str
    part: float


class Contents(Value):
    """The contents of a cvimodel.

    Attributes:
        weights: the largest ones.
        weight_count: of all weights.
        layer_times: the slowest layers, by the estimate.
        read: bytes that the TPU reads from the memory in one inference.
    """

    size: int
    ion_memory: float
    processor: str
    compiler: str
    time: str
    milliseconds: float | None
    similarity: tuple[Comparison, ...]
    recognition: Recognition
    inputs: tuple[Tensor, ...]
    outputs: tuple[Output, ...]
    sections: tuple[Section, ...]
    weights: tuple[Weight, ...]
    weight_count: int
    layer_times: tuple[LayerTime, ...]
    read: int
    written: int


class Variant(Value):
    """One cvimodel.

    Attributes:
        state: what a build would do with it, in the words of `plan`; `up to date` if nothing.
        reasons: why it is not up to date.
        contents: None if it is not built.
        accuracy: None if exactly this cvimodel was not measured.
        float_layers: the layers that stay float; None if it has no qtable.
        files: where its figures come from.
    """

    name: str
    stage: str
    quantize: str
    file: str
    state: str
    reasons: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    contents: Contents | None = None
    accuracy: Accuracy | None = None
    float_layers: tuple[str, ...] | None = None
    search: Search | None = None
    making: Making | None = None
    files: tuple[File, ...] = ()

    @property
    def figure(self) -> Figure | None:
        """Its accuracy, or without labels its agreement with the float network."""
        return self.accuracy.figure or self.accuracy.agreement if self.accuracy else None

    @property
    def works(self) -> str:
        """How it does on the camera, in words; empty if it is not built."""
        return self.contents.recognition.in_words if self.contents else ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything that one should know before one ships it."""
        recognition = self.contents.recognition if self.contents else None
        of_camera = (recognition.trouble, *recognition.warnings) if recognition else ()
        found = (*(one.cause for one in self.troubles), *of_camera, self.loss)
        return tuple(text for text in found if text)

    @property
    def loss(self) -> str:
        """A sentence if it finds less than half of what the float network finds; else empty."""
        value = self.figure.value if self.figure else None
        if self.accuracy is None or value is None:
            return ""
        whole = 1.0 if self.accuracy.drop is None else value + self.accuracy.drop
        finds = "it finds less than half of what the float network finds"
        return f"{finds}: {value:.3f} of {whole:.3f}" if value < whole / 2 else ""
