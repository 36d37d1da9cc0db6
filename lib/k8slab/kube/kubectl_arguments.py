"""Take or refuse kubectl's arguments: they reach this lab's cluster, and no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from ..errors import BadInput, Refused

ELSEWHERE = frozenset(
    f"--{name}"
    for name in (
        "kubeconfig",
        "kuberc",
        "context",
        "cluster",
        "server",
        "user",
        "token",
        "username",
        "password",
        "certificate-authority",
        "client-certificate",
        "client-key",
        "insecure-skip-tls-verify",
        "tls-server-name",
        "proxy-url",
    )
)
"""kubectl's options that lead to another server, or past its certificate."""

_READS_CONFIG = ("view", "current-context", "get-contexts", "get-clusters", "get-users")
SWITCHES = frozenset("ARhiqtw")
"""kubectl's one-letter options that take no value, but for ``-w`` of its proxy."""
LOGS_SWITCHES = frozenset("fp")
"""Options of ``logs`` that take no value there, and one everywhere else."""
LONG_SWITCHES = frozenset(
    f"--{name}"
    for name in (
        *("all", "all-containers", "all-namespaces", "allow-missing-template-keys"),
        *("arguments-only", "attach", "command"),
        *("delete-emptydir-data", "expose", "follow", "force", "ignore-daemonsets"),
        *("ignore-not-found", "no-headers", "now", "overwrite", "previous"),
        *("keep-annotations", "keep-init-containers", "keep-labels", "keep-liveness"),
        *("keep-readiness", "keep-startup", "leave-stdin-open", "privileged", "quiet"),
        *("recursive", "replace", "rm", "same-node", "save-config", "share-processes"),
        *("show-labels", "show-managed-fields", "stdin", "timestamps", "tty", "wait"),
        *("watch", "watch-only"),
    )
)
"""Long options that take no value in any command of kubectl that reaches a cluster.

One that takes a value somewhere, as ``--containers`` does in ``set``, could swallow the
``--`` behind it and hide what leads elsewhere, so it must not stand here.
"""
_WIDENS = frozenset(
    ("--accept-hosts", "--accept-paths", "--reject-paths", "--reject-methods")
) | {"--disable-filter"}
"""Options of ``kubectl proxy`` that loosen what it lets through."""
_NAMES_SUBJECTS = (
    ["create", "rolebinding"],
    ["create", "clusterrolebinding"],
    ["set", "subject"],
)
"""Commands whose ``--user`` is a subject of RBAC, and no user of the kubeconfig."""
_BEFORE_VERB = frozenset(
    ["-n", "--namespace", "--request-timeout", "--as", "--as-group", "-v", "--v"]
)


def kubectl_arguments(argv: Sequence[str]) -> list[str]:
    """Return kubectl's arguments unchanged, or refuse them.

    Refused is what leads to another cluster, past the server's certificate, to a
    manifest somewhere else, what changes or reveals the lab's kubeconfig, and what
    opens the API to other computers.
    What follows ``--`` belongs to the command that a Pod runs.

    Raises:
        Refused: One of the arguments could reach something else.
        BadInput: A folder of manifests is not there.

    Example:
        >>> kubectl_arguments(["get", "pods", "-o", "wide"])
        ['get', 'pods', '-o', 'wide']
    """
    own = own_arguments(argv)
    verb = verb_of(own)
    if verb == "proxy":  # its -w takes a value, which a -- may be; no Pod runs anything
        own = list(argv)
    names_a_subject = words_of(own)[:2] in _NAMES_SUBJECTS
    for flag, value in flags_of(own):
        if flag in ELSEWHERE and not (flag == "--user" and names_a_subject):
            raise _refusal(flag, f"kubectl without {flag}")
        remote = flag in ("-f", "--filename") and "://" in value
        missing = flag in ("-k", "--kustomize") and not Path(value).is_dir()
        if remote or (missing and _is_remote(value)):
            raise _refusal(
                f"{flag} {value}", "a manifest on this machine", _saved(flag)
            )
        if missing:
            raise BadInput(
                "there is no such folder",
                where=str(Path.cwd()),
                wanted="a folder that holds a kustomization.yaml",
                seen=f"{flag} {value}",
                next=f"see which there are: {flag} {Path(value).parent}/, then Tab",
            )
        loopback = set(value.split(",")) <= {"localhost", "127.0.0.1"}
        if flag == "--address" and verb in ("proxy", "port-forward") and not loopback:
            if verb == "proxy":
                raise _open_proxy(f"--address {value}")
            raise _refusal(
                f"--address {value}",
                "an address of this computer alone: localhost or 127.0.0.1",
                "leave it out: localhost is the default",
            )
        if verb == "proxy" and flag in _WIDENS:
            raise _open_proxy(f"{flag} {value}")
    if verb == "kustomize" and any("://" in each or ".com/" in each for each in own):
        raise _refusal(" ".join(own), "a folder on this machine", _saved(verb))
    if verb == "config":
        _check_config(own)
    return list(argv)


