"""Somebody's kubeconfig: one context with its credentials inside, or a refusal."""

from __future__ import annotations

import base64
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8slab.errors import BadInput
from labmaker.adopted import context as contexts

CA, CERTIFICATE, KEY = (f"-----BEGIN {it}-----" for it in ("CA", "CERT", "KEY"))
TOKEN = "a token"


def encoded(text: str) -> str:
    """Return a text as a kubeconfig embeds it."""
    return base64.b64encode(text.encode()).decode()


def config(**changes: dict[str, Any]) -> dict[str, Any]:
    """Return a kubeconfig of two contexts; the first is the current one."""
    cluster = {"server": "https://a:6443", "certificate-authority-data": encoded(CA)}
    user = {
        "client-certificate-data": encoded(CERTIFICATE),
        "client-key-data": encoded(KEY),
    }
    return {
        "current-context": "work",
        "contexts": [
            {"name": "work", "context": {"cluster": "a", "user": "ada"}},
            {"name": "home", "context": {"cluster": "b", "user": "bob"}},
        ],
        "clusters": [
            {"name": "a", "cluster": {**cluster, **changes.get("cluster", {})}},
            {"name": "b", "cluster": {**cluster, "server": "https://b:6443"}},
        ],
        "users": [
            {"name": "ada", "user": {**user, **changes.get("user", {})}},
            {"name": "bob", "user": {"token": TOKEN}},
        ],
    }


def written(folder: Path, known: object) -> Path:
    """Write a kubeconfig; return where it lies."""
    file = folder / "config"
    file.write_text(yaml.safe_dump(known))
    return file


def taken(
    file: Path, context: str | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the cluster and the user of what is taken over."""
    known = yaml.safe_load(contexts.read(file, context))
    (cluster,), (user,), (only,) = known["clusters"], known["users"], known["contexts"]
    assert known["current-context"] == only["name"]
    return cluster["cluster"], user["user"]


def test_the_current_context_alone_is_taken(tmp_path: Path) -> None:
    """Neither the other context nor its token is in the copy."""
    file = written(tmp_path, config())

    cluster, user = taken(file)

    assert cluster["server"] == "https://a:6443"
    assert user["client-key-data"] == encoded(KEY)
    assert TOKEN not in contexts.read(file)


def test_another_context_is_taken_by_its_name(tmp_path: Path) -> None:
    """Its token stands in the place of a certificate."""
    cluster, user = taken(written(tmp_path, config()), "home")

    assert cluster["server"] == "https://b:6443"
    assert user == {"token": TOKEN}


def test_files_are_embedded_from_beside_the_kubeconfig(tmp_path: Path) -> None:
    """A relative name is relative to the kubeconfig, not to where one works."""
    known = config(cluster={"certificate-authority": "ca.crt"})
    del known["clusters"][0]["cluster"]["certificate-authority-data"]
    known["users"][0]["user"] = {"client-certificate": "a.crt", "client-key": "a.key"}
    for name, text in (("ca.crt", CA), ("a.crt", CERTIFICATE), ("a.key", KEY)):
        (tmp_path / name).write_text(text)

    cluster, user = taken(written(tmp_path, known))

    assert cluster["certificate-authority-data"] == encoded(CA)
    assert user == {
        "client-certificate-data": encoded(CERTIFICATE),
        "client-key-data": encoded(KEY),
    }


def test_a_token_is_read_from_its_file(tmp_path: Path) -> None:
    """As a Pod's own kubeconfig names one."""
    known = config()
    known["users"][0]["user"] = {"tokenFile": "token"}
    (tmp_path / "token").write_text(TOKEN + "\n")

    assert taken(written(tmp_path, known))[1] == {"token": TOKEN}


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"cluster": {"insecure-skip-tls-verify": True}}, "insecure-skip-tls-verify"),
        ({"cluster": {"proxy-url": "http://proxy:3128"}}, "proxy-url"),
        ({"cluster": {"tls-server-name": "other"}}, "tls-server-name"),
        ({"cluster": {"server": "http://a:8080"}}, "http://a:8080"),
        ({"user": {"exec": {"command": "aws"}}}, "exec"),
        ({"user": {"auth-provider": {"name": "gcp"}}}, "auth-provider"),
        ({"user": {"username": "ada", "password": "word"}}, "username"),
        ({"user": {"as": "root"}}, "as"),
        ({"cluster": {"certificate-authority-data": ""}}, "neither"),
        ({"user": {"client-key-data": ""}}, "client-certificate-data"),
        ({"user": {"client-key-data": "%"}}, "something else"),
        ({"cluster": {"certificate-authority-data": "aGVsé"}}, "something else"),
        ({"user": {"client-key-data": encoded("word")}}, "something else"),
        ({"user": {"client-key-data": "", "client-key": "none"}}, "No such file"),
    ],
)
def test_what_bends_the_way_is_refused(
    tmp_path: Path, changes: dict[str, dict[str, Any]], seen: str
) -> None:
    """The error names it and a next step, and has no credentials."""
    file = written(tmp_path, config(**changes))

    with pytest.raises(BadInput) as refused:
        contexts.read(file)

    said = str(refused.value)
    assert seen in refused.value.seen
    assert refused.value.next
    assert str(file) in said
    assert not {encoded(KEY), KEY, "word"} & set(said.split())


