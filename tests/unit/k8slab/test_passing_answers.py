"""Waits hold: what an API server answers while it starts does not end them."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest

from k8slab import wait
from k8slab.core import poll
from k8slab.errors import (
    ApiError,
    ApiUnreachable,
    BadInput,
    CommandFailed,
    LabError,
    NotReady,
)
from k8slab.kube import watch
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace

LIMIT_S = 20.0


def _node() -> dict[str, Any]:
    ready = [{"type": "Ready", "status": "True"}]
    return {"metadata": {"name": "node1"}, "status": {"conditions": ready}}


def _slice() -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": "echo"}
    ends = [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}]
    return {"metadata": {"name": "e", "labels": labels}, "endpoints": ends}


def _scaler() -> dict[str, Any]:
    return {
        "metadata": {"name": "shop"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"name": "shop"}},
        "status": {"currentReplicas": 1, "desiredReplicas": 1},
    }


WAITS: dict[str, Callable[[Namespace], Any]] = {
    "pods": lambda ns: wait.pods(ns, ready=1, timeout=LIMIT_S),
    "pod": lambda ns: wait.pod(ns, "echo-1", ready=True, timeout=LIMIT_S),
    "restarts": lambda ns: wait.restarts(ns, "app=echo", at_least=0, timeout=LIMIT_S),
    "gone": lambda ns: wait.gone(ns, "ConfigMap", "old", timeout=LIMIT_S),
    "endpoints": lambda ns: wait.endpoints(ns, "echo", want=1, timeout=LIMIT_S),
    "nodes": lambda ns: wait.nodes(ns.cluster, ready=1, timeout=LIMIT_S),
    "for_object": lambda ns: wait.for_object(
        ns, "ConfigMap", "new", want="there", timeout=LIMIT_S
    ),
    "scaler": lambda ns: wait.scaler(
        ns, "shop", want="there", done=lambda seen: True, timeout=LIMIT_S
    ),
    "until": lambda ns: wait.until(
        lambda: ns.ready_pods(), what="a Pod", want="one", timeout=LIMIT_S
    ),
}
STATUSES = (401, 403, 404, 408, 429, 500, 502, 503, 504)


def _twice(status: int) -> Callable[[Any], None]:
    return lambda fake: fake.passing.extend([status] * 2)


ANSWERS: dict[str, Callable[[Any], None]] = {
    **{str(status): _twice(status) for status in STATUSES},
    "connection refused": lambda fake: fake.restart(0.3),
    "broken handshake": lambda fake: setattr(fake, "hang_up", 3),
}


@pytest.fixture
def ns(fake: Any, cluster: Cluster) -> Namespace:
    """A namespace in which every wait finds what it waits for."""
    fake.put("pods", fake.pod("echo-1"), "chapter")
    fake.put("nodes", _node())
    fake.put("endpointslices", _slice(), "chapter")
    fake.put("configmaps", {"metadata": {"name": "new"}}, "chapter")
    fake.put("horizontalpodautoscalers", _scaler(), "chapter")
    return Namespace(cluster, "chapter")


def test_every_wait_is_tried() -> None:
    """A wait that is added is added here, too."""
    assert set(WAITS) == set(wait.__all__) - {"Waited"}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", WAITS)
def test_a_passing_answer_is_waited_out(
    fake: Any, ns: Namespace, monkeypatch: pytest.MonkeyPatch, name: str, answer: str
) -> None:
    """Whatever the server says first, even of its kinds, the wait succeeds."""
    for module in (poll, watch):
        monkeypatch.setattr(module, "PAUSE_S", 0.02)
    ANSWERS[answer](fake)

    WAITS[name](ns)
    assert fake.passing == []


@pytest.mark.parametrize("status", STATUSES)
def test_a_watch_that_is_refused_is_resumed(
    fake: Any, ns: Namespace, status: int
) -> None:
    """The refusal comes between list and watch; the change after it is seen."""
    fake.put("pods", fake.pod("echo-1", ready=False), "chapter")
    fake.refuse_watch = [status]
    fake.on_request = lambda method, path: (
        None if fake.refuse_watch else fake.put("pods", fake.pod("echo-1"), "chapter")
    )

    assert WAITS["pods"](ns)[0].ready


@pytest.mark.parametrize("name", [name for name in WAITS if name != "until"])
def test_rights_that_are_missing_end_a_wait(
    fake: Any, ns: Namespace, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """After the grace, and long before the deadline, with the server's words."""
    monkeypatch.setattr(poll, "GRACE_S", 0.5)
    fake.passing = [403] * 1000
    with pytest.raises(NotReady, match="the API server refused") as caught:
        WAITS[name](ns)

    assert "403 passing 403" in caught.value.seen
    assert isinstance(caught.value.__cause__, ApiError)
    assert caught.value.waited_s < LIMIT_S


