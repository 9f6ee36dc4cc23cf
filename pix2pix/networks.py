"""The two players, U-Net generator G(sketch, z, roughness) and PatchGAN discriminator D(sketch, photo).

Beside G there may be a photo encoder E(photo) -> z, which learns with it: what G would have to be told.

A model that draws sketches is the same pair of players with the two sides exchanged.

Nothing in either depends on batch-mates: instance or spectral normalisation only, so that a picture is the
same alone and in any batch. G is fully convolutional: the resolution is the input's, not the weights'.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from pix2pix.architecture import ENCODER_PX, NORM_EPSILON, ROUGHNESS_SPREAD, SLOPE, TAPS, fixed_noise
from pix2pix.config import DiscriminatorConfig, ModelConfig

CHANNELS = {"sketch": 1, "photo": 3}
COARSEST_NOISE = 8  # stages of an eighth of the picture's size and finer get noise
DROPOUT_STAGES = 3  # of the decoder, from the innermost (Isola et al. 2017, section 6.1)


class InstanceNorm(nn.Module):
    """Instance norm (Ulyanov et al. 2016) as one multiply-add, which keeps channels_last storage.

    torch's own returns NCHW storage on the CPU, so that every convolution after it starts by reordering.
    """

    def __init__(self, channels: int) -> None:
        """A learned scale and shift a channel, at first 1 and 0."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, scale: Tensor | float = 1.0, shift: Tensor | float = 0.0) -> Tensor:
        """(N, C, H, W), normalised unless it is 1x1, then scaled and shifted by (N, C, 1, 1)."""
        gain = self.weight[:, None, None] * scale
        offset = self.bias[:, None, None] * scale + shift
        if x.shape[-1] > 1:
            variance, mean = torch.var_mean(x, dim=(2, 3), keepdim=True, correction=0)
            gain = gain * torch.rsqrt(variance + NORM_EPSILON)
            offset = offset - mean * gain
        return torch.addcmul(offset.to(x.dtype), x, gain.to(x.dtype))


class Modulate(nn.Module):
    """Instance norm whose scale and shift are functions of a condition (FiLM, Perez et al. 2018)."""

    def __init__(self, channels: int, condition_size: int) -> None:
        """`condition_size` 0 leaves a plain learned scale and shift."""
        super().__init__()
        self.norm = InstanceNorm(channels)
        self.film = nn.Linear(condition_size, 2 * channels) if condition_size else None

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(N, C, H, W), (N, K) -> (N, C, H, W)."""
        scale, shift = (
            (0.0, 0.0) if self.film is None else self.film(condition)[..., None, None].chunk(2, dim=1)
        )
        modulated: Tensor = self.norm(x, 1 + scale, shift)
        return modulated


class Down(nn.Module):
    """Halve the resolution: strided convolution, normalisation, leaky rectifier."""

    def __init__(self, c_in: int, c_out: int, *, norm: bool) -> None:
        """`norm` False for the outermost and the innermost stage, as in the paper."""
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 4, stride=2, padding=1)
        self.norm = InstanceNorm(c_out) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H/2, W/2)."""
        return F.leaky_relu(self.norm(self.conv(x)), SLOPE)


class ResizeConv(nn.Module):
    """Double x by nearest neighbour, append the skip, convolve 3x3: no checkerboard (Odena et al. 2016).

    Computed without enlarging anything: nearest neighbour and then a 3x3 kernel is a transposed convolution
    with that kernel's taps summed into a 4x4 one, at 16/36 of the multiplications. The result is the same.
    """

    taps: Tensor

    def __init__(self, c_in: int, c_skip: int, c_out: int) -> None:
        """The weight is that of the plain 3x3 convolution over (c_in + c_skip) channels."""
        super().__init__()
        self.c_in = c_in
        self.weight = nn.Parameter(torch.empty(c_out, c_in + c_skip, 3, 3))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.register_buffer("taps", torch.tensor(TAPS), persistent=False)

    def forward(self, x: Tensor, skip: Tensor, rows: Tensor | None = None) -> Tensor:
        """(N, C, H, W), (N, S, 2H, 2W) -> (N, C', 2H, 2W); `rows` as of `Generator.forward`."""
        return _enlarge_and_join(x, skip, rows, *self.kernels(), self.bias)

    def kernels(self) -> tuple[Tensor, Tensor]:
        """The summed kernel for x (C, C', 4, 4), and the plain one for the skip (C', S, 3, 3)."""
        of_x, of_skip = self.weight[:, : self.c_in], self.weight[:, self.c_in :]
        return torch.einsum("ti,oxij,uj->xotu", self.taps, of_x, self.taps), of_skip


