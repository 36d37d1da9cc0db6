"""What a notebook adds to IPython: completion, short errors, a table of phases."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import CompletionContext, provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from k8slab import check, show
from k8slab.core.phases import Ledger, Silent
from k8slab.errors import BadInput
from k8slab.folder import LabFolder
from k8slab.kube import current
from k8slab.kube.cluster import Cluster
from k8slab.lab_record import ADOPTED
from k8slab.notebook import completion, phases, short_errors


def completed(shell: InteractiveShell, line: str) -> list[str]:
    """Return what Tab offers at the end of a line, where it belongs to us."""
    completion.offer(shell)
    context = CompletionContext(
        token=line.split(" ")[-1],
        full_text=line,
        cursor_position=len(line),
        cursor_line=0,
        limit=None,
    )
    with provisionalcompleter():
        answer = shell.Completer.custom_matchers[-1](context)
    assert answer["suppress"] is ("%kubectl " in line or line.startswith("%%on "))
    return [each.text for each in answer["completions"]]


def test_tab_asks_kubectl_what_may_follow(
    cluster: Cluster, kubectl: Any, shell: InteractiveShell
) -> None:
    """Its answer without the remarks."""
    kubectl('[ "$*" = "__complete get po" ] && printf "pods\\tcore\\npodgroups\\n"')

    assert completed(shell, "%kubectl get po") == ["pods", "podgroups"]


def test_tab_after_a_blank_asks_for_a_new_word(
    cluster: Cluster, folder: LabFolder, kubectl: Any, shell: InteractiveShell
) -> None:
    """The empty word is an argument; what tells a shell what to do is no answer."""
    kubectl('printf "%s|" "$@" >"$HOME/asked"; printf "echo-1\\n:4\\n"')

    assert completed(shell, "%kubectl get pods ") == ["echo-1"]
    asked = folder.root / "client" / "home" / "asked"
    assert asked.read_text() == "__complete|get|pods||"


def test_tab_offers_what_is_used_every_day_first(
    cluster: Cluster, kubectl: Any, shell: InteractiveShell
) -> None:
    """Pods before the kinds that happen to come before them in the alphabet."""
    kubectl('printf "podcertificaterequests.certificates.k8s.io\\npods\\npodx\\n"')
    kinds = ["pods", "podcertificaterequests.certificates.k8s.io", "podx"]

    assert completed(shell, "%kubectl get po") == kinds
    assert completed(shell, "x = %kubectl get po") == kinds


@pytest.mark.parametrize("option", ["--output=", "-o=", "--output ", "-o "])
def test_tab_completes_the_value_of_an_option(
    cluster: Cluster, kubectl: Any, shell: InteractiveShell, option: str
) -> None:
    """Which kubectl gives without the option, also where it is one word with it."""
    kubectl('printf "json\\njsonpath\\n:4\\n"')

    line = f"%kubectl get pods {option}js"
    assert completed(shell, line) == ["json", "jsonpath"]
    matched = shell.Completer.custom_matchers[-1]
    context = CompletionContext("js", line, len(line), 0, None)
    assert matched(context)["matched_fragment"] == "js"


def test_tab_completes_paths_of_manifests(
    cluster: Cluster,
    shell: InteractiveShell,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Folders and manifests, behind -f only."""
    (tmp_path / "manifests" / "web").mkdir(parents=True)
    for name in ("pod-a.yaml", "pod-b.yaml", "notes.txt"):
        (tmp_path / "manifests" / "web" / name).touch()
    (tmp_path / "chapters").mkdir()
    monkeypatch.chdir(tmp_path / "chapters")

    assert completed(shell, "%kubectl apply -f ../man") == ["../manifests/"]
    assert completed(shell, "%kubectl apply -f ../manifests/web/") == [
        "../manifests/web/pod-a.yaml",
        "../manifests/web/pod-b.yaml",
    ]
    assert completed(shell, "%kubectl apply -f nowhere/") == []
    assert completed(shell, "%kubectl apply --filename=../man") == ["../manifests/"]
    assert completed(shell, "%kubectl apply -f../man") == ["../manifests/"]
    assert completed(shell, "%kubectl apply -k../man") == ["../manifests/"]
    patch = completed(shell, "%kubectl patch rc x --patch-file=../manifests/web/pod-a")
    assert patch == ["../manifests/web/pod-a.yaml"]


