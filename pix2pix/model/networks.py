"""The networks of a bundle: one interface for both architectures.

    model = build_model(config)
    photo, alpha = model(sketch, z, strokes=strokes)

A picture is the same alone and in any batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix.model.composition import compose
from pix2pix.model.config import DiscriminatorConfig, ModelConfig
from pix2pix.model.constants import CELLS, LAYOUT_PX
from pix2pix.model.layers import per_answer
from pix2pix.model.layout_gan import LayoutEncoder, LayoutGenerator
from pix2pix.model.layouts import (
    cells_of,
    coloured_by,
    complete,
    known_cells,
    known_colours,
    regions_of,
    with_gaps_closed,
)
from pix2pix.model.lighting import lit_as_answer
from pix2pix.model.paper import PaperGenerator
from pix2pix.model.patch_discriminator import PatchDiscriminator
from pix2pix.model.picture_gan import PictureGenerator


class TwoStage(nn.Module):
    """Noise and sketch -> layout; layout and sketch -> picture."""

    def __init__(self, config: ModelConfig, discriminator: DiscriminatorConfig | None = None) -> None:
        """Draws weights from torch's global generator: seed it first."""
        super().__init__()
        self.config = config
        self.layout = LayoutGenerator(config.latent_size, widths=config.layout_widths)
        self.encoder = LayoutEncoder(config.latent_size, config.layout_widths[0])
        self.picture = PictureGenerator(config)
        self.discriminator = PatchDiscriminator(discriminator) if discriminator else None

    def forward(
        self, sketch: Tensor, z: Tensor, sketch_of: Tensor | None = None, strokes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Sketches (M, 1, S, S) in [-1, 1], z (N, Z) -> photos (N, 3, S, S) in [-1, 1], alpha (N, 1, S, S).

        `sketch_of` (N,) is the index of each answer's sketch; without it M is N. Photos are on white. Colour
        strokes (M, 4, S/2, S/2) are colour times mask, and mask.
        """
        ink = (1 - sketch) / 2
        if strokes is None:
            strokes = ink.new_zeros(len(ink), 4, *(side // 2 for side in ink.shape[2:]))
        regions = regions_of(ink)
        layout = lit_as_answer(self.draw_layout(ink, regions, strokes, z, sketch_of))
        # Strokes colour the layout alone: where the picture GAN gets them, they look painted on the product.
        rgba = self.picture(ink, layout, sketch_of)
        return compose(rgba, layout, per_answer(with_gaps_closed(regions), sketch_of))

    def draw_layout(
        self, ink: Tensor, regions: Tensor, strokes: Tensor, z: Tensor, sketch_of: Tensor | None = None
    ) -> Tensor:
        """Returns the layout (N, 4, 64, 64) for ink (M, 1, S, S) in 0..1 and its regions (M, 64 * 64).

        Otherwise as `forward`.
        """
        small, nothing = F.adaptive_avg_pool2d(ink, LAYOUT_PX), ink.new_zeros(len(ink), 4, CELLS, CELLS)
        known = known_colours(strokes, ink)
        # Which cells hold product depends on the sketch alone. Drawn with the answer's latent, light products
        # get holes: white parts of a photo count as ground.
        mask = self.layout(small, nothing, z.new_zeros(len(ink), z.shape[1]))[:, 3:]
        cells = known_cells(known) * (mask > 0)
        colour = self.layout(small, cells, z, sketch_of)[:, :3]
        mask, known, regions = (per_answer(x, sketch_of) for x in (mask, known, regions))
        return complete(colour.float(), mask.float(), known, regions)

    def encode(self, photo: Tensor, mask: Tensor) -> Tensor:
        """Returns the z (N, Z) of photos (N, 3, S, S) in [-1, 1] with masks (N, 1, S, S) in 0..1."""
        mean, _ = self.encoder(cells_of(coloured_by(photo, mask)))
        return torch.as_tensor(mean)


class Paper(nn.Module):
    """The architecture of Isola et al. 2017: one answer to a sketch, without alpha."""

    def __init__(self, config: ModelConfig, discriminator: DiscriminatorConfig | None = None) -> None:
        """As `TwoStage`."""
        super().__init__()
        self.config = config
        self.generator = PaperGenerator(config)
        self.discriminator = PatchDiscriminator(discriminator) if discriminator else None

    def forward(
        self, sketch: Tensor, z: Tensor, sketch_of: Tensor | None = None, strokes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As `TwoStage.forward`; z is (N, 0), strokes are ignored and alpha is 1."""
        photo = per_answer(self.generator(sketch), sketch_of)
        return photo, torch.ones_like(photo[:, :1])


Model = TwoStage | Paper


def build_model(config: ModelConfig, discriminator: DiscriminatorConfig | None = None) -> Model:
    """Builds the networks of a bundle, with the discriminator on pixels if it is given.

    Draws weights from torch's global generator: seed it first.
    """
    kind = TwoStage if config.architecture == "two-stage" else Paper
    return kind(config, discriminator)
