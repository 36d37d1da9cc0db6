"""The web book, built once: it loads nothing from outside and gives nothing away."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from k8slab.book.site import in_site, outside_loads


@pytest.fixture(scope="module")
def site(root, tmp_path_factory):
    """Build the book as 'make book' does, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("_config.yml", "_toc.yml", "intro.md"):
        shutil.copy(root / name, folder / name)
    skip = shutil.ignore_patterns(".ipynb_checkpoints")
    shutil.copytree(root / "chapters", folder / "chapters", ignore=skip)
    for stray in (".venv", "lib"):  # pages that are not the book's, and do not build
        (folder / stray).mkdir()
        (folder / stray / "stray.md").write_text("{unknown}`role`\n")
    builder = Path(sys.executable).with_name("jupyter-book")
    done = subprocess.run(
        [builder, "build", ".", "-n", "-W", "--keep-going"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build" / "html"


def test_pages_load_nothing_from_outside_and_show_no_secret(site):
    """A reader without a network sees the whole book."""
    assert [str(violation) for violation in in_site(site)] == []


def test_every_chapter_has_a_page(site, root):
    """What the contents list is there to read."""
    wanted = {path.stem for path in (root / "chapters").glob("*.ipynb")}
    built = {path.stem for path in (site / "chapters").glob("*.html")}

    assert wanted <= built
    assert wanted


def test_the_opening_names_the_start_and_shows_the_lab(site):
    """A newcomer finds the command, and a drawing with words for it."""
    html = (site / "intro.html").read_text(encoding="utf-8")

    assert "make lab" in re.sub(r"<[^>]+>", "", html)
    assert "intro-lab.svg" in html
    assert 'alt="Your computer runs JupyterLab' in html


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<link rel="stylesheet" href="//cdn.example/a.css">',
        '<img src="http://cdn.example/a.png">',
        '<script type="module">import x from "https://cdn.example/x.mjs"</script>',
        "<style>@import url('https://cdn.example/x.css')</style>",
    ],
)
def test_an_outside_load_is_seen(html):
    """Each way of loading is found."""
    assert len(outside_loads(html)) == 1


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://kubernetes.io/docs">read more</a>',
        '<script src="_static/a.js"></script>',
        '<link rel="canonical" href="https://book.example/">',
    ],
)
def test_links_and_local_files_are_no_loads(html):
    """A link is followed by a reader, not by a page."""
    assert outside_loads(html) == []


def test_a_page_with_thebe_or_a_secret_is_seen(tmp_path):
    """Both are reported with the page's name."""
    token = "abcdef" + "." + "0123456789abcdef"
    (tmp_path / "a.html").write_text(f"<script>THEBE_JS_URL</script>{token}")

    found = {(v.file, v.rule) for v in in_site(tmp_path)}

    assert found == {("a.html", "secrets"), ("a.html", "outside")}