@pytest.mark.parametrize(
    "flag",
    [
        *("--from-file=", "--from-file ", "--from-file=app.ini=", "--from-env-file="),
        "--from-env-file ",
    ],
)
def test_tab_completes_paths_of_all_files_for_a_configmap(
    cluster: Cluster,
    shell: InteractiveShell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flag: str,
) -> None:
    """Whatever their names end with."""
    for name in ("app.ini", "app.yaml", "other"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    line = f"%kubectl create configmap web {flag}"

    assert completed(shell, f"{line}./a") == ["./app.ini", "./app.yaml"]


def test_tab_behind_a_module_lists_what_is_for_readers(
    shell: InteractiveShell,
) -> None:
    """The four names of check, and nothing that show needs itself."""
    completion.offer(shell)
    shell.user_ns.update(check=check, show=show)
    with provisionalcompleter():
        found = [each.text for each in shell.Completer.completions("check.", 6)]
        shown = [each.text for each in shell.Completer.completions("show.ma", 7)]
        every = [each.text for each in shell.Completer.completions("show.", 5)]

    assert found == [".exercise", ".fails", ".grade", ".that"]
    assert shown == [".manifest", ".matrix"]
    assert ".html" not in every
    assert ".Any" not in every


def test_tab_completes_machines(cluster: Cluster, shell: InteractiveShell) -> None:
    """Those whose name begins as typed."""
    assert completed(shell, "%%on no") == [m for m in cluster.machines if m != "master"]


def test_tab_offers_no_machine_where_there_is_none(
    cluster: Cluster, shell: InteractiveShell
) -> None:
    """As on a cluster that was adopted, whose machines are somebody else's."""
    cluster.record = replace(cluster.record, provider=ADOPTED)

    assert completed(shell, "%%on ") == []


def test_tab_without_a_lab_offers_nothing(shell: InteractiveShell) -> None:
    """Nor does it fail."""
    assert completed(shell, "%kubectl get po") == []
    assert completed(shell, "%%on no") == []


@pytest.mark.parametrize("line", ["kubectl get po", "%kubectl", "%time get po"])
def test_tab_elsewhere_is_not_ours(line: str, shell: InteractiveShell) -> None:
    """Python's own completion goes on."""
    assert completed(shell, line) == []


def test_an_open_quote_is_no_error(
    cluster: Cluster, kubectl: Any, shell: InteractiveShell
) -> None:
    """What is not a word yet has no completion."""
    kubectl("echo never")

    assert completed(shell, "%kubectl get -l 'app") == []


def told(shell: InteractiveShell, source: str) -> tuple[str, str]:
    """Return what a cell prints when it fails, and what it shows folded."""
    short_errors.offer(shell)
    with capture_output() as heard:
        shell.run_cell(source)
    folded = [str(out.data.get("text/html", "")) for out in heard.outputs]
    return heard.stdout + heard.stderr, "".join(folded)


def test_our_errors_are_short_and_their_trace_is_folded(
    shell: InteractiveShell,
) -> None:
    """What, where, wanted, seen and next; the rest is one click away."""
    shell.user_ns["raised"] = BadInput("no such thing <b>", wanted="it", next="look")
    text, folded = told(shell, "def deep():\n    raise raised\n\ndeep()")

    assert "no such thing <b>" in text
    assert "next:   look" in text
    assert len(text.splitlines()) < 10
    assert "Traceback" in folded
    assert "in deep" in folded
    assert "&lt;b&gt;" in folded


@pytest.mark.slow
def test_tb_gives_the_full_trace(shell: InteractiveShell) -> None:
    """As the short error promises, of our errors and of an interrupt."""
    shell.user_ns["raised"] = BadInput("no such thing")
    told(shell, "def deep():\n    raise raised\n\ndeep()")
    text, folded = told(shell, "%tb")

    assert "Traceback" in text
    assert "in deep" in text
    assert folded == ""
    told(shell, "def far():\n    raise KeyboardInterrupt\n\nfar()")
    assert "in far" in told(shell, "%tb")[0]


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("Plain", "in deep"),
        ("Context", "----> 3     raise raised"),
        ("verbose", "held = 'a value'"),
        ("Minimal", "BadInput: no such thing"),
    ],
)
def test_tb_gives_the_trace_in_a_mode(
    shell: InteractiveShell, mode: str, said: str
) -> None:
    """For this once, as IPython gives it of any error."""
    shell.user_ns["raised"] = BadInput("no such thing")
    code = "def deep():\n    held = 'a value'; str(held)\n    raise raised\n\ndeep()"
    told(shell, code)
    before = shell.InteractiveTB.mode
    text, folded = told(shell, f"%tb {mode}")

    assert said in text
    assert ("in deep" in text) is (mode != "Minimal")
    assert (shell.InteractiveTB.mode, folded) == (before, "")


