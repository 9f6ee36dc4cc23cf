"""One-file weights for inference: a .safetensors file whose header says everything needed to use it.

    header = read_header(find_bundle("shoes"))     what it is, without reading weights and without torch
    generator, header = load_bundle(path)          ready to run
    encoder = load_encoder(path)                   photo -> z, where the model has one

Names are looked up in the given folder, then `PIX2PIX_MODELS`, `./models`, and the shipped bundles.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from safetensors import SafetensorError, safe_open

from pix2pix.config import STRICT, ModelConfig, from_json
from pix2pix.errors import BundleError, BundleNotFound, CorruptBundle, UsageError
from pix2pix.files import write_atomically

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pix2pix.networks import Encoder, Generator

    Network = TypeVar("Network", bound=nn.Module)

FORMAT = "pix2pix-bundle/1"
SHIPPED = Path(__file__).parent / "pretrained"
GENERATOR, ENCODER = "generator.", "encoder."  # prefixes of their tensors


@dataclass(frozen=True)
class Direction:
    """A way to walk in z, and what it does: found by `pix2pix.directions` at the end of training."""

    vector: tuple[float, ...]  # (Z,), of length 1
    attribute: str  # the one that changes most: see `pix2pix.directions.ATTRIBUTES`
    effect: float  # of one step along it, in deviations of that attribute among random answers
    share: float  # of all that z changes in the pictures, 0 to 1
    colours: tuple[str, ...] = ()  # #rrggbb of the subject two steps back and two on; older bundles say none


@dataclass(frozen=True)
class Header:
    """What a bundle says of itself."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    model: ModelConfig
    title: str
    preset: str
    steps: int
    images: int  # seen in training
    data: str  # which pairs, in words
    data_hash: str
    licence: str
    metrics: dict[str, float] = field(default_factory=dict)
    directions: tuple[Direction, ...] = ()


@dataclass(frozen=True)
class BundleInfo:
    """A bundle that was found: its header, or why it cannot be used."""

    name: str
    path: Path
    size_bytes: int
    header: Header | None
    error: str | None = None


def save_bundle(
    path: Path, generator: dict[str, Tensor], header: Header, encoder: dict[str, Tensor] | None = None
) -> None:
    """Write the weights of a generator, and of its encoder if it has one, in half precision, atomically."""
    import torch
    from safetensors.torch import save

    named = {
        **{GENERATOR + k: v for k, v in generator.items()},
        **{ENCODER + k: v for k, v in (encoder or {}).items()},
    }
    tensors = {name: v.detach().to("cpu", torch.float16).contiguous() for name, v in named.items()}
    metadata = {"format": FORMAT, "header": json.dumps(dataclasses.asdict(header))}
    write_atomically(path, save(tensors, metadata))


def read_header(path: Path) -> Header:
    """The header of a bundle. Raises BundleNotFound, or CorruptBundle saying what the file lacks."""
    if not path.is_file():
        raise BundleNotFound(f"no bundle at {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata, names = file.metadata() or {}, list(file.keys())
    except (SafetensorError, OSError) as error:
        raise CorruptBundle(f"{path} is not a whole safetensors file: {error}") from error
    if metadata.get("format") != FORMAT:
        raise CorruptBundle(
            f"{path} has format {metadata.get('format')!r} in its header, expected {FORMAT!r}"
        )
    if not any(name.startswith(GENERATOR) for name in names):
        raise CorruptBundle(f"{path} holds no tensor of a generator")
    try:
        return from_json(Header, metadata.get("header", ""))
    except UsageError as error:
        raise CorruptBundle(f"{path}: its header lacks or garbles a field: {error}") from error


def load_bundle(path: Path) -> tuple[Generator, Header]:
    """The generator in float32, in evaluation mode, on the CPU. Raises as `read_header`."""
    from pix2pix.networks import Generator

    header = read_header(path)
    return _load(path, GENERATOR, lambda: Generator(header.model)), header


def load_encoder(path: Path) -> Encoder | None:
    """The photo encoder, as `load_bundle` gives the generator; None for a model without one."""
    from pix2pix.networks import Encoder

    model = read_header(path).model
    if not model.encoder_widths:
        return None
    return _load(path, ENCODER, lambda: Encoder(model))


def _load(path: Path, prefix: str, build: Callable[[], Network]) -> Network:
    """The network that the tensors of this prefix are of. Raises CorruptBundle if they do not fit it."""
    import torch

    with safe_open(path, framework="pt") as file:  # reads what is asked for only
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (no mapping)
        weights = {name.removeprefix(prefix): file.get_tensor(name).to(torch.float32) for name in names}
    if bad := [name for name, weight in weights.items() if not weight.isfinite().all()]:
        raise CorruptBundle(f"{path}: {bad[0]} holds values that are not finite")
    with torch.random.fork_rng(
        devices=[]
    ):  # building draws initial weights: leave the global generator alone
        network = build()
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CorruptBundle(f"{path}: its tensors do not fit its own model description: {error}") from error
    return network.eval()


def search_path(models: Path | None = None) -> list[Path]:
    """Folders that bundles are looked up in, first come first served.

    Raises UsageError if `PIX2PIX_MODELS` names no folder.
    """
    named = os.environ.get("PIX2PIX_MODELS")
    if named and not Path(named).is_dir():
        raise UsageError(f"PIX2PIX_MODELS is {named!r}, which is not a folder")
    folders = [models, Path(named) if named else None, Path("models"), SHIPPED]
    return [folder for folder in folders if folder is not None and folder.is_dir()]


def find_bundle(name_or_path: str | Path, models: Path | None = None) -> Path:
    """The file for a path or a name. Raises BundleNotFound, listing the names there are."""
    path = Path(name_or_path)
    if path.suffix == ".safetensors" or path.is_file():
        if not path.is_file():
            raise BundleNotFound(f"no bundle at {path}")
        return path
    known = {info.name: info.path for info in list_bundles(models)}
    if str(name_or_path) not in known:
        folders = ", ".join(str(folder) for folder in search_path(models))
        raise BundleNotFound(
            f"no bundle named {str(name_or_path)!r} in {folders}; there is: {', '.join(known) or 'none'}"
        )
    return known[str(name_or_path)]


def list_bundles(models: Path | None = None) -> list[BundleInfo]:
    """Every bundle that can be found, the earlier folder winning where two share a name; no torch needed."""
    found: dict[str, BundleInfo] = {}
    for folder in search_path(models):
        for path in sorted(folder.glob("*.safetensors")):
            found.setdefault(path.stem, _describe(path))
    return list(found.values())


def _describe(path: Path) -> BundleInfo:
    try:
        header, error = read_header(path), None
    except BundleError as problem:
        header, error = None, str(problem)
    size_bytes = path.stat().st_size if path.exists() else 0  # a link may lead nowhere
    return BundleInfo(path.stem, path, size_bytes, header, error)
