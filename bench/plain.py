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
from k8slab import lab
from k8slab.install import addons, host, join, pod_network, ready
from k8slab.install.control_plane import ADMIN_CONF, IGNORED_PREFLIGHT
from k8slab.install.site import Shell, Site
from k8slab.machines import admission
from k8slab.machines.fleet import Fleet
from k8slab.machines.folder import LabFolder, Settings
from k8slab.machines.machine import Machine
from k8slab.progress import Ledger, reporter_for
from k8slab.run import LocalRunner
from k8slab.signals import terminable
from k8slab.together import together
from k8slab.wait import until

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
    around, bundle, runner = lab.Surroundings.read(), lab.bundle(), LocalRunner()
    folder, ledger = LabFolder(around.home, name), Ledger(reporter_for())
    with folder.locked(), terminable(), closing(ledger), ExitStack() as stack:
        with admission.turn(around.cache):
            settings = Settings(
                name=name,
                slot=admission.choose_slot(around.home, None, runner),
                workers=_WORKERS,
                image="bare",
                provider=around.provider,
                kubernetes=bundle.versions.kubernetes,
            )
            folder.save(settings)
            fleet = plain_machines.fleet(folder, settings, bundle, runner)
            stack.enter_context(closing(fleet))
            fleet.enclose(ledger)
        site = Site(
            plan=settings.plan,
            machines=settings.machines,
            versions=bundle.versions,
            ca="",  # no depot is used
            apt_key=b"",
        )
        plain_machines.boot(fleet, bundle, ledger)
        _import(site, fleet, plain_machines.archives(bundle), ledger)
        _cluster(site, fleet, ledger)
    return ledger


def _import(site: Site, fleet: Fleet, archives: list[str], ledger: Ledger) -> None:
    """Prepare every node and import all images there, the nodes side by side."""

    def work(machine: Machine) -> None:
        shell = fleet.shells[machine.name]
        with ledger.phase("host name, hosts file, kernel settings", machine.name):
            host.apply(site, machine, shell)
        with ledger.phase("container runtime", machine.name):
            _poll(
                "containerd does not serve",
                lambda: shell.run(["ctr", "version"], check=False).ok,
            )
        with ledger.phase(IMPORT, machine.name):
            for archive in archives:
                argv = ["ctr", "--namespace=k8s.io", "images", "import", archive]
                shell.run(argv, timeout=_TIMEOUT_S)

    together([partial(work, machine) for machine in site.nodes])


def _cluster(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    master = fleet.shells[site.master.name]
    token = join.new_token()
    with ledger.phase("kubeadm init", site.master.name):
        documents = yaml.safe_dump_all(plain_config.documents(site, token))
        master.put(_CONFIG, documents, mode=0o600)
        ignored = f"--ignore-preflight-errors={','.join(IGNORED_PREFLIGHT)}"
        init = ["kubeadm", "init", f"--config={_CONFIG}", ignored]
        master.run(init, timeout=_TIMEOUT_S)
    with ledger.phase("CoreDNS without a name server outside", site.master.name):
        config = yaml.safe_dump(addons.coredns_config())
        replace = ["replace", "--filename=-"]
        master.run([*_KUBECTL, *replace], input=config)
    with ledger.phase("pod network and routes"):
        for machine in site.nodes:
            pod_network.apply(site, machine, fleet.shells[machine.name])
    ca_hash = join.ca_hash(master.read(join.CA_FILE))
    for machine in site.workers:
        with ledger.phase("kubeadm join", machine.name):
            shell = fleet.shells[machine.name]
            join.apply(site, machine, shell, token=token, ca_cert_hash=ca_hash)
    with ledger.phase("all nodes Ready"):
        _poll("the nodes are not Ready", partial(_nodes_ready, site, master))
    with ledger.phase("names resolve on every worker"):
        ready.ask_names(site, master)
        _poll("CoreDNS does not answer", partial(_names_answered, site, master))
        ready.forget_names(master)


def _nodes_ready(site: Site, master: Shell) -> bool:
    listed = master.run([*_KUBECTL, "get", "nodes", "--no-headers"]).stdout
    states = [line.split()[1] for line in listed.splitlines()]
    return states == ["Ready"] * len(site.nodes)


def _names_answered(site: Site, master: Shell) -> bool:
    asked = "--selector=k8slab.dev/check=dns"
    ready = "--output=jsonpath={.items[*].status.containerStatuses[*].ready}"
    get = [*_KUBECTL, "get", "pods", "--namespace=kube-system", asked, ready]
    return master.run(get).stdout.split() == ["true"] * len(site.workers)


def _poll(what: str, look: Callable[[], bool]) -> None:
    until(look, what=what, want="yes", timeout=_TIMEOUT_S, every=EVERY_S)


if __name__ == "__main__":
    print(up(sys.argv[1]).as_json())
