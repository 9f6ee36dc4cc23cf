"""Constants of the networks, shared by PyTorch and the ONNX graphs."""

SLOPE = 0.2  # of the leaky rectifiers (Radford et al. 2016)
GAIN = 2**0.5  # keeps the variance over a leaky rectifier (He et al. 2015)
NORM_EPSILON = 1e-5
DEVIATION = 0.02  # of initial weights (Isola et al. 2017, section 6.2)

LAYOUT_PX = 64  # side of a layout, and of the sketch as the layout GAN gets it
CELLS = 16  # the layout GAN draws 16 x 16 cells
CELL_PX = LAYOUT_PX // CELLS  # side of a cell there, folded into channels
# Row t: the taps of a 3x3 kernel, along one side, that fall on one input pixel if pixels are doubled.
DOUBLE = ((1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 1.0), (0.0, 0.0, 1.0))
BLUR = (0.25, 0.5, 0.25)
PRODUCT_FROM = 0.1  # a cell counts as product above this share of product
SMALLEST_SHARE = 1e-3  # least divisor of a colour
LINE_STOPS = 0.03  # a pixel of a layout is a line, which no region crosses, above this share of ink
REGION_STEPS = 10  # of `layouts.regions_of`: 9 were enough for each of 800 sketches
MOSTLY = 0.5  # a pixel of a layout is product above this share of product
PART_FROM = 0.25  # a region is a part of the product above this share of product, else it is ground
RIM_WEIGHT = 1e-2  # of pixels near lines in the colour of a region, against 1
EVEN_WIDTH, EVEN_STEPS = 0.15, 4  # of `layouts.evened`: a distance of colours, and updates
RARE_SHARE = 0.081  # of the cells of a product: the most of a rare colour (no k of 256 cells equals it)
NO_WEIGHT, LITTLE_WEIGHT = -1e4, -1e3  # logarithms; the second counts where all weights are as little
LINE_PX = 3  # how far colours of regions spread into lines, in pixels of a layout
WHOLE_FROM = 0.7  # a region is made product above this share of product, ground above that of ground
LITTLE_PRODUCT = 0.12  # most of the whole product in a region that reaches the border and is made ground
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (Rec. ITU-R BT.601)
NEARBY = 2  # how far from its place a colour of the layout limits answers, in pixels of a layout
CHROMA_MARGIN = 0.06  # of `composition.with_chroma_of`, in [-1, 1]
# Of `composition.without_glints`: a difference of luma in [-1, 1]; the share that stays of what is lighter
GLINT_MARGIN, GLINT_KEPT = 0.3, 0.2
ALPHA_GAIN, RIM_GAIN = 4.0, 1.5  # of alpha's logit: decides what is product; at the rim, keeps it soft
OUTLINE_BLUR, OUTLINE_GAIN = 1 / 160, 2.5  # of alpha: deviation of the blur, as a share of the side; contrast
OPENING_REACH = 3  # how far from the inside of an opening handles are not blurred, in pixels of a layout
SPREAD_PX, SPREAD_STEPS = 32, 8  # colour strokes spread at this side, by a pixel a step
KNOWN_FROM = 0.05  # a pixel there has a known colour above this share of colour strokes
INK_STOPS = 0.06  # and is a line, which they do not cross, above this share of ink
STROKED_FROM = 0.1  # a stroke colours a region above this share of known pixels
COVERED_FROM = 0.3  # a cell's colour is known above this share of such pixels
# Of `lighting`: shares of its patterns (down, right, rim) in answers, whose luma stays below LIGHTEST, and
# bends towards it from SHOULDER on. All in [-1, 1].
ANSWER_LIGHT, SHOULDER, LIGHTEST = (-0.12, -0.06, -0.3), 0.2, 0.7
RIM_REACH = 12  # how far from the outline the light of the rim reaches, in pixels of a layout
SMALLEST_VARIANCE = 1e-4  # added to that of a pattern
