"""What providers ask of this computer, and which is taken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from fakes.host import ALL_CAPABILITIES, IMAGES, FakeHost, docker_info
from paths import BUNDLE, ROOT

from k8slab.core.phases import Ledger
from k8slab.core.process import Completed, LocalRunner
from k8slab.errors import BadInput, CommandFailed, HostProblem
from k8slab.folder import LabFolder
from labmaker.bundle import versions
from labmaker.lifecycle.transitions import Transitions
from labmaker.plan import AddressPlan
from labmaker.providers import (
    NAMES,
    Mount,
    build_image,
    ensure_image,
    networks,
    packages,
    provider_of,
)
from labmaker.providers.containers import LABEL

PLAN = AddressPlan(2)
ELSEWHERE = {
    "podman": {
        "CONTAINER_HOST": "ssh://me@build",
        "CONTAINER_CONNECTION": "build",
        "PODMAN_USERNS": "keep-id",
        "BUILDAH_FORMAT": "docker",
    },
    "docker": {
        "DOCKER_HOST": "tcp://build.example:2376",
        "DOCKER_CONTEXT": "build",
        "DOCKER_TLS": "1",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CONTENT_TRUST": "1",
        "DOCKER_DEFAULT_PLATFORM": "linux/riscv64",
        "DOCKER_API_VERSION": "1.24",
    },
}
OPTIONS = {
    "podman": "--runtime runc",
    "docker": "--host=unix:///var/run/docker.sock",
}
CLIENT = {
    name: " ".join(["env", *(f"--unset={v}" for v in ELSEWHERE[name]), name, options])
    for name, options in OPTIONS.items()
}


@pytest.fixture(autouse=True)
def usual(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no variable of the reader's that would name another socket."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)


class Told:
    """A runner that answers with what it was given, and keeps what it was asked.

    Attributes:
        asked: All commands, in order, without the provider's own first words.
    """

    where = "this computer"

    def __init__(self, name: str, answers: dict[str, str] | None = None) -> None:
        self.client = CLIENT[name]
        self.answers = answers or {}
        self.asked: list[str] = []

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Answer the first question that the command contains."""
        words = " ".join(argv)
        assert words.startswith(f"{self.client} ")
        self.asked.append(words.removeprefix(f"{self.client} "))
        found = (said for word, said in self.answers.items() if word in words)
        return Completed(tuple(argv), self.where, 0, next(found, ""), "", 0.0)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of each provider."""
    return str(request.param)


def test_the_network_is_internal_and_has_the_labs_addresses(name: str) -> None:
    """It leads nowhere, and serves no names where that can be said."""
    told = Told(name)
    provider_of(name, "test", told).create_network(PLAN)
    (asked,) = told.asked
    own = {
        "podman": "--disable-dns",
        "docker": "--opt=com.docker.network.bridge.name=k8slab-2",
    }

    assert asked == (
        f"network create --internal {own[name]} --subnet=172.30.3.0/24 "
        "--gateway=172.30.3.1 --label=k8slab.dev/lab=test k8slab-test"
    )


def test_a_machine_is_created_with_its_address_mounts_and_limits(name: str) -> None:
    """What all have in common, and what keeps look-ups of names on the machine."""
    told = Told(name)
    machine = PLAN.machines(1, "ready")[0]
    mounts = [Mount(Path("/a"), "/b"), Mount(Path("/c"), "/d", read_only=True)]
    provider_of(name, "test", told).create(machine, "image:1", mounts)
    words = told.asked[0].split()
    own = {"podman": {"--dns=none", "--no-hosts"}, "docker": {"--dns=127.0.0.1"}}

    assert words[:2] == ["run", "--detach"]
    assert set(words) > own[name] | {
        "--name=k8slab-test-master",
        "--network=k8slab-test",
        "--ip=172.30.3.11",
        f"--label={LABEL}=test",
        "--privileged",
        "--init=false",
        "--userns=host",
        "--pull=never",
        "--cgroupns=private",
        f"--env=container={name}",
        "--volume=/a:/b",
        "--volume=/c:/d:ro",
    }
    assert words[words.index("image:1") - 1].startswith("--volume")
    assert words[-1] == "/sbin/init"


def test_docker_gives_a_machine_files_of_its_own_and_no_way_out() -> None:
    """Its own hosts file would lose what was written at every start."""
    told = Told("docker")
    provider_of("docker", "test", told).create(PLAN.machines(1, "bare")[0], "i", ())

    assert told.asked[0].endswith(
        " i /bin/sh -ec umount /etc/hosts /etc/resolv.conf; "
        "ip route flush default; exec /sbin/init"
    )


def test_machines_are_stopped_cut_off_and_removed(name: str) -> None:
    """Only options that each has: docker's rm knows no time to wait."""
    states = "k8slab-test-node1 running\n"
    told = Told(name, {" ps ": states})
    provider = provider_of(name, "test", told)
    provider.stop(["node1"])
    provider.start(["node1"])
    provider.remove_machines()
    off, on = provider.power("node1")
    rm = {"podman": "rm --force --time=0 --volumes", "docker": "rm --force --volumes"}
    client = CLIENT[name]

    assert [line for line in told.asked if not line.startswith("ps ")] == [
        "stop -t 20 k8slab-test-node1",
        "start k8slab-test-node1",
        f"{rm[name]} k8slab-test-node1",
    ]
    assert " ".join(off) == f"{client} kill k8slab-test-node1"
    assert " ".join(on) == f"{client} start k8slab-test-node1"


