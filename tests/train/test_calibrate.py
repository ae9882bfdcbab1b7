from __future__ import annotations

import numpy as np

from scmmgpt_tl.train import calibrate


def test_consistent_on_known_terms():
    truth = ["CL:0000084", "CL:0000236", "CL:0000084"]
    labels = ["CL:0000624", "CL:0000084", "CL:0000542", "CL:0000236"]
    expected = np.array([[1, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 0]], dtype=bool)
    np.testing.assert_array_equal(calibrate.consistent(truth, labels), expected)
