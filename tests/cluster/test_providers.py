"""What every provider of machines can do, seen on each that there is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import own_docker
import pytest
from labs import Home
from paths import K8SLAB

from k8slab.core import files
from k8slab.core.env import Environment
from k8slab.core.parallel import in_parallel
from k8slab.core.poll import until
from k8slab.core.process import DEFAULT_TIMEOUT_S, Completed, LocalRunner
from labmaker.bundle import opened
from labmaker.fleet import dismantle
from labmaker.host.firewall import apply_rules, slots_with_rules
from labmaker.lifecycle import preflight
from labmaker.plan import AddressPlan
from labmaker.providers import NAMES, Mount, Provider, provider_of

LAB = f"contract-{os.getpid()}"
NODES = ("master", "node1")
BOOT_S = 60


class Inside:
    """Runs commands of this computer where a provider's networks are."""

    where = "this computer"

    def __init__(self, *words: str) -> None:
        self.words = words

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,
        check: bool = True,
        timeout: float = DEFAULT_TIMEOUT_S,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a command behind the words."""
        return LocalRunner().run(
            [*self.words, *argv],
            input=input,
            check=check,
            timeout=timeout,
            on_line=on_line,
        )


class Place:
    """A network with two machines of one provider."""

    def __init__(self, provider: Provider, runner: Inside, data: Path) -> None:
        self.provider = provider
        self.runner = runner
        self.data = data
        self.bundle = opened()
        with files.locked(Environment.read().cache):
            taken = provider.networks()
            self.plan = AddressPlan(preflight.choose_slot(data, None, runner, taken))
            provider.create_network(self.plan)
            self.enclose(provider, self.plan)

    def enclose(self, provider: Provider, plan: AddressPlan) -> None:
        """Apply the rules of a network."""
        hooks = provider.asks_first
        apply_rules(plan, provider.bridge(), self.runner, hooks=hooks)

    def create(self) -> None:
        """Create the machines, side by side."""
        image = self.bundle.image_ref("bare")
        if not self.provider.has_image(image):
            self.provider.load_image(self.bundle.image_tar("bare"))
        mounts = [Mount(self.data, "/data"), Mount(self.data, "/kept", read_only=True)]
        machines = self.plan.machines(1, "bare")[:2]
        in_parallel([partial(self.provider.create, m, image, mounts) for m in machines])
        self.booted()

    def booted(self) -> None:
        """Wait until systemd runs on both machines."""
        ask = ("systemctl", "is-active", "--quiet", "multi-user.target")
        until(
            lambda: all(self.on(name, *ask).ok for name in NODES),
            what="systemd on both machines",
            want="multi-user.target reached",
            timeout=BOOT_S,
            every=0.5,
        )

    def engine(self, *words: str) -> Completed:
        """Ask the engine itself, by the command that switches a machine's power."""
        off, _ = self.provider.power("master")
        return self.runner.run([*off[:-2], *words], check=False)

    def on(self, machine: str, *argv: str) -> Completed:
        """Run a command on a machine; no network is needed for it."""
        container = self.provider.power(machine)[0][-1]
        return self.engine("exec", container, *argv)


