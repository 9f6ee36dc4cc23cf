"""What a run is judged by on its way: the figure that tells the best weights, and both players on val.

The same on pairs that they train on tells what they only know by heart.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from pix2pix.evaluate.figures import measure
from pix2pix.evaluate.inputs import edges
from pix2pix.evaluate.judges import Judges
from pix2pix.inference.engines.on_torch import TorchEngine
from pix2pix.inference.translator import Translator
from pix2pix.model.bundle import Header
from pix2pix.model.networks import Model
from pix2pix.model.patch_discriminator import PatchDiscriminator
from pix2pix.pairs import Pair, load_pair, to_tensors
from pix2pix.training.config import TrainConfig
from pix2pix.training.report.samples import answer

CHUNK = 8  # pictures at a time
ANSWERED = 8  # sketches whose answers are compared


class Scorer:
    """Scores finished weights of a run, on the same validation pairs each time."""

    def __init__(
        self,
        config: TrainConfig,
        train: list[Pair],
        val: list[Pair],
        device: torch.device,
        notify: Callable[[str], None],
    ) -> None:
        """Takes `config.score_pairs` of each, from all over the lists."""
        self.config, self.device, self.notify = config, device, notify
        self._train, self._val = (_spread(pairs, config.score_pairs) for pairs in (train, val))
        self._judges = Judges(device)

    def score(self, model: Model, header: Header, discriminator: PatchDiscriminator) -> dict[str, float]:
        """The metric by its name, lower is better; D's mean probabilities; how far answers are apart.

        The metric is left out, with a message that says why, where it cannot be measured.

        NAME_train          the metric on training pairs, as they lie in the folder
        p_train, p_val      of real training and validation photos, 0..1; absent without an adversary
        p_made              of the photos made for the validation sketches
        spread, across      mean absolute difference, pixels in [-1, 1], of two answers to one sketch (models
                            with z), and of answers to two sketches
        """
        name = self.config.best_metric
        engine = TorchEngine(copy.deepcopy(model), self.device)  # takes its model over
        translator = Translator(header.title, engine, header)
        figures = self._metric(name, self._val, translator)
        if figures:
            known = self._metric(name, self._train, translator)
            figures |= {f"{name}_train": value for value in known.values()}
        sketches, photos = _tensors(self._val, self.config.size_px)
        made = [self._answers(model, sketches, seed) for seed in (1, 2)]
        if header.discriminator:
            figures["p_train"] = self._chance(discriminator, *_tensors(self._train, self.config.size_px))
            figures["p_val"] = self._chance(discriminator, sketches, photos)
            figures["p_made"] = self._chance(discriminator, sketches, made[0])
        if self.config.model.latent_size:
            figures["spread"] = _apart(made[0], made[1])
        figures["across"] = _apart(made[0][:ANSWERED], made[0][:ANSWERED].roll(1, dims=0))
        return figures

    def _metric(self, name: str, pairs: list[Pair], translator: Translator) -> dict[str, float]:
        for figure in measure(translator, [edges(pairs)], self._judges, [name]):
            if figure.photos == "made":
                if figure.estimate:
                    return {name: figure.estimate.value}
                self.notify(f"{name} cannot be measured, so that no best weights are kept: {figure.reason}")
        return {}

    def _answers(self, model: Model, sketches: Tensor, seed: int) -> Tensor:
        return torch.cat([answer(model, some, seed) for some in torch.split(sketches, CHUNK)])

    @torch.no_grad()
    def _chance(self, discriminator: PatchDiscriminator, sketches: Tensor, photos: Tensor) -> float:
        chances: list[float] = []
        for some, photo in zip(torch.split(sketches, CHUNK), torch.split(photos, CHUNK), strict=True):
            sides = some.to(self.device), photo.to(self.device)
            seen = discriminator.probabilities(*sides, self.config.model.seen_px)
            chances += seen.mean(dim=(1, 2, 3)).tolist()
        return sum(chances) / len(chances)


def _spread(pairs: list[Pair], most: int) -> list[Pair]:
    """At most so many, evenly from a list."""
    return pairs[:: max(1, len(pairs) // most)][:most]


def _tensors(pairs: list[Pair], size_px: int) -> tuple[Tensor, Tensor]:
    sketches, photos = zip(*(load_pair(pair, size_px) for pair in pairs), strict=True)
    return to_tensors(list(sketches), list(photos))


def _apart(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().mean())
