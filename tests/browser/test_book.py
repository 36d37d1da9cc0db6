"""The web book in a real browser: from a disk and from a server, with no way out."""

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import bookbuild
import pytest
from k8slab.book.notebooks import chapter_paths, contents, load, tags

# What a page may write to the console, each with its reason. Nothing so far.
ALLOWED: tuple[str, ...] = ()
PAGES = [*contents(bookbuild.ROOT / "_toc.yml"), "search", "genindex"]
CHAPTERS = [path.stem for path in chapter_paths(bookbuild.ROOT)]
WAYS = ["disk", "server"]
HERE = Path(__file__).parent
CONTRAST = (HERE / "contrast.js").read_text(encoding="utf-8")
WIDE = (HERE / "wide.js").read_text(encoding="utf-8")
UNFOLD = """() => {
  const still = document.createElement("style");
  still.textContent = "* { transition: none !important; animation: none !important }";
  document.head.append(still);
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  for (const fold of document.querySelectorAll("button.toggle-button-hidden"))
    fold.click();
}"""
LEGIBLE = 4.5  # the least contrast of a text with its ground, as WCAG 2 (AA) has it
WITHOUT_WORDS = {"search"}  # pages with nothing to read before one asks


class Quiet(SimpleHTTPRequestHandler):
    """Serve files and say nothing."""

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Build the book once, in a folder of its own."""
    folder = tmp_path_factory.mktemp("book")
    bookbuild.prepare(folder)
    return bookbuild.build(folder)


@pytest.fixture(scope="session")
def addresses(site):
    """Return where the site is: on this disk, and on a server of this computer."""
    handler = partial(Quiet, directory=str(site))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield {"disk": site.as_uri(), "server": f"http://127.0.0.1:{server.server_port}"}
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def go(addresses):
    """Return a function that opens a page of the site in a tab."""

    def to(page, name, way="server"):
        page.goto(f"{addresses[way]}/{name}.html", wait_until="load")
        page.wait_for_function("document.documentElement.dataset.theme")
        return page

    return to


def troubles(seen):
    """Return what a page did that it must not do."""
    errors = [e for e in seen.errors if not any(ok in e for ok in ALLOWED)]
    return {"outside": seen.outside, "errors": errors, "missing": seen.missing}


NONE = {"outside": [], "errors": [], "missing": []}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_in_silence(page, go, seen, name, way):
    """It asks for nothing outside, misses no file and writes no error."""
    go(page, name, way)
    page.mouse.wheel(0, 20_000)
    page.wait_for_timeout(200)

    assert troubles(seen) == NONE
    assert "Kubernetes Is Actually Simple" in page.title()


@pytest.mark.parametrize("way", WAYS)
def test_search_finds_a_word_and_shows_where(page, go, seen, way):
    """From the first page to a chapter by its word, with the words around it."""
    go(page, "intro", way)
    page.locator("button.search-button__button:visible").first.click()
    box = page.locator("input[name=q]:visible").first
    box.fill("CrashLoopBackOff")
    box.press("Enter")

    hit = page.locator("#search-results li", has_text="Keep Pods running").first
    hit.wait_for()
    hit.locator(".context").wait_for()
    assert "crashloopbackoff" in hit.locator(".context").inner_text().lower()
    hit.locator("a").first.click()
    page.wait_for_url("**/chapters/pods-and-controllers.html*")
    assert troubles(seen) == NONE


@pytest.mark.parametrize("way", WAYS)
def test_search_says_that_it_found_nothing(page, go, seen, way):
    """A word that is nowhere has no hits, and is no error."""
    go(page, "search", way)
    page.goto(page.url + "?q=xylophone")

    page.get_by_text("did not match any documents").wait_for()
    assert troubles(seen) == NONE


def copied(page, block):
    """Press the copy button of a block, and return what is in the clipboard."""
    page.evaluate("navigator.clipboard.writeText('nothing was copied')")
    block.hover()
    block.locator("button.copybtn").click()
    return page.evaluate("navigator.clipboard.readText()").replace("\r\n", "\n")


@pytest.mark.parametrize("way", WAYS)
def test_a_command_is_copied_without_its_prompt(page, go, way):
    """What stands after the dollar goes into a terminal as it is."""
    go(page, "intro", way)

    blocks = page.locator("div.highlight-console")
    texts = [copied(page, blocks.nth(i)) for i in range(blocks.count())]

    assert texts == ["make lab", "make down"]


@pytest.mark.parametrize("name", CHAPTERS)
def test_cells_are_copied_as_they_are_and_outputs_are_not(page, go, name):
    """A reader pastes a cell into a notebook, magics and all."""
    cells = load(bookbuild.ROOT / f"chapters/{name}.ipynb").cells("code")
    shown = [c for c in cells if not tags(c) & {"hide-cell", "hide-input"}]
    magics = [c for c in shown if c.source.startswith("%")]
    go(page, f"chapters/{name}")

    for cell in {
        c.id: c for c in (shown[0], magics[0], magics[-1], shown[-1])
    }.values():
        block = page.locator(f"#cell-{cell.id} div.cell_input")
        assert copied(page, block) == cell.source
    assert page.locator(".cell_output button.copybtn").count() == 0


def test_an_example_is_copied_without_its_prompts(page, go):
    """Nor does what it prints come along."""
    go(page, "reference")
    block = page.locator("div.doctest", has_text="count again").first

    text = copied(page, block)

    assert text.startswith("exercise(")
    assert ">>>" not in text
    assert "✔" not in text


def switch(page, theme):
    """Press the theme's switch until the page has a theme."""
    root = page.locator("html")
    for _ in range(4):
        kept = [root.get_attribute(f"data-{name}") for name in ("mode", "theme")]
        if kept == [theme, theme]:
            return
        page.locator("button.theme-switch-button:visible").first.click()
    raise AssertionError(f"four clicks did not make it {theme}")


