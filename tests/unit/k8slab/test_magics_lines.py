"""What is typed behind %kubectl: what arrives, what is refused, what is given back."""

from __future__ import annotations

import re
import shlex
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from k8slab import check, magics, wait
from k8slab.errors import BadInput, CommandFailed, CommandTimeout, LabError
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace
from k8slab.magics import _limits, _line, _names

EACH = 'for each in "$@"; do printf "<%s>\\n" "$each"; done'


@pytest.fixture
def typed(cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that gives the words with which kubectl was started."""
    kubectl(EACH)

    def typed(line: str, **names: Any) -> list[str]:
        magics.kubectl(line, None, names)
        return [each[1:-1] for each in capsys.readouterr().out.splitlines()]

    return typed


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> Any:
    """Return a real shell of IPython with the magics."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    quiet = Config({"HistoryManager": {"enabled": False}})
    made = InteractiveShell.instance(config=quiet, colors="nocolor")
    magics.register(cluster)
    yield made
    InteractiveShell.clear_instance()


def run(shell: InteractiveShell, source: str) -> str:
    """Return what a cell prints and shows."""
    with capture_output() as heard:
        shell.run_cell(source, store_history=True)
    shows = [str(out.data.get("text/plain", "")) for out in heard.outputs]
    text = heard.stdout + heard.stderr + "".join(shows)
    return re.sub(r"Out\[\d+\]: ?\n?", "", text)  # a terminal's; a kernel has none


def test_a_comment_is_not_sent(typed: Any) -> None:
    """What stands behind a hash names no object; a hash in a word begins nothing."""
    assert typed("delete configmap a # but keep web") == ["delete", "configmap", "a"]
    assert typed("get a#b '# c'") == ["get", "a#b", "# c"]
    assert typed("# nothing but words") == []


@pytest.mark.parametrize(
    ("line", "sign", "wanted"),
    [
        ("get pods > pods.txt", ">", "write_text"),
        ("get pods >> pods.txt", ">", "write_text"),
        ("get pods 2>/dev/null", ">", "write_text"),
        ("get pods &> pods.txt", "&>", "write_text"),
        ("get pods 2>&1", ">&", "x.remarks"),
        ("get pods |& grep web", "|&", "x.remarks"),
        ("apply -f - < pod.yaml", "<", "-f with the path"),
        ("apply -f - <<EOF", "<<", "manifests/"),
        ("get pods; get nodes", ";", "%%kubectl"),
        ("get pods;", ";", "%%kubectl"),
        ("get pods && get nodes", "&&", "%%kubectl"),
        ("get pods || get nodes", "||", "except CommandFailed"),
        ("get pods &", "&", "a terminal"),
        ("get pod $(hostname)", "$(…)", "x = %kubectl"),
        ('get pod "$(hostname)"', "$(…)", "x = %kubectl"),
        ("get pod `hostname`", "`…`", "x = %kubectl"),
        ("get pod $name", "$name", "{name}"),
        ('get pod "$name"', "$name", "{name}"),
        ("get pod ${name}", "${name}", "{name}"),
        ("delete pod <name>", "<", "-f with"),
        ("delete pod echo-*", "*", "labels: -l"),
        ("delete pod echo-?", "?", "labels: -l"),
        ("delete pod echo-[ab]", "[", "labels: -l"),
        ("delete pod {web,db}", "{web,db}", "names in full"),
        ("exec x -- ls *", "*", "-- sh -c"),
        ("get pods -o jsonpath={.items[?(@.a)]}", "(", "single quotes"),
        ("get pods -l “app=web”", "“", "straight quotes"),
        ("get pods \u2013l app", "\u2013", "hyphens"),
        ("get pods \u2212n x", "\u2212", "hyphens"),
        ("get pods \u2010A", "\u2010", "hyphens"),
        ("get pods \u2011A", "\u2011", "hyphens"),
        ("get pods \uff0dA", "\uff0d", "hyphens"),
        ("delete configmap a\u00a0# but keep web", "U+00A0", "a plain blank"),
        ("get\u00a0pods", "U+00A0", "a plain blank"),
        ("get pods\u200b", "U+200B", "a plain blank"),
        ("get \ufeffpods", "U+FEFF", "a plain blank"),
        ("delete configmap a \uff03 but keep web", "\uff03", "a plain #"),
        ("get pods \uff5c wc -l", "\uff5c", "a plain |"),
        ("delete pod a\uff1b delete pod b", "\uff1b", "%%kubectl"),
        ("get pods \uff06", "\uff06", "a terminal"),
        ("get pods \uff1e pods.txt", "\uff1e", "write_text"),
        ("apply -f \uff1c pod.yaml", "\uff1c", "-f with the path"),
        ("get pods -l app in \uff08a\uff09", "\uff08", "single quotes"),
        ("get pods -l a\uff09", "\uff09", "single quotes"),
    ],
)
def test_what_only_a_shell_could_do_is_refused(
    typed: Any, capsys: pytest.CaptureFixture[str], line: str, sign: str, wanted: str
) -> None:
    """Before anything is sent, with what to write instead."""
    with pytest.raises(BadInput) as caught:
        typed(line)

    assert f"no shell that could read {sign}: " in caught.value.what
    assert wanted in caught.value.wanted
    assert ("single quotes" in caught.value.next) == (wanted != "x.remarks")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("get pod {name} -o jsonpath='{.status.podIP}'", "jsonpath={.status.podIP}"),
        ("get pods -o jsonpath={.items[*].metadata.name}", None),
        ("get pods -o jsonpath='{range .items[*]}{.a}{\"\\n\"}{end}'", None),
        ("get pods -o go-template='{{range .items}}{{.name}}{{end}}'", None),
        ('get pods -o go-template="{{range $i, $e := .items}}{{end}}"', None),
        ("""patch rc x -p '{"spec":{"replicas":3}}'""", '{"spec":{"replicas":3}}'),
        ("exec x -- sh -c 'echo $$ ${HOME} $(id) `id` > /tmp/x; ls *'", None),
        ("exec x -- echo $$", "$$"),
        ("get pods -l 'app in (a, b),c!=d'", "app in (a, b),c!=d"),
        ("apply -f ../manifests/x/*.yaml", "../manifests/x/*.yaml"),
        ("auth can-i '*' \\*", "*"),
        ("get pods --sort-by={.metadata.name}", "--sort-by={.metadata.name}"),
        ("exec x -- awk '{ print }' f", "{ print }"),
        ("exec x -- echo 'a\u00a0b\u200b' '\uff03' \"\uff1b\u2212\"", "a\u00a0b\u200b"),
        ("label pod a seen=b\u2010c\uff03", "seen=b\u2010c\uff03"),
    ],
)
def test_all_else_arrives_as_typed(typed: Any, line: str, word: str | None) -> None:
    """Quotes, jsonpath, templates, JSON and two dollar signs stay what they are."""
    arrived = typed(line, name="pod-1")

    assert arrived == [w.replace("{name}", "pod-1") for w in shlex.split(line)]
    assert word is None or word in arrived


