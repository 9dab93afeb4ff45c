from __future__ import annotations

import numpy as np
import pytest
from decoders.outputs import Output, UndecodableError


def test_an_output_of_several_batches_has_numbers_but_cannot_be_decoded() -> None:
    output = Output(np.array([0, 1, 2], np.int8), scale=0.5, zero_point=1)
    assert output.shape == (3, 1, 1, 1)
    assert output.numbers().ravel().tolist() == [-0.5, 0.0, 0.5]
    with pytest.raises(UndecodableError, match="a batch of 1 is needed"):
        output.floats()


def test_an_output_has_four_axes_at_most() -> None:
    with pytest.raises(UndecodableError, match="one to four axes"):
        Output(np.zeros((1, 2, 3, 4, 5), np.float32))
