"""Live views: what they show while a block runs, and how they end."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from k8slab import widgets
from k8slab.core.poll import until
from k8slab.core.rendered import Rendered
from k8slab.errors import CommandFailed, LabError
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace
from k8slab.widgets import view as views
from k8slab.widgets._screen import Screen
from k8slab.widgets.view import View


@pytest.fixture
def ns(cluster: Cluster, fake: Any) -> Namespace:
    """Return a namespace on two machines with one ready Pod."""
    for name in ("node1", "node2"):
        ready = [{"type": "Ready", "status": "True"}]
        fake.put("nodes", {"metadata": {"name": name}, "status": {"conditions": ready}})
    fake.put("pods", fake.pod("echo-1"), "chapter")
    return Namespace(cluster, "chapter")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the pictures that a notebook would show, the last one too."""
    seen: list[str] = []
    monkeypatch.setattr(Screen, "show", lambda self, each: seen.append(each.text))
    monkeypatch.setattr(Screen, "leave", lambda self, each: seen.append(each.text))
    return seen


def live_threads() -> list[str]:
    """Return the threads of live views."""
    return [t.name for t in threading.enumerate() if t.name == "k8slab-live"]


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Begin without another test's views: one whose block failed may end later."""
    until(live_threads, what="live views", want="none", timeout=10, done=_none)


def _none(names: list[str]) -> bool:
    return not names


def test_pods_are_seen_to_come_and_go(
    ns: Namespace, fake: Any, shown: list[str]
) -> None:
    """The last picture has the new Pod on its machine, and the diary both changes."""
    with widgets.pods(ns) as view:
        fake.drop("pods", "echo-1", "chapter")
        fake.put("pods", fake.pod("echo-2", node="node2"), "chapter")
        until(lambda: view.changes, what="changes", want="2", timeout=5, done=_two)

    assert "node2 (Ready)\n  echo-2 Ready" in shown[-1]
    assert "echo-1  Ready on node1\n" in shown[-1]
    assert shown[-1].endswith("echo-2  Ready on node2")


def _two(changes: int) -> bool:
    return changes >= 2


def test_the_last_picture_has_the_last_change(
    ns: Namespace, fake: Any, shown: list[str]
) -> None:
    """What happens right before the end of the block is not missed."""
    with widgets.pods(ns):
        fake.drop("pods", "echo-1", "chapter")

    assert "echo-1 Ready" not in shown[-1]


def test_a_view_ends_at_once_and_leaves_no_thread(
    ns: Namespace, shown: list[str]
) -> None:
    """Its watches are open and silent for a minute, and still the block ends."""
    with widgets.pods(ns):
        began = time.monotonic()

    assert time.monotonic() - began < 10
    assert live_threads() == []


def test_a_view_may_be_used_again(ns: Namespace, fake: Any, shown: list[str]) -> None:
    """As by a cell that is run twice; it watches, and tells of this block alone."""
    view = widgets.pods(ns)
    with pytest.raises(LabError, match="mine"), view:
        raise LabError("mine")
    for name in ("echo-2", "echo-3"):
        with view:
            fake.put("pods", fake.pod(name), "chapter")
            until(lambda: view.changes, what="changes", want="1", timeout=5)

    assert view.changes == 1
    assert shown[-1].endswith("echo-3  Ready on node1")
    assert "echo-2  Ready on" not in shown[-1]
    assert live_threads() == []


def test_a_view_without_its_block_says_that_it_shows_nothing(ns: Namespace) -> None:
    """As a cell shows it whose last line is the view alone, as with other widgets."""
    for view in (widgets.pods(ns), widgets.requests(), widgets.log(ns, "rc/echo")):
        assert "shows nothing without its block: with widgets." in repr(view)


def test_a_log_that_is_shown_again_is_read_anew(
    ns: Namespace, kubectl: Any, shown: list[str]
) -> None:
    """Its last lines are asked for again, so they must not stand there twice."""
    kubectl("echo line 1")
    view = widgets.log(ns, "rc/echo")
    for _ in range(2):
        with view:
            pass

    assert shown[-1] == "log of rc/echo\nline 1"


def test_a_view_has_clients_of_its_own(ns: Namespace, shown: list[str]) -> None:
    """The watches send nothing on the connection that cells use."""
    with widgets.pods(ns):
        before = ns.cluster.requests
        until(lambda: len(shown), what="pictures", want="3", timeout=5, done=_three)

    assert ns.cluster.requests == before


def _three(pictures: int) -> bool:
    return pictures >= 3


def test_a_view_stops_at_its_deadline(
    ns: Namespace, fake: Any, shown: list[str]
) -> None:
    """Later changes are not shown, though the block goes on."""
    with widgets.pods(ns, timeout=0.3) as view:
        until(live_threads, what="threads", want="0", timeout=5, done=_none)
        fake.drop("pods", "echo-1", "chapter")

    assert view.changes == 0


