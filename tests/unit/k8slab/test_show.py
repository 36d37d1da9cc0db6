"""Manifests, tables and pictures: the same facts as text and as HTML."""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from k8slab import show
from k8slab.draw.topology import draw
from k8slab.errors import BadInput, BadManifest
from k8slab.kube.cluster import Cluster
from k8slab.kube.objects import Node, Pod
from k8slab.show import _manifest
from k8slab.show import _schema as schema

RC = """\
# Three echo servers.
apiVersion: v1
kind: ReplicationController
metadata:
  name: echo
spec:
  replicas: 3 # how many
  selector:
    app: echo

  template:
    metadata:
      labels:
        app: echo
        k8slab.dev/chapter: x
    spec:
      containers:
        - name: echo
          image: registry.lab/echo:1
          ports:
            - containerPort: 12345
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a manifest into a book whose chapters folder is the working directory."""
    (tmp_path / "chapters").mkdir()
    (tmp_path / "manifests" / "x").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "chapters")

    def write(text: str | bytes, name: str = "rc.yaml") -> str:
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "manifests" / "x" / name).write_bytes(content)
        return f"x/{name}"

    return write


def refusal(path: str) -> BadManifest:
    """Return the error that a manifest leads to."""
    with pytest.raises(BadManifest) as caught:
        show.validate(path)
    return caught.value


def test_marked_lines_carry_a_sign(write: Any) -> None:
    """The lines of a path are marked in the text, no others."""
    shown = show.manifest(write(RC), highlight="spec.selector")
    lines = str(shown).splitlines()

    assert lines[0] == "# manifests/x/rc.yaml"
    assert [line for line in lines if line.startswith(">")] == [
        ">  8 │   selector:",
        ">  9 │     app: echo",
    ]


@pytest.mark.parametrize(
    ("path", "numbers"),
    [
        ("kind", [3]),
        ("spec.replicas", [7]),
        ("spec.template.metadata.labels", [13, 14, 15]),
        ("spec.template.metadata.labels.k8slab.dev/chapter", [15]),
        ("spec.template.spec.containers.0.image", [19]),
        ("spec.template.spec.containers.0.ports.0", [21]),
        ("spec.template.spec.containers.0.ports", [20, 21]),
    ],
)
def test_paths_know_their_lines(write: Any, path: str, numbers: list[int]) -> None:
    """Keys, keys with dots, list items and whole blocks are found."""
    text = str(show.manifest(write(RC), highlight=path))
    marked = [n for n, line in enumerate(text.splitlines()) if line.startswith(">")]

    assert marked == numbers


def test_html_marks_the_same_lines(write: Any) -> None:
    """HTML marks what the text marks, escapes what it shows, and sets no ground."""
    path = write(RC.replace("# how many", "# <how> many"))
    bundle = show.manifest(path, highlight="spec.selector")._repr_mimebundle_()

    assert bundle["text/html"].count("<mark") == 2
    assert "&lt;how&gt;" in bundle["text/html"]
    assert "background: transparent" in bundle["text/html"]


def test_a_path_that_is_not_there_is_an_error(write: Any) -> None:
    """A highlight that marks nothing would be a silent mistake."""
    with pytest.raises(BadInput, match=r"no spec\.selektor"):
        show.manifest(write(RC), highlight="spec.selektor")


def test_an_alias_is_marked_where_it_stands(write: Any) -> None:
    """What it names stands above it."""
    path = write(CONFIG + "  labels: &l\n    a: b\n  annotations: *l\n")
    read = _manifest.read(_manifest.find(path))

    assert list(read.lines("metadata.annotations")) == [7]
    assert list(read.lines("metadata.labels")) == [5, 6]


@pytest.mark.parametrize("name", ["x" * 300, Path("x/none.yaml")], ids=["long", "Path"])
def test_a_name_that_cannot_be_a_file_is_our_error(name: str | Path) -> None:
    """Whatever the system says of it."""
    with pytest.raises(BadInput, match="no such manifest"):
        show.manifest(name)


def test_a_missing_file_names_the_near_one(write: Any) -> None:
    """A misspelt name leads to the right one."""
    write(RC, "rc-echo.yaml")

    with pytest.raises(BadInput, match=r"x/rc-echo\.yaml"):
        show.manifest("x/rc-eco.yaml")


@pytest.mark.parametrize(
    ("change", "line", "wanted", "seen"),
    [
        (("  name: echo", "\tname: echo"), 5, "spaces", "<tab>name: echo"),
        (
            ("kind: Rep", "kind: rep"),
            3,
            "kind: ReplicationController",
            "kind: replicationController",
        ),
        (("kind: Rep.*", "kind: Podd"), 3, "kind: Pod", "kind: Podd"),
        (
            ("apiVersion: v1", "apiVersion: v2"),
            2,
            "apiVersion: v1",
            "apiVersion: v2",
        ),
        (("metadata:\n", "metadate:\n"), 1, "metadata at the top", None),
        (("  replicas: 3", "  replica: 3"), 7, "replicas", "replica"),
        (("  replicas: 3", "  replicas: many"), 7, "a whole number", '"many"'),
        (("          image:", "          imag:"), 19, "image", "imag"),
        (("          ports:", "          port:"), 20, "ports", "port"),
        (("spec:\n  rep", "speck:\n  rep"), 6, "spec", "speck"),
        (("    app: echo\n\n", "    app: echo\n    app: b\n"), 10, "one app", "app"),
        (("  selector:", "  selector: :"), 8, None, None),
    ],
)
def test_what_kubernetes_would_refuse_is_refused(
    write: Any, change: tuple[str, str], line: int, wanted: str, seen: str
) -> None:
    """Without a cluster too: file, line, what was wanted and what is there."""
    old, new = change
    text = RC.replace(old, new, 1)
    if old.endswith(".*"):
        text = RC.replace("kind: ReplicationController", new)
    error = refusal(write(text))

    assert error.where.split(":")[:2] == ["manifests/x/rc.yaml", str(line)]
    assert wanted is None or wanted in error.wanted
    assert seen is None or error.seen == seen


