"""Pinning: fingerprints, and the arguments kubectl may get."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from k8slab.errors import BadInput, LabError, LabMissing, Refused, WrongCluster
from k8slab.folder import LabFolder
from k8slab.kube import pinning
from k8slab.kube.cluster import Cluster
from k8slab.kube.kubeconfig import Kubeconfig
from k8slab.kube.kubectl_arguments import kubectl_arguments
from k8slab.kube.pinning import Fingerprint
from k8slab.lab_record import ADOPTED, INVENTORY, LabRecord

ELSEWHERE = [
    "--kubeconfig=/tmp/other get pods",
    "get pods --kubeconfig /tmp/other",
    "get pods --context other",
    "get pods --cluster=other",
    "get pods --server=https://10.0.0.1:6443",
    "get pods --server https://10.0.0.1:6443",
    "get pods -s https://10.0.0.1:6443",
    "get pods -shttps://10.0.0.1:6443",
    "get pods -s=https://10.0.0.1:6443",
    "-s https://10.0.0.1:6443 get pods",
    "get pods -As https://10.0.0.1:6443",
    "get pods -Aws=https://10.0.0.1:6443",
    "logs -fs https://10.0.0.1:6443 echo",
    "logs -pfs https://10.0.0.1:6443 echo",
    "get pods --user other",
    "get pods --token=secret",
    "get pods --username=me --password=secret",
    "get pods --certificate-authority=/tmp/ca",
    "get pods --certificate_authority=/tmp/ca",
    "get pods --client-key=/tmp/key",
    "get pods --client-certificate=/tmp/crt",
    "get pods --insecure-skip-tls-verify",
    "get pods --insecure_skip_tls_verify=true",
    "get pods --tls-server-name=other",
    "get pods --proxy-url=http://10.0.0.1",
    "get pods --kuberc=/tmp/kuberc",
    "get pods -l -- --server=https://10.0.0.1:6443",
    "get pods -Al -- --server=https://10.0.0.1:6443",
    "exec echo -n -- --server=https://10.0.0.1:6443",
    "set env deploy/x --containers -- --server=https://10.0.0.1:6443",
    "set env deploy/x --prefix -- --server=https://10.0.0.1:6443",
    "exec --namespace -- --server=https://10.0.0.1:6443 echo",
    "logs -fn -- --server=https://10.0.0.1:6443",
    "config set-cluster kubernetes",
    "config set clusters.kubernetes.server https://10.0.0.1",
    "config use-context other",
    "config set-context --current --namespace=x",
    "config set-context --current --namespace --help",
    "config set-context --current --namespace -- -h",
    "-n x config unset users",
    "config view --raw",
    "config view --flatten",
    "apply -f https://10.0.0.1/x.yaml",
    "apply -fhttps://10.0.0.1/x.yaml",
    "apply --filename=a.yaml,https://10.0.0.1/x.yaml",
    "apply -Rf https://10.0.0.1/x.yaml",
    "apply -k example.com/some/base",
    "kustomize https://10.0.0.1/base",
    "--some-flag value get pods",
    "proxy --address=0.0.0.0",
    "proxy --port=0 --accept-hosts=.*",
    "proxy --accept_paths ^/",
    "proxy --reject-paths=none",
    "proxy --disable-filter",
    "port-forward pod/x 1:2 --address localhost,10.0.0.1",
    "proxy -w -- --server=https://10.0.0.1:6443",
    "proxy --www -- --disable-filter",
    "get pods --user=admin",
    "create configmap rolebinding --user=jane",
]
HARMLESS = [
    "get pods",
    "get pods -A -o wide",
    "get pods -lapp=services -nsystems",
    "-n kube-system get pods",
    "--namespace=kube-system get pods",
    "apply -f ../manifests/x/rc-services.yaml",
    "logs -f rc/echo --tail=3",
    "logs echo -p",
    "exec rc/echo -- sh -s --server=x --token y",
    "exec -i rc/echo -- cat",
    "exec etcd -nkube-system -- etcdctl endpoint status --cluster",
    "exec web -cmain -- ls -t --server=x",
    "run x --image=registry.lab/echo:1 --command -- echo -s hello",
    "annotate rc echo home=https://kubernetes.io",
    "delete pods -l app=echo,release!=second --cascade=orphan",
    "get pods --as=system:serviceaccount:x:y --as-group=z",
    "config view",
    "config current-context",
    "config",
    "config -h",
    "config set-context --help",
    "get pods config",
    "port-forward pod/x 1:2 --address=localhost",
    "proxy --port=0 --address=127.0.0.1",
    "proxy --unix-socket=api.sock",
    "create rolebinding a --clusterrole=view --user=jane",
    "create clusterrolebinding a --clusterrole=view --user jane",
    "set subject rolebinding a --user=jane",
    "run t --image=x --privileged -- curl -s http://x",
    "run x --image=a --save-config -- ls -t -s http://x",
    "debug web -i --image=busybox --copy-to=w2 --replace -- tail -s 5 /etc/hosts",
    "debug web -i --image=a --keep-annotations --keep-startup -- tail -s 5 x",
    "--help",
]


@pytest.mark.parametrize("line", ELSEWHERE)
def test_arguments_that_lead_elsewhere_are_refused(line: str) -> None:
    """Whatever could reach another cluster is refused."""
    argv = shlex.split(line)

    with pytest.raises(Refused):
        kubectl_arguments(argv)


@pytest.mark.parametrize(
    ("line", "way"),
    [
        ("config set-context --current --namespace=db", "-n NAMESPACE"),
        ("config use-context x", "-n NAMESPACE"),
        ("config view --raw", "leave it out"),
        ("apply -f https://10.0.0.1/x.yaml", "then -f with its path"),
        ("apply -k github.com/a/b", "then -k with its path"),
        ("kustomize https://10.0.0.1/base", "then kustomize with its path"),
        ("port-forward pod/x 1:2 --address=0.0.0.0", "leave it out"),
    ],
)
def test_a_refusal_does_not_send_to_another_cluster(line: str, way: str) -> None:
    """Where the reader's own kubectl would do it there, what to do here is told."""
    with pytest.raises(Refused) as caught:
        kubectl_arguments(shlex.split(line))

    assert way in caught.value.next
    assert "your own kubectl" not in caught.value.next


