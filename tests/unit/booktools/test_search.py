"""The web book's own script, run by the program that Playwright brings along."""

from __future__ import annotations

import json
import subprocess

from paths import ROOT
from playwright._impl._driver import compute_driver_executable

SCRIPT = ROOT / "lib" / "booktools" / "sphinx" / "assets" / "book.js"
# What a browser has, as far as the script asks for it: a script in the head is loaded.
BROWSER = """
const loaded = [];
const load = (script) => {
  loaded.push(script.src);
  const name = script.src.slice("../search/".length, -".js".length);
  if (name === "none") setTimeout(() => script.onerror());
  else setTimeout(() => window.k8slabPage(name, `the words of ${name}`));
};
globalThis.window = { addEventListener() {}, fetch: (address) => `fetched ${address}` };
globalThis.document = {
  documentElement: { dataset: { content_root: "../" } },
  createElement: () => ({}),
  head: { append: load },
};
require(process.argv[1]);
const asked = JSON.parse(process.argv[2]).map((address) => window.fetch(address));
Promise.allSettled(
  asked.map(async (each) => (await each).text?.() ?? each),
).then((said) => {
  const told = said.map((each) => each.value ?? String(each.reason));
  console.log(JSON.stringify([told, loaded]));
});
"""


def fetched(*addresses: str) -> tuple[list[str], list[str]]:
    """Return what a search gets for addresses, and which scripts it loads."""
    node, _ = compute_driver_executable()
    argv = [node, "-e", BROWSER, str(SCRIPT), json.dumps(addresses)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    told, loaded = json.loads(done.stdout)
    return told, loaded


def test_every_hit_of_a_page_gets_its_words() -> None:
    """A page has several, and is loaded once for all of them."""
    told, loaded = fetched(*["../a.html"] * 3, "../b.html", "../a.html")

    assert told == [*["the words of a"] * 3, "the words of b", "the words of a"]
    assert loaded == ["../search/a.js", "../search/b.js"]


def test_a_page_that_is_not_there_fails_every_hit() -> None:
    told, _ = fetched("../none.html", "../none.html")

    assert told == ["TypeError: ../search/none.js is not there"] * 2


def test_other_requests_are_the_browsers() -> None:
    """Another folder's page, and a file that is no page."""
    assert fetched("/x.html", "../x.json") == (
        ["fetched /x.html", "fetched ../x.json"],
        [],
    )