@pytest.mark.parametrize(
    ("line", "wanted", "seen"),
    [
        ("replicas: '3'", "a whole number, without quotes", '"3"'),
        ("replicas: 80.5", "a whole number, without quotes", "80.5"),
        ("replicas: true", "a whole number, without quotes", "true"),
        ("paused: 'true'", "true or false, without quotes", '"true"'),
        ("paused: é", "true or false, without quotes", '"é"'),
        ("paused: 1", "true or false, without quotes", "1"),
    ],
)
def test_what_was_wanted_is_not_what_is_seen(
    write: Any, line: str, wanted: str, seen: str
) -> None:
    """A text in the place of a number is shown in its quotes."""
    error = refusal(write(of("Deployment", f"spec:\n  {line}", "apps/v1")))

    assert (error.wanted, error.seen) == (wanted, seen)


@pytest.mark.parametrize(
    ("text", "line", "what", "wanted"),
    [
        ("kind: Pod\nmetadata:\nname: web\n", 3, "metadata is empty", "below it"),
        ("kind: Pod\nmetadata: {}\n", 3, "metadata is empty", "below it"),
        ("kind:\nmetadata:\n  name: web\n", 2, "kind is empty", "behind it"),
        (
            "kind: Pod\nmetadata:\n\u00a0\u00a0name: web\n",
            4,
            "name is indented with U+00A0",
            "plain spaces",
        ),
    ],
)
def test_a_field_that_is_there_is_not_called_missing(
    write: Any, text: str, line: int, what: str, wanted: str
) -> None:
    """It is empty, or what belongs to it is indented with another blank."""
    error = refusal(write(f"apiVersion: v1\n{text}"))

    assert (error.what, error.where) == (what, f"manifests/x/rc.yaml:{line}")
    assert wanted in error.wanted


@pytest.mark.parametrize("text", ["", "- a\n", "a: 1\n---\nb: 2\n"])
def test_a_manifest_holds_one_object(write: Any, text: str) -> None:
    """Nothing, a list or two documents are not one object."""
    assert refusal(write(text)).what == "a manifest holds one object"


JSON = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}'
_LETTERS = "x" * 500_000
JSON_BROKEN = f'{{"a": "{_LETTERS}", "here" 5, "b": "{_LETTERS}"}}'
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n"


def of(kind: str, rest: str, group: str = "v1") -> str:
    """Return a manifest of a kind with a name."""
    return f"apiVersion: {group}\nkind: {kind}\nmetadata:\n  name: web\n{rest}\n"


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [" + ", ".join([f"*{old}"] * 9) + "]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