@pytest.mark.parametrize("line", HARMLESS)
def test_ordinary_arguments_are_left_as_they_are(line: str) -> None:
    """What an operator types on the lab's cluster passes unchanged."""
    argv = shlex.split(line)

    assert kubectl_arguments(argv) == argv


@pytest.mark.parametrize("folder", ["../manifests/nosuch", "nosuch/a.b", "/no.such"])
def test_a_folder_that_is_not_there_is_no_other_cluster(folder: str) -> None:
    """It is told so, and only what may be a repository is refused."""
    with pytest.raises(BadInput, match="there is no such folder") as caught:
        kubectl_arguments(["apply", "-k", folder])

    assert not isinstance(caught.value, Refused)
    for remote in ("github.com/a/b", "git@host:a/b", "https://host/a", "./https://a"):
        with pytest.raises(Refused):
            kubectl_arguments(["apply", "-k", remote])


def test_fingerprint_survives_saving(folder: LabFolder) -> None:
    """A saved fingerprint reads back equal."""
    pinned = Fingerprint("ab12", "uid", "https://127.0.0.1:6443")
    folder.root.mkdir(parents=True)
    pinned.save(folder.fingerprint)

    assert Fingerprint.load(folder) == pinned


def test_missing_fingerprint_means_no_lab(folder: LabFolder) -> None:
    """Without a fingerprint there is nothing to trust."""
    with pytest.raises(LabMissing):
        Fingerprint.load(folder)


def test_verify_accepts_the_pinned_cluster(cluster: Cluster, fake: Any) -> None:
    """The pinned cluster is accepted by one GET."""
    cluster.verify()

    assert fake.requests == ["GET /api/v1/namespaces/kube-system"]


def test_take_reads_the_uid(cluster: Cluster) -> None:
    """A fingerprint taken is the one that was pinned."""
    assert pinning.take(cluster.connection) == cluster.fingerprint


@pytest.mark.parametrize(
    "answer", [{"message": "log in"}, {}, {"metadata": {}}, {"metadata": None}]
)
def test_what_is_no_api_server_is_no_cluster(
    cluster: Cluster, fake: Any, answer: dict[str, Any]
) -> None:
    """As something that stands before one, and has a certificate of the same CA."""
    fake.errors["GET /api/v1/namespaces/kube-system"] = (200, answer, {})

    with pytest.raises(WrongCluster, match="no API server"):
        cluster.verify()