def test_names_in_braces_give_their_values(typed: Any) -> None:
    """Texts, numbers, records with a name, API objects, lists, results."""
    pod = SimpleNamespace(name="echo-1", ip="10.0.0.1")
    raw = {"metadata": {"name": "raw"}}
    official = SimpleNamespace(metadata=SimpleNamespace(name="official"))
    kept = magics.Result("kubectl get", "kept\n", "", 0, 0.1)

    assert typed("get pod {pod} {pod.ip}", pod=pod) == [
        "get",
        "pod",
        "echo-1",
        "10.0.0.1",
    ]
    assert typed("get {a} {b} {c}", a=raw, b=official, c=kept)[1:] == [
        "raw",
        "official",
        "kept",
    ]
    assert typed("scale rc/{x} --replicas={n}", x="e", n=3)[1:] == [
        "rc/e",
        "--replicas=3",
    ]
    patch = """patch rc e -p '{"spec":{"replicas":{n}}}'"""
    assert typed(patch, n=3)[-1] == '{"spec":{"replicas":3}}'
    assert typed("delete pod {pods}", pods=[pod, "b"])[2:] == ["echo-1", "b"]
    assert typed("{base} get x", base="exec p -- tool")[:4] == [
        "exec",
        "p",
        "--",
        "tool",
    ]
    assert typed("get pods -l '{s}'", s="app in (a, b)")[-1] == "app in (a, b)"
    assert typed("get pods --watch={yes}", yes=False)[-1] == "--watch=false"


def test_a_namespace_in_braces_gives_its_name(typed: Any, cluster: Cluster) -> None:
    """The chapter's own namespace is an object with a name."""
    assert typed("get pods -n {ns}", ns=Namespace(cluster, "chapter"))[-1] == "chapter"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("delete pod {nobody}", "no Python name 'nobody'"),
        ("delete pod {nobody.name}", "no Python name 'nobody'"),
        ("delete pod x-{id}", "no Python name 'id'"),
        ("get pods -o jsonpath={end}", "no Python name 'end'"),
        ("delete pod {pod.nam}", "pod has no nam"),
        ("delete pod {empty} --all", "empty names nothing"),
        ("delete pod {nothing} --all", "nothing names nothing"),
        ("delete pod {none} --all", "none names nothing"),
        ("get pods | grep {nobody}", "no Python name 'nobody'"),
    ],
)
def test_a_name_that_gives_nothing_is_an_error(
    typed: Any, capsys: pytest.CaptureFixture[str], line: str, what: str
) -> None:
    """Nothing is sent that says less than was meant."""
    pod = SimpleNamespace(name="echo-1")
    with pytest.raises(BadInput, match=what):
        typed(line, pod=pod, empty="", nothing=None, none=[])

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "item",
    [
        "{pods[0]}",
        "{pods[0].name}",
        "{a.b[-1]}",
        "{pod['metadata']['name']}",
        '{pod["metadata"]["name"]}',
        "x-'a b'-{pods[0]}",
    ],
)
def test_an_item_of_a_list_is_asked_for_by_a_name(typed: Any, item: str) -> None:
    """It is no pattern of a shell, and the error says what to write."""
    for line in (f"delete pod {item}", f"get pods | wc -l | grep {item}"):
        with pytest.raises(BadInput, match="is no name") as caught:
            typed(line, pods=["b"])

        assert "then {one}" in caught.value.wanted


@pytest.mark.parametrize(
    "line",
    [
        "scale rc/a --replicas={n + 1}",
        "scale rc/a --replicas={ n }",
        "get pod {pods[0] if n else pods[1]}",
        "scale rc/a --replicas={len(pods)}",
        "get pod {pods.pop()}",
        "get pod web-{str(n)}",
        "get pods | grep {str(n)}",
    ],
)
def test_an_expression_is_asked_for_by_a_name(typed: Any, line: str) -> None:
    """In quotes, which help in other places, it would be sent as it stands."""
    with pytest.raises(BadInput) as caught:
        typed(line, n=3, pods=["b"])

    assert "then {one}" in caught.value.wanted
    assert "quotes" not in caught.value.wanted + caught.value.next


def test_a_part_of_an_api_object_is_asked_for_by_a_name(typed: Any) -> None:
    """It is a mapping, whose keys are no attributes and are not shown by Tab."""
    pod = {"metadata": {"name": "web", "namespace": "shop"}}
    with pytest.raises(BadInput, match="pod has no metadata") as caught:
        typed("get pod {pod} -n {pod.metadata.namespace}", pod=pod)

    one = 'one = pod["metadata"]["namespace"] in a line before, then {one}'
    assert caught.value.wanted == f"a Python name: {one}"


def test_an_item_in_quotes_is_sent_as_it_stands(typed: Any) -> None:
    """Single quotes keep it, and so do double ones."""
    assert typed("get pod '{pods[0]}' \"{pods[0]}\"") == [
        "get",
        "pod",
        *["{pods[0]}"] * 2,
    ]
    piped = "get '{pods[0]}' | grep -F '{pods[0]}'"
    assert typed(piped) == ["{pods[0]}"]


def test_notebook_names_and_local_names_are_known(shell: Any, kubectl: Any) -> None:
    """In a real shell: user's names, a function's own, jsonpath untouched."""
    kubectl(EACH)
    source = (
        "pod = 'echo-1'\n"
        "def f(own):\n"
        "    %kubectl get {pod} {own} -o jsonpath='{.status.podIP}' $$\n"
        "f('mine')"
    )
    words = run(shell, source).split()

    assert words == [
        "<get>",
        "<echo-1>",
        "<mine>",
        "<-o>",
        "<jsonpath={.status.podIP}>",
        "<$$>",
    ]


ONE = "def one():\n        %kubectl delete pod {pod}\n"


@pytest.mark.parametrize(
    "source",
    [
        f"def clean(pod):\n    {ONE}    one()\nclean('old')",
        f"def clean(pod):\n  def mid():\n    {ONE}    one()\n  mid()\nclean('old')",
    ],
)
@pytest.mark.parametrize("before", ["pod = 'keep'\n", ""])
def test_an_inner_function_knows_its_outer_ones_names(
    shell: Any, kubectl: Any, before: str, source: str
) -> None:
    """As it would in Python, whose own way does not look into the line of a magic."""
    kubectl(EACH)

    assert run(shell, before + source).split() == ["<delete>", "<pod>", "<old>"]


