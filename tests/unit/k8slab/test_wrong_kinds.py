"""What readers give by mistake is refused in words, before anything is done."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import pytest
from fakes.broken import notes

from k8slab import check, fault, magics, probe, record, rest, show, wait, widgets
from k8slab.errors import BadInput, LabError, NotReady, UnknownMachine
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace
from k8slab.kube.objects import Pod
from k8slab.rest import Answer


@pytest.fixture
def ns(cluster: Cluster) -> Namespace:
    return Namespace(cluster, "chapter")


@pytest.mark.parametrize("without", [Pod.read({"metadata": {"name": "a"}}), "a", ["b"]])
def test_what_is_no_address_is_not_waited_to_be_gone(
    fake: Any, ns: Namespace, without: Any
) -> None:
    """It would seem gone at once, whatever is among the endpoints."""
    fake.requests.clear()
    with pytest.raises(BadInput, match="without takes an address"):
        wait.endpoints(ns, "web", without=without, timeout=0.2)

    assert fake.requests == []


@pytest.mark.parametrize(
    ("waits", "wrong"),
    [
        (wait.pod, {"reason": 5}),
        (wait.pod, {"reason": [5]}),
        (wait.pod, {"phase": ["Running"]}),
        (wait.pod, {"phase": None}),
        (wait.pod, {"phase": "running"}),
        (wait.pod, {"phase": "CrashLoopBackOff"}),
        (wait.pod, {"ready": "yes"}),
        (partial(wait.restarts, at_least=0), {"reason": ["Error"]}),
        (partial(wait.pods, ready=0), {"controller": {"kind": "x"}}),
        (partial(wait.pods, ready=0), {"selector": {"app": "web"}}),
    ],
)
def test_what_no_state_equals_is_not_waited_for(
    fake: Any, ns: Namespace, waits: Callable[..., Any], wrong: dict[str, Any]
) -> None:
    """Nor reported in Python's words."""
    fake.requests.clear()
    where = () if "selector" in wrong else ("app=web",)
    with pytest.raises(BadInput, match=f"{next(iter(wrong))} takes"):
        waits(ns, *where, timeout=0.2, **wrong)

    assert not [each for each in fake.requests if "/pods" in each]


FIGURES = "/apis/metrics.k8s.io/v1beta1/namespaces/chapter/podmetrics"


def test_what_the_server_does_not_watch_is_not_followed(
    fake: Any, ns: Namespace
) -> None:
    """Figures are no stored objects; their list has no version to begin at."""
    kind = {"group": "metrics.k8s.io", "version": "v1beta1", "kind": "PodMetrics"}
    figures = {
        "resource": "podmetrics",
        "responseKind": kind,
        "scope": "Namespaced",
        "verbs": ["get", "list"],
    }
    group = {
        "metadata": {"name": "metrics.k8s.io"},
        "versions": [{"version": "v1beta1", "resources": [figures]}],
    }
    fake.errors["GET /apis"] = (200, {"items": [group]})
    fake.errors[f"GET {FIGURES}"] = (200, {"metadata": {}, "items": []})

    for follows in (
        lambda: wait.gone(ns, "PodMetrics", "web-1", timeout=1),
        record.changes(ns, "podmetrics").__enter__,
    ):
        with pytest.raises(BadInput, match="does not tell when PodMetrics") as caught:
            follows()
        assert 'wait.until(lambda: ns.find("PodMetrics")' in caught.value.next
    assert ns.find("PodMetrics") == []


def test_what_a_command_printed_stands_for_its_text(
    fake: Any, cluster: Cluster, ns: Namespace
) -> None:
    """As a name of a machine, an object, a namespace or an account."""

    def printed(text: str) -> Any:
        return magics.Result("kubectl get", f"{text}\n", "", 0, 0.1)

    fake.put("pods", fake.pod("web-1"), "chapter")
    account = "/api/v1/namespaces/chapter/serviceaccounts/reader/token"
    fake.errors[f"POST {account}"] = (201, {"status": {"token": "t"}})

    assert cluster.machine(printed("node1")).name == "node1"
    with pytest.raises(UnknownMachine, match="node9"):
        cluster.machine(printed("node9"))
    assert ns.get("Pod", printed("web-1"))["metadata"]["name"] == "web-1"
    assert cluster.find("Pod", namespace=printed("chapter")) != []
    assert rest.token(ns, printed("reader")).account.endswith(":reader")
    assert cluster.events(about=printed("web-1")) == []
    assert wait.pod(ns, "web-1", phase=printed("Running"), timeout=1).name == "web-1"
    assert show.table([POD], columns=printed("name")).text.split() == ["NAME", "db-0"]