LONG = f"a: &a {'y' * 20_000}\nb: [" + ", ".join(["*a"] * 5000) + "]\n"


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        (CONFIG + "data:\n  a: \x1b[31mred\n", "6:6", "control characters"),
        (CONFIG + "data:\n  a: b\0c\n", "6:7", "control characters"),
        (CONFIG.encode("utf-16"), "1:1", "UTF-8 text"),
        (CONFIG.encode("utf-16-le"), "1:1", "UTF-8 text"),
        (CONFIG.encode() + b"data:\n  a: caf\xe9\n", "6:9", "UTF-8 text"),
        ("", "1:1", "holds one object"),
        ("# only a comment\n", "1:1", "holds one object"),
        ("---\n---\n", "1:1", "holds one object"),
        ("just words\n", "1:1", "holds one object"),
        (CONFIG + "---\n" + CONFIG, "6:1", "holds one object"),
        (CONFIG + "data: &d\n  a: *d\n", "5:7", "nested without end"),
        (CONFIG + "data: " + "[" * 5000 + "]" * 5000, None, "nested without end"),
        (CONFIG + LAUGHS, None, "aliases"),
        (CONFIG + "data:\n\ta: b\n", "6:1", "never with a tab"),
        (CONFIG + "data:\n  a: b\n  a: c\n", "7:3", "a key stands twice"),
        (CONFIG + "data: {a: b, a: c}\n", "5:14", "a key stands twice"),
        (CONFIG + "data: {y: b, true: c}\n", "5:14", "a key stands twice"),
        (CONFIG + "data: {1: b, '1': c}\n", "5:14", "a key stands twice"),
        (CONFIG + "data:\n  a: 'b\n", None, "this is not YAML"),
        (CONFIG + "data: *nobody\n", "5:7", "this is not YAML"),
        (CONFIG + "data: !!python/name:os.system x\n", "5:7", "this is not YAML"),
        (CONFIG + "data:\n  a: .inf\n", "6:6", "this is not YAML"),
        (CONFIG + "data:\n  a: 1e999\n", "6:6", "this is not YAML"),
        (CONFIG + "data:\n  a: !!bool maybe\n", "6:6", "this is not YAML"),
        (CONFIG + "data:\n  !!bool maybe: a\n", "6:3", "this is not YAML"),
        (CONFIG + "data:\n  a: !!float ''\n", "6:6", "this is not YAML"),
        (CONFIG + "data:\n  a: !!timestamp x\n", "6:6", "this is not YAML"),
        (CONFIG + "data:\n  a: !!int [1]\n", "6:6", "this is not YAML"),
        (CONFIG + "data:\n  a: !!int ''\n", "6:6", "this is not YAML"),
        (CONFIG + LONG, None, "aliases"),
        (CONFIG + "data:\n  ? [a]\n  : b\n", None, None),
        (b"a: b\n" * 700_000, "1:1", "too large"),
        (CONFIG + "data: [" + "a," * 1_400_000 + "]\n", None, "too many values"),
        (CONFIG + "data:\n" + "- a\n" * 740_000, None, "too many values"),
        ("%YAML 1.2\n---\n" + CONFIG, "1:1", "no directives"),
        ("# a\n%YAML 1.1\n---\n" + CONFIG, "2:1", "no directives"),
        ("%TAG ! tag:x,2000:\n---\n" + CONFIG, "1:1", "no directives"),
        ("--- " + JSON + "\n", "1:5", "stands alone"),
        (CONFIG + "data:\n  a: 'b\n-----BEGIN\n  c'\n", "7:4", "stands alone"),
        (CONFIG + 'data:\n  a: "\u00e9"\n  b: "\u00e9\\\\\\/"\n', "7:10", "JSON alone"),
        (CONFIG + 'data:\r\n  a: "b\r\n    c\\/"\r\n', "7:6", "JSON alone"),
        (CONFIG + "data:\n  null: a\n", "6:3", "a key is text"),
        (CONFIG + "data: {~: a}\n", "5:8", "a key is text"),
        (CONFIG + "data:\n  ? [a]\n  : b\n", "6:5", "a key is text"),
        (CONFIG + "data:\n  a: !!null x\n", "6:6", "this is not YAML"),
        (CONFIG + "data:\n  a: !!binary '@'\n", "6:6", "this is not YAML"),
        (CONFIG + "data:\n  a: !!binary aGk\n", "6:6", "this is not YAML"),
        (CONFIG + "data:\n  a: &a b\n  c: &a [*a]\n", "7:6", "without end"),
        ("\ufeff\x1b", "1:1", "control characters"),
        (CONFIG + "data: {a: 0x" + "f" * 4000 + "}\n", "5:11", "this is not YAML"),
        (CONFIG + "data:\n  a: 0b" + "1" * 16_000 + "\n", "6:6", "this is not YAML"),
    ],
)
def test_what_is_no_manifest_is_our_error(
    write: Any, text: str | bytes, place: str | None, what: str | None
) -> None:
    """With line and column, in less than a second; twice that beside other tests."""
    began = time.thread_time()
    error = refusal(write(text))

    assert time.thread_time() - began < 2
    assert re.fullmatch(r"manifests/x/rc\.yaml:\d+:\d+", error.where)
    assert place is None or error.where.endswith(f"yaml:{place}")
    assert what is None or what in error.what


