"""Scores of a run on validation pairs, by which the best weights are chosen.

The same scores on training pairs show overfitting.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pix2pix.evaluate.features import FeatureNetworks
from pix2pix.evaluate.figures import measure
from pix2pix.evaluate.inputs import edges
from pix2pix.images.matte import estimate_foreground
from pix2pix.inference.engines.on_torch import TorchEngine
from pix2pix.inference.translator import Translator
from pix2pix.model.bundle import Header
from pix2pix.model.composition import on_white
from pix2pix.model.networks import Model
from pix2pix.model.patch_discriminator import PatchDiscriminator
from pix2pix.pairs import Pair, evenly, load_mask, load_pair, load_tensors, to_tensors
from pix2pix.training.config import TrainConfig
from pix2pix.training.report.samples import generate

BATCH_SIZE = 8
COMPARED = 8  # sketches whose generated photos are compared


class Scorer:
    """Scores the weights of a run, on the same pairs each time."""

    def __init__(
        self,
        config: TrainConfig,
        train: list[Pair],
        val: list[Pair],
        device: torch.device,
        notify: Callable[[str], None],
    ) -> None:
        """Uses `config.score_pairs` of the pairs of each list, evenly spaced."""
        self.config, self.device, self.notify = config, device, notify
        self._train, self._val = (evenly(pairs, config.score_pairs) for pairs in (train, val))
        self._networks = FeatureNetworks(device)

    def score(self, model: Model, header: Header, discriminator: PatchDiscriminator) -> dict[str, float]:
        """Returns figures by name.

        NAME                config.best_metric on validation pairs; lower is better
        NAME_train          the same on training pairs, not augmented
        p_train, p_val      mean probability that the discriminator on pixels gives to real training and
                            validation photos, 0..1
        p_made              the same for photos generated for the validation sketches
        spread, across      mean absolute difference, pixels in [-1, 1], between the photos of two latents for
                            one sketch (models with a latent), and between those of two sketches

        A metric that cannot be measured is left out, with a message.
        """
        name = self.config.best_metric
        engine = TorchEngine(copy.deepcopy(model), self.device)  # it changes the model
        translator = Translator(header.title, engine, header)
        figures = self._metric(name, self._val, translator)
        if figures:
            on_train = self._metric(name, self._train, translator)
            figures |= {f"{name}_train": value for value in on_train.values()}
        sketches, photos = self._load(self._val)
        first, second = (self._generate(model, sketches, seed) for seed in (1, 2))
        if header.discriminator:
            figures["p_train"] = self._probability(discriminator, *self._load(self._train))
            figures["p_val"] = self._probability(discriminator, sketches, photos)
            figures["p_made"] = self._probability(discriminator, sketches, first)
        if self.config.model.latent_size:
            figures["spread"] = _difference(first, second)
        figures["across"] = _difference(first[:COMPARED], first[:COMPARED].roll(1, dims=0))
        return figures

    def _load(self, pairs: list[Pair]) -> tuple[Tensor, Tensor]:
        """Returns sketches, and photos as the discriminator gets them in training."""
        size_px = self.config.size_px
        if not self.config.two_stage:
            return load_tensors(pairs, size_px)
        sketches, photos = zip(*(load_pair(pair, size_px) for pair in pairs), strict=True)
        masks = map(load_mask, pairs, sketches, photos)
        foregrounds, alphas = zip(*map(estimate_foreground, photos, masks), strict=True)
        sketch, foreground = to_tensors(sketches, foregrounds)
        return sketch, on_white(foreground, torch.from_numpy(np.stack(alphas)[:, None]) / 255)

    def _metric(self, name: str, pairs: list[Pair], translator: Translator) -> dict[str, float]:
        for figure in measure(translator, [edges(pairs)], self._networks, [name]):
            if figure.photos == "made":
                if figure.estimate:
                    return {name: figure.estimate.value}
                self.notify(f"{name} cannot be measured, so no best bundle is kept: {figure.reason}")
        return {}

    def _generate(self, model: Model, sketches: Tensor, seed: int) -> Tensor:
        return torch.cat([generate(model, batch, seed) for batch in torch.split(sketches, BATCH_SIZE)])

    @torch.no_grad()
    def _probability(self, discriminator: PatchDiscriminator, sketches: Tensor, photos: Tensor) -> float:
        """Returns the mean probability that the discriminator gives to photos."""
        found: list[float] = []
        batches = (torch.split(x, BATCH_SIZE) for x in (sketches, photos))
        for sketch, photo in zip(*batches, strict=True):
            inputs = sketch.to(self.device), photo.to(self.device)
            maps = discriminator.probabilities(*inputs, self.config.model.seen_px)
            found += maps.mean(dim=(1, 2, 3)).tolist()
        return sum(found) / len(found)


def _difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().mean())