@pytest.mark.parametrize(
    "source",
    [
        f"def make(pod):\n    {ONE}    return one\nmake('old')()",
        f"def clean(pod, inner=None):\n    {ONE}"
        "    inner() if inner else clean('other', one)\nclean('old')",
    ],
)
@pytest.mark.parametrize("before", ["pod = 'keep'\n", ""])
def test_a_name_of_an_outer_function_that_cannot_be_asked_is_refused(
    shell: Any, kubectl: Any, before: str, source: str
) -> None:
    """It has ended, or runs twice: no other value of that name is taken."""
    kubectl(EACH)
    said = run(shell, before + source)

    assert "the inner function does not hold pod" in said
    assert "give it as an argument: def inner(pod):" in said
    assert "<" not in said.partition("BadInput")[0].replace("<module>", "")


def test_an_inner_function_of_its_own_has_the_notebooks_names(
    shell: Any, kubectl: Any
) -> None:
    """While its outer one runs, and its own come first."""
    kubectl(EACH)
    source = (
        "kind, name = 'pod', 'keep'\n"
        "def outer(name):\n"
        "    def inner(name):\n"
        "        %kubectl get {kind} {name}\n"
        "    inner('own')\n"
        "outer('old')"
    )

    assert run(shell, source).split() == ["<get>", "<pod>", "<own>"]


def test_a_result_is_kept_and_shown_once(shell: Any, kubectl: Any) -> None:
    """Neither the cell that ran it repeats it, nor is it lost in the next one."""
    kubectl("echo '{\"a\": [1]}'; echo warned >&2")

    assert sorted(run(shell, "%kubectl get x -o json").split("\n")) == [
        "",
        "warned",
        '{"a": [1]}',
    ]
    run(shell, "x = %kubectl get x -o json")
    assert run(shell, "x.json['a'], x.lines, x.ok").strip() == (
        "([1], ['{\"a\": [1]}'], True)"
    )
    assert run(shell, "x").strip() == '{"a": [1]}'


@pytest.mark.parametrize("text", ["", "no", "yes"])
def test_a_result_is_no_condition(cluster: Cluster, kubectl: Any, text: str) -> None:
    """Neither its exit code nor its text is taken for the one that was meant."""
    kubectl(f"echo {text}; exit 1")
    may = magics.kubectl("auth can-i delete nodes")

    for ask in (lambda: bool(may), lambda: check.that("I may delete nodes", may)):
        with pytest.raises(BadInput, match="neither true nor false") as caught:
            ask()
        assert "x.ok" in caught.value.wanted


@pytest.mark.parametrize(
    "use",
    [
        lambda x: "web" in x,
        list,
        sorted,
        lambda x: ", ".join(x),
        lambda x: wait.until(lambda: "web" in x, what="it", want="web", timeout=30),
        lambda x: check.grade("which", ("it is web", lambda: "web" in x)),
    ],
)
def test_a_result_is_no_list(
    cluster: Cluster, kubectl: Any, use: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is meant is said; Python's own words would be waited for as not there."""
    kubectl("echo web")
    with pytest.raises(LabError) as caught:
        use(magics.kubectl("get pods"))

    said = f"{caught.value}{capsys.readouterr().out}"
    assert "neither its lines nor its characters" in said
    assert "start cell" not in said


def test_a_result_equals_what_it_says(cluster: Cluster, kubectl: Any) -> None:
    """As a text or another result says it, also in a set; nothing else equals it."""
    kubectl("echo node1")
    node, again = (magics.kubectl(f"get {kind} -o name") for kind in ("pod", "node"))

    assert node == "node1"
    assert node == "node1\n"
    assert node == again
    assert node in {"node1", "node2"}
    assert len({node, again, "node1"}) == 1
    assert node != "node2"
    assert node != ["node1"]


def test_what_is_no_json_says_so(cluster: Cluster, kubectl: Any) -> None:
    """The command that would give JSON is named."""
    kubectl("echo NAME")

    with pytest.raises(BadInput, match="-o json"):
        _ = magics.kubectl("get pods").json


def test_several_commands_run_one_after_the_other(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """One a line; comments and blank lines are none; long ones go on."""
    kubectl('echo "$#: $*"')
    cell = (
        "# first\nget pods\n\nkubectl get nodes # pasted\n"
        "exec x -- \\\n  ls\nexec x -- sh -c 'one\n# two'\n"
    )
    result = magics.kubectl("", cell, {})

    assert capsys.readouterr().out.splitlines() == [
        "2: get pods",
        "2: get nodes",
        "4: exec x -- ls",
        "6: exec x -- sh -c one",
        "# two",
    ]
    assert result.lines[0] == "2: get pods"


@pytest.mark.parametrize("sign", ["\u2028", "\u0085", "\x0b", "\x0c", "\x1c"])
def test_only_a_new_line_ends_a_command(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str], sign: str
) -> None:
    """What else Python takes for the end of a line cuts no command in two."""
    kubectl('echo "$*"')

    with pytest.raises(BadInput, match="line 3 of the cell"):
        magics.kubectl("", f"get pods\ndelete pods --all{sign}-n scratch\n", {})
    magics.kubectl("", f"# no{sign}delete pod a\r\nget \\\r\n  nodes\r\n", {})
    assert capsys.readouterr().out == "get nodes\n"
    assert magics.kubectl(f"get 'a{sign}b'").lines == [f"get a{sign}b"]
    assert magics.kubectl(f"get 'a{sign}b' | wc -l") == "1"
    capsys.readouterr()
    magics.kubectl(f"get 'a{sign}b' | head -1")
    assert capsys.readouterr().out == f"get a{sign}b\n"


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        ("get a\nget b", [2, 3]),
        ("get 'a\nb'\nget b", [2, 4]),
        ('get "a\\"\nb"\nget b', [2, 4]),
        ("get a \\\n  b\nget b", [2, 4]),
        ("get a # it's\nget b # no \\\nget c", [2, 3, 4]),
        ("get a | \\\n  grep b\nget b", [2, 4]),
        ('get -o go-template="{{ $x\n }}"\nget b', [2, 4]),
        ("get '{{'\nget b", [2, 3]),
        ("get b > a\nget c", [2, 3]),
    ],
)
def test_a_command_goes_on_where_it_is_not_at_its_end(
    cell: str, numbers: list[int]
) -> None:
    """Behind a backslash, and in quotes that are open; not in a comment."""
    assert [number for number, _ in _line.commands(cell)] == numbers


@pytest.mark.parametrize("prompt", ["kubectl", "%kubectl", "!kubectl", "$ kubectl"])
def test_a_line_may_be_pasted_with_what_stood_before_it(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str], prompt: str
) -> None:
    """From another cell, or from a terminal."""
    kubectl('echo "$*"')
    magics.kubectl("", f"{prompt} get nodes\n", {})

    assert capsys.readouterr().out == "get nodes\n"


