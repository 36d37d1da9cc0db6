"""How the web book looks: its themes, on a phone, and a picture of every page."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from browsing import Opened
from playwright.sync_api import Page

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
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
NOTHING_POOR: dict[str, list[str]] = {theme: [] for theme in THEMES}
WITHOUT_WORDS = {"search"}  # pages with nothing to read before one asks
PAPER_PX = 718  # A4 without the margins of a browser's print
OFF_THE_PAPER = """() => {
  const edge = document.documentElement.clientWidth + 1;
  return [...document.querySelectorAll(".bd-article *")]
    .filter((e) => e.getClientRects().length)
    .filter((e) => e.getBoundingClientRect().right > edge || (e.tagName === "PRE" &&
      e.scrollWidth > e.clientWidth + 1))
    .slice(0, 5)
    .map((e) => `${e.tagName} ${e.className} ${e.textContent.slice(0, 60)}`);
}"""


def switch(page: Page, theme: str) -> None:
    """Press the theme's switch until the page has a theme."""
    root = page.locator("html")
    for _ in range(4):
        kept = [root.get_attribute(f"data-{name}") for name in ("mode", "theme")]
        if kept == [theme, theme]:
            return
        page.locator("button.theme-switch-button:visible").first.click()
    raise AssertionError(f"four clicks did not make it {theme}")


def test_the_theme_is_switched_and_kept(page: Page, go: Callable[..., Page]) -> None:
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


def in_colours(page: Page, theme: Theme) -> None:
    """Change the system's colour scheme, and wait until the page follows."""
    page.emulate_media(color_scheme=theme)
    page.wait_for_function(f"document.documentElement.dataset.theme == '{theme}'")


def test_every_text_is_legible(
    on_desktop: Opened, screenshot: Callable[..., Path]
) -> None:
    """Prose, code, outputs, tables and drawings stand out from their ground."""
    page, name = on_desktop.page, on_desktop.name
    keep(screenshot, page, name, "light")
    page.evaluate(UNFOLD)
    found = {}
    for theme in THEMES:
        in_colours(page, theme)
        look = f"root => ({CONTRAST})(root, {LEGIBLE})"
        found[theme] = page.locator("main").evaluate(look)

    assert {theme: each["poor"] for theme, each in found.items()} == NOTHING_POOR
    assert name in WITHOUT_WORDS or all(e["looked"] > 20 for e in found.values())


def test_nothing_runs_off_the_paper(on_desktop: Opened) -> None:
    """Printed on A4, what is wide wraps: paper does not scroll."""
    page = on_desktop.page
    page.set_viewport_size({"width": PAPER_PX, "height": 1000})
    page.emulate_media(media="print")

    assert page.evaluate(f"({OFF_THE_PAPER})()") == []


def test_a_phone_scrolls_down_only(
    on_phone: Opened, screenshot: Callable[..., Path]
) -> None:
    """At 360 pixels what is wide scrolls in its own box, and the page does not."""
    page, name = on_phone.page, on_phone.name
    in_colours(page, "dark")
    keep(screenshot, page, name, "phone-dark")
    page.evaluate(UNFOLD)

    assert page.evaluate(WIDE) == {"scrolls": 0, "out": []}
    assert page.evaluate("innerWidth") == 360
    assert on_phone.seen.troubles == []


def keep(screenshot: Callable[..., Path], page: Page, name: str, look: str) -> None:
    """Keep a picture; somebody looks at it after a change of the book's look."""
    picture = screenshot(page, f"book-{name.replace('/', '-')}-{look}")
    assert picture.read_bytes().startswith(b"\xff\xd8\xff")


def test_the_tables_of_symptoms_are_seen_whole(
    page: Page, go: Callable[..., Page]
) -> None:
    """No column is cut at the side, on a desktop."""
    go(page, "symptoms")
    found = page.locator("main table").evaluate_all(
        "tables => tables.map(t => [t.scrollWidth, t.parentElement.clientWidth])"
    )

    assert len(found) == 3
    assert [pair for pair in found if pair[0] > pair[1]] == []
