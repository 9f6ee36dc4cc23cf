"""What the networks in PyTorch and the ONNX graphs built of their weights share."""

SLOPE = 0.2  # of the leaky rectifiers (Radford et al. 2016)
GAIN = 2**0.5  # keeps the variance over a leaky rectifier (He et al. 2015)
NORM_EPSILON = 1e-5

CELLS = 16  # a layout has 16 x 16 cells
LAYOUT_PX = 64  # the side at which the layout GAN looks at a sketch
CELL_PX = LAYOUT_PX // CELLS  # of a cell's side there, folded into channels
# Row t: which taps of a 3x3 kernel meet the same pixel, along one side, once pixels are doubled.
DOUBLE = ((1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 1.0), (0.0, 0.0, 1.0))
BLUR = (0.25, 0.5, 0.25)
PRODUCT_FROM = 0.1  # share of a cell from which on it holds product
SMALLEST_SHARE = 1e-3  # of a cell, that its colour is divided by
KNOWN_FROM = 0.05  # share of a cell under colour strokes from which on its colour is known
