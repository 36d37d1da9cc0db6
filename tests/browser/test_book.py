"""The web book in a real browser: from a disk and from a server, with no way out."""

from collections.abc import Callable

import pytest
from bookbuild import PAGES
from browsing import Seen
from paths import ROOT
from playwright.sync_api import Locator, Page, expect

from booktools.notebooks import chapter_paths, load, tags

CHAPTERS = [path.stem for path in chapter_paths(ROOT)]
WAYS = ["disk", "server"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_in_silence(
    page: Page, go: Callable[..., Page], seen: Seen, name: str, way: str
) -> None:
    """It asks for nothing outside, misses no file and writes no error."""
    go(page, name, way)
    page.mouse.wheel(0, 20_000)
    page.wait_for_timeout(200)

    assert seen.troubles == []
    assert "Kubernetes Is Actually Simple" in page.title()


@pytest.mark.parametrize("way", WAYS)
def test_search_finds_a_word_and_shows_where(
    page: Page, go: Callable[..., Page], seen: Seen, way: str
) -> None:
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
    assert seen.troubles == []


@pytest.mark.parametrize("way", WAYS)
def test_an_excerpt_is_of_the_chapter_not_of_its_head(
    page: Page, go: Callable[..., Page], way: str
) -> None:
    """A word of the first lines: no contents, title or box of the run before it."""
    go(page, "search", way)
    page.goto(page.url + "?q=labels+controllers")
    hit = page.locator("#search-results li", has_text="Meet the objects").first
    words = hit.locator(".context").inner_text()

    assert "labels" in words
    for head in ("Contents", "To read and run", "Meet the objects"):
        assert head not in words


@pytest.mark.parametrize("way", WAYS)
def test_every_hit_has_the_words_around_it(
    page: Page, go: Callable[..., Page], seen: Seen, way: str
) -> None:
    """Also where one page has several; a term of the glossary says what it is."""
    go(page, "search", way)
    page.goto(page.url + "?q=pod")
    results = page.locator("#search-results")
    expect(results.locator(".search-summary")).to_contain_text("found")
    hits = results.locator("li:not(:has(> span))")
    expect(hits.locator(".context")).to_have_count(hits.count())
    links = hits.locator("a").evaluate_all("links => links.map(each => each.pathname)")

    assert len(set(links)) < len(links)
    assert seen.troubles == []


@pytest.mark.parametrize("way", WAYS)
def test_search_says_that_it_found_nothing(
    page: Page, go: Callable[..., Page], seen: Seen, way: str
) -> None:
    """A word that is nowhere has no hits, and is no error."""
    go(page, "search", way)
    page.goto(page.url + "?q=xylophone")

    page.get_by_text("did not match any documents").wait_for()
    assert seen.troubles == []


def copied(page: Page, block: Locator) -> str:
    """Press the copy button of a block, and return what is in the clipboard."""
    page.evaluate("navigator.clipboard.writeText('nothing was copied')")
    block.hover()
    block.locator("button.copybtn").click()
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text.replace("\r\n", "\n")


@pytest.mark.parametrize("way", WAYS)
def test_a_command_is_copied_without_its_prompt(
    page: Page, go: Callable[..., Page], way: str
) -> None:
    """What stands after the dollar goes into a terminal as it is."""
    go(page, "intro", way)

    blocks = page.locator("div.highlight-console")
    texts = [copied(page, blocks.nth(i)) for i in range(blocks.count())]

    assert texts == ["make lab", "make down"]


@pytest.mark.parametrize("name", CHAPTERS)
def test_cells_are_copied_as_they_are_and_outputs_are_not(
    page: Page, go: Callable[..., Page], name: str
) -> None:
    """A reader pastes a cell into a notebook, magics and all."""
    cells = load(ROOT / f"chapters/{name}.ipynb").cells("code")
    shown = [c for c in cells if not tags(c) & {"hide-cell", "hide-input"}]
    magics = [c for c in shown if c.source.startswith("%")]
    go(page, f"chapters/{name}")

    for cell in {
        c.id: c for c in (shown[0], magics[0], magics[-1], shown[-1])
    }.values():
        block = page.locator(f"#cell-{cell.id} div.cell_input")
        assert copied(page, block) == cell.source
    assert page.locator(".cell_output button.copybtn").count() == 0


def test_an_example_is_copied_without_its_prompts(
    page: Page, go: Callable[..., Page]
) -> None:
    """Nor does what it prints come along."""
    go(page, "reference")
    block = page.locator("div.doctest", has_text="sums").first

    text = copied(page, block)

    assert text.startswith("exercise(")
    assert ">>>" not in text
    assert "✔" not in text
