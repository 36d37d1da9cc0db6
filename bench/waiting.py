"""Measure the wait helper against looks once a second."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from k8slab import lab, wait
from k8slab.core.poll import SystemClock
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace

from .host import ROOT, load
from .labs import say
from .observer import observing
from .report import Section
from .samples import Samples, heading

EVERY_S = 1.0
_TIMEOUT_S = 60.0
_PODS = 3
_MANIFEST = ROOT / "manifests" / "pods-and-controllers" / "rc-echo.yaml"
_LABEL = ("app", "echo")
_SELECTOR = "=".join(_LABEL)
# Seconds before a Pod's readiness is looked at for the first time.
SCENES = {"as soon as they can": 0, "after ten seconds": 10}


@dataclass(frozen=True)
class Trial:
    """One wait.

    Attributes:
        requests: Requests to the API server.
        delay_ms: Milliseconds from the state being there to its being noticed.
        waited_s: Seconds from the start of the wait to its end.
    """

    requests: int
    delay_ms: float
    waited_s: float


def measure(name: str, trials: int) -> list[Section]:
    """Wait for the same Pods in three ways, in turns.

    Args:
        name: A lab that is up.
        trials: How often each way waits in each scene.
    """
    cluster = lab.connect(name)
    try:
        return [
            _scene(cluster, f"Pods that are ready {title}", delay, trials)
            for title, delay in SCENES.items()
        ]
    finally:
        cluster.close()


Way = Callable[[Namespace], int]
"""Waits until the Pods are ready, and returns how many requests that took."""


def by_watch(ns: Namespace) -> int:
    """Wait with the helper that chapters use."""
    before = ns.cluster.connection.requests
    wait.pods(ns, _SELECTOR, ready=_PODS, timeout=_TIMEOUT_S)
    return ns.cluster.connection.requests - before


def by_client(ns: Namespace) -> int:
    """Look once a second with the Python client."""
    before = ns.cluster.connection.requests
    wait.until(
        lambda: [pod.ready and not pod.terminating for pod in ns.pods(_SELECTOR)],
        what="the Pods are not ready",
        want=f"{_PODS} ready",
        done=lambda seen: seen == [True] * _PODS,
        timeout=_TIMEOUT_S,
        every=EVERY_S,
    )
    return ns.cluster.connection.requests - before


def by_kubectl(ns: Namespace) -> int:
    """Look once a second with ``kubectl``, which tells its own requests."""
    ready = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
    argv = ["get", "pods", "--selector", _SELECTOR, f"--output=jsonpath={ready}"]
    requests = 0

    def look() -> list[str]:
        nonlocal requests
        done = ns.cluster.kubectl([*argv, "--v=6"], namespace=ns.name)
        requests += done.stderr.count('verb="GET"')
        return done.stdout.split()

    wait.until(
        look,
        what="the Pods are not ready",
        want=f"{_PODS} ready",
        done=lambda seen: seen == ["True"] * _PODS,
        timeout=_TIMEOUT_S,
        every=EVERY_S,
    )
    return requests


WAYS: dict[str, Way] = {
    "`wait.pods` (a watch)": by_watch,
    "a look once a second, Python client": by_client,
    "a look once a second, `kubectl`": by_kubectl,
}


def _scene(cluster: Cluster, title: str, ready_after_s: int, trials: int) -> Section:
    busy = load()
    ns = cluster.scratch("bench-wait")
    taken: dict[str, list[Trial]] = {way: [] for way in WAYS}
    try:
        for way in WAYS.values():  # connections and kubectl's cache are made
            _trial(ns, way, 0, 0.0)
        for number in range(1, trials + 1):
            say(f"{title}: {number} of {trials}")
            # The same for all ways: when, in the second, the wait begins.
            begin = random.Random(number).random()  # noqa: S311 - no secret
            for label, way in WAYS.items():
                taken[label].append(_trial(ns, way, ready_after_s, begin))
    finally:
        ns.remove()
    return _section(title, taken, busy)


def _trial(ns: Namespace, way: Way, ready_after_s: int, begin_s: float) -> Trial:
    """Make three Pods, wait for them in one way, and take them away again."""
    clock = SystemClock()
    path = f"/api/v1/namespaces/{ns.name}/replicationcontrollers"
    with observing(ns.cluster, ns.name, clock) as observer:
        ns.cluster.connection.send("POST", path, body=_controller(ready_after_s))
        clock.sleep(begin_s)
        started = clock.now()
        requests = way(ns)
        noticed = clock.now()
        there = observer.ready_since(_LABEL, _PODS)
    ns.cluster.kubectl(
        ["delete", "replicationcontroller", "echo", "--cascade=foreground", "--now"],
        namespace=ns.name,
    )
    wait.gone(ns, "Pod", _SELECTOR, timeout=_TIMEOUT_S)
    # A state that was there before the wait began can be noticed only then.
    delay = noticed - max(there, started)
    return Trial(requests, delay * 1000, noticed - started)


def _controller(ready_after_s: int) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(_MANIFEST.read_text("utf-8"))
    pod = loaded["spec"]["template"]["spec"]
    pod["terminationGracePeriodSeconds"] = 1
    (container,) = pod["containers"]
    container["readinessProbe"]["initialDelaySeconds"] = ready_after_s
    return loaded


def _section(title: str, taken: dict[str, list[Trial]], busy: float) -> Section:
    section = Section(f"The wait helper against a look once a second: {title}")
    section.say(
        "Three Pods of a chapter's manifest, made anew for every wait; the "
        "three ways take turns.",
        "The wait begins up to a second after the Pods were asked for, at the same "
        "moment for each way.",
        "The delay is counted from the moment at which a watch of its own, which only "
        "writes down the time, had the last Pod's readiness; less than zero means "
        "that the wait's own watch had it first.",
        f"Load when it began: {busy:.1f}.",
    )
    for what, unit, digits, pick in (
        ("delay", "ms", 0, lambda trial: trial.delay_ms),
        ("requests", "number", 0, lambda trial: float(trial.requests)),
        ("the whole wait", "s", 2, lambda trial: trial.waited_s),
    ):
        section.table(
            heading(what, unit),
            [
                Samples(label, tuple(map(pick, trials))).row(digits)
                for label, trials in taken.items()
            ],
        )
    return section