def test_tb_in_a_mode_that_is_none_is_ipythons_matter(shell: InteractiveShell) -> None:
    """It warns, and names those there are."""
    shell.user_ns["raised"] = BadInput("no such thing")
    told(shell, "raise raised")
    with pytest.warns(UserWarning, match="Valid modes"):
        told(shell, "%tb Loud")


def test_tb_before_any_error_is_no_error(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that there is none."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        monkeypatch.delattr(sys, name, raising=False)
    text, _ = told(shell, "%tb")

    assert "AttributeError" not in text
    assert "No traceback" in text


def test_the_fold_looks_as_if_it_can_be_clicked(shell: InteractiveShell) -> None:
    """A pointer, a mark and a line below its words."""
    shell.user_ns["raised"] = BadInput("no such thing")
    _, folded = told(shell, "raise raised")
    style = folded.partition("<summary style=")[2].partition(">")[0]

    assert "cursor: pointer" in style
    assert "list-item" in style
    assert "underline" in style


CELLS = {
    "setup": "from k8slab import lab, wait as waits\ncluster = lab.connect()",
    "more": "%kubectl get pods\nfor pod in []:\n    first, *_ = [pod]",
    "here": "print(first)",
    "below": "last = 1",
}


@pytest.fixture
def chapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the book's own run noted in the chapter that the shell runs."""
    run: dict[str, Any] = {}
    path = tmp_path / "chapter.ipynb"
    cells = [
        {"id": id, "cell_type": "code", "source": source.splitlines(keepends=True)}
        for id, source in CELLS.items()
    ]
    run |= {"seconds": 131, "above": {"here": 34}}
    path.write_text(
        json.dumps({"cells": cells, "metadata": {"lab": {"run": run}}}),
        encoding="utf-8",
    )
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    return run


def at(shell: InteractiveShell, cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the shell know which cell it runs, as JupyterLab tells it."""
    parent = {"metadata": {"cellId": cell}}
    monkeypatch.setattr(shell, "get_parent", lambda: parent, raising=False)


ADVICE = "select this cell, Run > Run All Above Selected Cell"


def test_a_missing_name_in_a_new_kernel_is_explained(
    shell: InteractiveShell, chapter: dict[str, Any]
) -> None:
    """Before the first connection it means that cells above were not run."""
    text, _ = told(shell, "print(ns)")
    took = "the whole chapter took 2 min 11 s in the book's own run"

    assert text.strip().splitlines() == [
        "NameError: name 'ns' is not defined",
        f"  next:   {ADVICE} ({took}); then run it again",
    ]


@pytest.mark.parametrize("notebook", ["mine.ipynb", "none.ipynb", ""])
def test_a_missing_name_outside_of_the_book_is_pythons_matter(
    shell: InteractiveShell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    notebook: str,
) -> None:
    """With its line, though no lab is connected and a cell above sets the name."""
    cell = {"id": "a1", "cell_type": "code", "source": ["typo = 1"]}
    own = json.dumps({"cells": [cell], "metadata": {}})
    (tmp_path / "mine.ipynb").write_text(own, encoding="utf-8")
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook and tmp_path / notebook))
    text, _ = told(shell, "x = 1\nprint(typo)")

    assert "Traceback" in text
    assert "----> 2 print(typo)" in text
    assert ADVICE not in text


def test_the_advice_has_the_seconds_of_the_cell(
    shell: InteractiveShell, chapter: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as all above it took in the book's own run."""
    at(shell, "here", monkeypatch)

    assert f"{ADVICE} (it took 34 s in the book's own run)" in told(shell, "first")[0]


def test_where_the_cell_is_unknown_the_advice_has_the_chapters_seconds(
    shell: InteractiveShell, chapter: object
) -> None:
    """That is more than it takes, and honest."""
    text, _ = told(shell, "first")

    assert f"{ADVICE} (the whole chapter took 2 min 11 s in the book's own" in text


def test_a_command_without_a_lab_is_advised_alike(
    shell: InteractiveShell, chapter: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart, %kubectl knows no lab."""
    at(shell, "here", monkeypatch)
    text, _ = told(shell, "from k8slab.kube import current\ncurrent.current()")

    assert "this session is connected to no lab" in text
    assert f"next:   {ADVICE} (it took 34 s in the book's own run)" in text


def test_what_is_not_there_may_be_made_by_a_cell_above(
    shell: InteractiveShell, chapter: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who ran a cell too early is told so; another refusal is another matter."""
    at(shell, "here", monkeypatch)
    code = "from k8slab import errors\nraise errors.ApiError({}, where='GET', body='')"
    gone, refused = (told(shell, code.format(status))[0] for status in (404, 403))

    assert f"next:   if a cell above makes it, {ADVICE} (it took 34 s" in gone
    assert "next:" not in refused


@pytest.mark.parametrize("name", ["first", "pod", "waits"])
def test_a_name_of_a_cell_that_was_left_out_is_explained(
    shell: InteractiveShell,
    cluster: Cluster,
    chapter: object,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """Also with a lab: after a restart somebody ran 'setup' alone."""
    current.use(cluster)
    at(shell, "here", monkeypatch)

    assert ADVICE in told(shell, f"print({name})")[0]


@pytest.mark.parametrize("name", ["nss", "last", "wait"])
def test_a_name_that_is_wrong_is_pythons_matter(
    cluster: Cluster,
    shell: InteractiveShell,
    chapter: object,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """Once there is a lab, one that no cell above sets is a mistake like any other."""
    current.use(cluster)
    at(shell, "here", monkeypatch)
    text, _ = told(shell, f"print({name})")

    assert "Traceback" in text
    assert ADVICE not in text


def test_an_interrupt_is_no_trace(shell: InteractiveShell) -> None:
    """One line says that the cell may run again."""
    text, folded = told(shell, "raise KeyboardInterrupt")

    assert "you interrupted this cell; you can run it again" in text
    assert "Traceback" not in text
    assert "Traceback" in folded


def test_phases_are_silent_outside_a_notebook() -> None:
    """A program shows them on its terminal, if it wants to."""
    assert isinstance(phases.reporter(), Silent)


def test_phases_are_a_table_in_a_notebook(shell: InteractiveShell) -> None:
    """Each with its mark, its time, its place and its remark."""
    with capture_output():
        table = phases.reporter()
        assert isinstance(table, phases.Phases)
        ledger = Ledger(table)
        with ledger.phase("count", "here"):
            running = table.draw().text
        with ledger.phase("count again", "there") as phase:
            phase.unchanged("<known>")
        with pytest.raises(ZeroDivisionError), ledger.phase("fail", "there"):
            raise ZeroDivisionError
        ledger.close()
    marks = [line.split()[0] for line in table.draw().text.splitlines()]

    assert running.startswith("▸")
    assert marks == ["✔", "·", "✘"]
    assert "&lt;known&gt;" in table.draw().html
