"""The chapters' runner, on throw-away notebooks and a lab that is only pretended."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat.v4 as v4
import pytest
from nbformat import NotebookNode

DYING_LIMIT_S = 60
CONFTEST = """
import os
from pathlib import Path
from k8slab import errors
from booktools.pytest_plugin import ChapterRun

HERE = Path(__file__).parent

class FakeGateway:
    def note(self, word):
        with (HERE / "log.txt").open("a") as log:
            log.write(word + "\\n")
    def find(self, name):
        return {there!r}
    def offers(self, name):
        return frozenset({offers!r})
    def up(self, name):
        self.note("up " + name)
        {up}
    def down(self, name):
        self.note("down " + name)
        {down}
    def carries(self):
        self.note("look at this computer")
        {carries}
    def snapshot(self, name, needs):
        world = HERE / "chapters" / "world.txt"
        return world.read_text().splitlines() if world.exists() else []
    def difference(self, before, after):
        return [f"more: {{line}}" for line in after if line not in before]
    def look(self, name):
        return "a Pod that blinks"

def pytest_configure(config):
    lab = "pretend" + os.environ.get("PYTEST_XDIST_WORKER", "")
    run = ChapterRun(HERE, lab=lab, gateway=FakeGateway(), required={required!r})
    config.pluginmanager.register(run, "chapters")
"""


def notebook(
    *cells: Any, needs: Sequence[str] = ("cluster",), timeout: float = 60
) -> NotebookNode:
    """Return a notebook of (id, source, tags) code cells."""
    made = []
    for cell_id, source, *tags in cells:
        cell = v4.new_code_cell(source, id=cell_id, metadata={"tags": tags})
        made.append(cell)
    lab = {"needs": list(needs), "minutes": 1, "timeout": timeout}
    notebook: NotebookNode = v4.new_notebook(cells=made, metadata={"lab": lab})
    return notebook


class Project:
    """A book in a folder of its own, and what a run over it said."""

    def __init__(
        self,
        folder: Path,
        notebooks: Mapping[str, NotebookNode | str],
        *,
        toc: Sequence[str] = (),
        args: Sequence[str] = ("chapters",),
        **fake: Any,
    ) -> None:
        self.folder = folder
        chapters = folder / "chapters"
        chapters.mkdir()
        for name, content in notebooks.items():
            path = chapters / f"{name}.ipynb"
            path.write_text(json.dumps(content), encoding="utf-8")
        listed = [{"file": f"chapters/{name}"} for name in toc or notebooks]
        contents = {"format": "jb-book", "root": "intro", "chapters": listed}
        (folder / "_toc.yml").write_text(json.dumps(contents), encoding="utf-8")
        facts: dict[str, Any] = {"there": None, "up": "", "down": "", "carries": ""}
        facts |= {"required": False, "offers": ["cluster", "hosts", "machines"], **fake}
        (folder / "conftest.py").write_text(CONFTEST.format(**facts), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--nbval-lax",
            "-p",
            "no:cacheprovider",
        ]
        command += ["--nbval-current-env", "--rootdir=.", "-c", os.devnull, "-rA"]
        done = subprocess.run(
            [*command, "--junitxml=junit.xml", *args],
            cwd=folder,
            env={k: v for k, v in os.environ.items() if "XDIST" not in k},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.code, self.text = done.returncode, done.stdout + done.stderr

    def outcomes(self) -> dict[str, list[str]]:
        """Return each cell's outcomes, in the order they ran."""
        found = {}
        for case in ElementTree.parse(self.folder / "junit.xml").iter("testcase"):  # noqa: S314
            chapter = Path(case.attrib["classname"].replace(".", "/")).parts[1]
            words = [child.tag for child in case if child.tag != "system-out"]
            found[f"{chapter}:{case.get('name')}"] = words or ["passed"]
        return found

    def log(self) -> list[str]:
        """Return what the pretended lab was asked to do."""
        log = self.folder / "log.txt"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One run over chapters that each go another way."""
    append = "open('world.txt', 'a').write('{}\\n')"
    return Project(
        tmp_path_factory.mktemp("book"),
        {
            "alpha": notebook(
                ("fine", "1"),
                ("wrong", "1/0"),
                ("later", append.format("later ran")),
                ("tidy", "open('tidied.txt', 'w').write('yes')", "lab-cleanup"),
            ),
            "leaky": notebook(("leave", append.format("configmap/left"))),
            "needy": notebook(("never", "1"), needs=["telescope"]),
            "slow": notebook(
                ("hang", "import time\ntime.sleep(60)"),
                ("behind", "1"),
                ("tidy", "open('tidied-slow.txt', 'w').write('yes')", "lab-cleanup"),
                timeout=2,
            ),
            "dying": notebook(
                ("kill", "import os\nos.kill(os.getpid(), 9)"),
                ("behind", "1"),
                ("tidy", "1", "lab-cleanup"),
                timeout=DYING_LIMIT_S,
            ),
            "zero": notebook(("fine", "import os; open('lab.txt', 'w')")),
        },
        toc=["zero", "alpha", "leaky", "needy", "slow", "dying"],
    )


@pytest.fixture(scope="module")
def magic(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One run over cells whose magics no kernel knows."""
    says = "import sys\nprint('UsageError: a remark of ours', file=sys.stdout)"
    return Project(
        tmp_path_factory.mktemp("magic"),
        {
            "cellmagic": notebook(("unknown", "%%kubctl\nget pods"), needs=[]),
            "linemagic": notebook(("unknown", "%kubctl get pods"), needs=[]),
            "ignored": notebook(
                ("unknown", "x = %nothing here", "nbval-ignore-output"), needs=[]
            ),
            "misused": notebook(("misused", "%%time"), needs=[]),
            "fine": notebook(("says", says), ("known", "%lsmagic"), needs=[]),
            "printed": notebook(("fails", "print('said before'); 1/0"), needs=[]),
        },
    )


