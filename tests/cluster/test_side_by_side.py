"""Two labs side by side, and what is done to one of them."""

import json
import threading
from pathlib import Path

import pytest
from addons import balanced, greeted
from labs import Allowance, Home, Lab, podman, route, wait_for_names

from k8slab import lab, probe, wait
from k8slab.core.poll import until
from k8slab.errors import HostKeyMismatch, LabError, Refused, WrongCluster
from k8slab.kube import snapshot
from k8slab.ssh.keys import generate_key, known_hosts_line


@pytest.fixture(scope="module")
def side(home: Home) -> Lab:
    """Return a second lab, as large as the first."""
    return home.up("side", measure="up beside another")


class Witness:
    """Ask one lab's API server and a machine of it again and again.

    Attributes:
        answers: How many times both answered.
        failures: What went wrong.
    """

    def __init__(self, watched: Lab) -> None:
        self.answers = 0
        self.failures: list[str] = []
        self._watched = watched
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Witness":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(60)

    def _ask(self) -> None:
        with self._watched.cluster() as cluster:
            while not self._end.wait(0.2):
                try:
                    cluster.version()
                    cluster.on("node1").run(["true"])
                    self.answers += 1
                except LabError as error:
                    self.failures.append(str(error))


def health(watched: Lab) -> tuple[dict[str, int], dict[tuple[str, str], str]]:
    """Return what changes when a lab is disturbed: restarts and conditions."""
    with watched.cluster() as cluster:
        pods = {p.name: p.restarts for p in cluster.pods() if not p.finished}
        since = {
            (node["metadata"]["name"], each["type"]): each["lastTransitionTime"]
            for node in cluster.find("Node")
            for each in node["status"]["conditions"]
        }
    return pods, since


def settled(watched: Lab) -> tuple[dict[str, int], dict[tuple[str, str], str]]:
    """Return its health once it is quiet: a kubelet tells a restart a moment later."""
    looks: list[object] = []

    def again() -> bool:
        looks.append(health(watched))
        return len(looks) > 1 and looks[-1] == looks[-2]

    until(again, what="a quiet lab", want="two equal looks", timeout=30, every=2)
    return health(watched)


def test_two_labs_share_no_address_and_no_way(main: Lab, side: Lab) -> None:
    """A machine of one has no route to the other, its Pods or its Services."""
    both = [(main, side), (side, main)]
    ways = set()
    for here, there in both:
        with here.shell("master") as shell:
            for network in there.plan.ranges.all:
                ways.add(route(network[11], shell))

    assert main.plan.slot != side.plan.slot
    assert ways == {"refused"}


def opened_door(its: Lab) -> str:
    """Enable MetalLB in a lab, and return the address of a Service with one Pod."""
    said = its.home.run("addon", "enable", "--name", its.name, "metallb")
    assert said.returncode == 0, said.text
    pod = f"echo-{its.name}"
    with its.cluster() as cluster:
        space = cluster.scratch("door")
        for line in (
            f"run {pod} --image=registry.lab/echo:1 --port=12345",
            f"expose pod {pod} --name=door --type=LoadBalancer",
        ):
            cluster.kubectl(line.split(), namespace=space.name)
        wait.pod(space, pod, ready=True)
        return balanced(space, "door")


def greeting(its: Lab, address: str) -> str:
    """Return which Pod answers this computer at an address of a lab."""
    with its.cluster():
        return greeted(address)


def test_load_balancers_of_two_labs_do_not_meet(main: Lab, side: Lab) -> None:
    """Each answers by its own bridge; machines of the other have no way there."""
    labs = (main, side)
    doors = [opened_door(each) for each in labs]
    answers = [greeting(*each) for each in zip(labs, doors, strict=True)]
    ways = [route(door) for door in doors]
    foreign, known = set(), []
    for here, door in zip(labs, doors[::-1], strict=True):
        for machine in ("master", "node1", "node2"):
            with here.shell(machine) as shell:
                foreign.add(route(door, shell))
                known.append(shell.run(["ip", "neigh", "show", "to", door]).stdout)
    with side.cluster(), pytest.raises(Refused, match="stays inside the lab"):
        probe.tcp(doors[0], 12345)
    for each in labs:
        with each.cluster() as cluster:
            cluster.scratch("door").remove()
        gone = each.home.run("addon", "disable", "--name", each.name, "metallb")
        assert gone.returncode == 0, gone.text

    assert answers == [f"echo-{each.name}" for each in labs]
    assert ways == [route(each.plan.network[11]) for each in labs]
    assert (len(set(ways)), foreign, set(known)) == (2, {"refused"}, {""})


def test_a_machine_stopped_and_started_in_one_is_unnoticed_in_the_other(
    main: Lab, side: Lab
) -> None:
    """The other's API server and machines answer all the time; nothing restarts."""
    before = settled(main)
    with Witness(main) as witness:
        podman("stop", "--time=20", side.container("node1"))
        stopped = side.states()["node1"]
        said = side.run("up", measure="up after one stop")
    after = health(main)

    assert stopped == "exited"
    assert said.returncode == 0, said.text
    assert witness.failures == []
    assert witness.answers > 5
    assert after == before