class Paused(Told):
    """An engine that neither starts nor stops a machine that was paused."""

    def run(self, argv: Sequence[str], **options: object) -> Completed:
        """Refuse until the machine goes on."""
        done = super().run(argv, **options)
        goes_on = any(line.startswith("unpause ") for line in self.asked)
        refused = not goes_on and bool({"start", "stop"} & set(argv))
        return replace(done, returncode=125) if refused else done


@pytest.mark.parametrize(
    ("verb", "after"), [("start", []), ("stop", ["stop -t 20 k8slab-test-node1"])]
)
def test_a_paused_machine_goes_on(name: str, verb: str, after: list[str]) -> None:
    """As one that 'docker pause' kept from taking the processor for the night."""
    told = Paused(name, {" ps ": "k8slab-test-node1 Paused\n"})
    getattr(provider_of(name, "test", told), verb)(["node1"])
    asked = [line for line in told.asked if not line.startswith("ps ")]

    assert asked[1:] == ["unpause k8slab-test-node1", *after]


def test_a_machine_that_cannot_be_started_is_told(name: str) -> None:
    """What the engine refuses for another reason stays an error."""
    told = Paused(name, {" ps ": "k8slab-test-node1 exited\n"})

    with pytest.raises(CommandFailed):
        provider_of(name, "test", told).start(["node1"])


def test_a_network_is_removed_by_its_label(name: str) -> None:
    """Only podman is asked with force: docker learned that later."""
    told = Told(name, {"network ls": "0123\n"})
    provider_of(name, "test", told).remove_network()
    force = {"podman": "--force ", "docker": ""}[name]

    assert told.asked == [
        f"network ls --quiet --filter=label={LABEL}=test",
        f"network rm {force}0123",
    ]


def test_one_machine_of_several_is_removed(name: str) -> None:
    """By its name; one that is not there is no mistake."""
    told = Told(name, {" ps ": "k8slab-x-node1 running\nk8slab-x-node3 exited\n"})
    provider = provider_of(name, "x", told)
    provider.remove_machines("node3", "node9")
    removed = [line.split()[-1] for line in told.asked if line.startswith("rm ")]

    assert removed == ["k8slab-x-node3"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("podman", "k8slab-x-a Up 3 minutes\nk8slab-x-b Exited (0)\n"),
        ("docker", "k8slab-x-a running\nk8slab-x-b exited\n"),
    ],
)
def test_states_are_told_in_the_same_words(name: str, said: str) -> None:
    """One engine speaks of time, the other of states."""
    states = provider_of(name, "x", Told(name, {" ps ": said})).states()

    assert states == {"a": "running", "b": "exited"}


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        (
            "podman",
            {
                " ps ": json.dumps([{"Labels": {LABEL: "one", "x": "y"}}] * 2),
                "network ls": json.dumps([{"labels": {LABEL: "two"}}]),
            },
        ),
        ("docker", {" ps ": "one\none\n", "network ls": "two\n"}),
    ],
)
def test_labs_are_known_by_their_label(name: str, answers: dict[str, str]) -> None:
    """A lab with machines, and one of which only the network is left."""
    assert provider_of(name, "x", Told(name, answers)).labs() == {"one", "two"}
    assert provider_of(name, "x", Told(name)).labs() == frozenset()