def test_the_first_command_that_fails_ends_the_cell(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named by its line; the next one does not run."""
    kubectl('echo "$*"; [ "$2" != pods ]')

    with pytest.raises(CommandFailed, match=r"line 3 of the cell: .*\n.*get pods"):
        magics.kubectl("", "get a\nget pods\nget b\n", {})
    assert capsys.readouterr().out == "get a\nget pods\n"


@pytest.mark.parametrize("bad", ["get b > file", "get {nobody}", "get 'b", "edit rc x"])
def test_a_cell_is_read_before_anything_is_sent(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str], bad: str
) -> None:
    """A mistake in its last line stops the first one, too, and the line is named."""
    kubectl("echo ran")

    with pytest.raises(BadInput, match="line 3 of the cell"):
        magics.kubectl("", f"delete pod a\n{bad}\n", {})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("line", "cell"), [("", "\n# no\n"), ("get pods", "get x\n")])
def test_commands_stand_below(cluster: Cluster, line: str, cell: str) -> None:
    """Nothing to run, or a command on the first line, tells how it is written."""
    with pytest.raises(BadInput, match="below %%kubectl"):
        magics.kubectl(line, cell, {})


def test_a_text_that_ends_a_line_is_one_word(typed: Any) -> None:
    """As files and other programs give it."""
    assert typed("get pod/{name}", name="echo-1\n")[-1] == "pod/echo-1"


def test_a_result_in_braces_is_as_many_words_as_it_printed(typed: Any) -> None:
    """As $(…) is in a shell, in whose place it is offered; in quotes it is one."""
    two = magics.Result("kubectl get pods -o name", "pod/a\npod/b\n", "", 0, 0.1)

    assert typed("delete {two}", two=two) == ["delete", "pod/a", "pod/b"]
    assert typed("describe '{two}'", two=two)[1:] == [
        "pod/",
        "od/b",
    ]  # one, of two lines


def test_carriage_returns_are_kept(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a ConfigMap may hold them, and a filter counts lines as in a shell."""
    kubectl(r"printf 'a\rb\r\nc\r\n'")

    assert magics.kubectl("get configmap a").text == "a\rb\r\nc\r\n"
    assert capsys.readouterr().out == "a\rb\nc\n"
    assert magics.kubectl("get configmap a | wc -l") == "2"
    assert magics.kubectl("get configmap a | wc -c") == "8"


@pytest.mark.parametrize("pipe", ["wc -l", "grep -c ."])
def test_nothing_is_counted_as_none(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str], pipe: str
) -> None:
    """What kubectl remarks beside it is no line of it."""
    kubectl("echo No resources found >&2")

    assert int(magics.kubectl(f"get pods | {pipe}").text) == 0


@pytest.mark.parametrize(
    "line",
    [
        r"create cm x --from-literal=k=$'a\nb'",
        "get pods ${HOME:-b}",
        'get pods "${POD:?none}"',
        'get pods "${#X} ${X%y}"',
        "get pods ${PODS[0]}",
        "get pods $1",
        "exec x -- rm -f /tmp/*",
        "exec x -- ls -la /tmp/*.log",
        "delete pod --force web-*",
        "delete pod --now web-?",
    ],
)
def test_what_a_shell_would_expand_is_refused(typed: Any, line: str) -> None:
    """Also behind an option that takes no value, and in what a Pod runs."""
    with pytest.raises(BadInput, match="no shell that could read"):
        typed(line, PODS=["a"])


@pytest.mark.parametrize(
    "line",
    [
        "exec web -- ls /data/*",
        "exec web -- echo $HOSTNAME",
        'exec web -- echo "$HOSTNAME"',
        "exec web -- cat /etc/hosts > /tmp/hosts",
        "exec web -- cd /data && ls",
    ],
)
def test_what_a_shell_in_the_pod_would_read_is_given_one(typed: Any, line: str) -> None:
    """In single quotes it would arrive, and no program expands it."""
    with pytest.raises(BadInput, match="no shell that could read") as caught:
        typed(line)

    assert "-- sh -c '" in f"{caught.value.wanted} {caught.value.next}"
    script = "exec web -- sh -c 'ls /data/* > $HOME/x && echo done'"
    assert typed(script)[-1] == "ls /data/* > $HOME/x && echo done"


@pytest.mark.parametrize(
    "line",
    [
        "-n chapter diff -f x",
        "diff -f x",
        "auth -n chapter can-i get pods",
        "auth -nchapter can-i get pods",
    ],
)
def test_an_answer_is_one_with_options_in_front(
    cluster: Cluster, kubectl: Any, line: str
) -> None:
    """The verb is what counts, not the first word without a hyphen."""
    kubectl("exit 1")

    assert magics.kubectl(line).returncode == 1


