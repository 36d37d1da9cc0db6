"""Bring a lab up the plain way: kubeadm's defaults, one thing after the other.

``python -m bench.plain NAME`` does it and prints the phases as JSON;
``k8slab down --name NAME`` removes it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial

import yaml

from k8slab.core import files
from k8slab.core.env import Environment
from k8slab.core.parallel import in_parallel
from k8slab.core.phases import Ledger, reporter_for
from k8slab.core.poll import until
from k8slab.core.process import LocalRunner
from k8slab.core.signals import terminable
from k8slab.folder import LabFolder
from k8slab.lab_record import MachineRecord
from k8slab.ssh.shell import Shell
from labmaker.bundle import opened
from labmaker.fleet import Fleet
from labmaker.install import health
from labmaker.install.context import InstallContext
from labmaker.install.steps import coredns, join, pod_network, system
from labmaker.install.steps.control_plane import ADMIN_CONF, IGNORED_PREFLIGHT
from labmaker.lifecycle import preflight
from labmaker.providers import networks, provider_of
from labmaker.settings import Settings

from . import plain_config, plain_machines

EVERY_S = 1.0
IMPORT = "import the images"
_WORKERS = 2
_TIMEOUT_S = 300.0
_CONFIG = "/etc/kubernetes/kubeadm-init.yaml"
_KUBECTL = ("kubectl", f"--kubeconfig={ADMIN_CONF}")


def up(name: str) -> Ledger:
    """Bring a lab up; where that fails, what was made stays for ``k8slab down``.

    Raises:
        CommandFailed: A command failed on a machine.
        NotReady: A wait took longer than 300 s.
    """
    env, bundle, runner = Environment.read(), opened(), LocalRunner()
    folder, ledger = LabFolder(env.home, name), Ledger(reporter_for())
    with folder.locked(), terminable(), closing(ledger), ExitStack() as stack:
        with files.locked(env.cache):
            settings = Settings(
                name=name,
                slot=preflight.choose_slot(env.home, None, runner, networks(runner)),
                workers=_WORKERS,
                image="bare",
                provider=provider_of(env.provider, name, runner).name,
                kubernetes=bundle.versions.kubernetes,
            )
            fleet = plain_machines.fleet(folder, settings, bundle, runner)
            folder.save(fleet.record)
            stack.enter_context(closing(fleet))
            fleet.enclose(ledger)
        # No depot is used, so nobody vouches for one.
        context = InstallContext(fleet.record, bundle.versions, ca="", apt_key=b"")
        plain_machines.boot(fleet, bundle, ledger)
        _import(context, fleet, plain_machines.archives(bundle), ledger)
        _cluster(context, fleet, ledger)
    return ledger


def _import(
    context: InstallContext, fleet: Fleet, archives: list[str], ledger: Ledger
) -> None:
    """Prepare every node and import all images there, the nodes side by side."""

    def work(machine: MachineRecord) -> None:
        shell = fleet.shells[machine.name]
        with ledger.phase("host name, hosts file, kernel settings", machine.name):
            system.apply(context, machine, shell)
        with ledger.phase("container runtime", machine.name):
            _poll(
                "containerd does not serve",
                lambda: shell.run(["ctr", "version"], check=False).ok,
            )
        with ledger.phase(IMPORT, machine.name):
            for archive in archives:
                argv = ["ctr", "--namespace=k8s.io", "images", "import", archive]
                shell.run(argv, timeout=_TIMEOUT_S)

    in_parallel([partial(work, machine) for machine in context.nodes])


def _cluster(context: InstallContext, fleet: Fleet, ledger: Ledger) -> None:
    master = fleet.shells[context.master.name]
    token = join.new_token()
    with ledger.phase("kubeadm init", context.master.name):
        documents = yaml.safe_dump_all(plain_config.documents(context, token))
        master.put(_CONFIG, documents, mode=0o600)
        ignored = f"--ignore-preflight-errors={','.join(IGNORED_PREFLIGHT)}"
        init = ["kubeadm", "init", f"--config={_CONFIG}", ignored]
        master.run(init, timeout=_TIMEOUT_S)
    with ledger.phase("CoreDNS without a name server outside", context.master.name):
        config = yaml.safe_dump(coredns.coredns_config())
        replace = ["replace", "--filename=-"]
        master.run([*_KUBECTL, *replace], input=config)
    with ledger.phase("pod network and routes"):
        for machine in context.nodes:
            pod_network.apply(context, machine, fleet.shells[machine.name])
    ca_hash = join.ca_hash(master.read(join.CLUSTER_CA))
    for machine in context.workers:
        with ledger.phase("kubeadm join", machine.name):
            shell = fleet.shells[machine.name]
            join.apply(context, machine, shell, token=token, ca_cert_hash=ca_hash)
    with ledger.phase("all nodes Ready"):
        _poll("the nodes are not Ready", partial(_nodes_ready, context, master))
    with ledger.phase("names resolve on every worker"):
        health.ask_names(context.record, master)
        _poll("CoreDNS does not answer", partial(_names_answered, context, master))
        health.forget_names(master)


def _nodes_ready(context: InstallContext, master: Shell) -> bool:
    listed = master.run([*_KUBECTL, "get", "nodes", "--no-headers"]).stdout
    states = [line.split()[1] for line in listed.splitlines()]
    return states == ["Ready"] * len(context.nodes)


def _names_answered(context: InstallContext, master: Shell) -> bool:
    asked = "--selector=k8slab.dev/check=dns"
    ready = "--output=jsonpath={.items[*].status.containerStatuses[*].ready}"
    get = [*_KUBECTL, "get", "pods", "--namespace=kube-system", asked, ready]
    return master.run(get).stdout.split() == ["true"] * len(context.workers)


def _poll(what: str, look: Callable[[], bool]) -> None:
    until(look, what=what, want="yes", timeout=_TIMEOUT_S, every=EVERY_S)


if __name__ == "__main__":
    print(up(sys.argv[1]).as_json())
