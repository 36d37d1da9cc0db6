/* The book's own script: what scrolls is reached by keyboard, and a search shows a page's own words. */
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

  // The search makes an excerpt of a whole page, whose head says the same on each. Each
  // page's own words are kept as a script, which is loaded from a disk, too.
  const arrived = new Map();
  const asked = new Map();
  window.k8slabPage = (name, text) => arrived.get(name)?.(text);
  const load = (root, name) =>
    new Promise((resolve, reject) => {
      arrived.set(name, resolve);
      const script = document.createElement("script");
      script.src = `${root}search/${name}.js`;
      script.onerror = () => reject(new TypeError(`${script.src} is not there`));
      document.head.append(script);
    });
  const request = window.fetch;
  window.fetch = (address, ...rest) => {
    const root = document.documentElement.dataset.content_root;
    const page = String(address);
    if (!page.startsWith(root) || !page.endsWith(".html")) return request(address, ...rest);
    const name = page.slice(root.length, -".html".length);
    // A page has many hits, its sections and terms: it is loaded once, for all of them.
    if (!asked.has(name)) asked.set(name, load(root, name));
    return asked.get(name).then((text) => new Response(text));
  };
})();
