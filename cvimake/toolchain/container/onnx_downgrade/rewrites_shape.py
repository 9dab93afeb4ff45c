"""Rewrites operators that move, cut and reduce. Their older forms have attributes in the place of inputs."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from .network import Site
from .refusal import refused


def split_18(site: Site) -> None:
    """Turn `num_outputs` of Split into sizes; the last part is smaller if they cannot be equal."""
    count = site.attribute("num_outputs")
    if count is None:
        site.changed()
        return
    if site.input(1):
        raise refused(site.node, "it has both num_outputs and sizes")
    if count != len(site.node.output):
        raise refused(site.node, f"num_outputs is {count}, and it has {len(site.node.output)} outputs")
    shape = site.shape(0)
    (axis,) = site.axes([site.attribute("axis", 0)], len(shape))
    size = shape[axis]
    if size is None:
        raise refused(site.node, f"the size of axis {axis}, which is split in {count}, is not fixed")
    part = -(-size // count)
    sizes = [part] * (count - 1) + [size - part * (count - 1)]
    if sizes[-1] < 0:
        raise refused(site.node, f"{size} cannot be split in {count}")
    names = [site.input(0), site.constant(np.array(sizes, np.int64), "split")]
    site.changed(inputs=names, drop=["num_outputs"])


def split_13(site: Site) -> None:
    """Turn the sizes of Split into an attribute."""
    sizes = site.fixed(1, "sizes") if site.input(1) else None
    site.changed(inputs=[site.input(0)], split=sizes)


def reduce_axes(site: Site) -> None:
    """Turn the axes of a reduction into an attribute.

    Without axes, all are reduced, or none with `noop_with_empty_axes`.
    """
    axes = site.fixed(1, "axes") if site.input(1) else []
    if axes:
        # Before opset 13 some reductions take no negative axes; the rank is mostly known.
        shape = site.network.shape(site.input(0))
        axes = site.axes(axes, len(shape)) if shape is not None else axes
        site.changed(inputs=[site.input(0)], drop=["noop_with_empty_axes"], axes=axes)
    elif not site.attribute("noop_with_empty_axes", 0):
        site.changed(inputs=[site.input(0)], drop=["noop_with_empty_axes"])
    else:
        _elementwise(site)


def _elementwise(site: Site) -> None:
    """Write a reduction over no axis: only its function of each element is left."""
    operator, given = site.node.op_type, site.input(0)
    if operator in {"ReduceL1", "ReduceL2"}:
        site.add("Abs", given, output=site.output)
    elif operator == "ReduceLogSum":
        site.add("Log", given, output=site.output)
    elif operator == "ReduceSumSquare":
        site.add("Mul", given, given, output=site.output)
    else:
        site.add("Identity", given, output=site.output)


def reduce_bool_20(site: Site) -> None:
    """Write the maximum or minimum of truth values with numbers."""
    if site.network.element(site.input(0)) != TensorProto.BOOL:
        site.changed()
        return
    number = site.add("Cast", site.input(0), to=TensorProto.INT32)
    result = site.network.fresh(f"{site.output}/reduced")
    site.changed(inputs=[number, *site.node.input[1:]])
    site.nodes[-1].output[0] = result
    site.nodes[-1].name = f"{site.node.name or site.output}/reduced"
    site.add("Cast", result, output=site.output, to=TensorProto.BOOL)


def pad_19(site: Site) -> None:
    """Write the mode `wrap` of Pad by joining the parts."""
    if site.attribute("mode", "constant") != "wrap":
        site.changed()
        return
    shape = site.shape(0)
    pads = site.fixed(1, "pads")
    chosen = site.fixed(3, "axes") if site.input(3) else list(range(len(shape)))
    axes = site.axes(chosen, len(shape))
    given = site.input(0)
    for number, axis in enumerate(axes):
        before, after = pads[number], pads[number + len(axes)]
        size = shape[axis]
        if size is None or not 0 <= min(before, after) <= max(before, after) <= size:
            raise refused(
                site.node, f'mode "wrap" of axis {axis} is by more than its size, or that is not fixed'
            )
        parts = [given]
        if before:
            parts.insert(0, _sliced(site, given, size - before, size, axis))
        if after:
            parts.append(_sliced(site, given, 0, after, axis))
        given = site.add("Concat", *parts, axis=axis) if len(parts) > 1 else given
    site.add("Identity", given, output=site.output)


def _sliced(site: Site, given: str, start: int, end: int, axis: int) -> str:
    bounds = [site.constant(np.array([value], np.int64), "slice") for value in (start, end, axis)]
    return site.add("Slice", given, *bounds)


def pad_18(site: Site) -> None:
    """Write Pad without `axes`: the older form pads all axes, some of them by nothing."""
    if not site.input(3):
        site.changed()
        return
    rank = len(site.shape(0))
    axes, pads = site.axes(site.fixed(3, "axes"), rank), site.fixed(1, "pads")
    every = [0] * (2 * rank)
    for number, axis in enumerate(axes):
        every[axis], every[axis + rank] = pads[number], pads[number + len(axes)]
    site.changed(inputs=[site.input(0), site.constant(np.array(every, np.int64), "pads"), site.input(2)])


def shape_15(site: Site) -> None:
    """Write `start` and `end` of Shape by cutting a piece out of the whole shape."""
    start, end = site.attribute("start", 0), site.attribute("end")
    if start == 0 and end is None:
        site.changed(drop=["start", "end"])
        return
    whole = site.add("Shape", site.input(0))
    last = np.iinfo(np.int64).max if end is None else end
    bounds = [site.constant(np.array([value], np.int64), "slice") for value in (start, last, 0)]
    site.add("Slice", whole, *bounds, output=site.output)


def reshape_14(site: Site) -> None:
    """Write Reshape without `allowzero`: in the older form, 0 keeps the size that is there."""
    if site.attribute("allowzero", 0) and 0 in site.fixed(1, "sizes with allowzero = 1"):
        raise refused(site.node, "allowzero = 1 with a size of 0 has no older form")
    site.changed(drop=["allowzero"])


def squeeze_13(site: Site) -> None:
    """Turn the axes of Squeeze and Unsqueeze into an attribute."""
    axes = site.fixed(1, "axes") if site.input(1) else None
    site.changed(inputs=[site.input(0)], axes=axes)


def trilu_14(site: Site) -> None:
    """Write Trilu with a fixed mask that cuts the triangle out."""
    shape = site.shape(0)
    rows, columns = shape[-2:]
    if rows is None or columns is None:
        raise refused(site.node, "the size of the matrix is not fixed")
    (shift,) = site.fixed(1, "diagonals") if site.input(1) else (0,)
    whole = np.ones((rows, columns), bool)
    mask = np.triu(whole, shift) if site.attribute("upper", 1) else np.tril(whole, shift)
    site.add("Where", site.constant(mask, "mask"), site.input(0), site.scalar(0), output=site.output)
