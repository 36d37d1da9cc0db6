"""Requests by curl: what is sent, what is shown, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from k8slab import rest
from k8slab.core.poll import until
from k8slab.errors import BadInput, CommandFailed, LabError, Refused, Unreachable
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace

SECRET = "not-for-anybodys-eyes"
KEEPER = rest.Token("system:serviceaccount:shop:keeper", SECRET)


def runs(pid: int) -> bool:
    """Say whether a process runs; one that ended and was not collected does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_request_has_no_credentials_by_default(cluster: Cluster, fake: Any) -> None:
    """The command shows the CA alone, and no address."""
    answer = rest.curl("/version")

    assert (answer.status, answer.json) == (200, {"gitVersion": "v1.37.2"})
    assert answer.command == 'curl --cacert ca.crt "$API/version"'
    assert fake.authorizations == [""]


def test_the_administrators_certificate_is_shown_by_name(cluster: Cluster) -> None:
    """Whose files they are is said; where they lie is not."""
    answer = rest.curl("/version", cert=True)

    lead = "curl --cacert ca.crt --cert admin.crt --key admin.key"
    assert answer.command == f'{lead} "$API/version"'


def test_a_token_reaches_the_server_and_nobody_else(
    cluster: Cluster, fake: Any
) -> None:
    """It is in the request, and in no list of processes, output or message."""
    seen: list[str] = []

    def look(method: str, path: str) -> None:
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(each.read_text(errors="replace"))
            except OSError:  # it ended meanwhile
                continue

    fake.on_request = look
    answer = rest.curl("-v /version", token=KEEPER)

    assert fake.authorizations == [f"Bearer {SECRET}"]
    assert any("--config\0-\0" in each for each in seen)
    shown = [repr(answer), answer.text, answer.remarks, repr(KEEPER), *seen]
    assert not [each for each in shown if SECRET in each]


def test_a_header_that_was_typed_is_hidden(cluster: Cluster, fake: Any) -> None:
    """The server gets it; the command and what -v says do not show it."""
    answer = rest.curl(f"-v -H 'Authorization: Bearer {SECRET}' /version")

    assert fake.authorizations == [f"Bearer {SECRET}"]
    assert "Authorization: Bearer …" in answer.command
    assert SECRET not in repr(answer) + answer.remarks


def test_a_token_in_an_answer_is_hidden(cluster: Cluster, fake: Any) -> None:
    """As in that of a TokenRequest."""
    web = "eyJhbGciOiJub25l.eyJzdWIiOiJub2JvZHki.c2lnbmF0dXJl"
    fake.errors["GET /version"] = (200, {"token": web})

    assert rest.curl("/version").json == {"token": "…"}


def test_without_the_ca_nobody_is_trusted(cluster: Cluster, fake: Any) -> None:
    """No request is sent."""
    with pytest.raises(CommandFailed) as caught:
        rest.curl("/version", ca=False)

    assert "certificate" in caught.value.seen
    assert fake.requests == []


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("https://10.0.0.1/version", Refused),
        ("version", BadInput),
        ("-X POST", BadInput),
        ("/version /healthz", BadInput),
        ("--insecure /version", BadInput),
        ("-x proxy:1 /version", BadInput),
        ("--output=/tmp/file /version", BadInput),
        ("-H 'open /version", BadInput),
        ("/version -X", BadInput),
        ("/version --data", BadInput),
        ("-X '' /version", BadInput),
        ("/ver\0sion", BadInput),
    ],
)
def test_other_servers_and_options_are_refused(
    cluster: Cluster, fake: Any, line: str, error: type[LabError]
) -> None:
    """Before anything is sent."""
    with pytest.raises(error):
        rest.curl(line)

    assert fake.requests == []


def test_a_server_that_is_gone_is_unreachable(cluster: Cluster, fake: Any) -> None:
    """In stable words, without an address."""
    fake.close()

    with pytest.raises(Unreachable) as caught:
        rest.curl("/version")
    assert caught.value.what == "nothing answers there (connection refused or no way)"
    assert caught.value.where == 'curl --cacert ca.crt "$API/version"'