@pytest.mark.parametrize("context", ["work2", ""])
def test_an_unknown_context_names_those_there_are(tmp_path: Path, context: str) -> None:
    """Also where none is asked for, and none is the current one."""
    known = config()
    del known["current-context"]

    with pytest.raises(BadInput) as refused:
        contexts.read(written(tmp_path, known), context)

    assert refused.value.wanted == "one of home, work"


def test_an_empty_name_is_not_the_current_context(tmp_path: Path) -> None:
    """A script whose variable is empty must not adopt another cluster."""
    with pytest.raises(BadInput) as refused:
        contexts.read(written(tmp_path, config()), "")

    assert refused.value.seen == "an empty --context"


def test_a_token_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Its bytes are in no message."""
    known = config()
    known["users"][0]["user"] = {"tokenFile": "token"}
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="no text"):
        contexts.read(written(tmp_path, known))


@pytest.mark.parametrize("sign", ["\n", "\r", "\0", "ö", "€"])
def test_a_token_that_cannot_be_sent_is_refused(tmp_path: Path, sign: str) -> None:
    """Of such a header Python says no more than its value, which is a secret."""
    known = config()
    known["users"][0]["user"] = {"token": f"5ecr3t{sign}5ecr3t"}
    with pytest.raises(BadInput, match="cannot be a token") as refused:
        contexts.read(written(tmp_path, known))

    assert "5ecr3t" not in str(refused.value)
    assert "kubectl create token" in refused.value.next


@pytest.mark.parametrize(
    "server",
    [
        *("https://", "https://:6443", "https://a..b:6443", "https://a:0"),
        *("https://a:b", "https://a:99999", "https://[fd00::1", "https://a:1 "),
        *("https://a:1?b", "https://a:1#b", f"https://{'a' * 64}.example:6443"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(tmp_path: Path, server: str) -> None:
    """Not as a server that is silent, nor as a lab's file that was changed."""
    with pytest.raises(BadInput, match="cannot be the address") as refused:
        contexts.read(written(tmp_path, config(cluster={"server": server})))

    assert "kubectl config view --kubeconfig=" in refused.value.next


def test_a_password_in_the_address_is_in_no_message(tmp_path: Path) -> None:
    """It would stand in each error, and in what 'k8slab status' shows."""
    server = "https://ada:sec@ret@a:6443"
    with pytest.raises(BadInput, match="a user or a password") as refused:
        contexts.read(written(tmp_path, config(cluster={"server": server})))

    assert "ret@" not in str(refused.value)


