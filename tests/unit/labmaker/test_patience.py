"""On a slow machine every deadline is K8SLAB_PATIENCE times as long."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from fakes.clock import FakeClock
from fakes.host import FakeHost
from paths import BUNDLE

from k8slab.core.patience import stretched
from k8slab.core.poll import until
from k8slab.core.process import Completed, LocalRunner
from k8slab.errors import BadInput, CommandTimeout, NotReady
from k8slab.kube.follow import follow
from k8slab.kube.objects import Object
from labmaker.bundle import versions
from labmaker.install import health
from labmaker.install.context import InstallContext
from labmaker.install.steps import control_plane, join, slow
from labmaker.providers import provider_of
from labmaker.settings import Settings

SETTINGS = Settings("test", 0, 1, "ready", "podman", "1.37.2")
RECORD = SETTINGS.record(lambda _: ((), ()), {"echo": "registry.lab/echo:1"})


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say that this computer is twenty times slower than others."""
    monkeypatch.setenv("K8SLAB_PATIENCE", "20")


@pytest.mark.parametrize("given", ["", "0", "0.5", "-3", "twenty", "nan", "inf", "1e9"])
def test_a_factor_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """Deadlines are never shorter than those that were measured."""
    monkeypatch.setenv("K8SLAB_PATIENCE", given)
    with pytest.raises(BadInput) as caught:
        stretched(1)

    assert (caught.value.where, caught.value.seen) == ("K8SLAB_PATIENCE", repr(given))


def test_without_it_deadlines_are_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the cluster's settings changes either."""
    monkeypatch.delenv("K8SLAB_PATIENCE", raising=False)

    assert (stretched(7), slow.timeouts(), slow.etcd(), slow.patches()) == (
        7,
        {},
        {},
        {},
    )


@pytest.mark.usefixtures("slowly")
def test_a_wait_is_longer() -> None:
    """The message says how long it really was; and there are not more looks."""
    clock = FakeClock()
    looks: list[float] = []
    with pytest.raises(NotReady, match="not within 100 s"):
        until(lambda: looks.append(0), what="x", want="y", timeout=5, clock=clock)

    assert clock.now() >= 100
    assert len(looks) <= 51


@pytest.mark.usefixtures("slowly")
def test_a_command_may_take_longer() -> None:
    """It ends well after its usual deadline; and still has one."""
    LocalRunner().run(["sleep", "0.4"], timeout=0.05)
    with pytest.raises(CommandTimeout, match=r"within 0\.2 s"):
        LocalRunner().run(["sleep", "5"], timeout=0.01)


@pytest.mark.usefixtures("slowly")
def test_objects_are_watched_for_longer() -> None:
    """The watch is given the longer deadline."""
    asked: list[float] = []

    class Nothing:
        where = "nowhere"

        def watch(
            self, kind: str, *, name: str = "", selector: str = "", timeout: float
        ) -> Iterator[list[Object]]:
            asked.append(timeout)
            yield []

        def events(self, about: str = "") -> list[str]:
            return []

    source: Any = Nothing()
    with pytest.raises(NotReady, match="not within 60 s"):
        follow(source, "Pod", len, what="x", want="y", done=bool, timeout=3)

    assert asked == [60]


@pytest.mark.usefixtures("slowly")
def test_a_request_waits_longer_for_its_answer() -> None:
    """A server that answers late is no server that does not answer."""
    from k8slab.probe._exchange import Target, exchange

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            threading.Event().wait(0.4)
            connection.sendall(b"late\n")
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        cluster: Any = None
        target = Target("127.0.0.1", port, "a server")
        answer = exchange(cluster, target, lines=1, timeout=0.1)

    assert (answer.data, answer.failure) == (b"late\n", "")


@pytest.mark.usefixtures("slowly")
def test_a_machine_has_longer_to_shut_down() -> None:
    """The engine cuts its power later."""
    host = FakeHost()
    provider_of("podman", "test", host, host=host).stop(["node1"])

    assert host.asked[-1][-3:] == ("-t", "400", "k8slab-test-node1")


class Shell:
    """A machine that notes what it is asked, and finds all well."""

    where, lab, address = "master", "test", "172.30.1.11"

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.input = ""
        self.files: dict[str, str] = {}

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        """Note a command; no file is there yet."""
        self.asked.append(argv)
        self.input = more.get("input") or self.input
        code = 1 if argv[0] == "test" else 0
        return Completed(tuple(argv), self.where, code, "", "", 0.0)

    def put(self, path: str, data: str, *, mode: int = 0o644) -> bool:
        """Note a file."""
        self.files[path] = data
        return True


@pytest.mark.usefixtures("slowly")
def test_kubectl_on_the_master_waits_longer() -> None:
    """Both its own deadline and that of the call that runs it."""
    shell: Any = Shell()
    health.wait_nodes(RECORD, shell, timeout=120)
    health.is_well(shell, ["master"])
    join.wait_signed(shell, "abcdef.0123456789abcdef")
    health.ask_names(RECORD, shell)
    words = [word for argv in shell.asked for word in argv if "timeout" in word]

    assert "--timeout=2400s" in words
    assert {"--timeout=20s", "--request-timeout=100s", "--timeout=1200s"} <= set(words)
    assert '"timeoutSeconds": 600' in shell.input
    assert '"periodSeconds": 20' in shell.input


@pytest.mark.usefixtures("slowly")
def test_kubeadm_and_what_it_makes_have_longer() -> None:
    """Its own time-outs, the token, the probes of static Pods and etcd's election."""
    context = InstallContext(RECORD, versions.read(BUNDLE), ca="", apt_key=b"")
    shell: Any = Shell()
    master = RECORD.machines[0]
    control_plane.apply(context, master, shell, token="a.b", on_token=lambda: None)
    init, cluster, kubelet, _ = control_plane.init_documents(context, "a.b")
    join.apply(context, RECORD.machines[1], shell, token="a.b", ca_cert_hash="x")

    assert init["timeouts"]["kubernetesAPICall"] == "1200s"
    assert init["bootstrapTokens"][0]["ttl"] == "600m0s"
    told = {
        each["name"]: each["value"] for each in cluster["etcd"]["local"]["extraArgs"]
    }
    assert told == {"heartbeat-interval": "2000", "election-timeout": "20000"}
    patch = shell.files[f"{control_plane.PATCHES}/kube-apiserver+strategic.yaml"]
    assert "failureThreshold: 160" in patch
    assert patch.count("periodSeconds: 20") == 1
    manager = f"{control_plane.PATCHES}/kube-controller-manager+strategic.yaml"
    assert "readinessProbe" not in shell.files[manager]
    kept = ("fileCheck", "nodeStatusUpdate", "nodeStatusReport")
    assert [kubelet[f"{name}Frequency"] for name in kept] == ["20s", "40s", "200s"]
    assert "tlsBootstrap: 6000s" in shell.files["/etc/kubernetes/kubeadm-join.yaml"]


@pytest.mark.parametrize("seconds", ["5m", None, -1, True, math.nan])
def test_a_time_is_a_number_of_seconds(seconds: Any) -> None:
    """Wherever one is given, and before anything is sent."""
    with pytest.raises(BadInput, match="a time is a number of seconds"):
        stretched(seconds)