@pytest.fixture(scope="module", params=NAMES)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Return a provider with two bare machines; nothing of them is left."""
    with ExitStack() as stack:
        inside = Inside()
        if request.param == "docker":
            daemon = stack.enter_context(own_docker.daemon())
            stack.enter_context(daemon.meant())
            inside = Inside(*daemon.inside)
        provider = provider_of(request.param, LAB, inside)
        made = Place(provider, inside, tmp_path_factory.mktemp(request.param))
        try:
            made.create()
            yield made
        finally:
            # Or another lab has the addresses before they are looked for.
            stack.enter_context(files.locked(Environment.read().cache))
            bridge = provider.bridge()
            dismantle(provider, [made.plan], inside)
        assert provider.states() == {}
        assert provider.bridge_if_any() is None
        assert LAB not in provider.labs()
        assert provider.slots(own=True) == frozenset()
        assert made.plan.slot not in slots_with_rules(inside)
        assert not inside.run(["ip", "link", "show", bridge], check=False).ok
        rules = inside.run(["iptables-save"]).stdout
        assert f"K8SLAB-{made.plan.slot} " not in rules


def test_a_provider_says_what_it_is(place: Place) -> None:
    """Its version, and a folder of images that is there."""
    about = place.provider.about()

    assert about.version[0].isdigit()
    assert about.images.is_dir()


def test_the_lab_and_its_addresses_are_known(place: Place) -> None:
    """By the label on its network and machines."""
    assert LAB in place.provider.labs()
    assert place.provider.slots(own=True) == {place.plan.slot}
    assert place.plan.slot in place.provider.slots()
    assert place.provider.states() == dict.fromkeys(NODES, "running")


def test_a_machine_sees_folders_of_this_computer(place: Place) -> None:
    """It writes where it may, and only there."""
    assert place.on("master", "touch", "/data/written").ok
    assert (place.data / "written").exists()
    assert not place.on("master", "touch", "/kept/written").ok


def test_the_network_leads_nowhere_else(place: Place) -> None:
    """No default route, and nobody to ask for names; this computer is on the bridge."""
    bridge = place.provider.bridge()
    shown = place.runner.run(["ip", "-json", "-4", "address", "show", bridge]).stdout
    (device,) = json.loads(shown)
    address = str(place.plan.network[11])

    assert str(place.plan.gateway) in [a["local"] for a in device["addr_info"]]
    assert place.on("master", "ip", "route", "show", "default").stdout == ""
    assert address in place.on("master", "ip", "-4", "address").stdout
    assert "nameserver" not in place.on("master", "cat", "/etc/resolv.conf").stdout
    outside = place.on("master", "ip", "route", "get", "198.51.100.7")
    assert "unreachable" in outside.stderr


def test_pods_of_two_machines_meet_beside_another_network(place: Place) -> None:
    """Their addresses are not the network's, and a younger network changes nothing."""
    pods = [place.plan.pods[256 * n + 1] for n in (1, 2)]
    for here, there, name in ((0, 1, "master"), (1, 0, "node1")):
        via = str(place.plan.network[11 + there])
        place.on(name, "ip", "address", "add", f"{pods[here]}/32", "dev", "lo").check()
        way = (f"{pods[there]}/32", "via", via, "src", str(pods[here]))
        place.on(name, "ip", "route", "add", *way).check()
    other = provider_of(place.provider.name, f"{LAB}-b", place.runner)
    with files.locked(Environment.read().cache):
        taken = place.provider.networks()
        slot = preflight.choose_slot(place.data, None, place.runner, taken)
        other.create_network(AddressPlan(slot))
        place.enclose(other, AddressPlan(slot))
    try:
        met = place.on("master", "ping", "-c1", "-W3", str(pods[1]))
    finally:
        dismantle(other, [AddressPlan(slot)], place.runner)
    again = place.on("master", "ping", "-c1", "-W3", str(pods[1]))

    assert met.ok, met.stdout
    assert again.ok, again.stdout


def test_a_machine_stopped_and_started_is_the_same(place: Place) -> None:
    """Its hosts file, too; and it still has no way out."""
    place.on("node1", "sh", "-c", "echo 192.0.2.1 kept >> /etc/hosts").check()
    place.provider.stop(NODES)
    stopped = place.provider.states()
    place.provider.start(NODES)
    place.booted()

    assert stopped == dict.fromkeys(NODES, "exited")
    assert place.provider.states() == dict.fromkeys(NODES, "running")
    assert "192.0.2.1 kept" in place.on("node1", "cat", "/etc/hosts").stdout
    assert place.on("node1", "ip", "route", "show", "default").stdout == ""
    address = str(place.plan.network[12])
    assert address in place.on("node1", "ip", "-4", "address").stdout


def test_power_is_cut_and_given_back(place: Place) -> None:
    """By the commands that the lab's folder keeps, on this machine alone."""
    off, on = place.provider.power("node1")
    place.runner.run(list(off))
    without = place.provider.states()
    place.runner.run(list(on))
    place.booted()

    assert without["master"] == "running"
    # The engine calls one "stopped" until it has cleared up behind it.
    assert without["node1"] in ("exited", "stopped")
    assert place.provider.states() == dict.fromkeys(NODES, "running")


def test_a_lab_of_docker_comes_up_and_back(home: Home) -> None:
    """Nodes are Ready, also after a stop; down leaves nothing."""
    name = home.lab("docker").name
    with own_docker.daemon() as daemon:
        driver = [*daemon.inside, str(K8SLAB)]
        env = {**daemon.env, "K8SLAB_LAB": name}

        def do(*words: str) -> str:
            said = home.run(*words, env=env, driver=driver, timeout=600)
            assert said.returncode == 0, said.text
            return said.stdout

        try:
            do("up", "--nodes", "1")
            before = do("kubectl", "get", "nodes", "--no-headers")
            do("stop")
            do("start")
            after = do("kubectl", "get", "nodes", "--no-headers")
        finally:
            do("down")
        inside = Inside(*daemon.inside)
        provider = provider_of("docker", name, inside)
        with daemon.meant():
            left = (provider.labs(), provider.slots())
        rules = inside.run(["iptables-save"]).stdout

        assert [line.split()[:2] for line in before.splitlines()] == [
            ["master", "Ready"],
            ["node1", "Ready"],
        ]
        assert [line.split()[:2] for line in after.splitlines()] == [
            ["master", "Ready"],
            ["node1", "Ready"],
        ]
        assert left == (frozenset(), frozenset())
        assert "K8SLAB" not in rules
    assert name not in home.labs()