@pytest.mark.parametrize(
    ("code", "status", "error", "match"),
    [
        (28, "000", Unreachable, "no answer in time"),
        (52, "000", Unreachable, r"\(no answer\)"),
        (28, "200", CommandFailed, "exit code 28"),
        (77, "000", CommandFailed, "exit code 77"),
    ],
    ids=["silent", "hung up", "endless", "curl itself"],
)
def test_silence_is_told_from_what_curl_gives_up(
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    status: str,
    error: type[LabError],
    match: str,
) -> None:
    """A server that says nothing is unreachable; one that never ends has answered."""
    curl = tmp_path / "curl"
    curl.write_text(f"#!/bin/sh\nprintf '\\nHTTP-STATUS {status}'\nexit {code}\n")
    curl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(error, match=match):
        rest.curl("/version")


def test_a_refusal_is_an_answer(cluster: Cluster) -> None:
    """A status such as 404 raises nothing."""
    answer = rest.curl("/api/v1/namespaces/shop/pods/none")

    assert (answer.status, answer.json["reason"]) == (404, "NotFound")


@pytest.mark.parametrize("sign", ['"', "$", "`", "\\"])
def test_a_path_is_shown_as_a_shell_reads_it(
    cluster: Cluster, fake: Any, sign: str
) -> None:
    """Also where it holds what a shell reads in quotes."""
    answer = rest.curl(f"'/version?{sign}'")
    with pytest.raises(CommandFailed) as caught:
        rest.curl(f"'/version?{sign}'", ca=False)

    assert answer.command == f'curl --cacert ca.crt "$API/version?\\{sign}"'
    assert caught.value.argv == ("curl", f"$API/version?{sign}")


def test_an_empty_body_is_a_value(cluster: Cluster, fake: Any) -> None:
    """And no value that was forgotten."""
    path = "/api/v1/namespaces/shop/pods"
    rest.curl(f"-X POST -H '' -d '' {path}?dryRun=All")

    assert fake.requests == [f"POST {path}"]


def test_headers_are_no_part_of_the_body(cluster: Cluster) -> None:
    """With -i they stand in the text alone."""
    answer = rest.curl("-i /version")

    assert answer.text.startswith("HTTP/")
    assert answer.json == {"gitVersion": "v1.37.2"}


def test_a_watch_gives_its_events() -> None:
    """One for each line."""
    answer = rest.Answer("curl", 200, '{"type": "ADDED"}\n{"type": "ERROR"}\n')

    assert [each["type"] for each in answer.events] == ["ADDED", "ERROR"]


def test_a_long_answer_is_shown_in_part() -> None:
    """Its first lines, without the list of owners; .text keeps all."""
    body = '{\n  "a": 1,\n  "managedFields": [\n    {\n    }\n  ],\n' + "  1\n" * 40
    shown = repr(rest.Answer("curl", 200, body)).splitlines()

    assert shown[:4] == ["$ curl", "{", '  "a": 1,', '  "managedFields": […],']
    assert shown[-2:] == [
        "… and 23 more lines, all of them in .text",
        "(status 200)",
    ]


def test_a_new_token_is_asked_for(cluster: Cluster, fake: Any) -> None:
    """By a TokenRequest of that account."""
    path = "/api/v1/namespaces/shop/serviceaccounts/keeper/token"
    fake.errors[f"POST {path}"] = (201, {"status": {"token": SECRET}})

    assert rest.token(Namespace(cluster, "shop"), "keeper") == KEEPER


def test_a_client_shows_the_token(cluster: Cluster, fake: Any) -> None:
    """And not the administrator's certificate."""
    api = rest.client(KEEPER)
    api.call_api(
        "/version", "GET", auth_settings=["BearerToken"], _preload_content=False
    )

    assert fake.authorizations == [f"Bearer {SECRET}"]
    assert (api.configuration.cert_file, api.configuration.key_file) == (None, None)


def test_a_proxy_ends_with_its_block(
    cluster: Cluster, kubectl: Any, tmp_path: Path
) -> None:
    """It is there inside the block, and no process of it is left behind it."""
    pid = tmp_path / "pid"
    kubectl(
        f'echo $$ > {pid}; echo "Starting to serve on 127.0.0.1:1"; exec /bin/sleep 60'
    )

    with rest.proxy() as door:
        running = int(pid.read_text())
        assert runs(running)
    until(lambda: not runs(running), what="the proxy", want="ended", timeout=5)
    assert (door.at, door.command) == ("127.0.0.1:1", "kubectl proxy --port=0")