def test_slots_are_known_by_their_networks_ranges(name: str) -> None:
    """The range is the same in what both print."""
    inspected = json.dumps([{"Subnet": "172.30.3.0/24"}, {"Subnet": "172.30.5.0/24"}])
    told = Told(name, {"network ls": "01 23\n", "network inspect": inspected})

    assert provider_of(name, "test", told).slots(own=True) == {2, 4}
    assert told.asked[-1] == "network inspect 01 23"
    assert f"--filter=label={LABEL}=test" in told.asked[0]


def test_networks_are_known_whether_labs_have_them_or_not(name: str) -> None:
    """Podman nests a range as "subnet", docker as "Subnet"; IPv6 meets no lab."""
    own = {
        "podman": [{"subnets": [{"subnet": "10.88.0.0/16"}, {"subnet": "fd00::/64"}]}],
        "docker": [
            {"IPAM": {"Config": [{"Subnet": "10.88.0.0/16"}, {"Subnet": "fd00::/64"}]}},
            {"IPAM": {"Config": None}},
        ],
    }[name]
    told = Told(
        name,
        {"network ls": "01 23\n", "network inspect": json.dumps(own, indent=5)},
    )

    assert provider_of(name, "", told).networks() == {IPv4Network("10.88.0.0/16")}
    told.answers["network inspect"] = '"Subnet": "172.28.0.1/16"'  # docker takes that
    assert provider_of(name, "", told).networks() == {IPv4Network("172.28.0.0/16")}
    assert "--filter" not in told.asked[0]


def test_an_engine_that_does_not_work_keeps_no_network() -> None:
    """Another one may make the machines."""

    class Broken(Told):
        def run(self, argv: Sequence[str], **options: object) -> Completed:
            if "docker" in argv:
                raise CommandFailed(["docker"], where="here", returncode=1)
            return super().run(argv, **options)

    host = FakeHost()
    host.commands |= {"docker", "dockerd"}
    ranges = {"network ls": "01", "network inspect": '"subnet": "10.88.0.0/16"'}
    told = Broken("podman", ranges)

    assert networks(told, host=host) == {IPv4Network("10.88.0.0/16")}


def test_what_works_says_its_version_and_where_images_are(name: str) -> None:
    """The doctor looks for room there."""
    host = FakeHost()
    host.commands |= {"docker", "dockerd"}
    about = provider_of(name, "test", host, host=host).about()
    version = {"podman": "4.3.1", "docker": "23.0.1"}[name]

    assert (about.version, about.images) == (version, IMAGES)


@pytest.mark.parametrize(
    ("version", "capabilities", "runtime", "ok"),
    [
        ("20.10.24+dfsg1", None, "runc", False),
        ("20.10.24+dfsg1", ALL_CAPABILITIES, "runc", True),
        ("20.10.24+dfsg1", None, "other", True),
        ("23.0.0", None, "runc", True),
    ],
)
def test_an_old_docker_is_refused_where_root_may_less(
    version: str, capabilities: int | None, runtime: str, ok: bool
) -> None:
    """It gives machines all capabilities, and one that root lacks cannot be given."""
    host = FakeHost()
    host.commands |= {"docker", "dockerd"}
    host.capabilities = capabilities or host.capabilities
    host.engine_says["docker"] = docker_info(version, runtime)
    provider = provider_of("docker", "test", host, host=host)

    if ok:
        assert provider.about().version == version
        return
    with pytest.raises(HostProblem, match="docker does not work") as caught:
        provider.about()
    assert "SYS_RESOURCE" in caught.value.seen
    assert "unset K8SLAB_PROVIDER" in caught.value.next


@pytest.mark.parametrize(
    ("commands", "taken"),
    [
        ({"podman", "runc", "docker", "dockerd"}, "podman"),
        ({"podman", "docker", "dockerd"}, "docker"),
        ({"docker", "dockerd"}, "docker"),
        ({"docker"}, "podman"),
        (set(), "podman"),
    ],
)
def test_without_a_choice_what_is_there_is_taken(
    commands: set[str], taken: str
) -> None:
    """The preferred one also where there is none, so that its cure is told."""
    host = FakeHost()
    host.commands = commands

    assert provider_of("", "test", host, host=host).name == taken


