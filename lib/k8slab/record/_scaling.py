"""Record what an autoscaler is told and does, once a second: load, use and Pods."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..core import given
from ..core.marks import Mark
from ..core.patience import stretched
from ..core.poll import SystemClock, Tolerance
from ..errors import ApiError, BadInput, LabError
from ..kube.namespace import Namespace
from ..kube.objects import Object
from ..kube.scaler import KIND, Scaler

EVERY_S = 1.0
LONGEST_S = 600.0
LEAVE_S = 5.0


@dataclass(frozen=True)
class Sample:
    """What one look saw.

    Attributes:
        at_s: When, in seconds after the start.
        load: How many requests the clients' last lines count.
        used: The average of the Pods in percent of what they request, as the
            autoscaler has it; None while it has no figure.
        wanted: The number of Pods that the autoscaler wants.
        ready: The number of Pods that are ready.
    """

    at_s: float
    load: int
    used: int | None
    wanted: int
    ready: int


class Scaling:
    """What was seen so far; `scaling` makes one.

    Args:
        target: The average that the autoscaler aims at, in percent.
        look: Takes one more sample.

    Attributes:
        target: The average that the autoscaler aims at, in percent.
        look: Takes one more sample now, as for a picture of how it ended.
    """

    def __init__(self, target: int, look: Callable[[], None] = lambda: None) -> None:
        self.target = target
        self.look = look
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self._samples: list[Sample] = []
        self._marks: list[Mark] = []

    def __repr__(self) -> str:
        return f"Scaling({len(self.samples)} samples)"

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All samples, in the order of time."""
        with self._lock:
            return tuple(self._samples)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What happened meanwhile, as `mark` was told."""
        with self._lock:
            return tuple(self._marks)

    def mark(self, what: str) -> None:
        """Note that something happens now."""
        with self._lock:
            self._marks.append(Mark(self.now(), what))

    def now(self) -> float:
        """Return the seconds since the start."""
        return round(time.monotonic() - self._begun, 2)

    def add(self, sample: Sample) -> None:
        """Take one more sample."""
        with self._lock:
            self._samples.append(sample)


@contextmanager
def scaling(
    source: Namespace, name: str, *, load: str, timeout: float = 300
) -> Iterator[Scaling]:
    """Record once a second, while the block runs, how an autoscaler follows the load.

    Args:
        source: The namespace.
        name: The HorizontalPodAutoscaler, whose target is a share of what Pods
            request.
        load: The labels of the clients. Each prints a line a second that begins with
            the number of its requests that were answered.
        timeout: Seconds that are recorded at most, whatever the block does; it can be
            no more than 600.

    Raises:
        BadInput: That is no namespace, or these are no labels; the autoscaler has
            another kind of target, or the time is out of bounds.
        ApiError: There is no such autoscaler.
        LabError: At the end of the block: what a look met that does not pass.

    Example:
        ``with record.scaling(ns, "shop", load="app=visitors") as story: …``, then
        ``show.scaling(story)``
    """
    given.of_kind(source, Namespace, "that is no namespace", wanted=given.NAMESPACE)
    given.bounded("timeout", timeout, LONGEST_S)
    if not isinstance(load, str) or not load:
        raise BadInput(
            "load takes the labels of the clients",
            wanted="labels, as app=visitors",
            seen=repr(load),
        )
    sampler = _Sampler(source, name, load, stretched(timeout))
    sampler.start()
    try:
        yield sampler.story
    finally:
        sampler.stop()
    sampler.finish()


class _Sampler:
    """Look once a second in a thread of its own."""

    def __init__(self, source: Namespace, name: str, load: str, timeout: float) -> None:
        self._source, self._name, self._load = source, name, load
        self._timeout = timeout
        self.story = Scaling(_target(source.get(KIND, name), source.where), self._look)
        self._over = threading.Event()
        self._failure: LabError | None = None
        self._tolerance = Tolerance(SystemClock())
        self._thread = threading.Thread(
            target=self._run, name=f"k8slab record {name}", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self._thread.join(stretched(LEAVE_S))

    def finish(self) -> None:
        """Look a last time; raise what a look met."""
        if self._failure is None:
            self._look(last=True)
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        due = 0.0
        while self._failure is None and self.story.now() < self._timeout:
            self._look()
            due = max(due + EVERY_S, self.story.now())
            if self._over.wait(due - self.story.now()):
                return

    def _look(self, *, last: bool = False) -> None:
        """Take a sample; an error that passes leaves a hole."""
        at_s = self.story.now()
        try:
            scaler = self._source.get(KIND, self._name)
            ready = self._ready(scaler)
            load = self._answered()
        except LabError as error:
            try:
                self._tolerance.bear(error)
            except LabError:
                self._failure = error
            if last and not error.passing:  # no later look can tell whether it does
                self._failure = error
            return
        self._tolerance.reset()
        seen = Scaler.read(scaler)
        # Before it has looked for the first time, it wants what there is.
        self.story.add(Sample(at_s, load, seen.average, seen.wanted or ready, ready))

    def _ready(self, scaler: Object) -> int:
        target = scaler["spec"]["scaleTargetRef"]
        found = self._source.get(target["kind"], target["name"])
        return int((found.get("status") or {}).get("readyReplicas") or 0)

    def _answered(self) -> int:
        pods = self._source.pods(self._load)
        # Of one that ended, the last line is an old one.
        alive = [pod for pod in pods if not (pod.terminating or pod.finished)]
        return sum(self._last(pod.name) for pod in alive)

    def _last(self, pod: str) -> int:
        path = f"/api/v1/namespaces/{self._source.name}/pods/{pod}/log"
        try:
            said = self._source.cluster.connection.text(path, query={"tailLines": "1"})
        except ApiError as error:
            if error.status not in (400, 404):  # it does not run yet, or any more
                raise
            return 0
        number = re.match(r"\d+", said)
        return int(number[0]) if number else 0


def _target(scaler: Object, where: str) -> int:
    """Return the average that an autoscaler aims at, in percent."""
    target = Scaler.read(scaler).target
    if target is None:
        metrics = scaler["spec"].get("metrics") or []
        raise BadInput(
            f"the autoscaler {scaler['metadata']['name']} has another kind of target",
            where=where,
            wanted="averageUtilization as the target of its first metric",
            seen=", ".join(each["type"] for each in metrics) or "no metric",
        )
    return target