def test_what_a_command_printed_is_waited_for(fake: Any, ns: Namespace) -> None:
    """As a name that `get … -o jsonpath={.items[0].metadata.name}` printed."""

    def printed(text: str) -> Any:
        return magics.Result("kubectl get", f"{text}\n", "", 0, 0.1)

    fake.put("pods", fake.pod("web-1"), "chapter")
    fake.put("services", {"metadata": {"name": "web"}}, "chapter")

    assert wait.pod(ns, printed("web-1"), ready=True, timeout=1).name == "web-1"
    assert wait.gone(ns, "pod", printed("web-2"), timeout=1)
    assert wait.endpoints(ns, printed("web"), want=0, timeout=1).service == "web"
    found = wait.for_object(ns, "Pod", printed("web-1"), want="there", timeout=1)
    assert found["metadata"]["name"] == "web-1"
    with pytest.raises(BadInput, match="neither a name nor labels"):
        wait.gone(ns, "pod", printed("pod/web-1"), timeout=1)


def test_a_manifest_is_asked_for_by_its_path(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by one that a command printed; of what is no path no file is looked for."""
    (tmp_path / "manifests").mkdir()
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"
    (tmp_path / "manifests" / "a.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    printed: Any = magics.Result("kubectl get", "a.yaml\n", "", 0, 0.1)
    show.validate(printed)
    pure: Any = PurePosixPath("a.yaml")
    for each in (printed, pure):
        assert show.manifest(each).text.startswith("# manifests/a.yaml\n")

    wrong: list[Any] = [None, 3, b"a.yaml", ["a.yaml"]]
    for each in wrong:
        for shows in (show.manifest, show.validate):
            with pytest.raises(BadInput, match="path takes a text"):
                shows(each)


def test_nothing_is_no_restriction(fake: Any, cluster: Cluster, ns: Namespace) -> None:
    """As an empty text is none."""
    fake.put("pods", fake.pod("web-1"), "chapter")
    given: Any = None

    assert cluster.find("Pod", namespace=given, selector=given) != []
    assert [pod.name for pod in ns.pods(given)] == ["web-1"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda ns: ns.pods("web-1"),
        lambda ns: ns.ready_pods("web-1"),
        lambda ns: ns.find("Pod", "web-1"),
        lambda ns: wait.pods(ns, "web-1", ready=0, timeout=1),
        lambda ns: wait.restarts(ns, "web-1", at_least=1, timeout=1),
    ],
)
def test_a_name_in_the_place_of_labels_is_refused(
    fake: Any, ns: Namespace, ask: Callable[[Namespace], Any]
) -> None:
    """It asks for a label of that name, so nothing would seem to be there."""
    fake.put("pods", fake.pod("web-1"), "chapter")
    with pytest.raises(BadInput, match="selector takes labels") as caught:
        ask(ns)

    assert caught.value.seen == "web-1"
    assert [pod.name for pod in ns.pods("app")] == ["web-1"]
    assert ns.pods("tier") == []
    fake.put("pods", fake.pod("app"), "chapter")
    assert len(wait.pods(ns, "app", ready=2, timeout=1)) == 2


def test_an_object_is_asked_for_in_its_namespace(fake: Any, cluster: Cluster) -> None:
    """Without one the server says that it is not found, although it is there."""
    fake.put("pods", fake.pod("web-1"), "chapter")
    cluster.namespace = "chapter"
    with pytest.raises(BadInput, match="every Pod is in a namespace") as caught:
        cluster.get("po", "web-1")

    assert caught.value.wanted == 'cluster.get("Pod", "web-1", namespace="chapter")'
    assert not [each for each in fake.requests if each.endswith("/web-1")]
    found = cluster.get("Pod", "web-1", namespace="chapter")
    assert found["metadata"]["name"] == "web-1"
    assert cluster.get("ns", "kube-system")["metadata"]["name"] == "kube-system"


@pytest.mark.parametrize("about", ["pod/web-1", "app=web", "web 1"])
def test_events_are_about_a_name(fake: Any, ns: Namespace, about: str) -> None:
    """As kubectl's --for takes it with its kind, no Event would ever be found."""
    with pytest.raises(BadInput, match="the name of one object"):
        ns.events(about)

    assert not [each for each in fake.requests if "/events" in each]
    assert ns.events("system:controller:web") == []


def test_a_namespace_is_named_by_a_text(
    fake: Any, cluster: Cluster, ns: Namespace, kubectl: Any
) -> None:
    """In one that is not there the API server finds nothing, and does not say so."""
    kubectl("echo asked")
    given: Any = ns
    asked: list[Callable[[], Any]] = [
        lambda: cluster.find("Pod", namespace=given),
        lambda: cluster.get("Pod", "web-1", namespace=given),
        lambda: cluster.events(namespace=given),
        lambda: cluster.watch("Pod", timeout=1, namespace=given),
        lambda: cluster.kubectl(["get", "pods"], namespace=given),
    ]
    for ask in asked:
        with pytest.raises(BadInput, match="namespace takes a name") as caught:
            ask()
        assert caught.value.next == "take its name: namespace=ns.name"
    assert not [each for each in fake.requests if "pods" in each or "events" in each]


@pytest.mark.parametrize("argv", ["get pods", None, ["get", 5], ["get", "a\0b"]])
def test_kubectl_takes_a_list_of_texts(
    cluster: Cluster, kubectl: Any, argv: Any
) -> None:
    """Of a text, each letter would be an argument."""
    kubectl("echo asked")
    with pytest.raises(BadInput, match="as a list of texts"):
        cluster.kubectl(argv)


@pytest.mark.parametrize("change", ["require", "disable"])
@pytest.mark.parametrize("names", [["metrics-server"], None, ""])
def test_an_add_on_is_known_by_its_name(
    cluster: Cluster, change: str, names: Any
) -> None:
    """A list is none: it would be found not to be enabled."""
    with pytest.raises(BadInput, match="known by its name") as caught:
        getattr(cluster, change)(names)

    assert "parentheses" in caught.value.next


@pytest.mark.parametrize(
    "error", ["BadInput", (BadInput, NotReady), LabError("x"), None, ValueError]
)
def test_what_cannot_be_promised_is_refused_before_the_block(error: Any) -> None:
    """Whatever the block does."""
    ran = False
    with pytest.raises(BadInput, match="could be promised"), check.fails(error):
        ran = True
    with pytest.raises(BadInput), check.fails(LabError, match=5):  # type: ignore[arg-type]
        ran = True

    assert not ran


@pytest.mark.parametrize(
    "claims", [("ab",), ("abc",), (("a",),), (None,), ("a", lambda: True), ((1, True),)]
)
@pytest.mark.parametrize("judge", [check.exercise, check.grade])
def test_what_is_no_claim_solves_nothing(
    capsys: pytest.CaptureFixture[str], judge: Callable[..., Any], claims: Any
) -> None:
    """A text of two letters would be a claim and its fact."""
    with pytest.raises(BadInput, match="a text and its fact"):
        judge("letters", ("first", True), *claims)
    with pytest.raises(BadInput):
        check.grade("letters")

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("source", ["chapter", None])
def test_a_recording_is_of_a_namespace(cluster: Cluster, source: Any) -> None:
    for begin in (
        record.changes(source),
        record.scaling(source, "shop", load="app=a"),
        record.changes(cluster),  # type: ignore[arg-type]
    ):
        with pytest.raises(BadInput, match="no namespace"), begin:
            pass


@pytest.mark.parametrize(
    "wrong", [{"kinds": ()}, {"kinds": None}, {"timeout": "5"}, {"timeout": 1e12}]
)
def test_a_recording_of_nothing_is_not_begun(
    fake: Any, ns: Namespace, wrong: dict[str, Any]
) -> None:
    with pytest.raises(BadInput), record.changes(ns, **wrong):
        pass

    assert fake.requests == []


@pytest.mark.parametrize(
    "wrong", [{"timeout": "5"}, {"timeout": None}, {"load": ""}, {"load": 5}]
)
def test_a_recording_of_an_autoscaler_knows_its_clients(
    fake: Any, ns: Namespace, wrong: dict[str, Any]
) -> None:
    """All Pods would count as clients."""
    with (
        pytest.raises(BadInput),
        record.scaling(ns, "shop", **{"load": "app=a", **wrong}),
    ):
        pass

    assert fake.requests == []


POD = Pod.read({"metadata": {"name": "db-0", "namespace": "chapter"}})
WRONG: list[Callable[[], Any]] = [
    lambda: probe.dns(None),  # type: ignore[arg-type]
    lambda: probe.dns(POD),  # type: ignore[arg-type]
    lambda: probe.tcp("master", 80, timeout=float("inf")),
    lambda: probe.sql(POD, 5),  # type: ignore[arg-type]
    lambda: probe.sql(POD, "select 1", container=5),  # type: ignore[arg-type]
    lambda: probe.curl(5, at="master"),  # type: ignore[arg-type]
    lambda: probe.curl("http://a.example/", at="master", times=0),
    lambda: probe.curl("http://a.example/", at="master", times="3"),  # type: ignore[arg-type]
    lambda: probe.echoes("master", 80, count="3"),  # type: ignore[arg-type]
    lambda: probe.echoes("master", 80, count=2.5),  # type: ignore[arg-type]
    lambda: probe.asking("master", 80, timeout="3").__enter__(),  # type: ignore[arg-type]
    lambda: probe.asking("master", 80, seconds=None).__enter__(),  # type: ignore[arg-type]
    lambda: probe.rules("chapter", "web", [POD]),  # type: ignore[arg-type]
    lambda: probe.route(5),  # type: ignore[arg-type]
    lambda: rest.curl(None),  # type: ignore[arg-type]
    lambda: rest.curl(["-i", "/version"]),  # type: ignore[arg-type]
    lambda: rest.curl("/version", token="secret"),  # type: ignore[arg-type]
    lambda: rest.client("secret"),  # type: ignore[arg-type]
    lambda: rest.proxy(None).__enter__(),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("ask", WRONG)
def test_what_cannot_be_asked_is_not_asked(
    cluster: Cluster, fake: Any, ask: Callable[[], Any]
) -> None:
    """Nor reported in Python's words, or with a secret."""
    fake.requests.clear()
    with pytest.raises(BadInput) as caught:
        ask()

    assert fake.requests == []
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("pods", [None, POD, ["web-1"]])
def test_rules_lead_to_pods(cluster: Cluster, ns: Namespace, pods: Any) -> None:
    with pytest.raises(BadInput, match="rules lead to"):
        probe.rules(ns, "web", pods)


@pytest.mark.parametrize("account", [None, "", "a b", "../../secrets/x", POD])
def test_an_account_is_asked_for_by_its_name(
    fake: Any, ns: Namespace, account: Any
) -> None:
    """Or another path would be asked for."""
    with pytest.raises(BadInput, match="no name of a ServiceAccount"):
        rest.token(ns, account)

    assert fake.requests == []


def test_an_answer_that_is_no_json_says_so() -> None:
    for read in ("json", "events"):
        with pytest.raises(BadInput, match="not JSON") as caught:
            getattr(Answer("curl …/healthz", 200, "ok"), read)
        assert (caught.value.where, caught.value.seen) == ("curl …/healthz", "ok")


VIEWS: list[Callable[[Any], Any]] = [
    lambda ns: widgets.pods("chapter"),  # type: ignore[arg-type]
    lambda ns: widgets.pods(ns, {"app": "a"}),  # type: ignore[arg-type]
    lambda ns: widgets.pods(ns, timeout="5"),  # type: ignore[arg-type]
    lambda ns: widgets.log("chapter", "a"),  # type: ignore[arg-type]
    lambda ns: widgets.log(ns),
    lambda ns: widgets.log(ns, POD),  # type: ignore[arg-type]
    lambda ns: widgets.log(ns, "a", lines=-1),
    lambda ns: widgets.requests(nullcontext()),  # type: ignore[arg-type]
    lambda ns: widgets.requests().saw("web-1"),  # type: ignore[arg-type]
    lambda ns: widgets.scaling(nullcontext()),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("view", VIEWS)
def test_what_cannot_be_shown_is_refused_before_the_block(
    fake: Any, ns: Namespace, view: Callable[[Namespace], Any]
) -> None:
    with pytest.raises(BadInput):
        view(ns)

    assert fake.requests == []


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("nosuch", "no such namespace"),
        (POD, "acts elsewhere"),
        (["chapter"], "acts elsewhere"),
    ],
)
@pytest.mark.parametrize("name", ["image-pull", "stuck-namespace"])
def test_a_fault_acts_in_a_namespace_that_is_there(
    cluster: Cluster, fake: Any, name: str, where: Any, said: str
) -> None:
    """Of a Pod the name would be taken for one."""
    with pytest.raises(BadInput, match=said):
        fault.inject(name, where).begin()

    assert notes(cluster) == []
    assert not [each for each in fake.requests if not each.startswith("GET")]


WRONG_KIND: Any = ("default",)


@pytest.mark.parametrize(
    "act",
    [
        lambda: fault.names("namespace"),
        lambda: fault.heal(WRONG_KIND),
        lambda: fault.standing(WRONG_KIND),
        lambda: fault.judge(WRONG_KIND),
        lambda: fault.inject("kubelet-stopped", "node1", cluster=WRONG_KIND),
        lambda: fault.draw(WRONG_KIND),
        lambda: fault.draw(1, namespace=WRONG_KIND),
        lambda: fault.draw(1, among=WRONG_KIND),
        lambda: fault.draw(1, among=[WRONG_KIND, "image-pull"]),
        lambda: fault.draw(1, among="image-pul"),
    ],
)
def test_what_is_no_fault_or_no_lab_is_refused(
    cluster: Cluster, act: Callable[[], Any]
) -> None:
    with pytest.raises(BadInput):
        act()


def test_clients_that_ended_count_no_more(fake: Any, ns: Namespace) -> None:
    """Their last line is an old one; a Job's Pods stay."""
    aim = {"target": {"type": "Utilization", "averageUtilization": 50}}
    spec = {
        "scaleTargetRef": {"kind": "Deployment", "name": "shop"},
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", **aim}}],
    }
    scaler = {"metadata": {"name": "shop"}, "spec": spec}
    fake.put("horizontalpodautoscalers", scaler, "chapter")
    fake.put("deployments", {"metadata": {"name": "shop"}}, "chapter")
    ended = fake.pod("a", labels={"app": "visitors"}, phase="Succeeded", ready=False)
    fake.put("pods", ended, "chapter")
    fake.errors["GET /api/v1/namespaces/chapter/pods/a/log"] = (200, "20 answered\n")
    with record.scaling(ns, "shop", load="app=visitors") as seen:
        pass

    assert [each.load for each in seen.samples][-1] == 0


@pytest.mark.parametrize(
    "draw",
    [
        lambda: show.table([POD], columns=5),  # type: ignore[arg-type]
        lambda: show.table([POD], columns=[5]),  # type: ignore[list-item]
        lambda: show.bars({"a": 1}, None),  # type: ignore[arg-type]
        lambda: show.matrix({"a": {"x": 1}}, 5),  # type: ignore[arg-type]
        lambda: show.timeline(record.Recording(), 5),  # type: ignore[arg-type]
        lambda: show.scaling(record.Scaling(50), 5),  # type: ignore[arg-type]
        lambda: show.manifest("rc.yaml", 5),  # type: ignore[arg-type]
        lambda: show.manifest("rc.yaml", [("spec",)]),  # type: ignore[list-item]
    ],
)
def test_columns_titles_and_paths_are_texts(draw: Callable[[], Any]) -> None:
    with pytest.raises(BadInput, match="takes a text"):
        draw()


def test_rows_and_columns_may_be_numbers() -> None:
    assert "✔ 2 rows" in show.matrix({1: {3: 2}}, "t").text  # type: ignore[dict-item]
