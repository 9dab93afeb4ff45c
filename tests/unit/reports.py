"""Reports as values, and what is on their pages."""

from __future__ import annotations

from html.parser import HTMLParser

from cvimake.camera.decoding import Works
from cvimake.camera.recognition import Recognition
from cvimake.pipeline.accuracy import Figure
from cvimake.pipeline.cvimodel_info import Comparison, Output
from cvimake.report.data import (
    Breakdown,
    Confusion,
    Curve,
    Curves,
    Model,
    Report,
    Series,
    Suggestion,
    Threshold,
)
from cvimake.report.variant_data import (
    Accuracy,
    Contents,
    File,
    Input,
    Layer,
    LayerTime,
    Making,
    Mixture,
    Search,
    Trouble,
    Variant,
)
from cvimake.toolchain.cvimodel import Section, Tensor, Weight

# Markup, a template, a formula, an escape of a terminal, and a change of the direction of writing.
HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}$\\frac{1}$\x1b[31m\u202ecod.&amp;"
)
SHAPE = (1, 3, 64, 64)


def contents(*, size: int = 300_000, works: Works = "yes", name: str = "a") -> Contents:
    reason = "" if works == "yes" else f"no kind of model has the outputs {name}"
    return Contents(
        size=size,
        ion_memory=1.5,
        processor="cv181x",
        compiler="v1.7",
        time="0.86 to 1.24 ms",
        milliseconds=1.4,
        similarity=(Comparison(target="x", cosine=0.99, euclidean=0.9, signal_to_noise=None),),
        recognition=Recognition(
            as_="YOLO11" if works == "yes" else "", type=None, works=works, reason=reason, warnings=(name,)
        ),
        inputs=(Tensor(name=name, shape=SHAPE, type="uint8", scale=1.0),),
        outputs=(Output(name=name, shape=SHAPE, type="fp32", scale=1.0, declared=name),),
        sections=(Section(type="weight", name=name, size=10, offset=0, md5="0"),),
        weights=(Weight(name=name, type="int8", shape=SHAPE, size=10, offset=0),),
        weight_count=1,
        layer_times=(LayerTime(name=name, operation="convolution", part=0.5),),
        read=10,
        written=10,
    )


def variant(  # noqa: PLR0913 - each test changes one of these
    name: str = "int8",
    *,
    value: float | None = 0.8,
    error: float = 0.01,
    size: int = 300_000,
    works: Works = "yes",
    state: str = "up to date",
    hostile: str = "layer",
) -> Variant:
    figure = None if value is None else Figure(metric="mAP50-95", value=value, standard_error=error)
    seen = Accuracy(
        images=50, figure=figure, camera=figure, camera_reason="", agreement=None, drop=0.01,
        camera_drop=0.01, outputs=(),
    )  # fmt: skip
    failed = Trouble(cause=f"{hostile}\n{hostile}", remedy=hostile, link=hostile)
    return Variant(
        name=name,
        stage=f"m:{name}",
        quantize="INT8",
        file=f"build/m/{hostile}.cvimodel",
        state=state,
        reasons=(hostile,) if state != "up to date" else (),
        troubles=(failed,) if state == "failed" else (),
        contents=contents(size=size, works=works, name=hostile),
        accuracy=seen if value is not None else None,
        float_layers=(hostile,),
        search=Search(
            ending="reached", expected_cos=0.99, int8_cos=0.9, mix_cos=0.99,
            losses=(Layer(name=hostile, value=0.95),),
            mixtures=(Mixture(float_layers=1, last=hostile, cosine=0.97),),
        ),
        making=Making(
            command=("tool", hostile), inputs=(Input(path=hostile, sha256="ab"),), key="cd",
            toolchain=hostile, ended="2024-01-01 00:00", seconds=1.0,
        ),
        files=(
            File(label="accuracy", path=f"build/m/{hostile}"),
            File(label="losses", path="build/m/losses.txt"),
        ),
    )  # fmt: skip


def model(name: str = "m", *, hostile: str = "layer", variants: tuple[Variant, ...] = ()) -> Model:
    found = variants or (variant(hostile=hostile),)
    return Model(
        name=name,
        description=hostile,
        declaration=f"models/{name}/model.toml",
        state="up to date",
        suggestion=Suggestion(variant=found[0].name, reason=hostile),
        metric="mAP50-95",
        images=50,
        of_float=Figure(metric="mAP50-95", value=0.81),
        variants=found,
        breakdowns=(
            Breakdown(
                metric="mAP50-95",
                of="class",
                parts=(hostile, "dog"),
                counts=(3, 4),
                series=(
                    Series(name="float", values=(0.9, 0.8)),
                    *(Series(name=one.name, values=(0.8, None)) for one in found),
                ),
            ),
        ),
        curves=Curves(
            of="boxes",
            truth="labels",
            networks=(Curve(name="float", precision=tuple(1 - place / 50 for place in range(51))),),
        ),
        confusions=(Confusion(of=hostile, taken_for=hostile, images={"float": 1, found[0].name: 3}),),
        notes=(hostile,),
        thresholds=tuple(
            Threshold(layer=layer, threshold=1.0, lowest=-2.0, highest=1.5)
            for layer in (hostile, "b", "c", "d")
        ),
        files=(File(label="declaration", path=f"models/{name}/model.toml"),),
    )


def report(*models: Model) -> Report:
    return Report(
        project="project", cvimake="1.0", commit="0" * 40, toolchain="tpu_mlir 1.7", pool=50, models=models
    )


class Page(HTMLParser):
    """The elements and texts of a page.

    Attributes:
        tags: the names of all elements.
        attributes: the names of all attributes.
        links: where links lead.
        text: all text.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        found = dict(attrs)
        if tag == "a":
            self.links.append(found["href"] or "")
        if "id" in found:
            self.ids.append(found["id"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data
