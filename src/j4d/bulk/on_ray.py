"""The engine for a cluster: units as Ray tasks. The driver alone writes the manifest.

A task runs the same function as a thread does, on one core. Ray starts it anew where its worker or node was lost; since
outputs are whole or absent and bytes depend on nothing but the source and the settings, once more does no harm. Source
and target must be reachable under the same names from every node: a shared file system, or URLs.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from threading import Event
from types import SimpleNamespace
from typing import Any

from j4d.bulk.job import Job
from j4d.bulk.results import Done, Unit
from j4d.bulk.work import process
from j4d.errors import DataError

LOOPBACK = "127.0.0.1"
RETRIES = 5  # of a task whose worker died
UNITS_PER_CORE = 2  # submitted at a time


def run(units: Iterable[Unit], job: Job, address: str | None = None) -> Iterator[tuple[Unit, list[Done]]]:
    """Each unit with its results, as they end. address: of a cluster; None for the one at hand, or a local one.

    Raises DataError where Ray is not installed, and what a unit raises.
    """
    try:
        import ray
    except ImportError:
        raise DataError("--engine ray needs Ray: pip install 'j4d[bulk,ray]'") from None
    if not ray.is_initialized():
        _connect(ray, address)
    task = ray.remote(num_cpus=1, max_retries=RETRIES)(_one)
    shared = ray.put(job)
    most = max(2, UNITS_PER_CORE * int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call, unused-ignore]
    active: dict[Any, Unit] = {}

    def ended() -> Iterator[tuple[Unit, list[Done]]]:
        ready, _ = ray.wait(list(active), num_returns=1)
        for reference in ready:
            unit = active.pop(reference)
            try:
                yield unit, ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause or error from None
            except ray.exceptions.RayError as error:
                raise DataError(f"Ray gave up a unit after {RETRIES} retries: {error}") from None

    try:
        for unit in units:
            active[task.remote(unit, shared)] = unit
            if len(active) >= most:
                yield from ended()
        while active:
            yield from ended()
    finally:
        for reference in active:
            ray.cancel(reference, force=True)


def _connect(ray: Any, address: str | None) -> None:
    """To the cluster of this address, or the one at hand; where there is none, to one of this machine's own, which
    nobody else reaches: it listens on the loopback interface alone. Raises DataError."""
    options = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": False}
    try:
        ray.init(address=address or "auto", **options)
    except ConnectionError as error:
        if address or os.environ.get("RAY_ADDRESS"):
            raise DataError(f"Ray: {' '.join(str(error).split())}") from None
        with _loopback():
            ray.init(address="local", _node_ip_address=LOOPBACK, **options)


@contextmanager
def _loopback() -> Iterator[None]:
    """Keep Ray from replacing the loopback address by one that others reach, as it does where clusters are enabled."""
    constants: Any
    try:
        constants = import_module("ray._private.ray_constants")
    except ImportError:
        constants = SimpleNamespace()
    enabled = getattr(constants, "ENABLE_RAY_CLUSTER", True)
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = enabled


def _one(unit: Unit, job: Job) -> list[Done]:
    with ThreadPoolExecutor(1) as pool:
        return process(unit, job, pool, 1, Event())
