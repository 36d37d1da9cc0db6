"""Fit CoreDNS to the lab's machines, which may have no outside."""

from __future__ import annotations

from typing import Any

import yaml

from k8slab.lab_record import MachineRecord
from k8slab.ssh.shell import Shell

from ..context import InstallContext
from .admin import kubectl
from .control_plane import CONFIG

# Two server blocks. In one block alone, 'template' would answer before
# 'kubernetes' is asked, and 'ready' speaks for its own block only. The second answers
# what is not of the cluster at once: there is no name server to pass it on to.
# lameduck: rules forget a Pod within a second; kubeadm's five would delay each stop.
COREFILE = """\
cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {
    errors
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       ttl 30
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loadbalance
}
.:53 {
    errors
    health {
       lameduck 1s
    }
    prometheus :9153
    template ANY ANY . {
       rcode NXDOMAIN
    }
    reload
}
"""
_NOBODY = """\
    template ANY ANY . {
       rcode NXDOMAIN
    }
"""
_THEIRS = """\
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
    loop
"""
"""What kubeadm's own configuration has: the name servers of the machine."""


def coredns_config(*, outside: bool = False) -> dict[str, Any]:
    """Return the ConfigMap that CoreDNS reads.

    Args:
        outside: Whether its machine has name servers, to be asked for other names.
    """
    corefile = COREFILE.replace(_NOBODY, _THEIRS) if outside else COREFILE
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "coredns", "namespace": "kube-system"},
        "data": {"Corefile": corefile},
    }


def apply(context: InstallContext, machine: MachineRecord, shell: Shell) -> bool:
    """Start CoreDNS with a configuration that fits; return what changed.

    kubeadm keeps a configuration that is there before CoreDNS is; the other way
    round, CoreDNS would start with one that it refuses, and wait before it retries.

    Args:
        context: The lab.
        machine: The master.
        shell: The master over SSH.
    """
    there = ["get", "deployment/coredns", "--namespace=kube-system", "--output=name"]
    if kubectl(shell, *there, "--ignore-not-found").check().stdout:
        return False
    config = yaml.safe_dump(coredns_config(outside=context.profile.outside))
    create = ["create", "--validate=false", "--filename=-"]
    created = kubectl(shell, *create, input=config)
    if "AlreadyExists" not in created.stderr:  # of an 'up' that was ended
        created.check()
    shell.run(["kubeadm", "init", "phase", "addon", "coredns", f"--config={CONFIG}"])
    shell.run(["rm", "--force", CONFIG])  # it holds the token
    return True