def test_a_lab_of_another_home_is_refused_and_not_harmed(
    home: Home, side: Lab, tmp_path: Path
) -> None:
    """The same name elsewhere: nothing of the lab that is there is touched."""
    before = settled(side)
    other = Home(tmp_path)

    said = other.run("up", "--name", side.name)

    assert said.returncode == 2
    assert "another K8SLAB_HOME" in said.stderr
    assert health(side) == before
    assert other.labs() == []
    home.said += other.said


def test_a_wrong_host_key_is_refused(side: Lab) -> None:
    """ssh, the API and 'up' all refuse a machine whose key is not the pinned one."""
    file = side.folder.known_hosts
    good = file.read_text()
    address = str(side.record.nodes[1].address)
    kept = [line for line in good.splitlines(True) if not line.startswith(address)]
    _, public = generate_key()
    try:
        file.write_text("".join(kept) + known_hosts_line(address, public))
        typed = side.run("ssh", "node1", "--", "true")
        with (
            side.cluster() as cluster,
            pytest.raises(HostKeyMismatch, match="node1") as caught,
        ):
            cluster.on("node1").run(["true"])
    finally:
        file.write_text(good)
    again = side.run("ssh", "node1", "--", "true")

    assert (typed.returncode, again.returncode) == (255, 0)
    assert caught.value.exit_code == 7
    assert good != "".join(kept)


def test_a_kubeconfig_of_another_lab_is_refused(main: Lab, side: Lab) -> None:
    """Nothing changes in the other lab."""
    own = main.folder.kubeconfig
    good = own.read_text()
    with side.cluster() as cluster:
        before = snapshot.take(cluster)
        try:
            own.write_text(side.folder.kubeconfig.read_text())
            typed = main.kubectl("delete", "namespace", "kube-public")
            with pytest.raises(WrongCluster, match="fingerprint"):
                lab.connect(main.name)
        finally:
            own.write_text(good)
        after = snapshot.take(cluster)

    assert typed.returncode == 2
    assert snapshot.difference(before, after) == []


def test_a_cluster_with_another_identity_is_refused_by_reading_alone(
    main: Lab, side: Lab
) -> None:
    """Even where address and CA are believed, the UID of kube-system is compared."""
    saved = {
        f: f.read_text() for f in (main.folder.kubeconfig, main.folder.fingerprint)
    }
    uid = "kube_system_uid"
    foreign = side.folder.fingerprint.read_text().replace(
        _field(side, uid), _field(main, uid)
    )
    with side.cluster() as cluster:
        before = snapshot.take(cluster)
        try:
            main.folder.kubeconfig.write_text(side.folder.kubeconfig.read_text())
            main.folder.fingerprint.write_text(foreign)
            typed = main.kubectl("delete", "namespace", "kube-public")
            with pytest.raises(WrongCluster, match="UID of kube-system"):
                lab.connect(main.name)
        finally:
            for file, text in saved.items():
                file.write_text(text)
        after = snapshot.take(cluster)

    assert typed.returncode == 2
    assert snapshot.difference(before, after) == []


def _field(of: Lab, name: str) -> str:
    return str(json.loads(of.folder.fingerprint.read_text())[name])


def test_a_machine_that_is_gone_is_named_with_the_way_out(side: Lab) -> None:
    """'up' cannot make it whole; it says so, changes nothing and names 'reset'."""
    podman("rm", "--force", "--time=0", side.container("node2"))

    said = side.run("up")
    status = side.run("status")

    assert said.returncode == 1
    assert "node2" in said.stderr
    assert f"k8slab reset --name {side.name}" in said.stderr
    assert "gone" in status.stdout
    assert set(side.states()) == {"master", "node1", "depot"}


def test_reset_makes_it_anew(side: Lab) -> None:
    """What 'up' advised works."""
    said = side.run("reset", measure="reset")

    assert said.returncode == 0, said.text
    with side.cluster() as cluster:
        assert len(wait.nodes(cluster, ready=3)) == 3


def test_down_is_quick_and_leaves_the_other_lab_whole(
    main: Lab, side: Lab, allowance: Allowance
) -> None:
    """Less than 5 s; nothing of it is left, and the other one answers."""
    plan = side.plan
    before = settled(main)

    said = side.run("down", measure="down")
    limit = allowance.seconds(5)  # as busy as it is now

    assert said.returncode == 0, said.text
    assert side.states() == {}
    assert not side.folder.root.exists()
    assert health(main) == before
    with main.cluster():
        assert probe.tcp("node1", 22)
        wait_for_names("node2")
    assert route(main.plan.network[11]).startswith("podman")
    assert said.seconds < limit
    assert f"k8slab-{side.name}" not in podman("network", "ls", "--format={{.Name}}")
    assert plan.slot != main.plan.slot
