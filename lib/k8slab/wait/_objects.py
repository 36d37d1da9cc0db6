"""The waits for API objects, which chapters reach as ``wait.pods`` and its like."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from ..core import given
from ..core.patience import stretched
from ..core.poll import check_asked
from ..errors import BadInput
from ..kube.follow import (
    TIMEOUT_S,
    Source,
    count,
    follow,
    hopeless,
    nodes_in_words,
    pods_in_words,
    still_there,
)
from ..kube.objects import Endpoints, Node, Object, Pod, Waited
from ..kube.scaler import KIND as _SCALER
from ..kube.scaler import Scaler

_NO_NAME = re.compile(r"[^\w.:-]")  # a few kinds, as roles, have a colon in names
_REASON = "a word, as CrashLoopBackOff"
_PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")


def pods(
    source: Source,
    selector: str = "",
    *,
    ready: int,
    controller: str = "",
    timeout: float = TIMEOUT_S,
    patient: bool = False,
) -> Waited[Pod]:
    """Wait until there are this many ready Pods and no others.

    Pods that are still ending, or not ready yet, keep it waiting. Pods that ended for
    good, as those of a Job, do not count; the error of a wait in vain names them.

    Args:
        source: The namespace that holds them.
        selector: Only Pods with these labels, as in ``app=echo``.
        ready: How many.
        controller: Only Pods that the controller of this name keeps.
        timeout: Seconds until giving up.
        patient: Wait on also when a Pod seems to have no chance: its image cannot be
            pulled, its configuration is missing, or it crashes again and again.

    Raises:
        BadInput: ``ready`` is no whole number, 0 or more.
        NotReady: The deadline passed, or a Pod has no chance.
    """
    _check_count("ready", ready)
    controller = given.text("controller", controller, "a controller's name, as echo")

    ended: list[Pod] = []

    def read(found: list[Object]) -> list[Pod]:
        kept = [p for p in map(Pod.read, found) if controller in ("", p.controller)]
        ended[:] = [p for p in kept if p.finished and not p.terminating]
        return [p for p in kept if not p.finished or p.terminating]

    def in_words(seen: list[Pod]) -> str:
        others = ", ".join(f"{pod.name} {pod.state}" for pod in ended[:5])
        return pods_in_words(seen) + (f"; ended for good: {others}" if others else "")

    def done(seen: list[Pod]) -> bool:
        return len(seen) == ready and all(p.ready and not p.terminating for p in seen)

    which = f" with {selector}" if selector else ""
    found = follow(
        source,
        "Pod",
        read,
        what=f"{count(ready, 'ready Pod')}{which}",
        want=f"{ready} ready and no others" if ready else "none",
        done=done,
        # A Pod that cannot become ready is no obstacle to none at all.
        failed=None if patient or not ready else hopeless,
        show=in_words if ready else pods_in_words,
        about=lambda seen: _unready(seen) if seen else [*_unready(ended), ""],
        selector=selector,
        timeout=timeout,
    )
    return Waited(found)


def pod(
    source: Source,
    which: str,
    *,
    reason: str | Sequence[str] = "",
    phase: str = "",
    ready: bool | None = None,
    timeout: float = TIMEOUT_S,
) -> Pod:
    """Wait until one Pod is in a state, and return it.

    Args:
        source: The namespace that holds it.
        which: Its name, or labels as in ``app=echo``; then any one of them counts.
        reason: Why it is not running, as in ``CrashLoopBackOff``; of several, any.
        phase: Its phase, as in ``Succeeded``.
        ready: Whether it is ready.
        timeout: Seconds until giving up.

    Raises:
        BadInput: That can be no Pod's name, or no phase.
        NotReady: The deadline passed.
    """
    reasons = [*filter(None, given.texts("reason", reason, _REASON))]
    phase = given.text("phase", phase, "one of a Pod's phases, as Running")
    if phase not in ("", *_PHASES):
        raise BadInput(
            "phase takes one of a Pod's phases",
            wanted=" or ".join(_PHASES),
            seen=phase,
            next=""
            if phase.capitalize() in _PHASES
            else "another word that kubectl shows as STATUS may be a reason: reason=…",
        )
    if not isinstance(ready, bool | None):
        raise BadInput(
            "ready takes True, False or None",
            wanted="ready=True, without quotes",
            seen=f"{ready!r} ({type(ready).__name__})",
        )
    want = [word for word in (" or ".join(reasons), phase) if word]
    want += [] if ready is None else ["ready" if ready else "not ready"]

    def matching(seen: list[Pod]) -> list[Pod]:
        return [
            pod
            for pod in seen
            if not reasons or pod.reason in reasons
            if phase in ("", pod.phase)
            and ready in (None, pod.ready)
            and not pod.terminating
        ]

    which, by_label = _named(which)
    found = follow(
        source,
        "Pod",
        lambda found: list(map(Pod.read, found)),
        what=f"a Pod {'with' if by_label else 'named'} {which}",
        want=" and ".join(want) or "there",
        done=lambda seen: matching(seen) != [],
        show=pods_in_words,
        about=lambda seen: [pod.name for pod in seen][:2],
        name="" if by_label else which,
        selector=which if by_label else "",
        timeout=timeout,
    )
    return matching(found)[0]


def restarts(
    source: Source,
    selector: str,
    *,
    at_least: int,
    exit_code: int | None = None,
    reason: str = "",
    timeout: float = TIMEOUT_S,
) -> Waited[Pod]:
    """Wait until a Pod's containers were restarted this often; return those Pods.

    How the last run ended is known a moment later, or never. Once a minute the kubelet
    removes containers that do not run, all but a Pod's newest of each name, and one
    that was made and not yet started is such a newest (``evictableContainers`` in its
    ``kuberuntime_gc.go``). So say which end is meant: then the next such end counts.

    Args:
        source: The namespace or cluster to look in.
        selector: Labels, as in ``app=echo``.
        at_least: How many restarts, of all of a Pod's containers.
        exit_code: How the last run has to have ended; however it did when None.
        reason: That end in a word, as in ``OOMKilled``; any when empty.
        timeout: Seconds until giving up.

    Raises:
        BadInput: A count or an exit code is no whole number, 0 or more.
        NotReady: The deadline passed.
    """
    _check_count("at_least", at_least)
    if exit_code is not None:
        _check_count("exit_code", exit_code)
    reason = given.text("reason", reason, _REASON)

    def read(found: list[Object]) -> list[Pod]:
        return list(map(Pod.read, found))

    def is_meant(pod: Pod) -> bool:
        return (
            pod.restarts >= at_least
            and exit_code in (None, pod.last_exit_code)
            and reason in ("", pod.last_reason)
        )

    def in_words(pod: Pod) -> str:
        end = f"{pod.last_exit_code} ({pod.last_reason})" if pod.last_reason else "?"
        return f"{pod.name}: {pod.restarts}, last exit code {end}"

    wanted = [f"{at_least} or more"]
    wanted += [f"exit code {exit_code}"] * (exit_code is not None)
    wanted += [reason] * bool(reason)
    seen = follow(
        source,
        "Pod",
        read,
        what=f"a Pod with {selector} restarted {count(at_least, 'time')}",
        want=", ".join(wanted),
        done=lambda seen: any(map(is_meant, seen)),
        show=lambda seen: "; ".join(map(in_words, seen)) or "none",
        about=lambda seen: [pod.name for pod in seen][:2],
        selector=selector,
        timeout=timeout,
    )
    return Waited(filter(is_meant, seen))


def gone(
    source: Source, kind: str, which: str, *, timeout: float = TIMEOUT_S
) -> Waited[Object]:
    """Wait until objects are gone; the result is true, though it is empty.

    Args:
        source: The namespace or cluster that held them.
        kind: Their kind, by any name that kubectl takes.
        which: A name, or labels as in ``app=echo``.
        timeout: Seconds until giving up.

    Raises:
        BadInput: That can be neither a name nor labels.
        NotReady: The deadline passed.
    """
    which, by_label = _named(which)
    found = follow(
        source,
        kind,
        list,
        what=f"no {kind} {'with' if by_label else 'named'} {which}",
        want="gone",
        done=lambda seen: len(seen) == 0,
        show=still_there,
        about=lambda seen: [each["metadata"]["name"] for each in seen][:2],
        name="" if by_label else which,
        selector=which if by_label else "",
        timeout=timeout,
    )
    return Waited(found)


def endpoints(
    source: Source,
    service: str,
    *,
    want: int | None = None,
    without: str = "",
    timeout: float = TIMEOUT_S,
) -> Endpoints:
    """Wait until a Service knows this many addresses that are ready.

    A Service that is not there knows none, which would be true of a misspelt one, too;
    so it has to be there, where none is enough.

    Args:
        source: The namespace that holds it.
        service: Its name.
        want: How many; None takes any number.
        without: An address that must not be among them.
        timeout: Seconds until giving up.

    Raises:
        BadInput: That can be no Service's name, or no address; or ``want`` is no whole
            number, 0 or more.
        NotReady: The deadline passed.
    """
    service = _name(service)
    if want is not None:
        _check_count("want", want)
    without = without and _address(without)
    if not want:
        began = time.monotonic()
        for_object(source, "Service", service, want="there", timeout=timeout)
        spent = (time.monotonic() - began) / stretched(1)
        timeout = max(0.0, round(timeout - spent, 1))
    number = "endpoints" if want is None else count(want, "endpoint")
    wanted = "any number" if want is None else f"{want} ready"
    return follow(
        source,
        "EndpointSlice",
        lambda found: Endpoints.read(service, found),
        what=f"{number} of Service {service}",
        want=wanted + (f", without {without}" if without else ""),
        done=lambda seen: want in (None, len(seen.ready)) and without not in seen.ready,
        show=lambda seen: f"{len(seen.ready)} ready, {len(seen.unready)} not ready",
        about=lambda seen: [service],
        selector=f"kubernetes.io/service-name={service}",
        timeout=timeout,
        next="compare the Service's selector with the Pods' labels",
    )


def nodes(source: Source, *, ready: int, timeout: float = TIMEOUT_S) -> Waited[Node]:
    """Wait until this many machines are Ready, and return all there are.

    Args:
        source: The cluster.
        ready: How many; while more of them are, it waits, too.
        timeout: Seconds until giving up.

    Raises:
        BadInput: ``ready`` is no whole number, 0 or more.
        NotReady: The deadline passed.
    """
    _check_count("ready", ready)
    found = follow(
        source,
        "Node",
        lambda found: list(map(Node.read, found)),
        what=f"{count(ready, 'ready Node')}",
        want=f"{ready} Ready",
        done=lambda seen: sum(node.ready for node in seen) == ready,
        show=nodes_in_words,
        about=lambda seen: [node.name for node in seen if not node.ready][:2],
        timeout=timeout,
    )
    return Waited(found)


def for_object(
    source: Source,
    kind: str,
    name: str,
    *,
    want: str,
    done: Callable[[Object], bool] = bool,
    failed: Callable[[Object], str | None] | None = None,
    timeout: float = TIMEOUT_S,
) -> Object:
    """Wait until one object is there and as wanted, and return it.

    Args:
        source: The namespace or cluster that holds it.
        kind: Its kind, by any name that kubectl takes.
        name: Its name.
        want: The wanted state in words.
        done: Says whether the object is as wanted; an empty one is never asked about.
        failed: Says why it can no longer become so, or None.
        timeout: Seconds until giving up.

    Raises:
        BadInput: That can be no object's name, or what ``done`` returns is always true.
        NotReady: The deadline passed, or ``failed`` gave a reason.
    """
    name = _name(name)
    check_asked(None, done=done, failed=failed)
    return follow(
        source,
        kind,
        lambda found: found[0] if found else {},
        what=f"{kind} {name}",
        want=want,
        done=lambda seen: bool(seen) and done(seen),
        failed=None
        if failed is None
        else (lambda seen: failed(seen) if seen else None),
        show=lambda seen: str(seen.get("status") or "there") if seen else "not there",
        name=name,
        timeout=timeout,
    )


def scaler(
    source: Source,
    name: str,
    *,
    want: str = "an average",
    done: Callable[[Scaler], bool] = lambda seen: seen.average is not None,
    timeout: float = TIMEOUT_S,
) -> Scaler:
    """Wait until a HorizontalPodAutoscaler is as wanted, and return what it knows.

    Args:
        source: The namespace that holds it.
        name: Its name.
        want: The wanted state in words; by default it knows an average.
        done: Says whether it is as wanted.
        timeout: Seconds until giving up.

    Raises:
        BadInput: That can be no object's name, or what ``done`` returns is always true.
        NotReady: The deadline passed.

    Example:
        ``wait.scaler(ns, "shop", want="3 Pods", done=lambda seen: seen.wanted == 3)``
    """
    name = _name(name)
    check_asked(None, done=done)
    found = follow(
        source,
        _SCALER,
        lambda found: [Scaler.read(each) for each in found],
        what=f"the HorizontalPodAutoscaler {name}",
        want=want,
        done=lambda seen: seen != [] and done(seen[0]),
        show=lambda seen: str(seen[0]) if seen else "not there",
        about=lambda seen: [name],
        name=name,
        timeout=timeout,
    )
    return found[0]


def _unready(pods: list[Pod]) -> list[str]:
    unready = [pod for pod in pods if not pod.ready or pod.terminating]
    return [pod.name for pod in sorted(unready, key=lambda pod: pod.terminating)][:2]


def _check_count(name: str, count: object) -> None:
    """Refuse what no number of objects equals, and what would be waited for in vain."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise BadInput(
            f"{name} takes a whole number",
            wanted="0 or more, without quotes",
            seen=f"{count!r} ({type(count).__name__})",
            next=f"{name}=int(x.text), where x is what %kubectl printed"
            if hasattr(count, "text")
            else "",
        )


def _address(without: object) -> str:
    """Return an address; refuse what none equals, and what would seem to be gone."""
    try:
        return str(ip_address(str(without).strip()))
    except ValueError as error:
        raise BadInput(
            "without takes an address",
            wanted="the address of one Pod, as 10.244.1.7",
            seen=getattr(without, "name", "") or str(without)[:80],
            next="give a Pod's address: without=pod.ip",
        ) from error


def _name(name: str) -> str:
    """Return a name, or the one that a command printed; refuse what no object has.

    The API would take all objects for it.
    """
    name = given.plain(name)
    if not isinstance(name, str) or not name or _NO_NAME.search(name):
        raise BadInput(
            "this is no name",
            wanted="the name of one object, as web-1",
            seen=str(name) or "nothing",
        )
    return name


def _named(which: str) -> tuple[str, bool]:
    """Return what names objects, also one that a command printed; and if it is labels.

    What is neither these nor a name is refused.
    """
    which = given.plain(which)
    if not isinstance(which, str) or (
        "=" not in which and (not which or _NO_NAME.search(which))
    ):
        raise BadInput(
            "this is neither a name nor labels",
            wanted="a name, as web-1, or labels, as app=web",
            seen=str(which) or "nothing",
        )
    return which, "=" in which
