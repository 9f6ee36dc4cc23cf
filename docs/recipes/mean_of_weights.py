"""The mean of a bundle and of where a run led that began with it.

    python docs/recipes/mean_of_weights.py BUNDLE RUN PAIRS OUT

Weights that lie near one another can be averaged (Wortsman et al. 2022, model soups): what both learned
stays, what one learned by chance weighs half. It has to be done before z is whitened, which turns the axes of
the two apart: it takes the run's state, not its bundle, and whitens the mean. The discriminator is the run's.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import torch
from pix2pix.finishing import finish

from pix2pix.bundle import load_bundle, save_bundle
from pix2pix.checkpoint import load_state
from pix2pix.config import refuse_other_model
from pix2pix.dataset import list_pairs, load_pair, to_tensors
from pix2pix.errors import Pix2PixError, UsageError
from pix2pix.networks import Model
from pix2pix.run_folder import RunFolder

SKETCHES = 8  # on which the directions are found
PATH = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("bundle", type=PATH)
@click.argument("run", type=PATH)
@click.argument("pairs", type=PATH)
@click.argument("out", type=click.Path(path_type=Path))
def main(bundle: Path, run: Path, pairs: Path, out: Path) -> None:
    """Write the mean to OUT. RUN is the folder of a run that has ended, PAIRS what it was trained on."""
    try:
        write_mean(bundle, run, pairs, out)
    except (Pix2PixError, OSError) as error:
        raise click.ClickException(str(error)) from error


def write_mean(bundle: Path, run: Path, pairs: Path, out: Path) -> None:
    """As `main`. Raises UsageError if the run did not begin with the bundle."""
    folder = RunFolder(run)
    begun_with, earlier = load_bundle(bundle)
    _, header = load_bundle(folder.bundle_file)
    state = load_state(folder.state_file)
    refuse_other_model(earlier.model, header.model, str(bundle))
    if earlier.images != state["images_before"]:
        raise UsageError(
            f"{run} did not begin with {bundle}: it began after {state['images_before']:,} pictures, "
            f"the bundle has seen {earlier.images:,}"
        )
    model = Model(header.model)
    model.load_state_dict(state["average"])
    before = begun_with.state_dict()
    with torch.no_grad():
        for name, weight in model.state_dict().items():
            if name in before:  # a stage for detail may be the run's alone
                weight.lerp_(before[name].to(weight), 0.5)
    shown = [load_pair(pair, header.model.size_px) for pair in list_pairs(pairs, "val")[:SKETCHES]]
    sketches, _ = to_tensors([sketch for sketch, _ in shown], [photo for _, photo in shown])
    directions = finish(model.eval(), list_pairs(pairs, "train"), sketches)
    weights = model.state_dict()
    weights |= {f"discriminator.{name}": value for name, value in state["discriminator"].items()}
    told = replace(header, directions=directions, data=earlier.data, licence=earlier.licence)
    save_bundle(out, weights, told)


if __name__ == "__main__":
    main()
