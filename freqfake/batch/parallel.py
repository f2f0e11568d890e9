"""Work on many pictures in several processes, or on a Dask cluster."""

import contextlib
import hashlib
import itertools
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from .._files import PathLike
from .._optional import extra
from ..exceptions import ClusterError, FreqFakeError, UnreadableImageWarning
from ..pictures.facts import ImageFacts
from ..pictures.finding import find_images
from ..pictures.reading import ImageLike, is_pil_image, read_any

Inputs = PathLike | Iterable[ImageLike]

_PATIENCE = 10  # seconds until a scheduler must have answered
_CHUNK = 1000  # pictures at a time, for backends that return all results at once
_JOBS: dict[str, Callable[..., Any]] = {}  # of this worker process, by key


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Make joblib use the Dask cluster at this address; without one, this machine.

    Raises
    ------
    ClusterError
        No scheduler answers there.
    MissingExtraError
        The extra ``dask`` is not installed.
    """
    if address is None:
        yield
        return
    import joblib

    with extra("dask", "dask", "distributed"):
        from distributed import Client
    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler answers at {address}: {error}") from None
    with client, joblib.parallel_config(backend=_on_workers(client)):
        yield


def _on_workers(client: Any) -> Any:
    """Make joblib's backend for a cluster, which also uses a cluster of a single slot."""
    from joblib._dask import DaskDistributedBackend

    class OnWorkers(DaskDistributedBackend):
        """Sends every job to the workers."""

        def effective_n_jobs(self, n_jobs: int) -> int:
            return max(2, int(super().effective_n_jobs(n_jobs)))  # 1: joblib would not send it

    return OnWorkers(client=client)


def shared(job: Callable[..., Any]) -> Callable[..., Any]:
    """Make a job that is cheap to send: each worker of a Dask cluster gets the real one once.

    So do workers that join later or restart. Without a cluster, it is `job` itself.
    """
    import joblib

    backend, _ = joblib.parallel.get_active_backend()
    client = getattr(backend, "client", None)
    if client is None:
        return job
    from distributed import WorkerPlugin

    blob = pickle.dumps(job)
    key = hashlib.sha256(blob).hexdigest()

    class Job(WorkerPlugin):
        """Unpacks the job on a worker."""

        def setup(self, worker: Any) -> None:
            from . import parallel  # on the worker: this class is sent without its module

            parallel._JOBS[key] = pickle.loads(blob)

    client.register_plugin(Job(), name=f"freqfake-{key}")
    return _SharedJob(key, job)


class _SharedJob:
    """Runs the job: on a worker the one that was unpacked there, here the given one.

    Joblib runs jobs here if the cluster has a single slot.
    """

    def __init__(self, key: str, job: Callable[..., Any] | None = None) -> None:
        self.key = key
        self.job = job

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return _SharedJob, (self.key,)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        job = _JOBS[self.key] if self.job is None else self.job
        return job(*arguments, **options)


def map_pictures(
    job: Callable[..., Any], inputs: Inputs, *, n_jobs: int | None = None, progress: bool = False
) -> Iterator[Any]:
    """Run a job on many pictures in several processes; results keep the order given.

    Parameters
    ----------
    job : callable
        Called as ``job(path, image, facts)`` with the name of the picture, the picture (or the
        error of a PIL image that cannot be read), and its facts if they are known already.
    inputs, n_jobs, progress
        See :func:`iter_features`.
    """
    items = list(expand(inputs))
    tasks = ((name, *_in_memory(image)) for name, image in items)
    done = _here(job, tasks) if _is_one_job(n_jobs) else _spread(shared(job), tasks, n_jobs)
    if not progress:
        return done
    from tqdm import tqdm

    return iter(tqdm(done, total=len(items), unit="picture"))


def warn_left_out(name: str, error: str, *, stacklevel: int) -> None:
    """Warn that a picture or a video was left out; `stacklevel` counts from this function."""
    warnings.warn(f"left out {name}: {error}", UnreadableImageWarning, stacklevel=stacklevel)


def _is_one_job(n_jobs: int | None) -> bool:
    """Whether joblib is not needed, nor imported: only then it cannot have other settings."""
    return n_jobs in (None, 1) and "joblib" not in sys.modules


def _here(job: Callable[..., Any], tasks: Iterator[Any]) -> Iterator[Any]:
    """Yield results of this process."""
    return (job(*task) for task in tasks)


def _spread(job: Callable[..., Any], tasks: Iterator[Any], n_jobs: int | None) -> Iterator[Any]:
    """Yield results in the order of the tasks, each when it is ready if the backend allows that."""
    import joblib

    tasks = (joblib.delayed(job)(*task) for task in tasks)
    backend, _ = joblib.parallel.get_active_backend()
    if backend.supports_return_generator:
        yield from joblib.Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
        return
    while chunk := list(itertools.islice(tasks, _CHUNK)):
        yield from joblib.Parallel(n_jobs=n_jobs)(chunk)


def expand(inputs: Inputs) -> Iterator[tuple[str, ImageLike]]:
    """Yield the name and picture of every input; folders and globs are expanded."""
    if is_pil_image(inputs) or (isinstance(inputs, np.ndarray) and inputs.ndim in (2, 3)):
        raise TypeError(
            "`inputs` must be a path or a list of pictures; got one picture: use [image]"
        )
    if isinstance(inputs, (str, os.PathLike)):
        inputs = [inputs]
    for position, item in enumerate(inputs):
        if isinstance(item, (str, os.PathLike)):
            for path in find_images(item):
                yield path, path
        else:
            yield f"<array {position}>", item


def _in_memory(image: ImageLike) -> tuple[ImageLike | FreqFakeError, ImageFacts | None]:
    """Read what is not a file before it is sent to another process.

    A PIL image would lose its format on the way, and any other object may refuse to be sent.
    """
    if isinstance(image, (str, os.PathLike)):
        return image, None
    try:
        return read_any(image)
    except FreqFakeError as error:
        return error, None