def test_a_magic_that_is_unknown_or_misused_fails_its_cell(magic: Project) -> None:
    """Whatever its kind and its tags; what a cell prints by itself does not."""
    failed = [name for name, words in magic.outcomes().items() if "failure" in words]

    assert sorted(failed) == [
        "cellmagic:unknown",
        "ignored:unknown",
        "linemagic:unknown",
        "misused:misused",
        "printed:fails",
    ]
    assert "Cell magic `%%kubctl` not found" in magic.text
    assert "Printed:\nsaid before" in magic.text


def test_chapters_run_in_the_order_of_the_contents(
    project: Project,
) -> None:
    """The order of _toc.yml decides, not the alphabet."""
    ran = [name.split(":")[0] for name in project.outcomes()]

    assert list(dict.fromkeys(ran)) == [
        "zero",
        "alpha",
        "leaky",
        "needy",
        "slow",
        "dying",
    ]


def test_workers_begin_with_the_chapter_that_takes_longest(tmp_path: Path) -> None:
    """By the seconds of the book's own run; one that never ran comes last."""
    chapters = {name: notebook(("fine", "1"), needs=[]) for name in "abcd"}
    for name, seconds in {"a": 7, "c": 90, "d": 8}.items():
        chapters[name].metadata["lab"]["run"] = {"seconds": seconds}
    workers = ["-n", "1", "--dist", "loadfile", "--no-loadscope-reorder"]

    ran = Project(tmp_path, chapters, args=["chapters", *workers]).outcomes()

    assert list(ran) == ["c:fine", "d:fine", "a:fine", "b:fine"]


def test_items_are_named_after_their_cells(project: Project) -> None:
    """A report names the cell by its id."""
    assert "FAILED chapters/alpha.ipynb::wrong" in project.text


def test_cells_behind_a_failed_one_are_skipped(project: Project) -> None:
    """The rest of the notebook does not act on a state nobody planned."""
    outcomes = project.outcomes()

    assert outcomes["alpha:wrong"] == ["failure"]
    assert outcomes["alpha:later"] == ["skipped"]


def test_a_failure_shows_the_cluster_as_it_was_then(project: Project) -> None:
    """Once for each chapter, whatever cells fail behind the first one."""
    shown = project.text.split(" the lab 'pretend' then ")[1:]

    bad = {"failure", "error"}
    failed = [name for name, said in project.outcomes().items() if bad & set(said)]
    chapters = {name.split(":")[0] for name in failed}
    assert len(shown) == len(chapters) > 1
    assert all("a Pod that blinks" in each for each in shown)


def test_clean_up_runs_behind_a_failed_cell(project: Project) -> None:
    """Clean-up cells are the exception."""
    assert project.outcomes()["alpha:tidy"] == ["passed"]
    assert (project.folder / "chapters" / "tidied.txt").exists()


def test_what_a_chapter_leaves_fails_the_run(project: Project) -> None:
    """The report names the difference."""
    assert "error" in project.outcomes()["leaky:leave"]
    assert "more: configmap/left" in project.text