def test_another_uid_is_another_cluster(cluster: Cluster, fake: Any) -> None:
    """A cluster made anew behind the same CA is refused, wanted and seen named."""
    other = {"metadata": {"name": "kube-system", "uid": "other"}}
    fake.put("namespaces", other)

    with pytest.raises(WrongCluster) as caught:
        cluster.verify()
    assert (caught.value.wanted, caught.value.seen) == (fake.uid, "other")


def test_another_server_is_refused_without_a_request(
    cluster: Cluster, fake: Any, impostor: Any, folder: LabFolder
) -> None:
    """A kubeconfig whose server was changed leads to no request at all."""
    fake.kubeconfig(folder.kubeconfig, cluster={"server": impostor.url})

    with pytest.raises(WrongCluster):
        cluster.scratch("chapter")
    with pytest.raises(WrongCluster):
        cluster.kubectl(["get", "pods"])
    assert fake.requests == impostor.requests == []


def test_a_server_with_another_ca_gets_no_request(
    cluster: Cluster, fake: Any, impostor: Any, folder: LabFolder
) -> None:
    """Who answers at the right address without the right certificate is refused."""
    fake.kubeconfig(folder.kubeconfig, cluster={"server": impostor.url})
    known = Kubeconfig.read(folder)
    cluster.fingerprint = Fingerprint(known.ca_sha256, fake.uid, known.server)

    with pytest.raises(WrongCluster):
        cluster.verify()
    assert impostor.requests == []


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster": {"insecure-skip-tls-verify": True}},
        {"cluster": {"proxy-url": "http://127.0.0.1:1"}},
        {"cluster": {"tls-server-name": "other"}},
        {"cluster": {"server": "http://127.0.0.1:1"}},
        {"user": {"exec": {"command": "/bin/true"}}},
        {"cluster": {"certificate-authority-data": "no base64!"}},
    ],
)
def test_a_bent_kubeconfig_is_refused(
    fake: Any,
    folder: LabFolder,
    tmp_path: Path,
    changes: dict[str, dict[str, object]],
) -> None:
    """A kubeconfig that bends the way to the server is not taken."""
    bent = fake.kubeconfig(tmp_path / "bent", **changes)

    with pytest.raises(WrongCluster):
        Kubeconfig.read(folder, draft=bent)


_UP = "make the lab whole: 'k8slab up --name blue'"
_DOWN = "begin anew: 'k8slab down --name blue', then "
_ADOPT = "'k8slab adopt --name blue --kubeconfig FILE'"
_NEXT = {
    "podman": (_UP, "begin anew: 'k8slab reset --name blue'"),
    INVENTORY: (_UP, f"{_DOWN}'k8slab up --name blue --inventory FILE'"),
    ADOPTED: (f"adopt the cluster again: {_ADOPT}", f"{_DOWN}{_ADOPT}"),
}


@pytest.mark.parametrize(("provider", "steps"), _NEXT.items(), ids=_NEXT)
def test_what_a_labs_folder_lost_comes_back_by_its_own_kind_of_command(
    tmp_path: Path, provider: str, steps: tuple[str, str]
) -> None:
    """A cluster that is somebody's is not brought up, but adopted again."""
    folder = LabFolder(tmp_path, "blue")
    folder.save(LabRecord("blue", provider, "1.37.2", (), None))
    told = []
    for look in (
        lambda: Kubeconfig.read(folder),
        lambda: Fingerprint.load(folder),
        lambda: Kubeconfig.read(folder, draft=folder.write("kubeconfig", "{}")),
    ):
        with pytest.raises(LabError) as caught:
            look()
        told.append(caught.value.next)

    assert told == [steps[0], *steps]


def test_a_broken_kubeconfig_does_not_show_its_text(folder: LabFolder) -> None:
    """A message about a kubeconfig holds nothing of what is in it."""
    folder.write("kubeconfig", "users: [{client-key-data: CANARY")

    with pytest.raises(WrongCluster) as caught:
        Kubeconfig.read(folder)
    assert "CANARY" not in f"{caught.value}{caught.value.__cause__}"
