"""How the web book looks: its themes, on a phone, and a picture of every page."""

from collections.abc import Callable
from pathlib import Path

import pytest
from bookbuild import PAGES
from browsing import Seen
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
WITHOUT_WORDS = {"search"}  # pages with nothing to read before one asks


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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_every_text_is_legible(
    open_page: Callable[..., Page],
    go: Callable[..., Page],
    screenshot: Callable[..., Path],
    name: str,
    theme: str,
) -> None:
    """Prose, code, outputs, tables and drawings stand out from their ground."""
    page = open_page(dark=theme == "dark")
    go(page, name)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    keep(screenshot, page, name, theme)
    page.evaluate(UNFOLD)

    found = page.locator("main").evaluate(f"root => ({CONTRAST})(root, {LEGIBLE})")

    assert found["poor"] == []
    assert found["looked"] > 20 or name in WITHOUT_WORDS


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_phone_scrolls_down_only(
    open_page: Callable[..., Page],
    go: Callable[..., Page],
    seen: Seen,
    screenshot: Callable[..., Path],
    name: str,
    theme: str,
) -> None:
    """At 360 pixels what is wide scrolls in its own box, and the page does not."""
    page = open_page(phone=True, dark=theme == "dark")
    go(page, name)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    keep(screenshot, page, name, f"phone-{theme}")
    page.evaluate(UNFOLD)

    assert page.evaluate(WIDE) == {"scrolls": 0, "out": []}
    assert page.evaluate("innerWidth") == 360
    assert seen.troubles == []


def keep(screenshot: Callable[..., Path], page: Page, name: str, look: str) -> None:
    """Keep a picture; somebody looks at it after a change of the book's look."""
    picture = screenshot(page, f"book-{name.replace('/', '-')}-{look}")
    assert picture.read_bytes().startswith(b"\xff\xd8\xff")