class FoldedResizeConv(nn.Module):
    """What a ResizeConv computes, with its kernel summed once: for inference only."""

    summed: Tensor
    of_skip: Tensor
    bias: Tensor

    def __init__(self, source: ResizeConv) -> None:
        """Takes the weights as they are."""
        super().__init__()
        summed, of_skip = source.kernels()
        for name, value in (("summed", summed), ("of_skip", of_skip), ("bias", source.bias)):
            self.register_buffer(name, value.detach().contiguous())

    def forward(self, x: Tensor, skip: Tensor, rows: Tensor | None = None) -> Tensor:
        """As `ResizeConv.forward`."""
        return _enlarge_and_join(x, skip, rows, self.summed, self.of_skip, self.bias)


def _enlarge_and_join(
    x: Tensor, skip: Tensor, rows: Tensor | None, summed: Tensor, of_skip: Tensor, bias: Tensor
) -> Tensor:
    enlarged = F.conv_transpose2d(x, summed, bias, stride=2, padding=1)
    return enlarged + _spread(F.conv2d(skip, of_skip, padding=1), rows)


def _spread(x: Tensor, rows: Tensor | None) -> Tensor:
    """Of what was computed once a sketch (M, ...), what belongs to each z: (N, ...)."""
    return x if rows is None or len(x) == 1 else x[rows]