@pytest.mark.parametrize(
    "line",
    ["port-forward --help", "proxy -h", "edit pod x --help", "apply -f - --help"],
)
def test_help_is_always_given(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    """It ends by itself, whatever the command would do."""
    kubectl("echo Usage")
    magics.kubectl(line)

    assert capsys.readouterr().out == "Usage\n"


def test_a_range_may_have_blanks(typed: Any) -> None:
    """Its end is no Python name, however it is written."""
    path = "{ range .items[*]}{.a}{end}"

    assert typed(f"get pods -o jsonpath='{path}'")[-1] == f"jsonpath={path}"


@pytest.mark.parametrize("word", ["%{http_code}\\n", "\\p{L}+", "x\\P{Lu}"])
def test_braces_that_other_programs_read_are_left_alone(typed: Any, word: str) -> None:
    """Variables of curl, and the classes of characters of a pattern."""
    assert typed(f"exec web -- tool '{word}' {{x}}", x="1")[-2:] == [word, "1"]


@pytest.mark.parametrize(
    ("pipe", "lines"),
    [
        ("| grep echo", ["echo-1 Running", "echo-2 Pending"]),
        ("|grep -v echo | wc -l", ["2"]),
        ("| grep -E 'echo-(1|3)'", ["echo-1 Running"]),
        ("| head -n 1", ["NAME STATUS"]),
        ("| head -2 | tail -1", ["echo-2 Pending"]),
        ("| sort -r -k 2 | head -n1", ["NAME STATUS"]),
        ("| grep {name}", ["web Running"]),
        ("| grep nobody", ["(no line is left)"]),
        ("| grep nobody | wc -l", ["0"]),
    ],
)
def test_a_pipe_leads_into_a_filter(
    cluster: Cluster,
    kubectl: Any,
    capsys: pytest.CaptureFixture[str],
    pipe: str,
    lines: list[str],
) -> None:
    """The real tools, on what kubectl printed, run by no shell."""
    kubectl(
        "printf '%s\\n' 'NAME STATUS' 'echo-2 Pending' 'echo-1 Running' 'web Running'"
    )
    result = magics.kubectl(f"get pods {pipe}", None, {"name": "web"})
    out = [each.strip() for each in capsys.readouterr().out.splitlines()]

    assert sorted(out) == sorted(lines)
    assert (result.text == "") == (lines == ["(no line is left)"])


@pytest.mark.parametrize(
    "pipe",
    [
        "| jq .",
        "| xargs kubectl delete pod",
        "| sh",
        "| tee file",
        "| grep -f /etc/passwd",
        "| grep -r x /etc",
        "| grep x /etc/passwd",
        "| grep",
        "| head /etc/passwd",
        "| tail -f",
        "| sort -o /tmp/x",
        "| sort --compress-program=sh",
        "| wc --files0-from=x",
        "|",
        "| | wc",
        "|& grep x",
    ],
)
def test_a_pipe_into_anything_else_is_refused(
    typed: Any, capsys: pytest.CaptureFixture[str], pipe: str
) -> None:
    """Nothing that reads or writes files, or that runs a command."""
    with pytest.raises(BadInput):
        typed(f"get pods {pipe}")
    assert capsys.readouterr().out == ""


def test_a_failure_before_a_pipe_is_a_failure(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The filter hides neither the exit code nor what kubectl said."""
    kubectl("echo 'NotFound' >&2; exit 1")

    with pytest.raises(CommandFailed, match="NotFound"):
        magics.kubectl("get pod x | grep y")
    assert capsys.readouterr().out == "NotFound\n"


@pytest.mark.parametrize(
    ("pipe", "said"),
    [
        ("grep '['", "grep: "),
        ("head -n", "head: option requires an argument"),
        ("sort -k abc", "sort: invalid number"),
        ("wc -l | tail -n x", "tail: invalid number"),
    ],
)
def test_a_filter_that_cannot_work_is_refused_before_anything_is_sent(
    typed: Any, capsys: pytest.CaptureFixture[str], pipe: str, said: str
) -> None:
    """With the tool's own words."""
    with pytest.raises(BadInput, match="cannot do that") as caught:
        typed(f"delete pod web | {pipe}")

    assert caught.value.seen.startswith(said)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "pipe", ["awk '{print}'", "xargs -I{} x", "grep x | awk {print}"]
)
def test_a_filter_that_there_is_not_is_named_before_its_braces_are_read(
    typed: Any, pipe: str
) -> None:
    """They are another tool's, and no Python names."""
    with pytest.raises(BadInput, match=r"no filter '(awk|xargs)'") as caught:
        typed(f"get pods | {pipe}")

    assert caught.value.next.startswith("or Python: x = %kubectl")


@pytest.mark.parametrize(
    "tail", ["apply -f -", "delete -f -", "apply -n other -f -", "apply -l 'a in (b)'"]
)
def test_what_a_command_printed_is_applied_from_python(
    cluster: Cluster, kubectl: Any, tail: str
) -> None:
    """As the error says to who pipes it into another kubectl."""
    make = "create configmap a --dry-run=client -o yaml"
    with pytest.raises(BadInput, match="no filter 'kubectl' is offered") as caught:
        magics.kubectl(f"{make} | kubectl {tail}")
    kubectl('[ "$1" = create ] && echo made && exit; read a; echo "$*: $a"')
    names = {"cluster": cluster, "x": magics.kubectl(make)}
    advised = caught.value.next.partition(", then ")[2]

    assert caught.value.next.startswith("x = %kubectl … in a line before, then ")
    said = " ".join(shlex.split(tail))
    assert eval(advised, names).stdout == f"{said}: made\n"  # noqa: S307


@pytest.mark.parametrize(
    "line",
    ["delete -f -", "diff -n other -f -", "patch pod 'x y' --patch-file -"],
)
def test_what_would_be_typed_is_given_from_python(
    cluster: Cluster, kubectl: Any, line: str
) -> None:
    """The error says how, with the command that was typed."""
    with pytest.raises(BadInput, match="no standard input") as caught:
        magics.kubectl(line)
    kubectl('read a; echo "$*: $a"')
    advised = caught.value.next.removeprefix("or from Python: ")
    said = eval(advised, {"cluster": cluster, "text": "made\n"})  # noqa: S307

    assert said.stdout == " ".join(shlex.split(line)) + ": made\n"


def test_a_pipe_into_kubectl_by_name_does_not_tell_a_secret(typed: Any) -> None:
    """Not even where a name in braces says kubectl."""
    with pytest.raises(BadInput, match="no filter") as caught:
        typed("get pods | {tool} --x={pw}", tool="kubectl", pw="hunter2")

    assert 'cluster.kubectl(["--x={pw}"]' in caught.value.next
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "pipe",
    ["grep '[{pw}'", "grep -e x '{pw}'", "head -n {pw}", "head -{pw}", "{pw} -x"],
)
def test_a_filter_does_not_tell_a_secret(
    typed: Any, capsys: pytest.CaptureFixture[str], pipe: str
) -> None:
    """Neither does the tool, whose complaint may name it."""
    with pytest.raises(BadInput) as caught:
        typed(f"get pods | {pipe}", pw="hunter2")

    assert "{pw}" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_the_shown_command_can_be_pasted(cluster: Cluster, kubectl: Any) -> None:
    """In errors and in results quotes are kept."""
    kubectl("exit 3")
    line = "exec x -- sh -c 'echo a b'"

    with pytest.raises(CommandFailed) as caught:
        magics.kubectl(line)
    assert caught.value.where == f"lab default: kubectl {line}"
    kubectl("echo a")
    assert magics.kubectl(f"{line} | grep 'a b*'").command == (
        f"kubectl {line} | grep 'a b*'"
    )