def test_a_file_that_may_not_be_read_is_our_error(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that lets it be read, which is quoted."""

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    path = write(CONFIG, "a b.yaml")
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(BadInput, match="cannot be read") as caught:
        show.validate(path)

    error = caught.value
    assert (error.where, error.seen) == (f"manifests/{path}", "Permission denied")
    assert error.next.startswith("chmod u+r '/")


def test_a_huge_file_is_not_read(write: Any) -> None:
    """Its size alone is judged."""
    path = write(CONFIG)
    os.truncate(_manifest.find(path), 2**33)
    began = time.thread_time()
    error = refusal(path)

    assert time.thread_time() - began < 1
    assert "too large" in error.what
    assert error.seen == "8589.9 MB"


@pytest.mark.parametrize(
    "text",
    [
        JSON_BROKEN,
        CONFIG + "data:\n\ta: " + "b" * 1_000_000,
        f"apiVersion: v1\nkind: Pod\nmetadata: {'x' * 200_000}\n",
        CONFIG.replace("ConfigMap", "K" * 200_000),
        "apiVersion: v1\n" + "".join(f"key{each}: a\n" for each in range(5_000)),
        CONFIG + f"data: *{'a' * 200_000}\n",
        CONFIG + f"data:\n  {'a' * 900}: b\n  {'a' * 900}: b\n",
    ],
    ids=["json", "tab", "metadata", "kind", "keys", "alias", "twice"],
)
def test_what_is_seen_is_short(write: Any, text: str) -> None:
    """However long what is there may be."""
    assert len(str(refusal(write(text)))) < 600


def test_what_is_seen_of_a_long_line_is_about_the_column(write: Any) -> None:
    """The place itself is shown, not the line's begin."""
    assert '"here" 5' in refusal(write(JSON_BROKEN)).seen


@pytest.mark.parametrize(
    ("text", "line", "wanted"),
    [
        (CONFIG + "data:\n  port: 8080\n", 6, "text"),
        (CONFIG + "data: {port: 8080}\n", 5, "text"),
        (CONFIG + "data:\n  answer: y\n", 6, "text"),
        (CONFIG.replace("web", "n"), 4, "text"),
        (CONFIG + "data:\n  yes: true\n", 6, "text"),
        (CONFIG + "data:\n  a:\n    b: c\n", 6, "text"),
        (CONFIG + "data:\n  a: [b]\n", 6, "text"),
        (CONFIG + "data:\n- a\n", 5, "key: value"),
        (CONFIG + "data: words\n", 5, "key: value"),
        (CONFIG + "binaryData:\n  a: no base64!\n", 6, "base64"),
        (of("Secret", "data:\n  password: hunter2"), 6, "base64"),
        (of("Secret", "stringData:\n  pin: 1234"), 6, "text"),
        (of("Pod", "  labels:\n    version: 1.5"), 6, "text"),
        (of("Pod", "  labels:\n    app: x\n    up: off"), 7, "text"),
        (of("Pod", "  annotations:\n    count: 3"), 6, "text"),
        (of("Pod", "spec:\n  nodeSelector:\n    disk: true"), 7, "text"),
        (of("Pod", "spec:\n  containers:\n  - env:\n    - value: 1"), 8, "text"),
        (of("Service", "spec:\n  selector:\n    app: 1"), 7, "text"),
        (of("Pod", "spec:\n  containers:\n  - args: [1]"), 7, "text"),
        (of("Pod", "spec:\n  overhead:\n    cpu: true"), 7, "an amount"),
        *(
            (of("ResourceQuota", f"spec:\n  hard:\n    memory: {amount}"), 7, "amount")
            for amount in ("128MB", "'64 Mi'", "abc", "''", "1:30", "1K", "1e")
        ),
        *(
            (
                of("Service", f"spec:\n  ports:\n  - port: 80\n    targetPort: {port}"),
                8,
                "",
            )
            for port in ("true", "1.5", "[a]", "99999999999")
        ),
        (of("Deployment", "spec:\n  replicas: 99999999999", "apps/v1"), 6, "at most"),
        (of("Deployment", "spec:\n  replicas: 1e20", "apps/v1"), 6, "at most"),
        (of("Pod", "  creationTimestamp: yesterday"), 5, "a time"),
        (of("Pod", "  creationTimestamp: 2026-11-01"), 5, "a time"),
        (CONFIG + "data:\n  a: 1.5_5\n", 6, "text"),
        (CONFIG + "data:\n  a: 0X1F\n", 6, "text"),
        (of("Pod", "  labels:\n    app: x\n    app.kubernetes.io/name: 5"), 7, "text"),
        (of("Deployment", "spec:\n  replicas: '3'", "apps/v1"), 6, "whole number"),
        (of("Deployment", "spec:\n  paused: 1", "apps/v1"), 6, "true or false"),
    ],
)
def test_values_of_the_wrong_type_are_refused(
    write: Any, text: str, line: int, wanted: str
) -> None:
    """In maps and in lists as well, as the API server does it."""
    error = refusal(write(text))

    assert error.where == f"manifests/x/rc.yaml:{line}"
    assert wanted in error.wanted


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + CONFIG.encode(),
        CONFIG.replace("\n", "\r\n"),
        "---\n" + CONFIG + "---\n",
        "# a comment\n---\n# another\n---\n" + CONFIG + "...\n",
        CONFIG + "data:\n  a: '8080'\n  b: |\n    x\n  c: >-\n    y\n",
        CONFIG + "data:\n  a: 2026-11-01\n  b: 22:22\n  c: caf\u00e9\n",
        CONFIG + 'data:\n  a: "\\e[31m"\n',
        CONFIG + "data:\n  a:\n",
        CONFIG + "data:\n  1: one\n  true: yes it is\n",
        CONFIG + "data: &d\n  a: b\nbinaryData: {}\n",
        CONFIG + "  labels: &l\n    a: b\n  annotations: *l\n",
        CONFIG + "  labels: &l\n    a: b\n  annotations:\n    <<: *l\n    c: d\n",
        CONFIG + "binaryData:\n  a: aGVsbG8=\n",
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}',
        of("Deployment", "spec:\n  replicas: 3.0", "apps/v1"),
        of("Pod", "spec:\n  containers:\n  - resources: {limits: {cpu: 1, m: 0.5}}"),
        of("Pod", "spec:\n  volumes:\n  - emptyDir: {sizeLimit: 1000}"),
        of("ResourceQuota", "spec:\n  hard:\n    pods: 4"),
        of("ResourceQuota", "spec:\n  hard: {a: 1.5Gi, b: 1e3, c: 500m, d: ' 2 '}"),
        of("Pod", "  creationTimestamp: 2026-11-01T09:00:00Z"),
        of("Pod", "  creationTimestamp: null"),
        of(
            "Deployment",
            "spec: {strategy: {rollingUpdate: {maxSurge: 25%}}}",
            "apps/v1",
        ),
        json.dumps({**json.loads(JSON), "data": {"a": "\U0001f600", "b": "\\\\ud83d"}}),
        CONFIG + "data: {a: =, b: <<, c: !Ref x}\n",
        of("Service", "spec:\n  ports:\n  - {port: 80, targetPort: web}"),
        of("Pod", "spec:\n  volumes:\n  - configMap: {defaultMode: 0o644}"),
        of("Pod", "spec:\n  volumes:\n  - configMap: {defaultMode: 0644}"),
        of("Secret", "data:\n  a: |\n    aGVs\n    bG8="),
        "--- # a comment\n" + CONFIG + "---\t\n",
        CONFIG + "data:\n  a: |\n    --- b\n  c: d\n    ---e\n",
        CONFIG + "data:\n  a: \"\\\\/\"\n  b: '\\/'\n  c: \\/\n",
        JSON[:-1] + ', "data": {"a": "\\/"}}',
        CONFIG + "data:\n  'null': a\n  !!binary aGk=: a\n",
        CONFIG + "data:\n  a: !!null ''\n  b: !!binary |\n    aG\n    k=\n",
        CONFIG + "data:\n  a: &a x\n  b: &a z\n  c: *a\n",
        of("Event", "involvedObject: {kind: Pod}"),
        of("Event", "regarding: {kind: Pod}", "events.k8s.io/v1"),
        of("ResourceClaim", "spec: {devices: {}}", "resource.k8s.io/v1"),
        of(
            "ResourceClaim",
            "spec: {devices: {constraints: [{requests: [gpu, nic]}]}}",
            "resource.k8s.io/v1",
        ),
        CONFIG + "data:\n  a: !!timestamp 2026-01-01\n",
        of("Gateway", "spec: {listeners: []}", "gateway.networking.k8s.io/v1"),
    ],
)
def test_what_kubectl_takes_is_taken(write: Any, text: str | bytes) -> None:
    """Marks of an encoding, empty documents, anchors, amounts as numbers."""
    show.validate(write(text))