@pytest.mark.parametrize(
    ("broken", "taken"),
    [((), "podman"), (("podman",), "docker"), (("podman", "docker"), "podman")],
)
def test_without_a_choice_what_works_is_taken(
    broken: Sequence[str], taken: str
) -> None:
    """An engine that is installed and does not answer is passed over."""

    class Computer(FakeHost):
        def run(self, argv: Sequence[str], **more: object) -> Completed:
            self.engine_code = 125 if {*argv} & {*broken} else 0
            return super().run(argv, **more)

    host = Computer()
    host.commands |= {"podman", "runc", "docker", "dockerd"}

    assert provider_of("", "test", host, host=host).name == taken


class Engines:
    """Programs in the engines' places, which note how they are called.

    Args:
        folder: The first folder of the PATH.
    """

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        for each in ("podman", "docker", "dockerd", "runc"):
            values = "".join(f"${{{name}-}}" for name in ELSEWHERE.get(each, ()))
            script = f"""#!/bin/sh
                echo "{values} $*" >> {self.log}
                case "$*" in
                *" info "*) echo '{docker_info()}' ;;
                *" version "*) echo 4.3.1 ;;
                *"network ls --quiet"*) echo 01 ;;
                *"{{{{.Names}}}}"*) echo k8slab-test-master running ;;
                esac
                """
            (folder / each).write_text(script)
            (folder / each).chmod(0o755)

    def calls(self) -> list[str]:
        """Return what they were told, behind the variables that they saw."""
        return self.log.read_text().splitlines()


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engines:
    """Programs in the engines' places, where all variables name another computer."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for variables in ELSEWHERE.values():
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
    return Engines(tmp_path)


def test_every_call_stays_on_this_computer(name: str, engines: Engines) -> None:
    """Also the commands for power, which others run with variables of their own."""
    host, runner = FakeHost(), LocalRunner()
    host.commands |= {"docker", "dockerd"}
    provider = provider_of(name, "test", runner, host=host)
    provider.about()
    provider.create_network(PLAN)
    provider.create(PLAN.machines(1, "bare")[0], "image", ())
    provider.states(), provider.labs(), provider.slots(), provider.networks()
    provider.start(["master"])
    provider.stop(["master"])
    provider.has_image("image")
    provider.load_image(Path("image"))
    provider.bridge_if_any()
    provider.remove_machines()
    provider.remove_network()
    for power in provider.power("master"):
        runner.run(power)
    calls = engines.calls()

    assert len(calls) >= 20
    assert [each for each in calls if not each.startswith(f" {OPTIONS[name]} ")] == []


def test_images_are_built_on_this_computer(engines: Engines, tmp_path: Path) -> None:
    """A service of podman has no runtime, and its store is another's."""
    (tmp_path / "skopeo").symlink_to(tmp_path / "podman")
    run, tar = LocalRunner(), tmp_path / "t"
    build_image(run, tmp_path, tmp_path, tar, "localhost/x:1", timestamp=1)
    ensure_image(run, tar, "localhost/x:1")
    calls = [call for call in engines.calls() if "containers-storage" not in call]

    assert [call.split()[2] for call in calls] == ["build", "rmi", "image"]
    assert all(call.startswith(" --runtime runc ") for call in calls)


def test_what_was_built_here_is_taken_whatever_is_signed(
    engines: Engines, tmp_path: Path
) -> None:
    """A computer's policy may reject all images that nobody signed."""
    (tmp_path / "skopeo").symlink_to(tmp_path / "podman")
    podman = tmp_path / "podman"
    podman.write_text(f"{podman.read_text()}case $* in *exists*) exit 1;; esac\n")
    run, tar = LocalRunner(), tmp_path / "t"
    build_image(run, tmp_path, tmp_path, tar, "localhost/x:1", timestamp=1)
    ensure_image(run, tar, "localhost/x:1")
    provider_of("podman", "test", run, host=FakeHost()).load_image(tar)
    words = [call.split() for call in engines.calls()]
    loads = [each for each in words if "load" in each]
    named = {w.partition("=")[2] for each in loads for w in each if "policy=" in w}

    assert len(loads) == 2
    assert [json.loads(Path(each).read_text("utf-8")) for each in named] == [
        {"default": [{"type": "insecureAcceptAnything"}]}
    ]
    assert any("--insecure-policy copy" in call for call in engines.calls())


