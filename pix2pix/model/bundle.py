"""Bundles: one .safetensors file with the weights for inference; its header describes the model.

    header = read_header(find_bundle("shoes"))     without torch
    model, header = load_bundle(path)              networks in evaluation mode

Names are looked up in the given folder, then `PIX2PIX_MODELS`, `./models`, and the shipped bundles.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from pix2pix.errors import BundleError, BundleNotFound, CorruptBundle, UsageError
from pix2pix.files import write_atomically
from pix2pix.model.config import STRICT, DiscriminatorConfig, ModelConfig, from_json

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pix2pix.model.networks import Model

FORMAT = "pix2pix-bundle/5"
EARLIER_FORMATS = tuple(f"pix2pix-bundle/{i}" for i in (1, 2, 3, 4))  # of networks that were removed
DISCRIMINATORS = "discriminators.safetensors"  # in the folder of a bundle
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".h5", ".keras")  # suffixes of other programs' weights
STARTS_OF_CHECKPOINTS = (b"PK\x03\x04", b"\x80\x02\x8a", b"\x89HDF")  # PyTorch or Keras, old PyTorch, HDF5
STATES = ("state.pt", "state.spare.pt", "state.new.pt")  # of a run: see `pix2pix.training.checkpoint`
SHIPPED = Path(__file__).parent.parent / "pretrained"


@dataclass(frozen=True)
class Direction:
    """A direction in z, and its effect: computed by `pix2pix.training.directions` at the end of training."""

    vector: tuple[float, ...]  # (Z,), of length 1
    attribute: str  # the one that changes most: see `pix2pix.training.directions.ATTRIBUTES`
    effect: float  # of a step of 1, in standard deviations of that attribute among random answers
    share: float  # of all changes of the pictures with z, 0 to 1
    colours: tuple[str, ...] = ()  # #rrggbb of the subject at steps of -2 and 2


@dataclass(frozen=True)
class Header:
    """The header of a bundle."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    model: ModelConfig
    title: str
    preset: str
    steps: int
    images: int  # seen in training
    data: str  # name of the pairs
    data_hash: str
    licence: str
    metrics: dict[str, float] = field(default_factory=dict)
    directions: tuple[Direction, ...] = ()
    palette: tuple[str, ...] = ()  # usual colours of the products, #rrggbb: see `pix2pix.training.palette`
    discriminator: DiscriminatorConfig | None = None  # None for a bundle without one


@dataclass(frozen=True)
class BundleInfo:
    """A bundle file: its header, or the reason why it cannot be used."""

    name: str
    path: Path
    size_bytes: int
    header: Header | None
    error: str | None = None


def save_bundle(path: Path, weights: dict[str, Tensor], header: Header) -> None:
    """Writes the weights of a `networks.Model` in half precision, atomically."""
    import torch
    from safetensors.torch import save

    tensors = {name: v.detach().to("cpu", torch.float16).contiguous() for name, v in weights.items()}
    metadata = {"format": FORMAT, "header": json.dumps(dataclasses.asdict(header))}
    write_atomically(path, save(tensors, metadata))


def save_discriminators(path: Path, parts: Mapping[str, nn.Module]) -> None:
    """Writes the networks that a bundle lacks, in half precision, for runs that start from the bundle."""
    import torch
    from safetensors.torch import save

    tensors = {
        f"{name}.{key}": value.detach().to("cpu", torch.float16).contiguous()
        for name, part in parts.items()
        for key, value in part.state_dict().items()
    }
    write_atomically(path, save(tensors))


def load_discriminators(bundle: Path, parts: Mapping[str, nn.Module]) -> bool:
    """Loads the weights of `DISCRIMINATORS` in the folder of a bundle; returns whether it did.

    Changes nothing if the file is missing, or of other networks. Raises CorruptBundle if it is damaged.
    """
    from safetensors.torch import load as load_tensors

    path = bundle.with_name(DISCRIMINATORS)
    if not path.is_file():
        return False
    try:
        tensors = load_tensors(path.read_bytes())
    except SafetensorError as error:
        raise CorruptBundle(f"{path} is not a complete safetensors file: {error}") from error
    own = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    shapes = [{name: value.shape for name, value in some.items()} for some in (own, tensors)]
    if shapes[0] != shapes[1]:
        return False
    for name, part in parts.items():
        part.load_state_dict({key: tensors[f"{name}.{key}"].float() for key in part.state_dict()})
    return True


def read_header(path: Path) -> Header:
    """Returns the header of a bundle. Raises BundleNotFound, or CorruptBundle with the reason."""
    return _read(path)[1]


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], Header]:
    """Returns the tensors as they are stored, and the header. Raises as `read_header`.

    Reads the whole file: one that is memory-mapped and truncated meanwhile would end the process (SIGBUS).
    """
    if not path.is_file():
        raise BundleNotFound(f"no bundle at {path}")
    data = b""
    try:
        data = path.read_bytes()
        tensors = load(data)
    except (SafetensorError, OSError) as error:
        reason = _as_checkpoint(path, data) or f"{path} is not a complete safetensors file: {error}"
        raise CorruptBundle(reason) from error
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length]).get("__metadata__") or {}
    if metadata.get("format") in EARLIER_FORMATS:
        raise CorruptBundle(
            f"{path} was made by an earlier version of pix2pix, whose networks were removed: train again, "
            "or use it with that version"
        )
    if metadata.get("format") != FORMAT:
        raise CorruptBundle(
            f"{path} has format {metadata.get('format')!r} in its header, expected {FORMAT!r}"
        )
    if not any(name.startswith(("picture.", "generator.")) for name in tensors):
        raise CorruptBundle(f"{path} has no tensor of a generator")
    try:
        return tensors, from_json(Header, metadata.get("header", ""))
    except UsageError as error:
        raise CorruptBundle(f"{path}: a field of its header is missing or wrong: {error}") from error