def test_of_two_anchors_the_later_counts(write: Any) -> None:
    """As YAML 1.2 has it, from where it stands on."""
    path = write("a: &a x\nb: *a\nc: &a z\nd: *a\n")

    assert _manifest.read(_manifest.find(path)).data == {
        **{"a": "x", "b": "x"},
        **{"c": "z", "d": "z"},
    }


@pytest.mark.parametrize(
    ("api_version", "rest", "line"),
    [
        ("v1", "regarding: {kind: Pod}", 5),
        ("events.k8s.io/v1", "involvedObject: {kind: Pod}", 5),
    ],
)
def test_kinds_of_one_name_have_fields_of_their_own(
    write: Any, api_version: str, rest: str, line: int
) -> None:
    """Both are version v1, of two groups."""
    error = refusal(write(of("Event", rest, api_version)))

    assert (error.where, error.what) == (
        f"manifests/x/rc.yaml:{line}",
        f"there is no field {rest.partition(':')[0]}",
    )


@pytest.mark.parametrize("kind", ["List", "ConfigMapList"])
def test_a_list_of_objects_has_its_own_words(write: Any, kind: str) -> None:
    """One is what kubectl prints for several objects, and takes it."""
    text = f"apiVersion: v1\nkind: {kind}\nitems:\n- {JSON}\n- {JSON}\nmetadata: {{}}\n"
    error = refusal(write(text))

    assert (error.what, error.seen) == ("a manifest holds one object", "2 items")
    assert error.where == "manifests/x/rc.yaml:3"
    assert "one by one" in error.next


def test_numbers_are_sent_as_kubectl_sends_them(write: Any) -> None:
    """Octal with and without an o, whole floats, dates and times as text."""
    path = write("a: [0o644, 0644, 3.0, 1e3, 2026-11-01, 1:30, 1_000, 0x10, '1', ~]\n")
    read = _manifest.read(_manifest.find(path))

    assert read.data["a"] == [
        *(420, 420, 3, 1000, "2026-11-01", "1:30", 1000, 16, "1", None),
    ]


def test_keys_are_the_text_that_kubectl_sends(write: Any) -> None:
    """``1`` and ``true`` are two keys, though Python has them for one."""
    path = write("{y: a, 1: b, 0: c, no: d, 2.0: e, 2.50: f, 1e6: g, 0x10: h, =: i}")
    read = _manifest.read(_manifest.find(path))

    assert read.data == {
        **{"true": "a", "1": "b", "0": "c", "false": "d"},
        **{"2": "e", "2.5": "f", "1e+06": "g", "16": "h", "=": "i"},
    }
    aliased = _manifest.read(_manifest.find(write("a: &a 1\n*a : b\n")))
    assert aliased.data == {"a": 1, "1": "b"}


def test_a_key_of_another_type_has_a_line(write: Any) -> None:
    """Where a value of it is wrong."""
    assert refusal(write(CONFIG + "data:\n  y: 5\n  1: ok\n")).where.endswith(":6")