def test_a_lab_without_a_record_is_removed_from_this_computer_alone(
    engines: Engines, tmp_path: Path
) -> None:
    """A machine of that name elsewhere is somebody else's."""
    work = Transitions(
        LabFolder(tmp_path / "home", "test"), "docker", tmp_path, tmp_path
    )

    assert work.remove(Ledger()).there
    removed = [call for call in engines.calls() if call.endswith("k8slab-test-master")]
    assert {call.partition(" rm --force ")[0] for call in removed} == {
        f" {options}" for options in OPTIONS.values()
    }


def test_another_socket_of_this_computer_may_be_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is kept with the commands for power."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/own.sock")
    off, on = provider_of("docker", "test").power("node1")

    assert "--host=unix:///run/own.sock" in off
    assert "--host=unix:///run/own.sock" in on


def test_a_client_that_is_missing_is_named(name: str) -> None:
    """By its own name, not by that of what starts it; also in what is only a look."""
    host = FakeHost()
    host.commands = set()
    provider = provider_of(name, "test", host, host=host)

    for call in (provider.states, provider.bridge_if_any):
        with pytest.raises(HostProblem, match=f"the command '{name}' is not on this"):
            call()
    assert provider.is_gone()
    assert not provider_of("podman", "test", host, host=FakeHost()).is_gone()


def test_a_client_that_fails_is_named(name: str) -> None:
    """Not the program that only takes variables away."""
    host = FakeHost()
    host.commands |= {"docker"}
    host.engine_code = 1
    with pytest.raises(CommandFailed, match=f"'{name}' ended with exit code 1"):
        provider_of(name, "test", host, host=host).states()


@pytest.mark.parametrize(
    ("option", "cure"),
    [("name=rootless", "unset DOCKER_HOST"), ("name=userns", "userns-remap")],
)
def test_a_daemon_that_can_carry_no_machine_is_refused(option: str, cure: str) -> None:
    """Another user's, and one whose machines' files would be another user's."""
    host = FakeHost()
    host.commands |= {"docker", "dockerd"}
    usual = ["name=seccomp,profile=builtin", "name=cgroupns"]
    provider = provider_of("docker", "test", host, host=host)
    host.engine_says["docker"] = docker_info(SecurityOptions=usual)
    assert provider.about()
    host.engine_says["docker"] = docker_info(SecurityOptions=[*usual, option])
    with pytest.raises(HostProblem, match="docker does not work") as caught:
        provider.about()

    assert cure in caught.value.next


@pytest.mark.parametrize(
    ("driver", "settings", "place"),
    [
        ([["Backing Filesystem", "extfs"]], "", str(IMAGES)),
        ([["driver-type", "io.containerd.snapshotter.v1"]], "", "/var/lib/containerd"),
        ([["driver-type", "io.containerd.snapshotter.v1"]], "root = '/b'", "/b"),
    ],
)
def test_docker_says_where_its_images_are(
    driver: object, settings: str, place: str
) -> None:
    """A new installation keeps them where containerd does."""
    host = FakeHost()
    host.commands |= {"docker", "dockerd"}
    host.files["/etc/containerd/config.toml"] = settings
    host.engine_says["docker"] = docker_info(DriverStatus=driver)

    about = provider_of("docker", "test", host, host=host).about()
    assert about.images == Path(place)


@pytest.mark.parametrize("said", ["", "no JSON", "{}", '{"ServerErrors": ["x"]}'])
def test_a_daemon_that_says_nothing_of_itself_does_not_work(said: str) -> None:
    """Another engine is asked beside it, so its answer must not end a command."""
    host = FakeHost()
    host.commands |= {"docker", "dockerd"}
    host.engine_says["docker"] = said
    with pytest.raises(HostProblem, match="docker does not work"):
        provider_of("docker", "test", host, host=host).about()


