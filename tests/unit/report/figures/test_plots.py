from __future__ import annotations

from reports import model, variant

from cvimake.report.data import Breakdown, Curve, Series, Threshold
from cvimake.report.figures import plots
from cvimake.report.variant_data import Layer, Mixture, Search


def figures(number: int) -> list[str]:
    """One figure of each kind; another number gives other names, values, counts and limits."""
    layers = [f"layer {place}" for place in range(5 + 90 * number)]
    names = ("float", *(f"v{place}" for place in range(1 + number)))
    parts = tuple(f"class {place}" for place in range(2 + 3 * number))
    shown = Breakdown(
        metric="top1", of="class", parts=parts, counts=(),
        series=tuple(Series(name=name, values=tuple(0.5 for _ in parts)) for name in names),
    )  # fmt: skip
    search = Search(
        ending="reached", expected_cos=0.9, int8_cos=0.8, mix_cos=0.9,
        losses=tuple(Layer(name=one, value=0.9 - k / 1e4) for k, one in enumerate(layers)),
    )  # fmt: skip
    tried = tuple(
        Mixture(float_layers=place + 1, last="a", cosine=0.8 + place / 50) for place in range(2 + number)
    )
    models = [
        model(f"m{place}", variants=(variant("int8", value=0.3 + 0.2 * number, size=300_000 * (place + 1)),))
        for place in range(1 + number)
    ]
    return [
        plots.of_parts(shown, range(len(parts))),
        plots.curves([Curve(name=name, precision=tuple(1 - k / 200 for k in range(101))) for name in names]),
        plots.losses("mix", search, layers, layers[:2]),
        plots.mixtures("mix", search.model_copy(update={"mixtures": tried})),
        plots.clipping(
            [Threshold(layer=one, threshold=1.0, lowest=-1.0 - number, highest=1.0) for one in layers]
        ),
        plots.accuracy_against_size(models),
    ]


def test_a_figure_has_the_same_bytes_after_others_of_its_kind() -> None:
    first, second = figures(0), figures(1)
    assert not set(first) & set(second)
    assert figures(0) == first
    assert figures(1) == second