def test_tags_that_json_does_not_have_say_little(write: Any) -> None:
    """A time is its text, a set has keys, pairs in order are a list."""
    path = write(
        "a: !!timestamp 2026-01-01\nb: !!set {c, d}\n"
        "e: !!omap [f: 1]\ng: !!pairs [h: 2]\n"
    )

    assert _manifest.read(_manifest.find(path)).data == {
        "a": "2026-01-01",
        "b": {"c": None, "d": None},
        "e": [{"f": 1}],
        "g": [{"h": 2}],
    }


def test_of_a_merge_and_a_key_the_later_counts(write: Any) -> None:
    """As kubectl reads it, whichever of them that is."""
    path = write(
        "a: &a {x: merged}\nb: {x: own, <<: *a}\nc: {<<: *a, x: own}\n"
        "d: {<<: [{x: first}, *a]}\n"
    )
    read = _manifest.read(_manifest.find(path)).data

    assert [read[key]["x"] for key in "bcd"] == ["merged", "own", "first"]


@pytest.mark.parametrize(
    "kind",
    ["dict[str, str]", "Dict[str, str]", "dict(str, str)", "list[str]", "List[str]"],
)
def test_types_are_read_as_each_client_writes_them(kind: str) -> None:
    """Releases 35, 36 and 37 of the client have three ways to write a map."""
    value = [1] if "ist" in kind else {"a": 1}

    found = schema._typed(kind, value, schema.Place("x", "x"))

    assert [each.wanted.split(";")[0] for each in found] == ["text"]


@pytest.mark.parametrize(
    ("text", "line", "path"),
    [
        (CONFIG + "data:\n  db.port: 5432\n", 6, "configmap.data"),
        (CONFIG + "data:\n  port: 5432\n", 6, "configmap.data"),
        (
            of("Pod", "  labels:\n    app.kubernetes.io/name: 5"),
            6,
            "pod.metadata.labels",
        ),
        (
            of("Pod", "spec:\n  nodeSelector:\n    a.b: true"),
            7,
            "pod.spec.nodeSelector",
        ),
        (
            of("Pod", "spec:\n  containers:\n  - resources: {limits: {a.b/c: x}}"),
            7,
            "pod.spec.containers.resources.limits",
        ),
        (
            of("Pod", "spec:\n  containers:\n  - args: [a, 1]"),
            7,
            "pod.spec.containers.args",
        ),
        (
            of("Pod", "spec:\n  containers:\n  - ports: [{a.b: 1}]"),
            7,
            "pod.spec.containers.ports",
        ),
        (of("Pod", "spec:\n  hostname: 1"), 6, "pod.spec"),
        (of("Pod", "spec: 1"), 5, "pod"),
        (of("Pod", "spec:\n  containers: [a]"), 6, "pod.spec.containers"),
        (of("Pod", "a.b: 1"), 5, "pod"),
    ],
)
def test_the_next_step_names_a_field_that_is_there(
    write: Any, text: str, line: int, path: str
) -> None:
    """Keys of a map are no fields, whatever dots they have."""
    error = refusal(write(text))

    assert error.where == f"manifests/x/rc.yaml:{line}"
    assert error.next == f"kubectl explain {path}"


@pytest.mark.parametrize("line", ["metadata: words", "metadata: [a]"])
def test_metadata_has_fields(write: Any, cluster: Cluster, line: str) -> None:
    """Also before an API server is asked."""
    assert refusal(write(f"apiVersion: v1\nkind: Pod\n{line}\n")).where.endswith(":3")


def test_a_right_manifest_is_accepted(write: Any) -> None:
    """A manifest without a fault raises nothing."""
    show.validate(write(RC))


def test_a_broken_manifest_is_shown_as_it_is(write: Any) -> None:
    """What is broken on purpose is shown unless a check is asked for."""
    path = write(RC.replace("kind: Rep", "kind: rep"), "rc.broken.yaml")

    assert "kind: replicationController" in str(show.manifest(path))
    with pytest.raises(BadManifest):
        show.manifest(path, check=True)


def test_the_api_server_judges_when_there_is_one(
    write: Any, cluster: Cluster, fake: Any
) -> None:
    """It is asked by a strict dry run, and its path leads to the line."""
    place = "POST /api/v1/namespaces/default/replicationcontrollers"
    show.validate(write(RC))
    answer = {
        "kind": "Status",
        "message": "strict decoding error: unknown field "
        '"spec.template.spec.containers[0].ports[0].hostport"',
    }
    fake.errors[place] = (400, answer)
    error = refusal(write(RC))

    assert fake.requests.count(place) == 2
    assert fake.queries[-1] == {"dryRun": ["All"], "fieldValidation": ["Strict"]}
    assert error.where == "manifests/x/rc.yaml:21"


def test_every_version_that_is_served_is_known(
    write: Any, cluster: Cluster, fake: Any
) -> None:
    """Also one that the server does not prefer; objects are found by that one."""
    fake.kinds.append(("shop.example", "v2", "Basket", "baskets", True))
    fake.kinds.append(("shop.example", "v1", "Basket", "baskets", True))
    basket = "apiVersion: shop.example/v1\nkind: Basket\nmetadata: {name: mine}\n"
    fake.requests.clear()

    show.validate(write(basket))

    assert "POST /apis/shop.example/v1/namespaces/default/baskets" in fake.requests
    assert cluster.catalogue.find("baskets").version == "v2"
    assert [each.kind for each in cluster.catalogue.resources()].count("Basket") == 1


