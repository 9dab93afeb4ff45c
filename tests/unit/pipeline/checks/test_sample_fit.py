from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.pipeline.checks.sample_fit import Purpose, Sample, Shape, faults

ONE: dict[str, Shape] = {"images": (1, 3, 8, 6)}
TWO: dict[str, Shape] = {"left": (1, 3, 8, 6), "right": (1, 5)}
TESTS = (Purpose.TRANSFORM, Purpose.DEPLOY)
SAMPLES = (Purpose.CALIBRATE, Purpose.SEARCH)
OF_ALL_INPUTS = (*TESTS, *SAMPLES)
Arrays = dict[str, Shape]


def told(inputs: dict[str, Shape], purpose: Purpose, *files: tuple[str, Arrays]) -> list[str]:
    paths = tuple(Path(name) for name, _ in files)
    return list(faults(Sample(purpose, paths), {Path(name): arrays for name, arrays in files}, inputs))


def npy(*shape: int) -> tuple[str, Arrays]:
    return f"{'x'.join(map(str, shape))}.npy", {"": shape}


def npz(**arrays: Shape) -> tuple[str, Arrays]:
    return "a.npz", arrays


@pytest.mark.parametrize("purpose", Purpose)
def test_fitting_samples_are_accepted_for_all_tools(purpose: Purpose) -> None:
    assert not told(ONE, purpose, npy(1, 3, 8, 6))
    assert not told(ONE, purpose, npz(images=(1, 3, 8, 6)))
    assert not told(ONE, purpose, ("a.jpg", {}))
    if purpose is not Purpose.MEASURE:
        assert not told(TWO, purpose, npy(1, 3, 8, 6), npy(1, 5))
        assert not told(TWO, purpose, npz(right=(1, 5), left=(1, 3, 8, 6)))
    assert not told({"images": (1, 3, 0, 0)}, purpose, npy(1, 3, 8, 6))


def test_the_accuracy_of_a_network_with_two_inputs_is_not_measured() -> None:
    (what,) = told(TWO, Purpose.MEASURE, ("a.jpg", {}))
    assert what.startswith(
        "the network has 2 inputs (left, right), but accuracy is measured of networks with one"
    )


# Shapes


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("array", [npy(1, 3, 8, 7), npz(images=(1, 3, 8, 7))])
def test_a_sample_of_another_shape_is_reported(array: tuple[str, Arrays], purpose: Purpose) -> None:
    (what,) = told(ONE, purpose, array)
    assert "has the shape [1, 3, 8, 7], but the network's input images has [1, 3, 8, 6]" in what
    assert what.startswith(array[0])


@pytest.mark.parametrize("purpose", Purpose)
def test_channels_that_stand_last_are_told_as_such(purpose: Purpose) -> None:
    (what,) = told(ONE, purpose, npy(1, 8, 6, 3))
    assert what.endswith(
        "its channels are the last axis, numpy.transpose(array, (0, 3, 1, 2)) puts them first"
    )


def test_an_array_without_a_batch_is_a_sample_and_no_test_input() -> None:
    for purpose in SAMPLES:
        assert not told(ONE, purpose, npy(3, 8, 6))
    for purpose in TESTS:
        (what,) = told(ONE, purpose, npy(3, 8, 6))
        assert what.endswith("it has no axis for the batch, array[None] adds it")


def test_one_sample_of_a_batch_is_repeated_except_an_npy_test_input() -> None:
    four: dict[str, Shape] = {"images": (4, 3, 8, 6)}
    for purpose in SAMPLES:
        assert not told(four, purpose, npy(1, 3, 8, 6))
    for purpose in TESTS:
        assert not told(four, purpose, npz(images=(1, 3, 8, 6)))
        assert told(four, purpose, npy(1, 3, 8, 6))


def test_a_number_is_no_image() -> None:
    for purpose in Purpose:
        assert told(ONE, purpose, npy())
        assert told(ONE, purpose, npz(images=()))


# Names


@pytest.mark.parametrize("purpose", OF_ALL_INPUTS)
def test_an_input_that_an_npz_lacks_is_told_with_what_it_holds(purpose: Purpose) -> None:
    (what,) = told(TWO, purpose, npz(left=(1, 3, 8, 6), rihgt=(1, 5)))
    assert what == (
        "a.npz: holds no array 'right', which is an input of the network; it holds left, rihgt; "
        "did you mean rihgt?"
    )


def test_the_only_array_may_be_called_anything_but_in_a_search() -> None:
    for purpose in Purpose:
        assert bool(told(ONE, purpose, npz(other=(1, 3, 8, 6)))) is (purpose is Purpose.SEARCH)


def test_surplus_arrays_are_refused_for_calibration_alone() -> None:
    for purpose in Purpose:
        found = told(ONE, purpose, npz(images=(1, 3, 8, 6), more=(1, 2)))
        assert bool(found) is (purpose is Purpose.CALIBRATE)
    assert "holds 2 arrays (images, more), but the network has one input: images" in str(
        told(ONE, Purpose.CALIBRATE, npz(images=(1, 3, 8, 6), more=(1, 2)))
    )


# Numbers of files


@pytest.mark.parametrize("purpose", OF_ALL_INPUTS)
def test_samples_have_one_npy_for_each_input(purpose: Purpose) -> None:
    (what,) = told(TWO, purpose, npy(1, 3, 8, 6))
    assert (
        "1 file, but the network has 2 inputs (left, right): give one file for each, or one npz with all"
        in what
    )


def test_fewer_images_than_inputs_are_enough_for_the_transform_alone() -> None:
    for purpose in Purpose:
        assert bool(told(TWO, purpose, ("a.jpg", {}))) is (purpose is not Purpose.TRANSFORM)