def test_a_secret_in_a_name_is_not_told(
    cluster: Cluster, kubectl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors show the line as it was typed, and results a name in place of a secret."""
    names = {"pw": "hunter2", "pod": "web-1"}
    kubectl("exit 3")
    line = "create secret generic db --from-literal=password={pw} -n '{pod}'"

    with pytest.raises(CommandFailed) as failed:
        magics.kubectl(f"{line} # why | where", None, names)
    assert failed.value.where == f"lab default: kubectl {line}"
    with pytest.raises(BadInput) as refused:
        magics.kubectl("run {pod} -it --env=TOKEN={pw} -n {pod}", None, names)
    assert "{pw} -n {pod}" in refused.value.seen
    assert "kubectl run {pod} -it --env=TOKEN={pw} -n {pod}" in refused.value.next
    assert "with values in place of the names" in refused.value.next
    with pytest.raises(BadInput) as plain:
        magics.kubectl("run {pod} -it --image=a --env=DB_PASS={pw}", None, names)
    with pytest.raises(BadInput) as elsewhere:
        magics.kubectl("get pods --x={pw} --context={pod}", None, names)
    assert elsewhere.value.seen == "kubectl get pods --x={pw} --context={pod}"
    with pytest.raises(BadInput) as first:
        magics.kubectl("--x --env=A={pw} run web", None, names)
    with pytest.raises(BadInput) as unread:
        magics.kubectl("create -f - --token-x={pw}", None, names)
    monkeypatch.setattr(_limits, "TIMEOUT_S", 0.2)
    kubectl("exec /bin/sleep 60")
    with pytest.raises(CommandTimeout) as late:
        magics.kubectl("exec {pod} -- login '{pw}'", None, names)
    assert late.value.where == "lab default: kubectl exec {pod} -- login '{pw}'"
    assert "exec {pod} --request-timeout=10m -- login '{pw}'" in late.value.next

    for error in (failed, refused, unread, late, plain, elsewhere, first):
        assert "hunter2" not in str(error.value)
    kubectl("echo made")
    done = magics.kubectl(line, None, names)
    assert done.command == (
        "kubectl create secret generic db --from-literal=password={pw} -n '{pod}'"
    )


@pytest.mark.parametrize(
    "line",
    [
        "create secret docker-registry r --docker-password {pw}",
        """patch secret db -p '{"stringData":{"password":"{pw}"}}'""",
        "create secret generic db --from-literal=pin={pw}",
        "exec web -- login --credential {pw}",
        "exec web -- curl -H 'Authorization: Bearer {pw}' x",
        "run web --image=a --env=DB_PASS={pw}",
        "get pods | grep -v {pw} | wc -l",
    ],
)
def test_a_result_does_not_tell_a_secret(
    cluster: Cluster, kubectl: Any, line: str
) -> None:
    """It shows names in braces where one word looks as if there were a secret."""
    kubectl("echo made")
    kept = magics.kubectl(line, None, {"pw": "hunter2"})

    assert kept.command == f"kubectl {line}"
    kept = magics.kubectl("exec web -- try {x} 'a b'", None, {"x": "hunter2"})
    assert kept.command == "kubectl exec web -- try hunter2 'a b'"
    for ask in (lambda: kept.json, lambda: bool(kept)):
        with pytest.raises(BadInput) as caught:
            ask()
        assert caught.value.where == "kubectl exec web -- try {x} 'a b'"


def test_a_secret_without_a_name_is_quoted_for_a_shell(
    cluster: Cluster, kubectl: Any
) -> None:
    """Pasted into a terminal it is the same secret, and so it is in an advice."""
    kubectl("echo made")
    word = "--from-literal=password=pa$$word"
    kept = magics.kubectl(f"create secret generic s {word}")

    assert shlex.split(kept.command)[-1] == word
    assert kept.command.endswith(f" '{word}'")
    with pytest.raises(BadInput, match="no terminal") as caught:
        magics.kubectl("run {x} -it --env=PW=a$$b", None, {"x": "web"})
    assert caught.value.next.endswith("kubectl run {x} -it '--env=PW=a$$b'")


@pytest.mark.parametrize(
    ("line", "pasted"),
    [
        ("delete pods --all", "-n chapter delete pods --all"),
        ("get nodes | wc -l", "-n chapter get nodes | wc -l"),
        ("create secret generic {x}", "-n chapter create secret generic {x}"),
        ("exec web -- tail -n 5 f", "-n chapter exec web -- tail -n 5 f"),
        (
            "exec web -cmain -- top -b -n 1",
            "-n chapter exec web -cmain -- top -b -n 1",
        ),
        ("get pods -n other", "get pods -n other"),
        ("get pods --namespace=other", "get pods --namespace=other"),
        ("get pods -A", "get pods -A"),
    ],
)
def test_a_kept_command_acts_in_the_same_namespace_when_pasted(
    cluster: Cluster, kubectl: Any, line: str, pasted: str
) -> None:
    """In a terminal of JupyterLab, where another one is the default."""
    cluster.namespace = "chapter"
    kubectl("echo made")

    assert magics.kubectl(line, None, {"x": "db"}).command == f"kubectl {pasted}"


def test_a_value_with_a_nul_is_refused(
    typed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """No program can be given one."""
    for value in ("a\0b", ["a", "\0b"]):
        with pytest.raises(BadInput, match="x holds a NUL"):
            typed("get pod {x}", x=value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("line", ["diff -f x", "auth can-i delete pods"])
def test_exit_codes_that_are_answers(
    cluster: Cluster, kubectl: Any, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    """1 is an answer of diff and can-i, and 2 is none; of others neither is."""
    kubectl("echo differs; exit 1")

    result = magics.kubectl(line)
    assert (result.returncode, result.ok) == (1, False)
    kubectl("exit 2")
    with pytest.raises(CommandFailed):
        magics.kubectl(line)
    kubectl("exit 1")
    with pytest.raises(CommandFailed):
        magics.kubectl("wait pod/diff --for=delete")


@pytest.mark.parametrize(
    "said",
    [
        "error: unknown flag: --foo",
        "Warning: x\nerror: EOF",
        "Error from server (Forbidden): no",
        "Unable to connect to the server: EOF",
        "The connection to the server 10.0.0.1:6443 was refused",
    ],
)
def test_a_question_that_was_not_asked_has_no_answer(
    cluster: Cluster, kubectl: Any, said: str
) -> None:
    """``auth can-i`` ends with 1 then, too; a warning beside its no is no error."""
    kubectl("echo 'Warning: the kind has no group' >&2; echo no; exit 1")
    assert not magics.kubectl("auth can-i delete pods").ok

    kubectl(f"echo {shlex.quote(said)} >&2; exit 1")
    with pytest.raises(CommandFailed):
        magics.kubectl("auth can-i delete pods")


def test_standard_input_is_missed_among_several_files(cluster: Cluster) -> None:
    for line in ("apply -f - -f a.yaml", "apply -f a.yaml -f -"):
        with pytest.raises(BadInput, match="standard input"):
            magics.kubectl(line)


@pytest.mark.parametrize(
    ("line", "way"),
    [
        ("exec -it x -- sh", "kubectl -n chapter exec -it x -- sh"),
        ("run x -it --image=a -- sh -c 'a b'", "-- sh -c 'a b'"),
        ("debug -it x --image=a", "kubectl -n chapter debug -it x"),
        ("attach x -it", "kubectl -n chapter attach x -it"),
        ("edit rc x -n other", "kubectl edit rc x -n other"),
        ("port-forward pod/x 8080:80", "kubectl -n chapter port-forward pod/x 8080:80"),
        ("proxy", "kubectl -n chapter proxy"),
        ("attach x", "kubectl -n chapter attach x"),
    ],
)
def test_the_way_out_works_where_the_reader_is(
    cluster: Cluster, line: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command for JupyterLab's terminal, in the same namespace."""
    monkeypatch.delenv("KUBE_EDITOR", raising=False)
    cluster.namespace = "chapter"

    with pytest.raises(BadInput) as caught:
        magics.kubectl(line)
    assert "a terminal of JupyterLab" in caught.value.next
    assert way in caught.value.next


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("exec -it x -- sh", "leave out -it and give the command after --; or in a"),
        ("run x -it --image=a", "leave out -t, keep -i, and give the command after --"),
        ("debug -it x --image=a", "leave out -t, keep -i, and give the command after"),
        ("attach x -it", "in a terminal of JupyterLab"),
        ("edit rc x", "in a terminal of JupyterLab"),
    ],
)
def test_the_way_without_a_terminal_is_the_commands_own(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, line: str, hint: str
) -> None:
    """``run`` and ``debug`` show nothing without -i, and ``attach`` has no command."""
    monkeypatch.delenv("KUBE_EDITOR", raising=False)

    with pytest.raises(BadInput) as caught:
        magics.kubectl(line)
    assert caught.value.next.startswith(hint)


