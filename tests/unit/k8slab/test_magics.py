"""Magics: commands as typed, output as printed, limits and refusals."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest

from k8slab import magics
from k8slab.errors import (
    BadInput,
    CommandFailed,
    CommandTimeout,
    LabMissing,
    NotConnected,
    Refused,
    UnknownMachine,
    WrongCluster,
)
from k8slab.folder import LabFolder
from k8slab.kube.cluster import Cluster
from k8slab.magics import _limits


def test_kubectl_prints_what_it_prints(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments arrive as typed, quotes and all, and the output appears."""
    kubectl('for each in "$@"; do echo "<$each>"; done')
    magics.kubectl("get pods -l 'app in (a, b)'")

    assert capsys.readouterr().out == "<get>\n<pods>\n<-l>\n<app in (a, b)>\n"


def test_kubectl_knows_this_cluster_only(
    cluster: Cluster,
    folder: LabFolder,
    kubectl: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its surroundings are the lab's: kubeconfig, home, no proxy, no plugins."""
    monkeypatch.setenv("KUBECONFIG", "/somewhere/else")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    cluster.namespace = "chapter"
    kubectl('echo "$KUBECONFIG|$HOME|$HTTPS_PROXY|$PATH|$KUBERC"')
    magics.kubectl("get pods")
    config, home, proxy, path, kuberc = capsys.readouterr().out.strip().split("|")
    state = folder.root

    assert config == f"{state}/client/namespaces/chapter.json:{state}/kubeconfig"
    assert (home, proxy, kuberc) == (f"{state}/client/home", "", "off")
    assert path == f"{state}/client/bin"


def test_a_failure_is_short_and_complete(cluster: Cluster, kubectl: Any) -> None:
    """An exit code other than 0 becomes an error with kubectl's own words."""
    kubectl("echo 'Error from server (NotFound)' >&2; exit 3")

    with pytest.raises(CommandFailed) as caught:
        magics.kubectl("get pod nothing")
    assert str(caught.value).splitlines() == [
        "'kubectl' ended with exit code 3",
        "  where:  lab default: kubectl get pod nothing",
        "  wanted: exit code 0",
        "  seen:   Error from server (NotFound)",
    ]


def test_a_chapter_without_its_namespace_is_told_how_to_begin(
    cluster: Cluster, kubectl: Any
) -> None:
    """After its cleanup a chapter begins at its first cell, and the error says so."""
    cluster.namespace = "chapter"
    kubectl("echo 'Error: namespaces \"chapter\" not found' >&2; exit 1")

    with pytest.raises(CommandFailed) as caught:
        magics.kubectl("apply -f pod.yaml")
    assert "the chapter's first cell" in str(caught.value.next)


def test_another_cluster_is_refused_before_kubectl_starts(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refused command prints nothing, for it never ran."""
    kubectl("echo ran")

    with pytest.raises(Refused):
        magics.kubectl("get pods --context other")
    assert capsys.readouterr().out == ""


def test_a_changed_kubeconfig_stops_kubectl(
    cluster: Cluster,
    folder: LabFolder,
    kubectl: Any,
    fake: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The guard looks before every command."""
    kubectl("echo ran")
    fake.kubeconfig(folder.kubeconfig, cluster={"server": "https://127.0.0.9:1"})

    with pytest.raises(WrongCluster):
        magics.kubectl("get pods")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("line", ["get pods -w", "get pods --watch", "logs -f echo"])
def test_endless_commands_end_without_an_error(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    """A watch is ended after its time, and says so."""
    kubectl("echo one; exec /bin/sleep 60")
    started = time.monotonic()
    magics.kubectl(f"{line} --request-timeout=500ms")

    assert capsys.readouterr().out == "one\n(ended after 0.5 s)\n"
    assert time.monotonic() - started < 5


def test_other_commands_end_with_an_error(
    cluster: Cluster, kubectl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that should have ended by itself is an error at its deadline."""
    monkeypatch.setattr(_limits, "TIMEOUT_S", 0.3)
    kubectl("exec /bin/sleep 60")

    with pytest.raises(CommandTimeout):
        magics.kubectl("get pods")


@pytest.mark.parametrize(
    ("line", "endless", "seconds"),
    [
        ("get pods", False, 120),
        ("wait pod/x --for=condition=Ready --timeout=5m", False, 305),
        ("rollout status rc/x --timeout 10s", False, 120),
        ("get pods -w", True, 10),
        ("get pods -Aw --request-timeout=1m30s", True, 90),
        ("logs -f x --request-timeout=2h", True, 120),
        ("proxy", True, 10),
        ("port-forward pod/x 1:2", True, 10),
    ],
)
def test_each_command_has_its_time(line: str, endless: bool, seconds: float) -> None:
    """A command gets 120 s, its own longer time, or little when it has no end."""
    own = line.split()

    assert _limits.is_endless(own) == endless
    assert _limits.limit(own, endless=endless) == seconds


@pytest.mark.parametrize(
    "line",
    [
        "exec -it x -- sh",
        "exec x -ti -- sh",
        "run x --tty",
        "edit rc x",
        "delete pod x -i",
        "delete pod x --interactive",
        "apply edit-last-applied rc x",
        "create -f a.yaml --edit",
    ],
)
def test_a_terminal_is_not_to_be_had(cluster: Cluster, line: str) -> None:
    """What needs a keyboard is refused with a way out."""
    with pytest.raises(BadInput, match="a cell has no terminal"):
        magics.kubectl(line)


def test_the_pods_own_arguments_are_its_own(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Behind the two hyphens -t and -w belong to the command in the Pod."""
    kubectl("echo ran")
    magics.kubectl("exec x -- tail -t -w -s 1 file")

    assert capsys.readouterr().out == "ran\n"


def test_an_open_quote_is_named(cluster: Cluster) -> None:
    """A line that cannot be split is a mistake of the line."""
    with pytest.raises(BadInput, match="quotes that are closed"):
        magics.kubectl("get pods 'x")


def test_an_interrupt_ends_kubectl(
    cluster: Cluster, folder: LabFolder, kubectl: Any
) -> None:
    """Ctrl-C leaves no process behind."""
    kubectl("echo $$ > $HOME/pid; exec /bin/sleep 60")
    pid = folder.root / "client" / "home" / "pid"

    def interrupt() -> None:
        deadline = time.monotonic() + 10
        while not (pid.exists() and pid.read_text().strip()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        magics.kubectl("get pods")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_on_runs_the_cell_on_the_machine(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cell arrives as a script, and its output appears."""
    machine = cluster.on("node1")
    machine.answer = lambda text: (0, "active\n", "")  # type: ignore[attr-defined]
    magics.on("node1", "systemctl is-active kubelet\n")

    assert machine.asked == ["systemctl is-active kubelet\n"]  # type: ignore[attr-defined]
    assert capsys.readouterr().out == "active\n"


def test_on_takes_a_cell_with_the_line_ends_of_windows(cluster: Cluster) -> None:
    """As text is pasted; no command has a carriage return in its last word."""
    magics.on("node1", "true\r\nsystemctl is-active kubelet\r\n")

    script = "true\nsystemctl is-active kubelet\n"
    assert cluster.on("node1").asked == [script]  # type: ignore[attr-defined]


def test_on_a_failing_script_raises(cluster: Cluster) -> None:
    """A script that fails becomes CommandFailed, with the machine named."""
    cluster.on("node1").answer = lambda text: (3, "", "inactive\n")  # type: ignore[attr-defined]

    with pytest.raises(CommandFailed, match="node1"):
        magics.on("node1", "systemctl is-active kubelet\n")


@pytest.mark.parametrize(
    "line", ["", "--timeout 3", "--timeout 3 node1", "node1 --fast"]
)
def test_on_needs_a_machine(cluster: Cluster, line: str) -> None:
    """A first line that cannot be read tells how it is written."""
    with pytest.raises(BadInput, match="%%on MACHINE"):
        magics.on(line, "true")


def answering(cluster: Cluster, node1: Any, node2: Any) -> None:
    """Give two machines their answers."""
    cluster.on("node1").answer = node1  # type: ignore[attr-defined]
    cluster.on("node2").answer = node2  # type: ignore[attr-defined]


def test_on_several_machines_each_speaks_in_its_turn(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """They work side by side, and are printed in the order that was given."""
    second = threading.Event()

    def slow(text: str) -> tuple[int, str, str]:
        second.wait(5)  # ends only when the other works meanwhile
        return 0, "one\n", ""

    def quick(text: str) -> tuple[int, str, str]:
        second.set()
        return 0, "two\ntoo\n", ""

    answering(cluster, slow, quick)
    magics.on("node1 node2 --timeout 9", "hostname")

    assert capsys.readouterr().out == "--- node1\none\n--- node2\ntwo\ntoo\n"


def test_on_several_machines_one_that_fails_ends_no_other(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error comes when all have ended, and names the machine."""
    answering(cluster, lambda text: (3, "", "no\n"), lambda text: (0, "yes\n", ""))

    with pytest.raises(CommandFailed, match="node1"):
        magics.on("node1 node2", "hostname")
    assert capsys.readouterr().out == "--- node1\nno\n--- node2\nyes\n"


def test_on_several_machines_each_failure_is_told(cluster: Cluster) -> None:
    """The first is the error, and the others stand below it."""
    answering(cluster, lambda text: (3, "", ""), lambda text: (4, "", ""))

    with pytest.raises(CommandFailed, match="node1") as caught:
        magics.on("node1 node2", "hostname")
    told = caught.value._render_traceback_()[0].splitlines()[-1]
    assert told.startswith("node2: ")
    assert told.endswith("'bash' ended with exit code 4")


def test_machines_that_are_no_cluster_yet(cluster: Cluster, kubectl: Any) -> None:
    """Scripts run on them, and kubectl refuses and says what is missing."""
    kubectl("echo ran")
    cluster.on("node1").answer = lambda text: (0, "", "")  # type: ignore[attr-defined]
    magics.register_machines(cluster)
    magics.on("node1", "hostname")

    assert cluster.on("node1").asked == ["hostname"]  # type: ignore[attr-defined]
    with pytest.raises(LabMissing, match="no cluster yet"):
        magics.kubectl("get nodes")


def test_on_an_unknown_machine_is_refused(cluster: Cluster) -> None:
    """The machines there are are listed."""
    with pytest.raises(UnknownMachine):
        magics.on("node9", "true")


def test_on_takes_a_time() -> None:
    """The time is given in seconds, with a blank or an equals sign."""
    assert magics._on_arguments(["node1", "--timeout", "300"]) == (["node1"], 300)
    assert magics._on_arguments(["node1", "--timeout=0.5"]) == (["node1"], 0.5)
    assert magics._on_arguments(["node1"]) == (["node1"], 120)


def test_a_refusal_says_the_same_each_time(cluster: Cluster) -> None:
    """What a cell adds to it, as the number of its line, is no part of it."""
    cluster.refusal = NotConnected("the namespace chapter was not made")
    said = []
    for _ in range(3):
        with pytest.raises(NotConnected) as caught:
            magics.kubectl("", "# a line\nget pods")
        said.append((str(caught.value), len(caught.traceback)))

    assert said == [said[0]] * 3
    assert said[0][0] == "line 3 of the cell: the namespace chapter was not made"
    assert cluster.refusal.what == "the namespace chapter was not made"
