"""Somebody who may use a lab's cluster, and knows it by a kubeconfig alone."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml
from labs import Lab

from k8slab.kube.cluster import Cluster

USER = "system:serviceaccount:guests:ada"
RIGHTS = (
    "create namespace guests",
    "create serviceaccount ada -n guests",
    "create clusterrole guests --resource=namespaces"
    " --verb=get,list,watch,create,delete",
    "create clusterrolebinding guests --clusterrole=guests --serviceaccount=guests:ada",
    "create clusterrolebinding guests-admin --clusterrole=admin"
    " --serviceaccount=guests:ada",
)
WITHDRAWN = (
    "delete clusterrolebinding guests guests-admin",
    "delete clusterrole guests",
    "delete namespace guests",
)


def guest(main: Lab, own: Cluster, folder: Path) -> Path:
    """Give somebody the rights to what is namespaced, and write a kubeconfig.

    It has two contexts, and the CA in a file beside it; ``guests`` is to be taken.

    Args:
        main: The lab whose cluster it is.
        own: The connection of its owner.
        folder: Where the kubeconfig is written.
    """
    for each in RIGHTS:
        assert main.kubectl(*each.split()).returncode == 0
    # No command prints it, for what commands say is searched for secrets.
    path = "/api/v1/namespaces/guests/serviceaccounts/ada/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    token = own.connection.send("POST", path, body={**request, "spec": {}})
    known = yaml.safe_load(main.folder.kubeconfig.read_text())
    cluster = known["clusters"][0]["cluster"]
    ca = base64.b64decode(cluster.pop("certificate-authority-data"))
    (folder / "ca.crt").write_bytes(ca)
    cluster["certificate-authority"] = "ca.crt"
    known["users"] = [{"name": "ada", "user": {"token": token["status"]["token"]}}]
    context = {"cluster": known["clusters"][0]["name"], "user": "ada"}
    known["contexts"] = [
        {"name": "other", "context": {"cluster": "elsewhere", "user": "nobody"}},
        {"name": "guests", "context": context},
    ]
    known["current-context"] = "other"
    (folder / "config").write_text(yaml.safe_dump(known))
    return folder / "config"


def withdraw(main: Lab) -> None:
    """Take the rights away."""
    for each in WITHDRAWN:
        assert main.kubectl(*each.split()).returncode == 0