def test_a_kind_that_came_later_is_known(
    write: Any, cluster: Cluster, fake: Any
) -> None:
    """A reader adds kinds to a cluster, and shows objects of them."""
    show.validate(write(RC))
    fake.kinds.append(("shop.example", "v1", "Basket", "baskets", True))
    basket = "apiVersion: shop.example/v1\nkind: Basket\nmetadata: {name: mine}\n"

    assert "kind: Basket" in str(show.manifest(write(basket)))


def test_invalid_values_are_found_by_their_cause(
    write: Any, cluster: Cluster, fake: Any
) -> None:
    """A 422 names its field, and the field's line is told."""
    cause = {"field": "spec.template.metadata.labels", "message": "does not match"}
    answer = {"kind": "Status", "details": {"causes": [cause]}}
    place = "POST /api/v1/namespaces/default/replicationcontrollers"
    fake.errors[place] = (422, answer)
    error = refusal(write(RC))

    assert (error.where, error.seen) == ("manifests/x/rc.yaml:13", "does not match")


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("data[conf/app ini]", 7),
        ("data[a.b/c]", 8),
        ("data[missing]", 5),
        ("metadata.labels[x]", 3),
    ],
)
def test_a_key_in_brackets_has_a_line(
    write: Any, cluster: Cluster, fake: Any, field: str, line: int
) -> None:
    """As an API server writes a key that may hold dots and blanks."""
    answer = {"kind": "Status", "details": {"causes": [{"field": field}]}}
    fake.errors["POST /api/v1/namespaces/default/configmaps"] = (422, answer)
    text = CONFIG + "data:\n  a: b\n  conf/app ini: x\n  a.b/c: x\n"

    assert refusal(write(text)).where == f"manifests/x/rc.yaml:{line}"


@pytest.mark.parametrize("status", [409, 403, 404])
def test_an_object_that_exists_is_no_fault(
    write: Any, cluster: Cluster, fake: Any, status: int
) -> None:
    """Only what the manifest itself says counts."""
    place = "POST /api/v1/namespaces/default/replicationcontrollers"
    fake.errors[place] = (status, {"kind": "Status"})

    show.validate(write(RC))


def _away(fake: Any) -> None:
    fake.close()


def _hangs_up(fake: Any) -> None:
    def leave(method: str, path: str) -> None:
        if method == "POST":
            raise ConnectionError

    fake.on_request = leave


AWAY: dict[str, Callable[[Any], None]] = {
    "it is away": _away,
    "it knows nobody yet": lambda fake: fake.passing.append(403),
    "it starts": lambda fake: fake.passing.append(503),
    "it goes before it judges": _hangs_up,
    "it restarts before it judges": lambda fake: fake.errors.update(
        {
            f"POST {path}": (503, {"kind": "Status"})
            for path in (
                "/api/v1/namespaces/default/replicationcontrollers",
                "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways",
            )
        }
    ),
}


@pytest.mark.parametrize("how", AWAY)
@pytest.mark.parametrize(
    "text", [RC, of("Gateway", "", "gateway.networking.k8s.io/v1")]
)
def test_without_the_api_server_the_client_judges(
    write: Any, cluster: Cluster, fake: Any, how: str, text: str
) -> None:
    """Its own kinds; of those that somebody added it knows nothing."""
    AWAY[how](fake)

    show.validate(write(text))


@pytest.mark.parametrize("how", AWAY)
def test_what_the_client_refuses_is_refused_without_a_server(
    write: Any, cluster: Cluster, fake: Any, how: str
) -> None:
    """With file and line, as ever."""
    AWAY[how](fake)

    assert refusal(write(RC.replace("replicas: 3", "replicas: x"))).where.endswith(":7")


@pytest.mark.parametrize("api_version", ["app/v1", "apps/v2", "networking.k8s.io/v9"])
def test_a_group_of_the_client_is_known_without_a_server(
    write: Any, api_version: str
) -> None:
    """And so is that an added one has a name with a dot."""
    with pytest.raises(BadManifest, match="Kubernetes does not know this"):
        show.validate(write(of("Deployment", "spec: {}", api_version)))


