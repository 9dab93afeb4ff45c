"""Rewrites operators that resample, change types or choose, if their older forms can do the same."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from .network import Site
from .refusal import refused


def resize_19(site: Site) -> None:
    """Write `half_pixel_symmetric` of Resize as `half_pixel`: they are equal if sizes need no rounding."""
    if site.attribute("coordinate_transformation_mode") != "half_pixel_symmetric":
        site.changed()
        return
    if not site.input(3):
        shape, scales = site.network.shape(site.input(0)), site.value(2)
        even = shape and scales is not None and all(
            size is not None and float(size * scale).is_integer()
            for size, scale in zip(shape[-len(scales) :], scales, strict=True)
        )  # fmt: skip
        if not even:
            raise refused(
                site.node, "half_pixel_symmetric with sizes that do not come out even has no older form"
            )
    site.changed(coordinate_transformation_mode="half_pixel")


def resize_18(site: Site) -> None:
    """Write Resize without `axes`: the older form has a scale or a size for each axis."""
    if site.attribute("antialias", 0):
        raise refused(site.node, "antialias has no older form")
    policy = site.attribute("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch" and site.input(3):
        raise refused(site.node, f"keep_aspect_ratio_policy {policy!r} has no older form")
    drop = ["antialias", "keep_aspect_ratio_policy", "axes"]
    chosen = site.attribute("axes")
    if chosen is None:
        site.changed(drop=drop)
        return
    shape = site.shape(0)
    axes = site.axes(chosen, len(shape))
    inputs = [*site.node.input, "", "", ""][:4]
    if site.input(1):
        region = site.value(1)
        if region is None:
            raise refused(site.node, "its region is computed, and has axes")
        whole = np.concatenate([np.zeros(len(shape)), np.ones(len(shape))])
        for number, bound in enumerate(region):
            whole[axes[number % len(axes)] + (len(shape) if number >= len(axes) else 0)] = bound
        inputs[1] = site.constant(whole.astype(np.float32), "roi")
    if site.input(3):
        sizes = _spread(shape, axes, site.fixed(3, "sizes with axes"), site)
        inputs[3] = site.constant(np.array(sizes, np.int64), "sizes")
    else:
        value = site.value(2)
        if value is None:
            raise refused(site.node, "its scales are computed, and have axes")
        scales = np.ones(len(shape), np.float32)
        scales[axes] = value
        inputs[2] = site.constant(scales, "scales")
    site.changed(inputs=inputs, drop=drop)


def resize_13(site: Site) -> None:
    """Write inputs of Resize that are left out as empty tensors."""
    inputs = [*site.node.input, "", "", ""][:4]
    for number in (1, 2):
        inputs[number] = inputs[number] or site.constant(np.zeros(0, np.float32), "empty")
    site.changed(inputs=inputs)


def _spread(shape: list[int | None], axes: list[int], sizes: list[int], site: Site) -> list[int]:
    """Return the size of every axis."""
    whole = list(shape)
    for axis, size in zip(axes, sizes, strict=True):
        whole[axis] = size
    if any(size is None for size in whole):
        raise refused(site.node, "it has sizes for some axes, and the others are not fixed")
    return [size or 0 for size in whole]


def grid_sample_20(site: Site) -> None:
    """Write GridSample in its older form: two modes have other names, and only four axes are allowed."""
    rank = len(site.shape(0))
    if rank != 4:  # noqa: PLR2004 - batch, channels, height, width
        raise refused(site.node, f"it has {rank} dimensions, and its older form four")
    mode = site.attribute("mode", "linear")
    site.changed(mode={"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode))


def scatter_18(site: Site) -> None:
    """Check that a scatter adds or multiplies: the older form can do nothing else."""
    reduction = site.attribute("reduction", "none")
    if reduction not in {"none", "add", "mul"}:
        raise refused(site.node, f"reduction {reduction!r} has no older form")
    site.changed()


def dft_20(site: Site) -> None:
    """Turn the axis of DFT into an attribute."""
    axis = site.fixed(2, "axis")[0] if site.input(2) else -2
    if axis < 0:
        axis += len(site.shape(0))
    site.changed(inputs=[site.input(0), site.input(1)], axis=axis)


def cast_like(site: Site) -> None:
    """Write CastLike as a Cast to the type of the other input: opset 14 and older have no CastLike."""
    site.add("Cast", site.input(0), output=site.output, to=site.element(1))


def saturate_19(site: Site) -> None:
    """Drop `saturate` of a cast: it only matters for 8-bit floats, which have no older form anyway."""
    site.changed(drop=["saturate"])


def quantize_output_21(site: Site) -> None:
    """Drop `output_dtype` if there is a zero point, whose type it repeats."""
    if site.attribute("block_size", 0):
        raise refused(site.node, "it quantises in blocks, which has no older form")
    wanted = site.attribute("output_dtype", 0)
    inputs = list(site.node.input)
    if wanted and site.node.op_type == "QuantizeLinear" and not site.input(2):
        if wanted not in {TensorProto.UINT8, TensorProto.INT8}:
            raise refused(site.node, f"{TensorProto.DataType.Name(wanted)} has no older form")
        scale = site.shape(1)
        if any(size is None for size in scale):
            raise refused(site.node, "the number of its scales is not fixed")
        kind = helper.tensor_dtype_to_np_dtype(wanted)
        inputs.append(site.constant(np.zeros([size or 0 for size in scale], kind), "zero_point"))
    site.changed(inputs=inputs, drop=["output_dtype", "block_size"])


def quantize_axis_13(site: Site) -> None:
    """Check that there is one scale for all channels, as the older form needs."""
    if site.shape(1):
        raise refused(site.node, "it has a scale for each channel, and the older form one for all")
    site.changed(drop=["axis"])


def roi_align_16(site: Site) -> None:
    """Check that RoiAlign shifts nothing by half a pixel, as the older form does not."""
    if site.attribute("coordinate_transformation_mode", "half_pixel") != "output_half_pixel":
        raise refused(site.node, 'coordinate_transformation_mode "half_pixel" has no older form')
    site.changed(drop=["coordinate_transformation_mode"])


def batch_normalization_14(site: Site) -> None:
    """Write BatchNormalization for inference, which has one output in all forms."""
    if site.attribute("training_mode", 0):
        raise refused(site.node, "it is in training mode: export the network for inference")
    site.changed(drop=["training_mode"])


def constant_12(site: Site) -> None:
    """Write the numbers of a Constant as a tensor: the older form has only that."""
    for key, kind in (
        ("value_float", "f4"),
        ("value_floats", "f4"),
        ("value_int", "i8"),
        ("value_ints", "i8"),
    ):
        value = site.attribute(key)
        if value is not None:
            tensor = helper.make_tensor(
                "", TensorProto.FLOAT if kind == "f4" else TensorProto.INT64, np.shape(value), np.ravel(value)
            )
            site.changed(drop=[key], value=tensor)
            return
    site.changed()


def dropout_12(site: Site) -> None:
    """Write Dropout as an Identity: in inference it does nothing."""
    if site.input(2) and (site.value(2) is None or bool(site.value(2))):
        raise refused(site.node, "it is in training mode: export the network for inference")
    site.changed(inputs=[site.input(0)], drop=["seed"])


def or_equal_12(site: Site) -> None:
    """Write a comparison `or equal` as one of two comparisons."""
    strict = site.add("Greater" if site.node.op_type == "GreaterOrEqual" else "Less", *site.node.input)
    site.add("Or", strict, site.add("Equal", *site.node.input), output=site.output)
