"""The web book, built once: it loads nothing from outside and gives nothing away."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import bookbuild
import labs
import pytest

from booktools.lint import links
from booktools.lint.html import in_site, outside_loads
from booktools.notebooks import Chapter, chapter_paths, load, load_all, tags
from booktools.sphinx import figures
from k8slab import fault

MODULES = "check|fault|lab|probe|record|rest|show|wait|widgets"
LIMIT_S = 120  # on two busy cores; alone it takes less than a fifth of that


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Build the book, and return its site with the seconds that took."""
    return bookbuild.shared(tmp_path_factory)


@pytest.fixture(scope="module")
def site(built: tuple[Path, float]) -> Path:
    """Return the folder of the built site."""
    return built[0]


def read(site: Path, page: str) -> str:
    """Return a page's HTML."""
    return (site / f"{page}.html").read_text(encoding="utf-8")


def words(html: str) -> str:
    """Return what a reader reads of HTML, spaces made one and quotes made straight."""
    text = re.sub(r"<[^>]+>", " ", html)
    text = re.sub("[\u2018\u2019]", "'", re.sub("[\u201c\u201d]", '"', text))
    return " ".join(text.split())


def test_the_build_is_quick(
    built: tuple[Path, float], record_property: Callable[[str, object], None]
) -> None:
    """A writer looks at the result while still knowing what changed."""
    seconds = built[1]
    record_property("seconds", round(seconds, 1))

    assert seconds < labs.Allowance().seconds(LIMIT_S)


def test_pages_load_nothing_and_say_what_they_are(site: Path) -> None:
    """Nothing from outside, no secret; a language, a title, a description, words."""
    assert [str(violation) for violation in in_site(site)] == []


def test_every_link_leads_somewhere(site: Path) -> None:
    """Pages, files and places that links name are there, and ids are unique."""
    assert [str(violation) for violation in links.broken(site)] == []


def test_every_chapter_has_a_page(site: Path, root: Path) -> None:
    """What the contents list is there to read."""
    wanted = {path.stem for path in (root / "chapters").glob("*.ipynb")}
    built = {path.stem for path in (site / "chapters").glob("*.html")}

    assert wanted <= built
    assert wanted


def test_the_opening_names_the_start_and_shows_the_lab(site: Path, root: Path) -> None:
    """A newcomer finds the command, a drawing with words, and every chapter."""
    html = read(site, "intro")
    text = words(html)

    assert "make lab" in text
    assert 'aria-label="Your computer runs JupyterLab' in html
    for chapter in load_all(root):
        _, title, promise, *_ = re.split("^# |\n\n", chapter.notebook.cells[0].source)
        assert len(promise.split()) > 5
        for said in (title, promise):
            assert " ".join(said.replace("`", "").split()) in text


def test_a_chapter_says_when_and_on_what_it_ran(site: Path, root: Path) -> None:
    """The box below the title comes from what the run wrote into the notebook."""
    for chapter in load_all(root):
        html = read(site, f"chapters/{chapter.name}")
        box = re.search(r'(?s)<dl class="lab-run".*?</dl>', html)
        run = chapter.settings["run"]

        assert box
        assert f'datetime="{run["date"]}"' in box[0]
        for name, version in run["versions"].items():
            assert f"{name} {version}" in box[0]
        assert f"chapters/{chapter.name}.ipynb" in box[0]


def test_every_code_cell_has_an_address(site: Path, root: Path) -> None:
    """A failing cell's id, as a test names it, leads to its place in the book."""
    for chapter in load_all(root):
        html = read(site, f"chapters/{chapter.name}")
        cells = [c for c in chapter.cells("code") if "remove-cell" not in tags(c)]

        lost = [cell.id for cell in cells if f'id="cell-{cell.id}"' not in html]

        assert cells
        assert lost == []


def test_folded_solutions_are_called_solutions(site: Path, root: Path) -> None:
    """A fold says what is in it."""
    for chapter in load_all(root):
        folded = [
            cell
            for cell in chapter.cells("code")
            if {"hide-cell", "lab-solution"} <= tags(cell)
        ]
        html = read(site, f"chapters/{chapter.name}")

        assert html.count("Show the solution") == len(folded)


def test_options_keep_their_two_dashes(site: Path) -> None:
    """Commands on pages can be copied: no typographer makes one dash of two."""
    assert "kubectl logs --previous" in words(read(site, "symptoms"))


def test_the_page_of_symptoms_shows_every_word_of_the_faults(site: Path) -> None:
    """Words in angle brackets, as <unknown>, are no tags."""
    shown = unescape(words(read(site, "symptoms")))
    known = [
        text
        for each in map(fault.find, fault.names())
        for text in (each.symptom, each.cause, each.cure)
    ]

    assert len(known) > 60
    assert [text for text in known if text not in shown] == []


