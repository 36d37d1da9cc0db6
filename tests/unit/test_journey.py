"""A reader's whole way, with commands that take no time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from journey import PASSED, Journey

from k8slab.core.process import Completed

NODES = "\n".join(f"{name} Ready" for name in ("master", "node1", "node2"))
MAKER = json.dumps({"maker": {"slot": 1}})
ANSWERS = {
    "cat /etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
    "cat /proc/meminfo": "MemTotal:  6291456 kB\n",
    "stat": "cgroup2fs\n",
    "uname": "6.1.0\n",
    "doctor": "✔ user: user id 0\n✔ provider: docker 26.1.5\n",
    "nproc": "2\n",
    "get nodes": NODES,
    "lab.json": MAKER,
    "from k8slab": "/labs\n",
    "find": "/labs/.lock\n",
}


class Computer:
    """A computer that answers every command; what a test names, otherwise."""

    where = "the guest"

    def __init__(self) -> None:
        self.answers = dict(ANSWERS)
        self.fails = ""
        self.asked: list[str] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        **_: object,
    ) -> Completed:
        """Answer with the first text whose words are in the command."""
        line = " ".join(argv)
        self.asked.append(line)
        if self.fails and self.fails in line:
            if on_line is not None:
                on_line("no such thing")
            return Completed(tuple(argv), self.where, 3, "", "no such thing", 0.0)
        fits = (text for words, text in self.answers.items() if words in line)
        return Completed(tuple(argv), self.where, 0, next(fits, ""), "", 0.0)


@pytest.fixture
def computer() -> Computer:
    """Return a computer that does all that it should."""
    return Computer()


@pytest.fixture
def journey(computer: Computer, tmp_path: Path) -> Journey:
    """Return the way on it."""
    also = tmp_path / "console.log"
    return Journey(computer, "/clone", tmp_path / "log", also=also)


def test_all_steps_are_timed(journey: Journey) -> None:
    """Each has its seconds, in the order in which a reader takes them."""
    journey.get("/srv/k8slab.git")
    journey.install()
    journey.take("/srv/kit")
    journey.use()

    assert journey.result == PASSED
    assert list(journey.seconds) == [
        *("clone", "environment", "setup", "import", "doctor", "up", "kubectl"),
        *("chapter", "stop", "start", "kubectl again", "down"),
    ]
    assert journey.facts["cgroup"] == "2"
    assert journey.facts["engine"] == "docker 26.1.5"
    assert journey.facts["memory"] == "6 GiB"


def test_a_failing_step_says_which_command_and_where_to_look(
    journey: Journey, computer: Computer, tmp_path: Path
) -> None:
    """Its name, the command, the end of what it said, the log and the console."""
    computer.fails = "make up"

    with pytest.raises(AssertionError) as failed:
        journey.use()

    said = str(failed.value)
    assert "step 'up' on the guest failed: make up: 3" in said
    assert "no such thing" in said
    assert str(tmp_path / "log") in said
    assert str(tmp_path / "console.log") in said
    assert journey.result == "failed: up"


@pytest.mark.parametrize("seen", [NODES.replace("Ready", "NotReady"), "master Ready"])
def test_nodes_that_are_not_ready_are_a_failure(
    journey: Journey, computer: Computer, seen: str
) -> None:
    """Three are wanted, and each of them ready."""
    computer.answers["get nodes"] = seen

    with pytest.raises(AssertionError, match="step 'kubectl'"):
        journey.use()


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("docker ps", "1234\n"),
        ("docker network ls", "k8slab-hosts\n"),
        ("ip -4 route", "unreachable 10.97.0.0/16 metric 4096\n"),
        ("iptables-save", ":K8SLAB-1 - [0:0]\n"),
        ("find", "/labs/hosts\n"),
    ],
)
def test_what_is_left_is_a_failure(
    journey: Journey, computer: Computer, command: str, answer: str
) -> None:
    """A machine, a network, a route, a rule, a folder: each is seen."""
    computer.answers[command] = answer
    journey.install()

    with pytest.raises(AssertionError):
        journey.use()

    assert journey.result == "failed: nothing left"
