"""Bare machines become nodes by way of the depot, and by the same steps."""

import re
from collections.abc import Iterator

import pytest
from labs import Home, Lab

from labmaker.bundle import opened
from labmaker.install import bring_up
from labmaker.install.context import InstallContext
from labmaker.install.steps.trust import DEPOT_CA

PACKAGES = (
    "containerd",
    "kubelet",
    "kubeadm",
    "kubectl",
    "cri-tools",
    "kubernetes-cni",
)


@pytest.fixture(scope="module")
def bare(home: Home) -> Iterator[Lab]:
    """Return a lab made from bare machines, one worker beside the master."""
    made = home.up("bare", "--image", "bare", "--nodes", "1", measure="up --image bare")
    yield made
    made.run("down")


def test_packages_are_really_installed(bare: Lab) -> None:
    """On ready machines they are found; see `test_bring_up`."""
    both = {"master": "changed", "node1": "changed"}

    assert bare.outcomes("Kubernetes packages") == both
    assert bare.outcomes("container runtime") == both


@pytest.mark.parametrize("machine", ["master", "node1"])
def test_packages_come_from_the_depot_alone(bare: Lab, machine: str) -> None:
    """Each is at the lab's version, and apt knows no other place for it."""
    version = bare.record.kubernetes
    with bare.shell(machine) as shell:
        policy = shell.run(["apt-cache", "policy", *PACKAGES]).stdout
        log = shell.run(["cat", "/var/log/apt/history.log"]).stdout
    places = {line.split()[1] for line in policy.splitlines() if "http" in line}

    assert places == {"https://depot.lab/apt"}
    installed = dict(re.findall(r"(?m)^(\S+):\n  Installed: (\S+)", policy))
    assert installed.keys() == set(PACKAGES)
    assert "(none)" not in installed.values()
    for name in ("kubelet", "kubeadm", "kubectl"):
        assert installed[name].partition("-")[0] == version
    assert "kubeadm" in log


def test_packages_are_refused_without_the_key(bare: Lab) -> None:
    """The repository is signed, and apt insists on it."""
    source = "deb [signed-by=/root/empty.gpg] https://depot.lab/apt lab main"
    options = "-o Dir::Etc::sourceparts=- -o Dir::State::lists=/root/lists"
    with bare.shell("node1") as shell:
        said = shell.script(
            f"cd /root; mkdir lists; : > empty.gpg; echo '{source}' > empty.list\n"
            f"apt-get update {options} -o Dir::Etc::sourcelist=/root/empty.list 2>&1",
            check=False,
        )
        shell.script("cd /root; rm -r lists empty.gpg empty.list")

    assert not said.ok
    assert "not signed" in said.stdout


@pytest.mark.parametrize("machine", ["master", "node1"])
def test_the_steps_again_change_nothing(bare: Lab, machine: str) -> None:
    """Each step finds out for itself that it is done."""
    bundle = opened()
    context = InstallContext.of(bare.record, bundle, bare.folder.ca.read_text())
    node = next(m for m in context.nodes if m.name == machine)
    with bare.shell(machine) as shell:
        changed = {
            name: step(context, node, shell) for name, step in bring_up.NODE_STEPS
        }

    assert changed == {name: False for name, _ in bring_up.NODE_STEPS}


def test_an_image_is_pulled_over_tls(bare: Lab) -> None:
    """From registry.lab, whose certificate the lab's own authority signed."""
    image = opened().versions.images["mariadb"]
    pull = ["ctr", "-n", "k8s.io", "images", "pull", "--hosts-dir"]
    with bare.shell("node1") as shell:
        before = shell.run(["ctr", "-n", "k8s.io", "images", "ls", "-q"]).stdout
        shell.run([*pull, "/etc/containerd/certs.d", image], timeout=120)
        after = shell.run(["ctr", "-n", "k8s.io", "images", "ls", "-q"]).stdout

    assert image not in before
    assert image in after


def test_an_unknown_authority_is_refused(bare: Lab) -> None:
    """A machine trusts the depot by the lab's CA, for its two names, and not else."""
    ask = ["curl", "--silent", "--max-time", "60", "--output", "/dev/null"]
    image = opened().versions.images["echo"]
    with bare.shell("node1") as shell:
        known = shell.run([*ask, "--cacert", DEPOT_CA, "https://registry.lab/v2/"])
        unknown = shell.run([*ask, "https://registry.lab/v2/"], check=False)
        pull = shell.run(["ctr", "images", "pull", image], check=False)

    assert known.ok
    assert unknown.returncode == 60
    assert not pull.ok
    assert "x509" in pull.stderr + pull.stdout