def _check_config(own: Sequence[str]) -> None:
    """Refuse what changes or reveals the lab's kubeconfig; help does neither."""
    words = [each for each in own if not each.startswith("-")]
    helps = any(
        each in ("-h", "--help") and not may_wait(before)
        for before, each in pairwise(own)
    )
    if words == ["config"] or helps:
        return
    if len(words) < 2 or words[1] not in _READS_CONFIG:
        raise _refusal(
            "config " + " ".join(words[1:2]),
            "one of 'kubectl config' " + ", ".join(_READS_CONFIG),
            "a namespace is named with each command: -n NAMESPACE; in a cell the "
            "chapter's is the default",
        )
    for each in own:
        if each.startswith(("--raw", "--flatten")):
            raise _refusal(each, f"config {words[1]} without {each}", "leave it out")


def _is_remote(folder: str) -> bool:
    """Return whether kustomize could take it for a repository: ``github.com/a/b``."""
    host, _, _ = folder.partition("/")
    here = folder.startswith((".", "/")) and "://" not in folder
    return not here and any(sign in host for sign in ".:@")


def _open_proxy(seen: str) -> Refused:
    return Refused(
        "this proxy would lend your rights to whoever reaches it, without a password",
        wanted="loopback or --unix-socket, with kubectl's own filters",
        seen=seen,
        next="leave that option out; a program elsewhere gets a ServiceAccount",
    )


def own_arguments(argv: Sequence[str]) -> list[str]:
    """Return what kubectl itself reads: all before the ``--`` that ends its options.

    A ``--`` behind an option that takes a value is that value and ends nothing, so
    it counts only where no option can be waiting for one.
    """
    for index, each in enumerate(argv):
        if each == "--" and (index == 0 or not may_wait(argv[index - 1])):
            return list(argv[:index])
    return list(argv)


def verb_of(own: Sequence[str]) -> str:
    """Return kubectl's command, as ``get``; empty when there is none.

    Raises:
        Refused: An option stands before it that could hide which word it is.
    """
    rest = iter(own)
    for each in rest:
        if not each.startswith("-"):
            return each
        name, equals, _ = each.partition("=")
        if name in _BEFORE_VERB:
            if not equals:
                next(rest, "")
        elif name not in ("-h", "--help", "--version", *ELSEWHERE):
            raise Refused(
                f"the option {name} stands before kubectl's command",
                wanted="the command first, as in: kubectl get pods " + name,
                seen="kubectl " + " ".join(own),
            )
    return ""


def words_of(own: Sequence[str]) -> list[str]:
    """Return kubectl's words without its options and their values, the verb first."""
    words, waits = list[str](), False
    for each in own:
        if not waits and not each.startswith("-"):
            words.append(each)
        waits = not waits and may_wait(each)
    return words


def flags_of(own: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield every option that kubectl could see, with the value it could have.

    Written to see too many rather than too few: a word that is the value of another
    option is looked at as well, and where ``logs`` stands, ``-f`` and ``-p`` count as
    its switches.
    """
    switches = SWITCHES | LOGS_SWITCHES if "logs" in own else SWITCHES
    for index, each in enumerate(own):
        following = own[index + 1] if index + 1 < len(own) else ""
        if each.startswith("--"):
            name, equals, value = each.partition("=")
            # kubectl takes an underscore for a hyphen.
            yield name.replace("_", "-"), value if equals else following
        elif each.startswith("-") and len(each) > 1:
            for place, letter in enumerate(each[1:], start=2):
                rest = each[place:].removeprefix("=")
                name = "--server" if letter == "s" else f"-{letter}"
                yield name, rest or following
                if letter not in switches:
                    break


def may_wait(word: str) -> bool:
    """Return whether a word is an option that may take the next word as its value."""
    if not word.startswith("-") or word == "-":
        return False
    if word.startswith("--"):
        return "=" not in word and word not in LONG_SWITCHES
    rest = word[1:].lstrip("".join(SWITCHES))
    # Where logs stands, -f and -p are switches: -fn waits, while -cmain has its value.
    inner = rest.lstrip("".join(SWITCHES | LOGS_SWITCHES))
    return "=" not in word and 1 in (len(rest), len(inner))


def _saved(flag: str) -> str:
    """Return how to use here what stands on a server."""
    return f"save it below manifests/, read it, then {flag} with its path"


def _refusal(
    seen: str,
    wanted: str,
    next: str = "use your own kubectl in a terminal outside of this JupyterLab",
) -> Refused:
    return Refused(
        "kubectl reaches this lab's cluster only", wanted=wanted, seen=seen, next=next
    )