@pytest.mark.parametrize("line", ["apply -f -", "create --filename=-", "apply -f-"])
def test_there_is_no_standard_input(cluster: Cluster, line: str) -> None:
    """A manifest comes from a file, or from Python."""
    with pytest.raises(BadInput, match="no standard input"):
        magics.kubectl(line)


def test_an_editor_that_needs_no_keyboard_may_edit(
    cluster: Cluster, kubectl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KUBE_EDITOR names it; kubectl gets it with its whole path."""
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/3/5/")
    kubectl('echo "$KUBE_EDITOR"')

    editor = magics.kubectl("edit rc x").text.split()
    assert editor[0].endswith("/env")
    assert editor[-3].endswith("/sed")
    assert editor[-2:] == ["-i", "s/3/5/"]


def test_a_timeout_says_how_to_give_more(
    cluster: Cluster, kubectl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the option that this command takes."""
    monkeypatch.setattr(_limits, "TIMEOUT_S", 0.2)
    kubectl("exec /bin/sleep 60")

    with pytest.raises(CommandTimeout, match="exec x --request-timeout=10m -- sleep 1"):
        magics.kubectl("exec x -- sleep 1")
    assert _limits.limit(["get", "--request-timeout=10m"], endless=False) == 600
    assert _limits.more_time(*[["wait", "x"]] * 2).endswith("wait x --timeout=10m")
    restart = ["rollout", "restart", "deploy/x"]
    assert _limits.more_time(restart, restart).endswith("x --request-timeout=10m")


@pytest.mark.parametrize(
    ("line", "longer"),
    [
        ("{tool} get /a --prefix", "--request-timeout=10m {tool} get /a --prefix"),
        ("exec {pods} -- ls", "exec {pods} --request-timeout=10m -- ls"),
        ("exec {end} ls -l", "exec --request-timeout=10m {end} ls -l"),
        ("get pod {name} -A", "get pod {name} -A --request-timeout=10m"),
        ("scale deploy web --timeout=200ms", "scale deploy web --timeout=10m"),
    ],
)
def test_more_time_is_given_to_kubectl_not_to_what_a_pod_runs(
    cluster: Cluster,
    kubectl: Any,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    longer: Any,
) -> None:
    """Also where the two hyphens come with a name; the line can be run as it stands."""
    names = {
        "tool": "exec etcd -n kube-system -- etcdctl",
        "end": "web --",
        "pods": ["web"],
        "name": "web",
    }
    monkeypatch.setattr(_limits, "TIMEOUT_S", 0.1)
    monkeypatch.setattr(_limits, "MARGIN_S", 0)
    kubectl("exec /bin/sleep 60")

    with pytest.raises(CommandTimeout) as caught:
        magics.kubectl(line, None, names)
    assert caught.value.next == f"give it more time: %kubectl {longer}"
    kubectl(EACH)
    assert _limits.limit(magics._read(longer, names).own, endless=False) == 600


@pytest.mark.parametrize(
    ("line", "said", "longer"),
    [
        (
            "wait --for=condition=Ready pod/web",
            "error: timed out waiting for the condition on pods/web",
            "wait --for=condition=Ready pod/web --timeout=10m",
        ),
        (
            "rollout status --timeout 10s deploy/web",
            "error: timed out waiting for the condition",
            "rollout status deploy/web --timeout=10m",
        ),
        (
            "delete pod {web} --timeout=20m",
            "error: timed out waiting for the condition on pods/web",
            "delete pod {web} --timeout=40m",
        ),
        (
            "drain node1 --timeout=8s",
            "error: unable to drain: global timeout reached: 8s",
            "drain node1 --timeout=10m",
        ),
        (
            "scale deploy web --replicas=3 --timeout=200s",
            "error: timed out waiting for the condition",
            "scale deploy web --replicas=3 --timeout=10m",
        ),
        (
            "run x -i --rm --image=a -- ls",
            "error: timed out waiting for the condition",
            "run x -i --rm --image=a --pod-running-timeout=10m -- ls",
        ),
    ],
)
def test_kubectls_own_timeout_says_how_to_give_more(
    cluster: Cluster, kubectl: Any, line: str, said: str, longer: str
) -> None:
    """With its own option in place of the one it had, which is the cell's time, too."""
    kubectl(f"echo {shlex.quote(said)} >&2; exit 1")

    with pytest.raises(CommandFailed) as caught:
        magics.kubectl(line, None, {"web": "web"})
    assert caught.value.next == f"give it more time: %kubectl {longer}"
    assert _limits.limit(longer.split(), endless=False) > 600


def test_what_a_pod_runs_has_its_own_timeouts(cluster: Cluster, kubectl: Any) -> None:
    """Its words are not taken for kubectl's."""
    kubectl("echo timed out waiting >&2; exit 1")

    with pytest.raises(CommandFailed) as caught:
        magics.kubectl("exec x -- ask")
    assert not caught.value.next


@pytest.mark.parametrize(
    ("line", "more"),
    [("node1", "node1 --timeout 10m"), ("node1 --timeout 20m", "node1 --timeout 40m")],
)
def test_a_script_that_takes_too_long_says_how_to_give_more(
    cluster: Cluster, line: str, more: str
) -> None:
    """The first line of the cell, with its machines and more time than it had."""

    def late(text: str) -> Any:
        raise CommandTimeout(["bash"], where="node1", timeout=1)

    cluster.on("node1").answer = late  # type: ignore[attr-defined]

    with pytest.raises(CommandTimeout) as caught:
        magics.on(line, "true")
    assert caught.value.next == f"give it more time: %%on {more}"


@pytest.mark.parametrize(
    ("line", "seconds"),
    [("5m", 300), ("90", 90), ("1m30s", 90), ("500ms", 0.5), ("soon", 0), ("5 m", 0)],
)
def test_durations_are_kubectls(line: str, seconds: float) -> None:
    """As kubectl writes them, and plain seconds."""
    assert _limits.seconds(line) == seconds


@pytest.mark.parametrize("line", ["node1 --timeout 5m", "node1 --timeout=300 # why"])
def test_on_takes_durations_and_comments(line: str) -> None:
    """The first line is read like kubectl's."""
    words = [each.text for each in _line.split(line)[0]]

    assert magics._on_arguments(words) == (["node1"], 300)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("node1 --timeout soon", "that is no time"),
        ("node1 --timeout 0", "that is no time"),
        ("node1 --timeout", "that is no time"),
        ("node1 --timeout=", "that is no time"),
        ("node1 -t 5m", "machines come first"),
        ("node1 --timeout=5m node2", "machines come first"),
        ("node1 --timeout 120s node2", "machines come first"),
        ("node1 --timeout 5m --timeout 6m", "machines come first"),
        ("", "which machine?"),
    ],
)
def test_on_says_what_of_its_first_line_is_wrong(
    cluster: Cluster, line: str, what: str
) -> None:
    """The time, the order, or that there is no machine."""
    with pytest.raises(BadInput) as caught:
        magics.on(line, "true")

    assert caught.value.what.startswith(what)
    assert "--timeout 5m" in caught.value.wanted


