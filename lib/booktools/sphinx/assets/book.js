/* The book's own script: what scrolls is reached by keyboard, and a search on a disk shows excerpts. */
(() => {
  "use strict";

  // A box that scrolls sideways must be reachable without a mouse.
  const reach = () => {
    for (const box of document.querySelectorAll(".lab-drawing, .cell_output .output")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  window.addEventListener("load", reach);
  window.addEventListener("resize", reach);

  // From a disk a page may not read another one, but it may load a script. Each page's
  // text is kept as a script too, and takes the place of the page in the search.
  if (location.protocol !== "file:") return;
  const waiting = new Map();
  window.k8slabPage = (name, text) => waiting.get(name)?.(new Response(text));
  window.fetch = (address) => new Promise((resolve, reject) => {
    const root = document.documentElement.dataset.content_root;
    const name = String(address).replace(root, "").replace(/\.html$/, "");
    waiting.set(name, resolve);
    const script = document.createElement("script");
    script.src = `${root}search/${name}.js`;
    script.onerror = () => reject(new TypeError(`${script.src} is not there`));
    document.head.append(script);
  });
})();