def test_a_views_deadline_has_the_patience_of_all(
    ns: Namespace, fake: Any, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow machine it sees what comes after the time that it was given."""
    monkeypatch.setenv("K8SLAB_PATIENCE", "20")
    with widgets.pods(ns, timeout=0.1) as view:
        threading.Event().wait(0.4)  # four times what it was given
        monkeypatch.delenv("K8SLAB_PATIENCE")
        fake.put("pods", fake.pod("echo-9"), "chapter")
        until(lambda: view.changes, what="changes", want="1", timeout=5)


def test_an_error_of_the_block_is_raised(ns: Namespace, shown: list[str]) -> None:
    """It goes on to the cell, and the threads end all the same."""
    with pytest.raises(LabError, match="mine"), widgets.pods(ns):
        raise LabError("mine")

    assert live_threads() == []


def test_an_error_of_a_thread_is_raised(
    ns: Namespace, fake: Any, shown: list[str]
) -> None:
    """The API server refuses the watch; the block ends with that error."""
    path = "GET /api/v1/namespaces/chapter/pods"

    def refuse() -> None:
        with widgets.pods(ns):
            fake.errors[path] = (422, {"reason": "Invalid", "message": "no"})

    with pytest.raises(LabError, match="Invalid"):
        refuse()
    assert live_threads() == []


def test_a_second_error_is_told_with_the_first(
    ns: Namespace, fake: Any, shown: list[str]
) -> None:
    """When block and thread both fail, the block's error names the other."""
    path = "GET /api/v1/namespaces/chapter/pods"

    def refuse() -> None:
        with widgets.pods(ns):
            fake.errors[path] = (422, {"reason": "Invalid", "message": "no"})
            raise LabError("mine")

    with pytest.raises(LabError, match="mine") as caught:
        refuse()
    assert "Invalid" in caught.value.__notes__[0]


def test_an_interrupt_ends_a_view_soon(ns: Namespace, shown: list[str]) -> None:
    """Ctrl-C comes through, in much less than two seconds."""
    view = widgets.pods(ns)
    with pytest.raises(KeyboardInterrupt), view:
        raise KeyboardInterrupt

    assert view.seconds < 1.5
    assert live_threads() == []


@pytest.mark.slow
def test_at_most_four_pictures_a_second(shown: list[str]) -> None:
    """However fast answers come."""
    with widgets.requests() as view:
        end = time.monotonic() + 1.1
        while time.monotonic() < end:
            view.saw(SimpleNamespace(pod="echo-1"))

    assert 3 <= len(shown) <= 6
    assert views.EVERY_S == 0.25


def test_requests_are_counted_by_pod(shown: list[str]) -> None:
    """Answers told by hand, those of a source, and those that did not come."""
    sent = [SimpleNamespace(pod="echo-1"), SimpleNamespace(pod="")]
    source = SimpleNamespace(record=SimpleNamespace(requests=sent))
    with widgets.requests(source) as view:
        view.saw(SimpleNamespace(pod="echo-2"))
        view.saw(SimpleNamespace(pod="echo-1"))

    assert (dict(view.pods), view.failed) == ({"echo-1": 2, "echo-2": 1}, 1)
    assert "echo-1" in shown[-1]
    assert "no answer" in shown[-1]


def test_requests_that_are_shown_again_are_counted_anew(shown: list[str]) -> None:
    """As of a cell that is run twice: its bars are of this block alone."""
    view = widgets.requests()
    for _ in range(2):
        with view:
            view.saw(SimpleNamespace(pod="echo-1"))

    assert dict(view.pods) == {"echo-1": 1}


def test_a_log_is_shown_as_it_is_written(
    ns: Namespace, kubectl: Any, shown: list[str]
) -> None:
    """The last lines with the Pod's name; what is still running is ended."""
    kubectl(
        'for n in 1 2 3; do echo "[pod/echo-1/echo] line $n"; done; exec /bin/sleep 60'
    )
    began = time.monotonic()
    with widgets.log(ns, "rc/echo", lines=2):
        until(lambda: shown, what="line", want="3", timeout=5, done=_has("line 3"))

    assert shown[-1] == "log of rc/echo\necho-1  line 2\necho-1  line 3"
    assert time.monotonic() - began < 4
    assert live_threads() == []


@pytest.mark.slow
def test_what_the_block_has_caused_is_waited_for(
    ns: Namespace, kubectl: Any, shown: list[str]
) -> None:
    """Until the log pauses, or has gone on for long enough."""
    lines = "for n in 1 2 3; do echo line $n; /bin/sleep 0.1; done"
    kubectl(f"/bin/sleep 0.5; {lines}; exec /bin/sleep 60")
    with widgets.log(ns, "rc/echo"):
        pass

    assert shown[-1].endswith("line 1\nline 2\nline 3")

    kubectl("while :; do echo more; /bin/sleep 0.1; done")
    began = time.monotonic()
    with widgets.log(ns, "rc/echo"):
        pass

    assert 3 <= time.monotonic() - began < 6


def _has(words: str) -> Any:
    return lambda shown: any(words in each for each in shown)


def test_a_log_that_is_not_there_is_an_error(
    ns: Namespace, kubectl: Any, shown: list[str]
) -> None:
    """The words of kubectl are raised at the end of the block."""
    kubectl("echo 'NotFound' >&2; exit 1")

    with pytest.raises(CommandFailed, match="NotFound"), widgets.log(ns, "nothing"):
        until(lambda: shown, what="NotFound", want="seen", timeout=5)


class Stubborn(View):
    """A view whose thread does not end."""

    def draw(self) -> Rendered:
        """Draw nothing."""
        return Rendered("", "")

    def begin(self) -> Any:
        """Follow something that never ends."""
        end = threading.Event()
        return [SimpleNamespace(run=lambda: end.wait(3), stop=lambda: None)]


def test_a_thread_that_does_not_end_is_an_error(
    monkeypatch: pytest.MonkeyPatch, shown: list[str]
) -> None:
    """A cell never ends in silence with something still at work."""
    monkeypatch.setattr(views, "LEAVE_S", 0.2)

    with pytest.raises(LabError, match="does not end"), Stubborn(timeout=1):
        pass
