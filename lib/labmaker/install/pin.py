"""Keep a new cluster's kubeconfig, and what tells it from all others."""

from __future__ import annotations

from k8slab.errors import LabMissing, WrongCluster
from k8slab.folder import LabFolder
from k8slab.kube.kubeconfig import Kubeconfig
from k8slab.kube.pinning import Fingerprint, check_access
from k8slab.ssh.shell import Shell

from . import health
from .steps.control_plane import ADMIN_CONF


def pin(folder: LabFolder, master: Shell) -> None:
    """Fetch the kubeconfig from the master, and pin the cluster it leads to.

    Args:
        folder: The lab's files.
        master: The master over SSH.

    Raises:
        WrongCluster: The kubeconfig on the master leads to another machine.
    """
    folder.write(folder.kubeconfig.name, master.read(ADMIN_CONF))
    access = Kubeconfig.read(folder)
    if access.host != master.address:
        folder.kubeconfig.unlink()
        raise WrongCluster(
            "the kubeconfig leads to another machine than the master",
            where=f"master: {ADMIN_CONF}",
            wanted=master.address,
            seen=access.host,
            next="look at localAPIEndpoint in the file that kubeadm init was given",
        )
    uid = health.kube_system_uid(master)
    Fingerprint(access.ca_sha256, uid, access.server).save(folder.fingerprint)


def refresh(folder: LabFolder, master: Shell) -> bool:
    """Take the master's kubeconfig over when its certificate was renewed.

    Args:
        folder: The lab's files.
        master: The master over SSH.

    Returns:
        Whether it was another one, or lost.

    Raises:
        WrongCluster: It leads to another cluster than the pinned one.
    """
    told = master.read(ADMIN_CONF)
    try:
        pinned = Fingerprint.load(folder)
        known = folder.kubeconfig.read_text(encoding="utf-8")
    except (LabMissing, FileNotFoundError, UnicodeDecodeError):
        pin(folder, master)  # by SSH, whose pinned host key says who the master is
        return True
    if told == known:
        return False
    draft = folder.write("kubeconfig.new", told)
    try:
        check_access(Kubeconfig.read(folder, draft=draft), pinned)
    finally:
        draft.unlink()
    folder.write(folder.kubeconfig.name, told)
    return True