def _as_checkpoint(path: Path, data: bytes) -> str | None:
    """What to do instead with a file that is the checkpoint of a run or of another program; else None."""
    if path.name in STATES:
        bundle = path.with_name(f"{path.resolve().parent.name}.safetensors")
        return f"{path} is the state of a run: give its bundle, {bundle}"
    if path.suffix.lower() not in CHECKPOINTS and not data.startswith(STARTS_OF_CHECKPOINTS):
        return None
    return (
        f"{path} is a checkpoint of another program, such as pix2pix's latest_net_G.pth, whose network is "
        "another one: it cannot be used or converted here. Train on its pairs instead, made with `pix2pix "
        "prepare`: pix2pix train PAIRS --name NAME"
    )


def read_weights(path: Path) -> tuple[dict[str, NDArray[np.float32]], Header]:
    """Returns the tensors in float32 by name, and the header, without torch.

    Raises as `read_header`, and CorruptBundle if a tensor has values that are not finite.
    """
    tensors, header = _read(path)
    weights = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    if bad := [name for name, weight in weights.items() if not np.isfinite(weight).all()]:
        raise CorruptBundle(f"{path}: {bad[0]} has values that are not finite")
    return weights, header


def load_bundle(path: Path) -> tuple[Model, Header]:
    """Returns the networks in float32, in evaluation mode, on the CPU, and the header.

    Raises as `read_weights`, and CorruptBundle if the tensors do not fit the header's model.
    """
    import torch

    from pix2pix.model.networks import build_model

    weights, header = read_weights(path)
    with torch.random.fork_rng(devices=[]):  # building draws random weights
        model = build_model(header.model, header.discriminator)
    try:
        model.load_state_dict({name: torch.from_numpy(weight) for name, weight in weights.items()})
    except RuntimeError as error:
        raise CorruptBundle(f"{path}: its tensors do not fit its own model description: {error}") from error
    return model.eval(), header


def digest_of(path: Path) -> str:
    """Returns the SHA-256 of a bundle's file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def search_path(models: Path | None = None) -> list[Path]:
    """Returns the folders that bundles are looked up in, in this order.

    Raises UsageError if `PIX2PIX_MODELS` is set and not a folder.
    """
    named = os.environ.get("PIX2PIX_MODELS")
    if named and not Path(named).is_dir():
        raise UsageError(f"PIX2PIX_MODELS is {named!r}, which is not a folder")
    folders = [models, Path(named) if named else None, Path("models"), SHIPPED]
    return [folder for folder in folders if folder is not None and folder.is_dir()]


def find_bundle(name_or_path: str | Path, models: Path | None = None) -> Path:
    """Returns the file for a path or a name. Raises BundleNotFound, listing the known names."""
    path = Path(name_or_path)
    if path.suffix == ".safetensors" or path.is_file():
        if not path.is_file():
            raise BundleNotFound(f"no bundle at {path}")
        return path
    known = _by_name(models) | {other.name: other for other in _checkpoints(models)}
    if str(name_or_path) not in known:
        folders = ", ".join(str(folder) for folder in search_path(models))
        raise BundleNotFound(
            f"no bundle named {str(name_or_path)!r} in {folders}; there are: {', '.join(known) or 'none'}"
        )
    return known[str(name_or_path)]


def list_bundles(models: Path | None = None) -> list[BundleInfo]:
    """Returns all bundles, without torch. If two have one name, that of the earlier folder.

    Checkpoints of other programs in `models` are among them, as bundles that cannot be used.
    """
    return [_describe(path) for path in _by_name(models).values()]


def bundle_files(models: Path | None = None) -> list[Path]:
    """Returns all files on the search path, in its order, then checkpoints; several may have one name."""
    folders: dict[Path, Path] = {}
    for folder in search_path(models):
        folders.setdefault(folder.resolve(), folder)
    return [path for folder in folders.values() for path in _bundles(folder)] + _checkpoints(models)


def _by_name(models: Path | None) -> dict[str, Path]:
    """Returns the first file on the search path of each name."""
    found: dict[str, Path] = {}
    for path in bundle_files(models):
        found.setdefault(path.stem, path)
    return found


def _checkpoints(models: Path | None) -> list[Path]:
    """Files of other programs in the folder that a user named."""
    files = sorted(models.iterdir()) if models and models.is_dir() else []
    return [path for path in files if path.suffix.lower() in CHECKPOINTS and path.name not in STATES]


def _bundles(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.safetensors") if path.name != DISCRIMINATORS)


def _describe(path: Path) -> BundleInfo:
    try:
        header, error = read_header(path), None
    except BundleError as problem:
        header, error = None, str(problem)
    size_bytes = path.stat().st_size if path.exists() else 0  # a link may be broken
    return BundleInfo(path.stem, path, size_bytes, header, error)
