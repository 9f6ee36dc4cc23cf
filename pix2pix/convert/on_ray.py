"""A conversion on a Ray cluster: the same jobs, run by a pool of workers that hold the model.

    with RayWorkers("auto", translator.path, digest=translator.digest) as workers:
        for result in convert_folder(translator, source, destination, options, workers): ...

Sources and destination are paths that every node sees alike (a shared disk) or addresses (s3://...).
A worker takes some files at a time and writes their photos itself; this process alone writes the manifest.
If a worker dies, another one gets its files: it finds the photos that are written already by their notes, and
reports them as skipped.
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
from pathlib import Path
from typing import Any, Self, cast

from pix2pix.convert.pipeline import Converted, Job, Pipeline
from pix2pix.errors import UsageError
from pix2pix.inference.translator import load
from pix2pix.storage import is_local

MAX_SHARE = 64  # files a worker takes at a time: they are done again if it dies
CONNECT_TIMEOUT_S = 10.0
SHARES_PER_WORKER = 4  # of a small job, so that no worker is idle for long at its end


class RayWorkers:
    """A pool of one worker a core, or a GPU where the cluster has some; it grows with the work."""

    def __init__(
        self, address: str, bundle: Path, *, digest: str, device: str = "auto", engine: str = "auto"
    ) -> None:
        """Connects: "local" starts Ray on this machine, "auto" finds the cluster that it is part of.

        Raises UsageError if Ray is not installed, if no cluster answers at that address, and if the bundle is
        no longer the one with `digest`.
        """
        data = bundle.read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise UsageError(f"{bundle} was replaced while it was read: run the command again")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else it logs to our stderr
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise UsageError(f"a cluster needs Ray: pip install -e '.[cluster]' ({error})") from error
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        self._owner = not ray.is_initialized()
        try:
            _check_reachable(address)
            if self._owner:
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"no Ray cluster answers at {address!r} (it must run Ray {ray.__version__}, and "
                f"RAY_AUTH_TOKEN must have its token): {error}"
            ) from error
        self._ray, self._device, self._engine = ray, device, engine
        self._bundle = ray.put((bundle.name, data))

    def __enter__(self) -> Self:
        """Connected already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnects."""
        if self._owner:
            self._ray.shutdown()

    def run(self, jobs: Sequence[Job], **how: Any) -> Generator[Converted]:
        """As `pipeline.Workers`."""
        resources = self._ray.cluster_resources()
        with_gpu = self._device != "cpu" and resources.get("GPU", 0) >= 1
        workers = max(1, int(resources.get("GPU" if with_gpu else "CPU", 1)))
        shares = list(_shares(jobs, workers))
        pool = self._ray.data.ActorPoolStrategy(min_size=1, max_size=workers)
        rows = self._ray.data.from_items(
            [{"share": pickle.dumps(share)} for share in shares], override_num_blocks=len(shares)
        ).map(
            cast(Any, _Worker),
            fn_constructor_args=(self._bundle, self._device, self._engine, how),
            compute=pool,
            num_cpus=0 if with_gpu else 1,
            num_gpus=1 if with_gpu else 0,
        )
        for row in rows.iter_rows():
            done: tuple[int, list[Converted]] | OSError = pickle.loads(row["done"])
            if isinstance(done, OSError):
                raise done
            first, results = done
            for job, result in zip(jobs[first : first + len(results)], results, strict=True):
                names = {output.name for output in result.outputs}
                outputs = tuple(output for output in job.outputs if output.name in names)
                yield replace(result, source=job.source, outputs=outputs)


def _check_reachable(address: str) -> None:
    """Raises OSError if nothing listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()


def _shares(jobs: Sequence[Job], workers: int) -> Iterator[tuple[int, list[Job]]]:
    """The jobs in parts, each with the number of its first; paths are valid in any working directory."""
    size = max(1, min(MAX_SHARE, len(jobs) // (SHARES_PER_WORKER * workers)))
    for first in range(0, len(jobs), size):
        yield (
            first,
            [
                replace(job, source=_absolute(job.source), outputs=tuple(map(_absolute, job.outputs)))
                for job in jobs[first : first + size]
            ],
        )


def _absolute(path: Path) -> Path:
    return path.absolute() if is_local(path) else path


class _Worker:
    """One process of the pool."""

    def __init__(self, bundle: Any, device: str, engine: str, how: dict[str, Any]) -> None:
        import ray

        name, data = ray.get(bundle)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            self._translator = load(path, device=device, engine=engine)
        self._how = how

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        """Converts a share; returns its results, or the error if no worker can write any more."""
        first, share = pickle.loads(row["share"])
        try:
            return {"done": pickle.dumps((first, list(Pipeline(self._translator, **self._how).run(share))))}
        except OSError as error:
            return {"done": pickle.dumps(error)}