def test_an_unmet_need_is_a_skip_with_a_reason(project: Project) -> None:
    """A skip is counted, and says what is missing."""
    assert project.outcomes()["needy:never"] == ["skipped"]
    assert "needy needs telescope, which no lab offers" in project.text


def test_a_chapter_ends_at_its_limit(project: Project) -> None:
    """The limit of 2 s ends a cell of 60 s; its clean-up passes and is not xfail."""
    outcomes = project.outcomes()

    assert outcomes["slow:hang"] == ["failure"]
    assert outcomes["slow:behind"] == ["skipped"]
    assert outcomes["slow:tidy"] == ["passed"]
    assert "Timeout of 2 seconds" in project.text or "Timeout of 1." in project.text


def test_a_cell_that_kills_its_kernel_is_told_at_once(project: Project) -> None:
    """Nothing waits its limit for a dead kernel, and nothing more is asked of it."""
    outcomes = project.outcomes()

    assert outcomes["dying:kill"] == ["failure"]
    assert outcomes["dying:behind"] == outcomes["dying:tidy"] == ["skipped"]
    assert "this cell killed its kernel" in project.text
    assert "the kernel is gone since the cell 'kill'" in project.text
    assert f"Timeout of {DYING_LIMIT_S}" not in project.text


def test_the_lab_is_made_once_and_taken_down_once(
    project: Project,
) -> None:
    """The session that brings a lab up takes it down."""
    assert project.log() == ["up pretend", "down pretend"]


def test_the_summary_has_each_chapter_with_its_time(
    project: Project,
) -> None:
    """Durations and counts are at the end."""
    assert "alpha: 2 passed, 1 failed, 1 skipped" in project.text
    assert "the lab 'pretend' was brought up" in project.text


def test_failures_give_an_exit_code(project: Project) -> None:
    """Taking the lab down hides nothing."""
    assert project.code == 1


def test_chapters_side_by_side_have_labs_of_their_own(tmp_path: Path) -> None:
    """Each worker of pytest-xdist makes one, and the report is about all."""
    three = {name: notebook(("a", "1"), ("b", "1")) for name in ("one", "two", "more")}
    done = Project(tmp_path, three, args=("chapters", "-n2", "--dist=loadfile"))

    assert done.code == 0, done.text
    assert set(done.log()) == {
        f"{word} pretendgw{number}" for word in ("up", "down") for number in (0, 1)
    }
    assert len(done.log()) == 4
    assert all(f"{name}: 2 passed" in done.text for name in three)
    assert done.text.count("was brought up") == 2


def test_a_worker_s_lab_that_stays_behind_fails_the_run(tmp_path: Path) -> None:
    """What one worker could not remove is reported by the one who reports."""
    down = "raise errors.LabError('stuck')"
    done = Project(tmp_path, ONE, down=down, args=("chapters", "-n1"))

    assert done.outcomes() == {"one:fine": ["passed"]}
    assert done.code == 1
    assert "the lab 'pretendgw0' was not taken down: stuck" in done.text


def test_no_chapter_for_workers_is_a_failure(tmp_path: Path) -> None:
    """Nor does it become green by being nobody's work."""
    (tmp_path / "test_other.py").write_text("def test_other(): pass\n")
    args = ("chapters", "test_other.py", "-n2", "--dist=loadfile")
    done = Project(tmp_path, {}, args=args)

    assert done.code == 1
    assert done.text.count("no chapter was found") == 1


ONE = {"one": notebook(("fine", "1"))}
TWO = {"one": notebook(("fine", "1"), ("tidy", "1", "lab-cleanup"))}


def test_a_lab_that_was_there_stays(tmp_path: Path) -> None:
    """A lab that was there is made whole, and is not the session's to remove."""
    done = Project(tmp_path, ONE, there="a lab")

    assert done.log() == ["up pretend"]
    assert done.code == 0


@pytest.mark.parametrize(
    "up",
    [
        "raise errors.HostProblem('no engine here')",
        "raise errors.PhaseFailed('doctor', errors.HostProblem('no engine here'))",
    ],
)
def test_a_host_without_a_lab_skips(tmp_path: Path, up: str) -> None:
    """An impossible lab is a skip with the host's reason, in whatever phase."""
    done = Project(tmp_path, ONE, up=up)

    assert done.outcomes() == {"one:fine": ["skipped"]}
    assert "one needs a lab: " in done.text
    assert "no engine here" in done.text


OWN = {"one": notebook(("fine", "1"), needs=["machines"])}