@pytest.mark.parametrize("sign", ["; hostname", "> f", "| grep a", "&& ls", "\uff1b x"])
def test_the_script_of_on_stands_below(cluster: Cluster, sign: str) -> None:
    """What belongs into the script is refused on the first line, with its place."""
    with pytest.raises(BadInput, match="no shell that could read") as caught:
        magics.on(f"node1 {sign}", "")

    assert caught.value.wanted == "the script stands on the lines below"
    assert not caught.value.next


def test_on_takes_a_machine_by_its_name_in_python(cluster: Cluster) -> None:
    """A Node, a Machine or a text; the script's own braces stay."""
    machine = cluster.on("node1")
    magics.on(
        "{node} # there", "echo ${x} {node}", {"node": SimpleNamespace(name="node1")}
    )

    assert machine.asked == ["echo ${x} {node}"]  # type: ignore[attr-defined]


def test_kubectls_words_stand_once(shell: Any, kubectl: Any) -> None:
    """What was printed is not repeated in the error below it."""
    kubectl("echo 'Error from server (NotFound)' >&2; exit 1")
    text = run(shell, "%kubectl get pod nothing")

    assert text.count("Error from server (NotFound)") == 1
    assert "CommandFailed: 'kubectl' ended with exit code 1" in text


def test_values_are_no_syntax() -> None:
    """What a value holds is never read as a comment, a pipe or another name."""
    words = _line.split("get {a} '{b}' x{c}")[0]
    found = _names.put(words, {"a": "#1", "b": "| wc", "c": "{a}"})

    assert [each.text for each in found] == ["get", "#1", "| wc", "x{a}"]


def test_the_failing_line_of_a_script_is_named(cluster: Cluster) -> None:
    """By its number and its text, in the error of the cell."""

    def fails(text: str) -> Any:
        error = CommandFailed(["bash"], where="node1", returncode=1)
        error.where, error.line = "node1", 2
        raise error

    cluster.on("node1").answer = fails  # type: ignore[attr-defined]

    with pytest.raises(CommandFailed, match="where:  node1: grep x /etc/hosts"):
        magics.on("node1", "true\n  grep x /etc/hosts\ntrue\n")


@pytest.mark.parametrize(
    "line",
    [
        'get pods -o jsonpath="{range .items[*]}{.a}{"\\n"}{end}"',
        "exec x -- grep -E \\d+ f",
        "get pods | grep \\bweb",
        "apply -f ..\\x\\y.yaml",
    ],
)
def test_a_backslash_that_a_shell_drops_is_refused(typed: Any, line: str) -> None:
    """What was meant would be gone, and a letter in braces may be a name."""
    with pytest.raises(BadInput, match="drops outside of quotes"):
        typed(line, n=3)


def test_an_escaped_brace_names_nothing(typed: Any) -> None:
    """Whoever writes the backslashes wants the braces."""
    assert typed("get pod \\{name\\}", name="web")[-1] == "{name}"


@pytest.mark.parametrize("each", ["{i+1}", "{i:02d}", "{i!r}"])
def test_an_expression_in_braces_is_refused(typed: Any, each: str) -> None:
    """IPython's own commands take it; here it would be sent as it stands."""
    with pytest.raises(BadInput, match="is no name"):
        typed(f"annotate pods --all n={each}", i=3)

    assert typed("exec x -- echo {a:b}", i=3)[-1] == "{a:b}"


@pytest.mark.parametrize(
    "line",
    [
        "get pods -o jsonpath={range .items[*]}{.metadata.name}{end}",
        'patch deploy web -p {"spec": {"replicas": 3}}',
    ],
)
def test_braces_that_a_blank_cuts_are_refused(typed: Any, line: str) -> None:
    """Kubectl would get several words; a command in a container is another's."""
    with pytest.raises(BadInput, match="a blank ends a word"):
        typed(line)

    assert typed("exec x -- awk { print }")[-3:] == ["{", "print", "}"]
    for lone in ("--from-literal=p=ab}c", "--from-literal=x={"):
        assert typed(f"create secret generic a {lone}")[-1] == lone


@pytest.mark.parametrize(
    "line",
    [
        "get pod {name} -o jsonpath={range .items[*]}{.metadata.name}{end}",
        "patch deploy {name} -p {spec: {replicas: 2}}",
        'patch deploy web -p {"spec": {"replicas": {replicas}}}',
    ],
)
def test_a_name_is_not_what_a_blank_cuts(typed: Any, line: str) -> None:
    """Nor is a key, though Python knows its name: what misses are the quotes."""
    with pytest.raises(BadInput, match="a blank ends a word"):
        typed(line, name="web", replicas=2, end=1)

    for cut in ("{ name }", "{name or 1}", "{name [0]}"):
        with pytest.raises(BadInput, match="is no name"):
            typed(f"get pod {cut}", name="web")


def test_a_call_in_braces_may_be_a_programs(typed: Any) -> None:
    """As one of awk is, which single quotes pass on."""
    with pytest.raises(BadInput, match="a parenthesis") as caught:
        typed("exec x -- awk {print(NR)}")

    assert "single quotes" in caught.value.next
    with pytest.raises(BadInput, match="a parenthesis"):
        _line.split("node1 awk {print(NR)}", "%%on")


def test_a_home_stands_for_itself(typed: Any) -> None:
    """As in a shell, also alone; in quotes it is a sign like another."""
    assert typed("cp web:/x ~")[-1] == str(Path.home())
    assert typed("cp web:/x '~'")[-1] == "~"


def test_an_address_is_a_text(typed: Any) -> None:
    """The library's own are of Python's kinds."""
    assert typed("get {ip}", ip=ip_address("10.96.0.10"))[-1] == "10.96.0.10"


def test_what_was_printed_is_no_number(cluster: Cluster, kubectl: Any) -> None:
    """A comparison with one would be False without a word."""
    kubectl("echo 3")
    with pytest.raises(BadInput, match="no text equals a number"):
        assert magics.kubectl("get pods | wc -l") == 3
