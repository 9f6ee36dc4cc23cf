"""A conversion on a Ray cluster: the same job, with a pool of workers that each hold the model.

    with RayWorkers("auto", translator.path, digest=translator.digest) as workers:
        for result in convert_folder(translator, source, destination, options, workers): ...

Sources and destination are paths that every node sees alike (a shared disk) or addresses (s3://...).
Workers are given some files at a time and write their photos themselves; this process alone keeps the ledger.
A worker that dies is replaced, and what it was given is done again: photos that it had written already are
found, know what they were made of, and are told as skipped.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import socket
import tempfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

from pix2pix.convert.pipeline import Done, Float32, Options, Pipeline, Planned
from pix2pix.errors import UsageError
from pix2pix.inference.translator import load
from pix2pix.storage import is_local

MOST_AT_ONCE = 64  # files that a worker is given: what is done again where it dies
CONNECT_S = 10.0
SHARES = 4  # each worker's, of a small job: so that none is idle long at its end


class RayWorkers:
    """A pool of one worker a core, or a GPU where the cluster has some; it grows with the work."""

    def __init__(
        self, address: str, bundle: Path, *, digest: str, device: str = "auto", engine: str = "auto"
    ) -> None:
        """Connects: "local" starts Ray on this machine, "auto" finds the one it belongs to.

        Raises UsageError where Ray is not installed, or no cluster answers at that address, and where the
        bundle is no longer that of `digest`.
        """
        data = bundle.read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise UsageError(f"{bundle} has just been replaced: run the same again")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # of what it writes to this process's stderr
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise UsageError(f"a cluster needs Ray: pip install -e '.[cluster]' ({error})") from error
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        self._owner = not ray.is_initialized()
        try:
            _reach(address)
            if self._owner:
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"no Ray cluster answers at {address!r} (is it running, of version {ray.__version__} as "
                f"here, and is its token in RAY_AUTH_TOKEN?): {error}"
            ) from error
        self._ray, self._device, self._engine = ray, device, engine
        self._bundle = ray.put((bundle.name, data))

    def __enter__(self) -> Self:
        """Nothing more."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the cluster."""
        if self._owner:
            self._ray.shutdown()

    def run(
        self, planned: Sequence[Planned], *, options: Options, z: Float32, settings: dict[str, Any]
    ) -> Generator[Done]:
        """As of `pipeline.Workers`."""
        resources = self._ray.cluster_resources()
        with_gpu = self._device != "cpu" and resources.get("GPU", 0) >= 1
        workers = max(1, int(resources.get("GPU" if with_gpu else "CPU", 1)))
        shares = list(_shares(planned, workers))
        pool = self._ray.data.ActorPoolStrategy(min_size=1, max_size=workers)
        rows = self._ray.data.from_items(
            [{"share": pickle.dumps(share)} for share in shares], override_num_blocks=len(shares)
        ).map(
            cast(Any, _Worker),
            fn_constructor_args=(self._bundle, self._device, self._engine, options, z, settings),
            compute=pool,
            num_cpus=0 if with_gpu else 1,
            num_gpus=1 if with_gpu else 0,
        )
        for row in rows.iter_rows():
            told: tuple[int, list[Done]] | OSError = pickle.loads(row["told"])
            if isinstance(told, OSError):
                raise told
            first, done = told
            for one, (converted, entry) in zip(planned[first:], done, strict=False):
                outputs = one.outputs if converted.outputs else ()
                yield Done(replace(converted, source=one.source, outputs=outputs), entry)


def _reach(address: str) -> None:
    """Raise OSError where nobody listens at HOST:PORT: Ray itself would ask for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()


def _shares(planned: Sequence[Planned], workers: int) -> Iterator[tuple[int, list[Planned]]]:
    """What workers are given, each with the number of its first; paths hold in any working directory."""
    size = max(1, min(MOST_AT_ONCE, len(planned) // (SHARES * workers)))
    for first in range(0, len(planned), size):
        yield (
            first,
            [
                one._replace(source=_everywhere(one.source), outputs=tuple(map(_everywhere, one.outputs)))
                for one in planned[first : first + size]
            ],
        )


def _everywhere(path: Path) -> Path:
    return path.absolute() if is_local(path) else path


class _Worker:
    """One process of the pool."""

    def __init__(
        self,
        bundle: Any,
        device: str,
        engine: str,
        options: Options,
        z: Float32,
        settings: dict[str, Any],
    ) -> None:
        import ray

        name, data = ray.get(bundle)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            translator = load(path, device=device, engine=engine)
        self._pipeline = partial(Pipeline, translator, options, z, settings)

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        """Convert a share; what came of it, or why no worker can write any more."""
        first, share = pickle.loads(row["share"])
        try:
            return {"told": pickle.dumps((first, list(self._pipeline().run(share))))}
        except OSError as error:
            return {"told": pickle.dumps(error)}
