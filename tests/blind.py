"""Play the blind exercise of debugging-workloads as a reader does, fault by fault."""

from __future__ import annotations

import io
import json
import random
import shlex
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, field

import kernels
from labs import Lab

from k8slab import fault
from k8slab.core.poll import until
from k8slab.fault import Hidden
from k8slab.kube import snapshot
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace, scratch

AT_ONCE = 4
WON_S = 120
STARTUP = {"tcpSocket": {"port": 12345}, "periodSeconds": 1, "failureThreshold": 60}
CONTAINERS = [{"name": "shop", "startupProbe": STARTUP}]
SLOW = json.dumps({"spec": {"template": {"spec": {"containers": CONTAINERS}}}})
PORTS = json.dumps({"spec": {"ports": [{"port": 12345, "targetPort": 12345}]}})
# What a reader types against each of them.
REPAIRS = {
    "pending-resources": "set resources deployment shop --requests=cpu=250m",
    "pending-taints": "taint nodes node1 node2 maintenance-",
    "claim-without-class": "rollout undo deployment shop",
    "image-pull": "set image deployment shop shop=registry.lab/echo:1",
    "missing-secret-key": "set env deployment shop --from=secret/shop --keys=token",
    "crash-loop": "rollout undo deployment shop",
    "out-of-memory": "set resources deployment shop --limits=memory=256Mi",
    "eager-liveness": f"patch deployment shop --patch '{SLOW}'",
    "selector-mismatch": "set selector service shop app=shop",
    "wrong-port": f"patch service shop --type=merge --patch '{PORTS}'",
    "stuck-namespace": "patch configmap archive --type=merge "
    """--patch '{"metadata": {"finalizers": null}}'""",
}
# While both workers are tainted, nobody else's Pods start.
APART = "pending-taints"


def drawable() -> list[str]:
    """Return the names that the chapter's exercise draws from."""
    of = kernels.chapter("debugging-workloads")
    start = next(c for c in of.cells("code") if c.id == "exercise-blind-start")
    lines = [each for each in start.source.splitlines() if each.startswith("MET")]
    known: dict[str, list[str]] = {}
    exec("\n".join(lines), known)  # noqa: S102 - the book's own cell
    return known["MET"]


MET = drawable()


def seed(name: str) -> int:
    """Return a seed by which the exercise draws this fault."""
    return next(
        number
        for number in range(1000)
        if random.Random(number).choice(sorted(MET)) == name  # noqa: S311 - a game
    )


@dataclass
class Game:
    """One turn of the exercise.

    Attributes:
        hidden: What was drawn.
        namespace: Where.
        before: Whether it was judged as solved before its repair.
        won: Whether it was afterwards.
    """

    hidden: Hidden
    namespace: Namespace
    before: bool = False
    won: bool = False


@dataclass
class Played:
    """All turns.

    Attributes:
        games: By the name of the fault that was meant to be drawn.
        early: What was said before the repairs.
        late: What was said afterwards.
        left: What is different in the lab.
    """

    games: dict[str, Game] = field(default_factory=dict)
    early: io.StringIO = field(default_factory=io.StringIO)
    late: io.StringIO = field(default_factory=io.StringIO)
    left: list[str] = field(default_factory=list)


def begin(cluster: Cluster, name: str) -> Game:
    """Draw, and judge what nobody has repaired."""
    namespace, _ = scratch(cluster, f"t-blind-{name}")
    hidden = fault.draw(seed(name), among=MET, namespace=namespace, cluster=cluster)
    return Game(hidden, namespace, before=fault.judge(hidden).solved)


def end(cluster: Cluster, name: str, game: Game) -> None:
    """Repair it as a reader does, judge it until it is won, and tidy up."""
    old = "-old" if name == "stuck-namespace" else ""
    cluster.kubectl(shlex.split(REPAIRS[name]), namespace=game.namespace.name + old)
    try:
        game.won = until(
            lambda: fault.judge(game.hidden).solved,
            what=name,
            want="repaired",
            timeout=WON_S,
        )
    finally:
        game.hidden.close()
        game.namespace.remove()


def play(cluster: Cluster, names: Iterable[str], played: Played) -> None:
    """Play with several faults side by side."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        with redirect_stdout(played.early):
            begun = {name: pool.submit(begin, cluster, name) for name in names}
            games = {name: turn.result() for name, turn in begun.items()}
        played.games |= games
        with redirect_stdout(played.late):
            ended = [pool.submit(end, cluster, *pair) for pair in games.items()]
            for each in ended:
                each.result()


def play_all(lab: Lab, names: Sequence[str]) -> Played:
    """Play with each of these faults, and see what all of that left."""
    found = Played()
    with lab.cluster() as cluster:
        before = snapshot.take(cluster)
        play(cluster, [name for name in names if name != APART], found)
        play(cluster, [name for name in names if name == APART], found)
        found.left = snapshot.difference(before, snapshot.take(cluster))
    return found


def problems(played: Played) -> list[str]:
    """Return what went otherwise than the exercise promises; nothing when all is well.

    No game is won before its repair, each is afterwards, no fault is named before, by
    its name or its cause, each is afterwards, and nothing is left.
    """
    early, late = played.early.getvalue(), played.late.getvalue()
    found = [f"left: {line}" for line in played.left]
    if early.count("hint:") != len(played.games):
        found.append(f"{early.count('hint:')} hints for {len(played.games)} games")
    for name, game in played.games.items():
        cause = fault.find(name).cause
        if (game.before, game.won) != (False, True):
            found.append(f"{name}: won before {game.before}, afterwards {game.won}")
        if game.hidden.found is not fault.find(name):
            found.append(f"{name}: another fault was drawn")
        if name in early or cause in early:
            found.append(f"{name}: named before its repair")
        if f"it was {name}: {cause}" not in late:
            found.append(f"{name}: not named after its repair")
    return found