class Noise(nn.Module):
    """Add the same noise to every picture, each channel as much as it learns to want (Karras et al. 2019).

    Plain paper gives a generator nothing to make texture of but the distance to the next line.
    """

    noise: Tensor

    def __init__(self, channels: int, side_px: int) -> None:
        """Of pictures of that side; others get it tiled. At first nothing is added."""
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(channels))
        self.register_buffer("noise", torch.from_numpy(fixed_noise(side_px)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        (height, width), side = x.shape[2:], len(self.noise)
        tiles = self.noise.tile(-(-height // side), -(-width // side))[:height, :width]
        return x + (self.strength[:, None, None] * tiles).to(x.dtype)


class Detail(nn.Module):
    """What the head, one linear step, cannot draw: a layer, then 2x2 pixels of each (Shi et al. 2016)."""

    def __init__(self, c_in: int, c_out: int, config: ModelConfig) -> None:
        """At first it adds nothing."""
        super().__init__()
        self.conv = nn.Conv2d(c_in, config.detail_width, 3, padding=1)
        self.noise = Noise(config.detail_width, config.size_px // 2) if config.noise else nn.Identity()
        self.pixels = nn.Conv2d(config.detail_width, 4 * c_out, 3, padding=1)
        nn.init.kaiming_normal_(self.conv.weight, SLOPE)
        for nothing in (self.conv.bias, self.pixels.weight, self.pixels.bias):
            assert nothing is not None
            nn.init.zeros_(nothing)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> what to add to the head's, (N, C', 2H, 2W)."""
        drawn: Tensor = self.pixels(F.leaky_relu(self.noise(self.conv(x)), SLOPE))
        return F.pixel_shuffle(drawn, 2)


class Up(nn.Module):
    """Double the resolution, join the encoder's features of that size, modulate by z and roughness."""

    def __init__(
        self, c_in: int, c_skip: int, c_out: int, config: ModelConfig, *, side_px: int, dropout: float
    ) -> None:
        """The paper's transposed convolution, or the one that leaves no grid. `side_px` of what comes out."""
        super().__init__()
        self.conv: nn.Module
        self.light = config.architecture == "light"
        if self.light:
            self.conv = ResizeConv(c_in, c_skip, c_out)
        else:
            self.conv = nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1)
        noisy = config.noise and side_px * COARSEST_NOISE >= config.size_px
        self.noise = Noise(c_out, side_px) if noisy else nn.Identity()
        self.modulate = Modulate(c_out, config.latent_size + config.roughness)
        self.dropout = dropout

    def forward(self, x: Tensor, skip: Tensor, condition: Tensor, rows: Tensor | None = None) -> Tensor:
        """(N, C, H, W), (N, S, 2H, 2W), (N, K) -> (N, C', 2H, 2W), for the paper's with the skip appended.

        x and skip may have N = 1 where the condition has more: they are broadcast. `rows` as of
        `Generator.forward`: of skip.
        """
        if self.light:
            x = F.relu(self.modulate(self.noise(self.conv(x, skip, rows)), condition))
            return F.dropout(x, self.dropout, self.training)
        x = F.dropout(self.modulate(self.conv(x), condition), self.dropout, self.training)
        return F.relu(torch.cat([x, _spread(skip, rows).expand(len(x), -1, -1, -1)], dim=1))


class GuessRoughness(nn.Module):
    """How rough a hand drew the sketch, read off the encoder's features, which it does not change."""

    def __init__(self, widths: tuple[int, ...], hidden: int = 64) -> None:
        """`widths` as of the model: every stage is looked at."""
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(sum(widths), hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features (N, C, H, W) of every stage -> (N,) in [0, 1]."""
        pooled = torch.cat([x.detach().mean(dim=(2, 3)) for x in features], dim=1)
        roughness: Tensor = torch.sigmoid(self.layers(pooled)).squeeze(1)
        return roughness


class Generator(nn.Module):
    """U-Net (Ronneberger et al. 2015; Isola et al. 2017) from a sketch and a latent to a photo."""

    def __init__(self, config: ModelConfig) -> None:
        """Weights are drawn from torch's global generator: seed it first."""
        super().__init__()
        self.light = config.architecture == "light"
        made = CHANNELS[config.draws]
        given = sum(CHANNELS.values()) - made
        first = config.widths[0]
        self.stem = (
            nn.Conv2d(4 * given, first, 3, padding=1) if self.light else Down(given, first, norm=False)
        )
        inner = range(1 if self.light else 0, len(config.widths) - 2)  # outermost and innermost Down: no norm
        self.downs = nn.ModuleList(
            Down(a, b, norm=i in inner) for i, (a, b) in enumerate(pairwise(config.widths))
        )
        self.ups = nn.ModuleList()
        carried = config.widths[-1]
        for depth, skip in enumerate(reversed(config.widths[:-1])):
            dropout = config.dropout if depth < DROPOUT_STAGES else 0.0
            side_px = config.size_px >> (len(config.widths) - 1 - depth)
            self.ups.append(Up(carried, skip, skip, config, side_px=side_px, dropout=dropout))
            carried = skip if self.light else 2 * skip
        self.head: nn.Module
        if self.light:
            self.head = ResizeConv(carried, given, made)
        else:
            self.head = nn.ConvTranspose2d(carried, made, 4, stride=2, padding=1)
        self.guess = GuessRoughness(config.widths) if config.roughness else None
        self.apply(_initialise)
        # Last, so that all else begins as without it.
        self.detail = Detail(carried, made, config) if config.detail_width else None

    def forward(
        self, given: Tensor, z: Tensor, roughness: Tensor | None = None, rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """(N, C, H, W) in [-1, 1], paper +1, and (N, Z) -> (N, C', H, W) in [-1, 1], and a guess (N,).

        A model that draws photos is given sketches, C 1, and makes C' 3; one that draws sketches, 3 and 1.
        One sketch (1, C, H, W) may be given for N of z, or M sketches with `rows` (N,), the sketch of each z:
        what does not depend on z is computed once a sketch. The guess is (M,) then.
        `roughness` (N,) in [0, 1] is how rough a hand drew; where it is NaN or not given, the guess is taken.
        A model without roughness takes none and guesses None.
        """
        features = self.features(given)
        guessed = None if self.guess is None else self.guess(features)
        condition = z
        if guessed is not None:
            told = _spread(guessed, rows)
            if roughness is not None:
                told = torch.where(roughness.isnan(), told, roughness)
            told = ROUGHNESS_SPREAD * (told.detach() - 0.5)
            condition = torch.cat([z, told[:, None].expand(len(z), 1).to(z.dtype)], dim=1)
        x = _spread(features.pop(), rows)
        for up in self.ups:
            x = up(x, features.pop(), condition, rows)
        drawn = self.head(x, given, rows) if self.light else self.head(x)
        if self.detail is not None:
            drawn = drawn + self.detail(x)
        drawn = drawn.expand(len(z), -1, -1, -1)  # where nothing depends on z
        return torch.tanh(drawn.float()), guessed  # half precision rounds 0.998 to 1: no gradient is left

    def features(self, given: Tensor) -> list[Tensor]:
        """What the U-Net sees on its way down, at every stage from half the resolution on."""
        features = [self.stem(F.pixel_unshuffle(given, 2) if self.light else given)]
        for down in self.downs:
            features.append(down(features[-1]))
        return features


def fold_for_inference(generator: Generator) -> Generator:
    """Sum the kernels of every ResizeConv once, in place: the same pictures, sooner; no training after it."""
    for parent in (generator, *generator.ups):
        for name, child in parent.named_children():
            if isinstance(child, ResizeConv):
                setattr(parent, name, FoldedResizeConv(child))
    return generator.eval().requires_grad_(False)


class Encoder(nn.Module):
    """E(photo) -> z, as a normal distribution (Kingma & Welling 2014; Zhu et al. 2017): the look of a photo.

    No normalisation: it would take away the very colours that z is to hold.
    """

    def __init__(self, config: ModelConfig) -> None:
        """A stage of half the resolution for each of `encoder_widths`, of which there must be some."""
        super().__init__()
        widths = (CHANNELS["photo"], *config.encoder_widths)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths))
        self.head = nn.Linear(widths[-1], 2 * config.latent_size)

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [-1, 1], looked at in 128 px -> mean and log variance, (N, Z) each."""
        x = F.adaptive_avg_pool2d(photo, min(ENCODER_PX, photo.shape[-1]))
        for conv in self.convs:
            x = F.leaky_relu(conv(x), SLOPE)
        mean, log_variance = self.head(x.mean(dim=(2, 3))).float().chunk(2, dim=1)
        return mean, log_variance


class Model(nn.Module):
    """What a bundle holds: the generator, and the photo encoder and the discriminator where there are any."""

    def __init__(self, config: ModelConfig, discriminator: DiscriminatorConfig | None = None) -> None:
        """As `Generator`."""
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.encoder = Encoder(config) if config.encoder_widths else None
        self.discriminator = Discriminator(discriminator, config) if discriminator else None


class Discriminator(nn.Module):
    """One PatchGAN, or several that see the picture at half the size each (Wang et al. 2018, section 3.2).

    `close_up`, where there is one, is for windows of the picture at its full size, cut by whoever calls it.
    """

    def __init__(self, config: DiscriminatorConfig, model: ModelConfig) -> None:
        """Of answers by such a model."""
        super().__init__()
        self.scales = nn.ModuleList(
            PatchDiscriminator(config, roughness=model.roughness) for _ in range(config.scales)
        )
        self.close_up = PatchDiscriminator(config, roughness=model.roughness) if config.close_up else None

    def forward(self, given: Tensor, answer: Tensor, roughness: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """As of PatchDiscriminator: the logits of each scale, and the features of all."""
        logits, features = [], []
        for i, scale in enumerate(self.scales):
            if i:
                given, answer = F.avg_pool2d(given, 2), F.avg_pool2d(answer, 2)
            logit, seen = scale(given, answer, roughness)
            logits.append(logit)
            features += seen
        return logits, features

    @torch.no_grad()
    def follow_norms(self) -> None:
        """One power iteration of each spectral norm (Miyato et al. 2018, algorithm 1).

        In evaluation mode nothing else makes one: how often D looks between two moves changes nothing.
        """
        for module in self.modules():
            if is_parametrized(module, "weight"):
                module.train()
                module.weight  # noqa: B018 - computing it iterates
                module.eval()

    def probabilities(self, given: Tensor, answer: Tensor, roughness: Tensor, size_px: int) -> Tensor:
        """How likely the first scale takes each patch for real, at `size_px`: (N, 1, H', W') in 0..1.

        0.5 is where D changes its mind. What hinge loss trains is no calibrated probability.
        """
        given, answer = (F.adaptive_avg_pool2d(x, size_px) for x in (given, answer))
        logits: Tensor = self.scales[0](given, answer, roughness)[0]
        return torch.sigmoid(logits.float())


class PatchDiscriminator(nn.Module):
    """PatchGAN (Isola et al. 2017): is each patch of the answer likely for what was given?"""

    def __init__(self, config: DiscriminatorConfig, *, roughness: bool) -> None:
        """With `roughness` D is told it: how far a likely photo may be from the lines."""
        super().__init__()
        self.roughness = roughness
        channels = (sum(CHANNELS.values()) + roughness, *config.widths, 1)
        convs: list[nn.Module] = [
            nn.Conv2d(c_in, c_out, 4, stride, padding=1)
            for (c_in, c_out), stride in zip(pairwise(channels), config.strides, strict=True)
        ]
        for conv in convs:
            _initialise(conv)
        if config.norm == "spectral":
            convs = [nn.utils.parametrizations.spectral_norm(conv) for conv in convs]
        self.convs = nn.ModuleList(convs)
        inner = config.widths[1:] if config.norm == "instance" else []
        self.norms = nn.ModuleList(InstanceNorm(c) for c in inner)

    def forward(self, given: Tensor, answer: Tensor, roughness: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Both sides in [-1, 1], and (N,) -> logits (N, 1, H', W') and the features of every layer below."""
        told = [roughness[:, None, None, None].expand_as(given[:, :1])] if self.roughness else []
        x = torch.cat([given, answer, *told], dim=1)
        features = []
        for i, conv in enumerate(self.convs[:-1]):
            x = conv(x)
            if i > 0 and len(self.norms):
                x = self.norms[i - 1](x)
            x = F.leaky_relu(x, SLOPE)
            features.append(x)
        return self.convs[-1](x), features


def _initialise(module: nn.Module) -> None:
    """Normal weights of deviation 0.02 (Isola et al. 2017, section 6.2); FiLM starts as no modulation."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | ResizeConv):
        nn.init.normal_(module.weight, 0.0, 0.02)
        assert module.bias is not None
        nn.init.zeros_(module.bias)
    elif isinstance(module, Modulate) and module.film is not None:
        nn.init.normal_(module.film.weight, 0.0, 0.02)
        nn.init.zeros_(module.film.bias)
