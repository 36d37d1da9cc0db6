"""Watch API objects until they are as wanted, and explain it when they are not."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Protocol, TypeVar, runtime_checkable

from ..core.patience import stretched
from ..core.poll import judge
from ..errors import ApiError, ApiUnreachable, BadInput, NotReady
from .objects import Node, Object, Pod

T = TypeVar("T")

TIMEOUT_S = 60.0
MOST_S = 86_400.0
EVENTS = 4
LONGEST = 240
CRASHES = 3
HOPELESS = (
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
)


@runtime_checkable
class Source(Protocol):
    """What holds API objects: a scratch namespace, or the whole cluster."""

    @property
    def where(self) -> str:
        """What messages call it."""
        ...

    def watch(
        self,
        kind: str,
        *,
        name: str = "",
        selector: str = "",
        timeout: float,
    ) -> Generator[list[Object], None, None]:
        """Yield the objects as they are, and after every change, until a deadline."""
        ...

    def events(self, about: str = "") -> list[str]:
        """Return Events as lines, the latest last."""
        ...


def follow(
    source: Source,
    kind: str,
    read: Callable[[list[Object]], T],
    *,
    what: str,
    want: str,
    done: Callable[[T], bool],
    failed: Callable[[T], str | None] | None = None,
    show: Callable[[T], str] = str,
    about: Callable[[T], list[str]] | None = None,
    name: str = "",
    selector: str = "",
    timeout: float = TIMEOUT_S,
    next: str = "",
) -> T:
    """Watch objects until they are as wanted; `wait` says it shorter for most.

    One list and one watch, whatever the time: a change is seen when it happens. An API
    server that is away or that starts is waited for, too; a refusal that lasts longer
    than `poll.GRACE_S` ends the wait with the server's words.

    Args:
        source: The namespace or cluster that holds the objects.
        kind: Their kind, by any name that kubectl takes.
        read: Makes a state of the objects.
        what: What is waited for, as the start of the error message.
        want: The wanted state in words.
        done: Says whether a state is the wanted one; a part of it that is not there
            yet is waited for, too.
        failed: Says why a state can no longer become the wanted one, or None.
        show: Puts a state into words, for the message.
        about: Names the objects of a state whose Events explain it; an empty name
            stands for those that could not be made.
        name: Watch the object of this name only.
        selector: Watch the objects with these labels only.
        timeout: Seconds until giving up.
        next: What to do when the wait fails.

    Raises:
        NotReady: The deadline passed, ``failed`` gave a reason, or the API server
            refuses.
        BadInput: The API server has no such kind of object, the source holds none, the
            timeout is no number of seconds, or what ``done`` returns is always true.
    """
    check_timeout(timeout)
    if not isinstance(source, Source):
        raise BadInput(
            f"that is a {'name' if isinstance(source, str) else type(source).__name__}"
            ", and no namespace",
            wanted="a namespace, as cluster.scratch returns one, or the cluster",
            seen=repr(source),
            next="for one that is no chapter's, ask the cluster, by labels: "
            'wait.pods(cluster, "k8s-app=kube-dns", ready=2)',
        )
    started, timeout = time.monotonic(), stretched(timeout)
    last, reason = "no answer from the API server", None
    names: list[str] = []
    looks = source.watch(kind, name=name, selector=selector, timeout=timeout)
    refusal: ApiError | None = None
    try:
        with closing(looks) as states:
            for state in states:
                seen = read(state)
                ok, last, reason = judge(seen, done, failed, show)
                if ok:
                    return seen
                names = about(seen) if about is not None else [name] if name else []
                if reason is not None:
                    break
    except ApiError as error:
        refusal, last = error, f"{error.what}: {error.seen}"
    waited = time.monotonic() - started
    lines = _events(source, names)[-EVENTS:]
    if waited < timeout and refusal is not None:
        ended = f": the API server refused for {waited:.0f} s"
    else:
        ended = ": it cannot come" if reason else f": not within {timeout:g} s"
    raise NotReady(
        what + ended,
        wanted=want,
        seen="\n".join([*([reason] if reason else []), last, *lines]),
        waited_s=waited,
        where=source.where,
        next=next or "'kubectl describe' and 'kubectl get events' show more",
    ) from refusal


def check_timeout(timeout: object) -> None:
    """Refuse a deadline that is no number of seconds.

    Raises:
        BadInput: It is a text, none, endless, or less than nothing.
    """
    if (
        isinstance(timeout, bool)
        or not isinstance(timeout, int | float)
        or not 0 <= timeout <= MOST_S
    ):
        raise BadInput(
            "timeout takes seconds",
            wanted=f"a number from 0 to {MOST_S:.0f}, without quotes: 300 for 5m",
            seen=f"{timeout!r} ({type(timeout).__name__})",
        )


def hopeless(pods: list[Pod]) -> str | None:
    """Return why one of these Pods will not get ready by waiting, or None."""
    for pod in pods:
        crashes = pod.reason == "CrashLoopBackOff" and pod.crashes >= CRASHES
        missing = pod.reason == "ErrImagePull" and "not found" in pod.message
        if not pod.terminating and (pod.reason in HOPELESS or crashes or missing):
            times = f" after {pod.crashes} restarts" if crashes else ""
            detail = f": {pod.message}" if pod.message else ""
            return _short(f"Pod {pod.name}: {pod.reason}{times}{detail}")
    return None


def pods_in_words(pods: list[Pod]) -> str:
    """Return how many Pods are ready, and the state of those that are not."""
    ready = sum(pod.ready and not pod.terminating for pod in pods)
    others = [
        f"{pod.name} {pod.state}"
        + (", which no scheduler has seen" if _is_new(pod) else "")
        for pod in pods
        if pod.terminating or not pod.ready
    ]
    return f"{ready} ready" + (": " if others else "") + ", ".join(others[:5])


def _is_new(pod: Pod) -> bool:
    """Say whether a scheduler has neither found a machine for a Pod nor refused to."""
    return pod.state == "Pending" and not pod.node


def nodes_in_words(nodes: list[Node]) -> str:
    """Return how many machines are Ready, and what those that are not say."""
    ready = sum(node.ready for node in nodes)
    others = [f"{n.name} not Ready ({n.message})" for n in nodes if not n.ready]
    return f"{ready} Ready" + (": " if others else "") + ", ".join(others)


def still_there(objects: list[Object]) -> str:
    """Return what is still there, and what holds it."""
    words = []
    for each in objects[:5]:
        meta = each["metadata"]
        holds = [*(meta.get("finalizers") or [])]
        for condition in (each.get("status") or {}).get("conditions") or []:
            # All conditions of a Namespace say what keeps it from going.
            if condition["type"].startswith("Namespace") and (
                condition["status"] == "True"
            ):
                holds.append(condition.get("message", ""))
        ending = "ending" if "deletionTimestamp" in meta else "not deleted"
        held = f", held by {', '.join(holds)}" if holds else ""
        words.append(f"{meta['name']} {ending}{held}")
    return "still there: " + "; ".join(words)


def count(number: int, noun: str) -> str:
    """Return a number with its noun, as in ``3 Pods``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _events(source: Source, names: Sequence[str]) -> list[str]:
    """Return what Events say of objects, as far as the API server answers.

    The wait failed already, perhaps for the same reason; its message comes first.
    """
    told: list[str] = []
    for name in names:
        try:
            lines = source.events(name)
        except ApiError:
            continue
        except ApiUnreachable:  # nor will it answer what is asked of the others
            break
        wanted = "" if name else "Warning FailedCreate"
        told += [_short(line) for line in lines if line.startswith(wanted)]
    return told


def _short(line: str) -> str:
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