def test_the_theme_is_switched_and_kept(page, go):
    """Dark is dark, also on the next page, and light is light again."""
    go(page, "intro")
    ground = "getComputedStyle(document.body).backgroundColor"
    drawing = "getComputedStyle(document.querySelector('.lab-drawing rect')).fill"
    switch(page, "light")
    light = (page.evaluate(ground), page.evaluate(drawing))
    switch(page, "dark")
    dark = (page.evaluate(ground), page.evaluate(drawing))

    assert light[0] != dark[0]
    assert light[1] != dark[1]
    go(page, "glossary")
    assert page.evaluate(ground) == dark[0]
    switch(page, "light")
    assert page.evaluate(ground) == light[0]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_every_text_is_legible(page, go, name, theme):
    """Prose, code, outputs, tables and drawings stand out from their ground."""
    go(page, name)
    switch(page, theme)
    page.evaluate(UNFOLD)

    found = page.locator("main").evaluate(f"root => ({CONTRAST})(root, {LEGIBLE})")

    assert found["poor"] == []
    assert found["looked"] > 20 or name in WITHOUT_WORDS


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_scrolls_down_only(open_page, go, seen, name):
    """At 360 pixels what is wide scrolls in its own box, and the page does not."""
    page = open_page(phone=True)
    go(page, name)
    page.evaluate(UNFOLD)

    assert page.evaluate(WIDE) == {"scrolls": 0, "out": []}
    assert page.evaluate("innerWidth") == 360
    assert troubles(seen) == NONE


@pytest.mark.parametrize("look", ["light", "dark", "phone", "phone-dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_kept_as_a_picture(open_page, go, screenshot, name, look):
    """Somebody looks at artefacts/screenshots after a change of the book's look."""
    page = open_page(phone="phone" in look, dark="dark" in look)
    go(page, name)
    theme = "dark" if "dark" in look else "light"

    assert page.evaluate("document.documentElement.dataset.theme") == theme
    picture = screenshot(page, f"book-{name.replace('/', '-')}-{look}")
    assert re.match(rb"\x89PNG", picture.read_bytes())
