"""What the networks in PyTorch and the ONNX graphs built of their weights share."""

SLOPE = 0.2  # of the leaky rectifiers (Radford et al. 2016)
NORM_EPSILON = 1e-5

CELLS = 16  # a layout has 16 x 16 cells
LAYOUT_PX = 64  # the side at which the layout GAN looks at a sketch
# Row t: which taps of a 3x3 kernel meet the same pixel, along one side, once pixels are doubled.
DOUBLE = ((1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 1.0), (0.0, 0.0, 1.0))
BLUR = (0.25, 0.5, 0.25)
KNOWN_FROM = 0.05  # share of a cell under colour strokes from which on its colour is known

DISCRIMINATOR_PX = 128  # the side at which the pixel discriminator looks at a photo

# Colours of the realism map.
MADE, REAL = (0.86, 0.2, 0.15), (0.15, 0.4, 0.9)  # red, blue
OPACITY = 0.6  # where the discriminator is sure
LOST = 1  # patches on each side, to the two last convolutions of a PatchGAN