def test_a_chapter_with_machines_of_its_own_needs_no_lab(tmp_path: Path) -> None:
    """The shared lab is not made; the computer is looked at."""
    done = Project(tmp_path, OWN)

    assert done.outcomes() == {"one:fine": ["passed"]}
    assert done.log() == ["look at this computer"]


def test_a_computer_that_carries_no_machines_skips(tmp_path: Path) -> None:
    """The reason is the computer's."""
    done = Project(tmp_path, OWN, carries="raise errors.BundleError('not built')")

    assert done.outcomes() == {"one:fine": ["skipped"]}
    assert "one needs a lab: not built" in done.text


def test_machines_that_a_chapter_leaves_fail_the_run(tmp_path: Path) -> None:
    """The comparison covers a chapter that makes its own lab."""
    leave = "open('world.txt', 'a').write('files of the lab pretend-install\\n')"
    leaky = {"one": notebook(("leave", leave), needs=["machines"])}
    done = Project(tmp_path, leaky)

    assert "error" in done.outcomes()["one:leave"]
    assert "more: files of the lab pretend-install" in done.text


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One run on a lab that has a cluster and no machines."""
    raises = "from k8slab.errors import NoMachines\nraise NoMachines('no machine here')"
    marked = notebook(
        ("before", "x = 1"),
        ("reaches", f"y = x\n{raises}\nz = 1"),
        ("told", "z"),
        ("after", "y"),
        ("tidy", "1", "lab-cleanup"),
    )
    marked.cells[2].metadata["lab"] = {"needs": ["hosts"]}
    return Project(
        tmp_path_factory.mktemp("adopted"),
        {"partly": marked, "hosts": notebook(("never", "1"), needs=["hosts"])},
        offers=["cluster"],
    )


def test_a_cell_that_reaches_for_a_machine_is_a_skip(adopted: Project) -> None:
    """It counts, with the error's reason; what it did before that line is there."""
    outcomes = adopted.outcomes()

    assert outcomes["partly:before"] == ["passed"]
    assert outcomes["partly:reaches"] == ["skipped"]
    assert outcomes["partly:after"] == outcomes["partly:tidy"] == ["passed"]
    assert "no machine here" in adopted.text
    assert adopted.code == 0


def test_a_cell_or_chapter_that_says_it_needs_machines_is_a_skip(
    adopted: Project,
) -> None:
    """Neither is begun, and the reason names the need and the lab."""
    outcomes = adopted.outcomes()

    assert outcomes["partly:told"] == ["skipped"]
    assert "it needs hosts, which the lab 'pretend' has not" in adopted.text
    assert outcomes["hosts:never"] == ["skipped"]
    assert "hosts needs hosts, which the lab 'pretend' has not" in adopted.text


def test_a_required_lab_that_is_missing_fails(tmp_path: Path) -> None:
    """With K8SLAB_REQUIRED=1 the same skip is a failure, reported once a chapter."""
    problem = "raise errors.HostProblem('no engine here')"
    done = Project(tmp_path, TWO, up=problem, required=True)

    assert done.outcomes() == {"one:fine": ["error"], "one:tidy": ["skipped"]}
    assert done.code == 1


def test_a_lab_that_fails_to_come_up_is_never_a_skip(tmp_path: Path) -> None:
    """Only a host or a bundle that cannot carry a lab is an unmet need."""
    done = Project(
        tmp_path, TWO, up="raise errors.NotReady('x', wanted='a', seen='b', waited_s=1)"
    )

    assert done.outcomes() == {"one:fine": ["error"], "one:tidy": ["skipped"]}
    assert done.log() == ["up pretend"]


def test_a_lab_that_stays_behind_fails_the_run(tmp_path: Path) -> None:
    """All cells passed, and still the run is not green."""
    done = Project(tmp_path, ONE, down="raise errors.LabError('stuck')")

    assert done.outcomes() == {"one:fine": ["passed"]}
    assert done.code == 1
    assert "the lab 'pretend' was not taken down: stuck" in done.text


def test_no_chapter_is_a_failure(tmp_path: Path) -> None:
    """Asking for chapters and finding none is not green, beside other tests too."""
    (tmp_path / "test_other.py").write_text("def test_other(): pass\n")
    done = Project(tmp_path, {}, args=("chapters", "test_other.py"))

    assert done.code == 4
    assert "no chapter was found" in done.text


def test_an_unreadable_chapter_is_a_failure(tmp_path: Path) -> None:
    """A broken file is reported as itself."""
    done = Project(tmp_path, {"one": "not a notebook"})

    assert done.code != 0
    assert "one.ipynb" in done.text