@pytest.mark.parametrize(
    "server",
    ["https://a", "https://[fd00::1]:6443", "https://a.b.:6443/k8s/clusters/c@1"],
)
def test_every_address_of_a_server_is_taken(tmp_path: Path, server: str) -> None:
    """Of version 6 of IP, with a path, or with the dot of the root at its end."""
    cluster, _ = taken(written(tmp_path, config(cluster={"server": server})))

    assert cluster["server"] == server


NO_DATE = "users: [{name: a, user: {token: 2024-02-30}}]"


@pytest.mark.parametrize(
    "text",
    [
        NO_DATE,
        "a: [",
        "- a list",
        "\ttab",
        "users: 7\ncontexts: x",
        "a: " + "[" * 1000,
    ],
)
def test_what_is_no_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    """No traceback of a parser, and none of its words."""
    file = tmp_path / "config"
    file.write_text(text)

    with pytest.raises(BadInput):
        contexts.read(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(BadInput, match="cannot be read") as refused:
        contexts.read(tmp_path / "none")

    assert refused.value.seen == "No such file or directory"


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster": {"certificate-authority-data": "DATA+OMITTED"}},
        {"user": {"client-key-data": "DATA+OMITTED"}},
        {"user": {"client-certificate-data": "REDACTED"}},
        {"user": {"client-key-data": "", "token": "REDACTED"}},
    ],
)
def test_what_kubectl_left_out_is_no_credential(
    tmp_path: Path, changes: dict[str, dict[str, Any]]
) -> None:
    """As 'kubectl config view' shows a file; the next step writes all of it.

    Not from this file, whose credentials are left out, nor from the reader's usual one.
    """
    (words,) = (each.values() for each in changes.values())
    with pytest.raises(BadInput) as refused:
        contexts.read(written(tmp_path, config(**changes)))

    assert refused.value.seen in words
    assert refused.value.next.endswith(
        ": kubectl config view --kubeconfig=FILE --context=work --raw --flatten "
        "--minify > whole.yaml"
    )


@pytest.mark.parametrize(
    "user", [{"token": "REDACTED"}, {"client-key-data": "%"}, {"tokenFile": "gone"}]
)
def test_a_hint_means_the_context_that_is_adopted(
    tmp_path: Path, user: dict[str, Any]
) -> None:
    """Without its name kubectl would write the current one: another cluster."""
    known = config()
    known["contexts"][1]["name"] = "my home; rm x"
    known["users"][1]["user"] = user
    with pytest.raises(BadInput) as refused:
        contexts.read(written(tmp_path, known), "my home; rm x")

    words = shlex.split(refused.value.next.rpartition(": ")[2])
    assert "--context=my home; rm x" in words
    assert any(each.startswith("--kubeconfig=") for each in words)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_base64_in_lines_is_read(tmp_path: Path, end: str) -> None:
    """As kubectl reads it, and as 'base64' without -w0 writes it; kept in one line."""
    data = [encoded(each) for each in (CA, CERTIFICATE, KEY)]
    ca, certificate, key = (end.join([it[:8], it[8:], ""]) for it in data)
    known = config(
        cluster={"certificate-authority-data": ca},
        user={"client-certificate-data": certificate, "client-key-data": key},
    )

    cluster, user = taken(written(tmp_path, known))
    assert [cluster["certificate-authority-data"], *user.values()] == data


@pytest.mark.parametrize("lacks", ["certificate-authority-data", "clusters"])
def test_a_hint_means_the_file_that_is_adopted(tmp_path: Path, lacks: str) -> None:
    """Without it kubectl would change, or show, the reader's usual one."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    known = config(cluster={"certificate-authority-data": ""})
    if lacks == "clusters":
        known["clusters"] = []
    file = written(folder, known)
    with pytest.raises(BadInput) as refused:
        contexts.read(file)

    command = refused.value.next.rpartition(": ")[2]
    assert f"--kubeconfig={file}" in shlex.split(command)
