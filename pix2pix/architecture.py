"""What the networks in PyTorch (`networks`) and the graphs built of their weights (`graph`) share."""

import numpy as np
from numpy.typing import NDArray

SLOPE = 0.2  # of the leaky rectifiers (Radford et al. 2016)
NORM_EPSILON = 1e-5
ROUGHNESS_SPREAD = 4.0  # from 0 to 1, as G is told it: so that it weighs as much as a number of z
ENCODER_PX = 128  # at which E looks at a photo
# Row t: which of a 3x3 kernel's taps, along one side, meet the same pixel once pixels are doubled.
TAPS = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))

# What D makes of a photo, patch by patch, in colours.
MADE, REAL = (0.86, 0.2, 0.15), (0.15, 0.4, 0.9)  # red, blue
OPACITY = 0.6  # where D is sure
LOST = 1  # patches on each side, to the two last convolutions of a PatchGAN


def fixed_noise(side_px: int) -> NDArray[np.float32]:
    """Standard normal, (side, side): always the same, so that a picture is. Where texture begins.

    NumPy promises that this generator's numbers stay what they are.
    """
    return np.random.RandomState(side_px).standard_normal((side_px, side_px)).astype(np.float32)