def test_the_client_knows_the_common_kinds() -> None:
    """The offline list holds kinds of many groups, and no made-up ones."""
    known = set(schema.models())
    common = {
        ("v1", "Pod"),
        ("v1", "Namespace"),
        ("apps/v1", "Deployment"),
        ("batch/v1", "CronJob"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ("networking.k8s.io/v1", "Ingress"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("storage.k8s.io/v1", "StorageClass"),
    }

    assert common <= known
    assert ("v1", "Deployment") not in known


def test_tables_align_and_escape() -> None:
    """Columns line up in the text, and cells are escaped in the HTML."""
    records = [{"name": "a<b", "ready": True}, {"name": "long-name", "ready": False}]
    shown = show.table(records, ["name", "ready"])

    assert str(shown).splitlines() == [
        "NAME       READY",
        "a<b        yes",
        "long-name  no",
    ]
    assert "<td>a&lt;b</td>" in shown.html


def test_one_column_is_named_as_it_is() -> None:
    """It need not be in a list; a field that no record has is refused."""
    records = [{"name": "echo-1", "ready": True}]
    with pytest.raises(BadInput, match="no such field") as caught:
        show.table(records, ["name", "age"])
    with pytest.raises(BadInput, match="no such field"):
        show.table([Node.read({})], "age")

    assert str(show.table(records, "name")).splitlines() == ["NAME", "echo-1"]
    assert (caught.value.wanted, caught.value.seen) == ("one of name, ready", "age")


def test_a_table_of_nothing_says_so() -> None:
    """No records are no error."""
    assert str(show.table([], ["name"])) == "NAME"


def test_the_picture_and_its_words_hold_the_same(fake: Any, cluster: Cluster) -> None:
    """Machines and Pods are in text and drawing, in the page's own colour."""
    for name, ready in (("master", "True"), ("node1", "False")):
        status = {"conditions": [{"type": "Ready", "status": ready}]}
        fake.put("nodes", {"metadata": {"name": name}, "status": status})
    fake.put("pods", fake.pod("echo-1", node="node1"), "chapter")
    fake.put("pods", fake.pod("echo-2", node="", ready=False, phase="Pending"), "x")
    picture = show.topology(cluster)
    root = ElementTree.fromstring(picture.html)  # noqa: S314 - our own
    words = json.dumps([each.text for each in root.iter()])

    assert picture.text.splitlines() == [
        "master (Ready)",
        "node1 (NotReady)",
        "  echo-1 Ready",
        "on no machine",
        "  echo-2 Pending",
    ]
    assert all(name in words for name in ("master", "node1", "echo-1", "echo-2"))
    assert root.find("{http://www.w3.org/2000/svg}desc") is not None
    assert "#" not in picture.html.replace("http://www.w3.org/2000/svg", "")


def test_names_in_a_picture_are_escaped() -> None:
    """A name with markup stays a name."""
    node = Node("<b>", True, True, {}, "")
    pod = Pod.read({"metadata": {"name": "&x"}, "spec": {"nodeName": "<b>"}})

    drawn = draw([node], [pod], "<here>").html
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own

    assert "The machines and Pods of <here>" in [each.text for each in root.iter()]


@pytest.mark.parametrize(
    ("draw", "given"),
    [
        (show.table, None),
        (show.table, {"a": 1}),
        (show.table, str.upper),
        (show.table, [1]),
        (show.topology, "x"),
        (show.timeline, []),
        (show.bars, [1]),
        (show.bars, {"a": "3"}),
        (show.requests, None),
        (show.scaling, None),
        (partial(show.matrix, title="t"), {"a": {"x": 1}, "b": {"x": 1, "y": 2}}),
    ],
)
def test_what_cannot_be_drawn_is_told(draw: Callable[..., Any], given: Any) -> None:
    """Not by Python's words about the library's inside, and no column is lost."""
    with pytest.raises(BadInput):
        draw(given)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n \u00a0name: a\n", 4),
        ("apiVersion: v1\nkind: Config\u200bMap\nmetadata:\n  name: a\n", 2),
        ("apiVersion: v1\nkind:\u00a0ConfigMap\nmetadata:\n  name: a\n", 2),
    ],
)
def test_a_sign_that_nobody_sees_has_a_name(
    write: Callable[..., str], text: str, line: int
) -> None:
    """In the line that it is in; else what is wanted and what is seen look the same."""
    with pytest.raises(BadManifest) as caught:
        show.manifest(write(text))

    assert "<U+" in str(caught.value)
    assert f"rc.yaml:{line}" in caught.value.where


@pytest.mark.parametrize("metadata", ["", "metadata:\n", "metadata: {}\n"])
@pytest.mark.parametrize("served", [False, True])
def test_a_question_needs_no_metadata(
    write: Any, metadata: str, served: bool, request: pytest.FixtureRequest
) -> None:
    """It is answered and not stored, so Kubernetes' own pages write none."""
    if served:
        review = ("authorization.k8s.io", "v1", "SelfSubjectAccessReview")
        request.getfixturevalue("cluster")
        fake = request.getfixturevalue("fake")
        fake.kinds.append((*review, "selfsubjectaccessreviews", False))
        at = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        fake.errors[at] = (201, {"status": {"allowed": True}})
    head = "apiVersion: authorization.k8s.io/v1\nkind: SelfSubjectAccessReview\n"
    asked = "spec: {resourceAttributes: {verb: get, resource: pods}}\n"

    assert "verb: get" in show.manifest(write(head + metadata + asked)).text
    with pytest.raises(BadManifest, match="metadata is"):
        show.manifest(write(f"apiVersion: v1\nkind: ConfigMap\n{metadata}data: {{}}\n"))


def test_columns_of_a_table_may_be_numbers() -> None:
    """As codes are, and ports."""
    codes = [{200: 7, 404: 1}, {200: 9, 404: 0}]

    assert show.table(codes).text == "200  404\n7    1\n9    0"
    assert show.table(codes, ["404"]).text == "404\n1\n0"