def test_a_proxy_ends_after_its_time(cluster: Cluster, kubectl: Any) -> None:
    """A killed session leaves one for so long only."""
    kubectl('echo "$@" > /dev/null; exec /bin/sleep 60')

    with pytest.raises(CommandFailed), rest.proxy(timeout=0.3):
        pass


def test_a_socket_is_private_and_goes(cluster: Cluster, kubectl: Any) -> None:
    """Its folder belongs to the user alone; both are removed."""
    kubectl('echo "Starting to serve on ${2#--unix-socket=}"; exec /bin/sleep 60')

    with rest.proxy("--unix-socket=api.sock") as door:
        folder = Path(door.at).parent
        assert folder.stat().st_mode & 0o777 == 0o700
        with pytest.raises(Unreachable) as caught:
            door.curl("/version")
    assert not folder.exists()
    assert caught.value.where == (
        'curl --unix-socket api.sock "http://localhost/version"'
    )


@pytest.mark.parametrize(
    ("line", "error", "match"),
    [
        ("--accept-hosts='^*$' --address=0.0.0.0", Refused, "lend your rights"),
        ("--accept-hosts=.*", Refused, "lend your rights"),
        ("--disable-filter", Refused, "lend your rights"),
        ("--port='0", BadInput, "cannot be read"),
        ("--port=0\0", BadInput, "cannot be read"),
    ],
    ids=["address", "hosts", "filter", "quote", "nul"],
)
def test_a_proxy_that_is_refused_is_not_started(
    cluster: Cluster,
    kubectl: Any,
    tmp_path: Path,
    line: str,
    error: type[LabError],
    match: str,
) -> None:
    """Neither one that is open to others, nor one whose line cannot be read."""
    started = tmp_path / "started"
    kubectl(f"echo > {started}")

    with pytest.raises(error, match=match), rest.proxy(line):
        pass
    assert not started.exists()


def test_a_proxy_that_does_not_start_says_why(cluster: Cluster, kubectl: Any) -> None:
    """With kubectl's own words."""
    kubectl("echo 'address already in use' >&2; exit 1")

    with pytest.raises(CommandFailed) as caught, rest.proxy("--port=80"):
        pass
    assert caught.value.seen == "address already in use"


@pytest.mark.parametrize("option", ["-d", "--data", "--data-binary", "-H"])
@pytest.mark.parametrize("file", ["@gone.json", "@-", "@.", "@", f"@{'x' * 300}"])
def test_a_file_that_is_not_there_is_not_sent_empty(
    cluster: Cluster, fake: Any, option: str, file: str
) -> None:
    """Without its body, a DELETE with preconditions deletes whatever is there."""
    with pytest.raises(BadInput, match="no such file; nothing was sent") as caught:
        rest.curl(f"-X DELETE {option} {file} /api/v1/namespaces/shop/pods")

    assert caught.value.seen == f"{option} {file}"
    assert fake.requests == []


def test_a_file_is_sent(cluster: Cluster, fake: Any, tmp_path: Path) -> None:
    """As curl reads it."""
    (tmp_path / "pod.json").write_text('{"metadata": {"name": "web"}}')
    path = "/api/v1/namespaces/shop/pods"

    assert rest.curl(f"-d @{tmp_path}/pod.json {path}").status == 201
    assert fake.holds("pods", "web", "shop")


def test_a_device_is_a_file_too(cluster: Cluster) -> None:
    """Who names /dev/null wants an empty body."""
    assert rest.curl("-X GET -d @/dev/null /version").status == 200


def test_a_path_with_blanks_is_told_how_to_write_them(
    cluster: Cluster, fake: Any
) -> None:
    """Of which curl would only say that it is a bad URL."""
    with pytest.raises(BadInput, match="no blanks") as caught:
        rest.curl("'/api/v1/pods?labelSelector=app in (web)'")

    right = "/api/v1/pods?labelSelector=app%20in%20(web)"
    assert right in caught.value.wanted
    assert rest.curl(f"'{right}'").status == 200


def test_an_open_quote_is_told(cluster: Cluster) -> None:
    """With what would be right."""
    with pytest.raises(BadInput, match="cannot be read") as caught:
        rest.curl("-H 'A: b /version")

    assert caught.value.wanted == "quotes that are closed"
