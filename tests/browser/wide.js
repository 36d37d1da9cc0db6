// Return by how much the page is wider than the screen, and what sticks out of it.
() => {
  const screen = document.documentElement.clientWidth;
  const scrolls = ["auto", "scroll", "hidden"];
  const inBox = (element) => {
    for (let box = element.parentElement; box; box = box.parentElement) {
      const fits = box.getBoundingClientRect().right <= screen + 1;
      if (scrolls.includes(getComputedStyle(box).overflowX) && fits) return true;
    }
    return false;
  };
  const out = [...document.querySelectorAll(".bd-article-container *")].filter(
    (element) =>
      element.getClientRects().length &&
      element.getBoundingClientRect().right > screen + 1 &&
      !inBox(element),
  );
  const words = (e) => `${e.tagName} ${e.className} ${e.textContent.slice(0, 40)}`;
  return {
    scrolls: document.scrollingElement.scrollWidth - screen,
    out: out.slice(0, 5).map(words),
  };
}