def test_the_runbook_has_the_card_of_every_chapter(site: Path, root: Path) -> None:
    """Each row of each card is on the one page, below a link to its chapter."""
    html = read(site, "runbook")
    text = unescape(words(html)).replace(" ", "")
    for chapter in load_all(root):
        assert f'href="chapters/{chapter.name}.html#runbook-card"' in html
        rows = card(chapter)
        lost = [entry for row in rows for entry in row if entry not in text]

        assert len(rows) > 3
        assert lost == []


def card(chapter: Chapter) -> list[list[str]]:
    """Return the rows of a chapter's card, without head, blanks and marks."""
    cells = [cell.source for cell in chapter.cells("markdown")]
    (found,) = [each for each in cells if "## Runbook card" in each]
    lines = found.partition("## Runbook card")[2].partition("\n## ")[0].splitlines()
    rows = [line for line in lines if line.startswith("| ")][2:]
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)|`", r"\1", row) for row in rows]
    return [
        [
            "".join(entry.replace("\\|", "|").split())
            for entry in re.split(r"(?<!\\)\|", row.strip("| "))
        ]
        for row in plain
    ]


def test_the_reference_describes_what_chapters_call(site: Path, root: Path) -> None:
    """Every function of the library that a chapter uses is on the page."""
    html = read(site, "reference")
    text = re.sub(r"<[^>]+>", "", html)
    called = set()
    for path in chapter_paths(root):
        source = "\n".join(cell.source for cell in load(path).cells("code"))
        called |= set(re.findall(rf"\b(?:{MODULES})\.\w+(?=\()", source))
        called |= {f"Namespace.{m}" for m in re.findall(r"\bns\.(\w+)\(", source)}

    missing = [name for name in called if not described(name, html, text)]

    assert len(called) > 10
    assert missing == []


def described(name: str, html: str, text: str) -> bool:
    """Return whether the reference has an entry for a name as chapters write it."""
    owner, _, member = name.partition(".")
    if owner == "Namespace":
        return f'id="k8slab.kube.namespace.Namespace.{member}"' in html
    return f"{name}(" in text


@pytest.mark.parametrize(
    ("term", "chapter"),
    [
        ("selector", "pods-and-controllers"),
        ("event", "pods-and-controllers"),  # which has it in the plural
        ("NodePort", "service-access"),
    ],
)
def test_the_glossary_leads_to_the_chapters(
    site: Path, term: str, chapter: str
) -> None:
    """A word that a chapter defines in bold has a link to that chapter."""
    html = read(site, "glossary")
    entry = re.search(rf'(?s)<dt id="term-{term}">.*?</dd>', html)

    assert entry
    assert f'href="chapters/{chapter}.html"' in entry[0]


def test_the_words_of_a_chapter_lead_to_the_glossary(site: Path, root: Path) -> None:
    """To terms that are there, which `test_every_link_leads_somewhere` follows."""
    for chapter in load_all(root):
        html = read(site, f"chapters/{chapter.name}")

        assert html.count('href="../glossary.html#term-') >= 10


def test_a_place_in_the_glossary_reads_well(site: Path) -> None:
    """Titles say what a reader does: "See See every part running" is no sentence."""
    html = read(site, "glossary")
    places = re.findall(r'(?m)^(\w+): <a[^>]+href="chapters/', html)

    assert set(places) <= {"Chapter", "Chapters"}
    assert len(places) > 10
    assert not re.search(r'See <a[^>]+href="chapters/', html)


def test_the_search_has_the_words_of_a_page_without_its_head(
    site: Path, root: Path
) -> None:
    """No title, which the result is called after, and no box about the run."""
    for chapter in load_all(root):
        text = (site / "search" / "chapters" / f"{chapter.name}.js").read_text()

        assert "In this chapter" in text
        assert "lab-run" not in text
        assert "<h1" not in text


def test_drawings_are_part_of_their_pages(site: Path, root: Path) -> None:
    """No page shows a drawing as an image, which could not follow the theme."""
    shown = set()
    for page in bookbuild.pages(site):
        html = (site / page).read_text(encoding="utf-8")
        images = re.findall(r"<img\b[^>]*\.svg[^>]*>", html)
        assert [each for each in images if "logo" not in each] == [], page
        shown |= set(re.findall(r'id="drawing-([a-z0-9-]+)-\d+"', html))

    assert {path.stem for path in (root / "chapters/_figures").iterdir()} <= shown


def test_drawings_are_drawn_for_the_dark_too(root: Path) -> None:
    """Each drawing has colours for a dark ground."""
    plain = [
        path.name
        for path in (root / "chapters" / "_figures").iterdir()
        if "prefers-color-scheme: dark" not in path.read_text(encoding="utf-8")
    ]

    assert plain == []


DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10" role="img"
  aria-labelledby="t d"><title id="t">A</title><desc id="d">B</desc>
  <style>.a { fill: url(#g) } @media (prefers-color-scheme: dark) { .a { fill: #fff }
  }</style><defs><marker id="g"/></defs><path class="a" marker-end="url(#g)"/></svg>"""


def test_a_drawing_in_a_page_keeps_to_itself() -> None:
    """Its ids are renamed where they stand and where they are used."""
    drawn = figures.inline(DRAWING, "k")

    assert 'id="k-g"' in drawn
    assert drawn.count("url(#k-g)") == 2
    assert "url(#g)" not in drawn
    assert "#k {" in drawn


def test_a_drawing_in_a_page_follows_the_theme_of_the_page() -> None:
    """The page decides what is dark, not the system."""
    drawn = figures.inline(DRAWING, "k")

    assert "prefers-color-scheme" not in drawn
    assert "data-theme" in drawn
    assert "fill: #fff" in drawn  # a colour is no id


@pytest.mark.parametrize(("alt", "said"), [("Words", "Words"), ("", "A. B")])
def test_a_drawing_in_a_page_is_said_in_words(alt: str, said: str) -> None:
    """Its alternative text is its name, or else its own title and description."""
    drawn = figures.inline(DRAWING, "k", alt)

    assert f'aria-label="{said}"' in drawn
    assert "<title" not in drawn


PAGE = (
    '<html lang="en"><head><title>A</title><meta name="description" content="B">'
    "</head><body>{}</body></html>"
)


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<link rel="stylesheet" href="//cdn.example/a.css">',
        '<img src="http://cdn.example/a.png">',
        '<script type="module">import x from "https://cdn.example/x.mjs"</script>',
        "<style>@import url('https://cdn.example/x.css')</style>",
        "<style>@font-face { src: url(https://cdn.example/x.woff2) }</style>",
    ],
)
def test_an_outside_load_is_seen(html: str) -> None:
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
def test_links_and_local_files_are_no_loads(html: str) -> None:
    """A link is followed by a reader, not by a page."""
    assert outside_loads(html) == []


def test_a_page_with_thebe_or_a_secret_is_seen(tmp_path: Path) -> None:
    """Both are reported with the page's name."""
    token = "abcdef" + "." + "0123456789abcdef"
    page = PAGE.format(f"<script>THEBE_JS_URL</script>{token}")
    (tmp_path / "a.html").write_text(page)

    found = {(v.file, v.rule) for v in in_site(tmp_path)}

    assert found == {("a.html", "secrets"), ("a.html", "outside")}


@pytest.mark.parametrize(
    ("html", "rule"),
    [
        (PAGE.format('<img src="a.png">'), "words"),
        (PAGE.format('<svg role="img"></svg>'), "words"),
        (PAGE.format("").replace(' lang="en"', ""), "head"),
        (PAGE.format("").replace("<title>A</title>", ""), "head"),
        (PAGE.format("").replace('content="B"', 'content=""'), "head"),
    ],
)
def test_a_page_without_words_is_seen(tmp_path: Path, html: str, rule: str) -> None:
    """Pictures without a text, and pages that do not say what they are."""
    (tmp_path / "a.html").write_text(html)

    assert [v.rule for v in in_site(tmp_path)] == [rule]


def test_a_style_that_loads_from_outside_is_seen(tmp_path: Path) -> None:
    """A font from elsewhere is as much a request as a script."""
    (tmp_path / "a.css").write_text("@import url(https://cdn.example/a.css);")

    assert [v.rule for v in in_site(tmp_path)] == ["outside"]


@pytest.mark.parametrize(
    ("body", "rules"),
    [
        ('<a href="b.html#there">b</a><a href="#here">a</a><p id="here">', []),
        ('<a href="c.html">c</a>', ["links"]),
        ('<a href="b.html#gone">b</a>', ["links"]),
        ('<a href="#gone">a</a>', ["links"]),
        ('<script src="gone.js"></script>', ["links"]),
        ('<p id="x"><p id="x">', ["ids"]),
        ('<a href="https://kubernetes.io/#x">far</a>', []),
    ],
)
def test_a_link_that_leads_nowhere_is_seen(
    tmp_path: Path, body: str, rules: list[str]
) -> None:
    """Missing pages, files and places, and places of which there are two."""
    (tmp_path / "a.html").write_text(PAGE.format(body))
    (tmp_path / "b.html").write_text(PAGE.format('<p id="there">'))

    assert [v.rule for v in links.broken(tmp_path)] == rules