@pytest.mark.parametrize(
    ("daemon", "here", "ok"),
    [
        ("docker-desktop", "wsl", False),
        ("laptop", "laptop", True),
        ("laptop", "", True),
        ("", "laptop", True),
    ],
)
def test_a_daemon_of_another_computer_is_refused(
    daemon: str, here: str, ok: bool
) -> None:
    """It would make folders there, and machines that nothing here reaches."""
    host = FakeHost()
    host.commands |= {"docker", "dockerd"}
    host.engine_says["docker"] = docker_info(Name=daemon)
    host.files |= {"/proc/sys/kernel/hostname": f"{here}\n"} if here else {}
    provider = provider_of("docker", "test", host, host=host)

    if ok:
        assert provider.about().images == IMAGES
        return
    with pytest.raises(HostProblem, match="docker does not work") as caught:
        provider.about()
    assert "docker.sock runs on docker-desktop, and this is wsl" in caught.value.seen
    assert caught.value.next.startswith("have docker run on wsl itself")


def test_a_daemon_that_is_stopped_is_started() -> None:
    """The cure begins with that."""
    host = FakeHost()
    host.commands |= {"docker", "dockerd"}
    host.engine_code = 1
    with pytest.raises(HostProblem) as caught:
        provider_of("docker", "test", host, host=host).about()

    assert caught.value.next.startswith("start its daemon: service docker start; or ")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[storage]\ngraphroot = '/big/disk'\n", Path("/big/disk")),
        ("[storage]\ngraphroot = 5\n", Path("/var/lib/containers/storage")),
        ("storage = 'x'\n", Path("/var/lib/containers/storage")),
    ],
)
def test_the_readers_own_settings_say_where_images_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, place: Path
) -> None:
    """Podman reads the file that the variable names, and no other."""

    class Computer(FakeHost):
        def read_text(self, path: str) -> str:
            own = Path(path)
            return (
                own.read_text() if own.parent == tmp_path else super().read_text(path)
            )

    (tmp_path / "storage.conf").write_text(text)
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(tmp_path / "storage.conf"))
    host = Computer()

    assert provider_of("podman", "test", host, host=host).about().images == place


def test_a_provider_of_a_record_is_told_with_its_file() -> None:
    """No variable is at fault, so none is named."""
    with pytest.raises(BadInput) as caught:
        provider_of("lxd", "test", where="/home/lab.json", advice="begin anew")

    assert (caught.value.where, caught.value.next) == ("/home/lab.json", "begin anew")


def test_an_unknown_provider_is_refused() -> None:
    """The names there are, and the way on."""
    with pytest.raises(BadInput) as caught:
        provider_of("qemu", "test")

    assert caught.value.wanted == "one of podman, docker"
    assert caught.value.next == "unset K8SLAB_PROVIDER"


def test_setup_installs_what_a_provider_needs_and_no_second_docker() -> None:
    """Docker's own packages and Debian's cannot be beside each other."""
    host = FakeHost()
    host.commands -= {"podman", "runc"}
    builder = {"podman", "runc", "skopeo"}
    without = packages("docker", host=host)
    host.commands |= {"docker", "dockerd"}

    assert set(packages("podman", host=host)) == builder | {"netavark"}
    assert set(without) == builder | {"docker.io"}
    assert set(packages("docker", host=host)) == builder
    host.commands.add("runc")  # of its containerd.io, which excludes Debian's
    assert set(packages("docker", host=host)) == builder - {"runc"}


def test_what_a_build_needs_is_listed_once() -> None:
    """A version's list would install Debian's beside one that is there already."""
    listed = set(versions.read(BUNDLE).host_packages)

    assert listed & {*packages(*NAMES, host=FakeHost()), "podman", "runc"} == set()


def _named() -> Iterator[str]:
    """Return each line outside ``providers`` that names an engine."""
    # The forms of images, and a registry's folder, have such names for every engine;
    # and what is found on a reader's own machines is not what provides ours.
    other = re.compile(r"docker-archive:|docker://|docker/registry/v2|\"dockerd\"")
    engines = re.compile(r"podman|docker|buildah|--runtime", re.I)
    files = [ROOT / ".ci/run", ROOT / "Makefile", *(ROOT / "bench").glob("*.py")]
    own = ROOT / "lib/labmaker/providers"
    files += [f for f in (ROOT / "lib").rglob("*.py") if own not in f.parents]
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if engines.search(other.sub("", line)):
                yield f"{file.relative_to(ROOT)}:{number}: {line.strip()}"


def test_nobody_else_names_an_engine() -> None:
    """One more is a module in ``providers`` and its name there, and nothing else."""
    assert list(_named()) == []