@pytest.mark.parametrize("answer", [403, 503])
def test_the_deadline_ends_a_refusal_with_the_servers_words(
    fake: Any, ns: Namespace, answer: int
) -> None:
    """It is kept also where the refusal may pass."""
    fake.passing = [answer] * 1000
    with pytest.raises(NotReady, match=r"not within 0\.5 s") as caught:
        wait.pods(ns, ready=1, timeout=0.5)

    assert f"{answer} passing {answer}" in caught.value.seen


@pytest.mark.parametrize("status", [400, 405, 422])
def test_an_answer_that_stays_ends_a_wait_at_once(
    fake: Any, ns: Namespace, status: int
) -> None:
    """A request that is wrong is not repeated."""
    fake.passing = [status]
    with pytest.raises(NotReady, match="the API server refused"):
        wait.pods(ns, ready=1, timeout=LIMIT_S)

    assert len(fake.requests) == 1


def test_a_refused_last_look_keeps_what_was_seen(fake: Any, ns: Namespace) -> None:
    """The deadline's error tells the state, and not that answer."""

    def refuse_the_last(method: str, path: str) -> None:
        if fake.requests.count("GET /api/v1/namespaces/chapter/pods") > 2:
            fake.passing = [503]

    fake.on_request = refuse_the_last
    with pytest.raises(NotReady, match=r"not within 0\.5 s") as caught:
        wait.pods(ns, ready=2, timeout=0.5)

    assert "1 ready" in caught.value.seen
    assert "503" not in caught.value.seen


@pytest.mark.parametrize(
    "said",
    [
        "Error from server (ServiceUnavailable): the server is unable to handle it",
        "Error from server (InternalError): an error on the server",
        "Error from server (Timeout): the request timed out",
        "Error from server (TooManyRequests): the server asks to wait",
        "E0101 memcache.go] x\nThe connection to the server 10.0.0.1:6443 was refused",
        "Unable to connect to the server: EOF",
        "Unable to connect to the server: net/http: TLS handshake timeout",
        "error: You must be logged in to the server (Unauthorized)",
        "Error from server (Forbidden): nodes is forbidden",
    ],
)
def test_a_look_through_kubectl_is_repeated(
    cluster: Cluster, kubectl: Callable[[str], None], said: str
) -> None:
    """What it says of a server that starts passes, as that server's own answers do."""
    again = 'test -e "$HOME/asked" && echo there && exit'
    complain = f': >"$HOME/asked"; printf "%s\\n" {shlex.quote(said)} >&2; exit 1'
    kubectl(f"{again}\n{complain}")
    seen = wait.until(
        lambda: cluster.kubectl(["get", "pods"]).stdout,
        what="Pods",
        want="some",
        timeout=LIMIT_S,
    )

    assert seen == "there\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["kubectl"], "Error from server (NotFound): pods not found"),
        (["kubectl"], "Unable to connect to the server: x509: unknown authority"),
        (["kubectl"], "a Pod said: Error from server (Timeout)"),
        (["curl"], "Error from server (Timeout): the request timed out"),
    ],
)
def test_another_complaint_ends_a_wait(argv: list[str], said: str) -> None:
    """Also one that looks like it, of another program."""
    error = CommandFailed(argv, where="here", returncode=1, stderr=said)

    assert (error.passing, error.passing_at_first) == (False, False)


def test_an_unknown_kind_is_not_waited_for(ns: Namespace) -> None:
    """A server that tells its kinds has told that there is no such one."""
    with pytest.raises(BadInput, match="no kind of object"):
        wait.gone(ns, "Podd", "x", timeout=LIMIT_S)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        """Return the time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.time += seconds


def _refusal(status: int, retry_after_s: float = 0.0) -> ApiError:
    return ApiError(status, where="here", body="", retry_after_s=retry_after_s)


def test_tolerance_ends_with_the_grace() -> None:
    """A refusal is borne for ten seconds, and any answer begins them anew."""
    clock = Clock()
    tolerance = poll.Tolerance(clock)
    tolerance.bear(_refusal(403))
    clock.time = 9.9
    tolerance.bear(_refusal(401))
    tolerance.reset()
    clock.time = 15.0
    tolerance.bear(_refusal(403))
    clock.time = 20.0
    tolerance.bear(ApiUnreachable("away"))  # it starts once more
    clock.time = 29.0
    tolerance.bear(_refusal(404))
    clock.time = 39.0

    with pytest.raises(ApiError):
        tolerance.bear(_refusal(403))


def test_the_server_says_how_long_to_pause() -> None:
    """Retry-After is kept; without it the pause is short."""
    tolerance = poll.Tolerance(Clock())

    assert tolerance.bear(_refusal(429, 7.0)) == 7.0
    assert tolerance.bear(_refusal(503)) == poll.PAUSE_S


def test_other_errors_do_not_pass() -> None:
    """A wait ends at once with what is no answer of an API server."""
    with pytest.raises(LabError, match="broken"):
        poll.Tolerance(Clock()).bear(LabError("broken"))
