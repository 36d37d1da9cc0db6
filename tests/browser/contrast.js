// Return the texts of an element that are hard to read: their contrast is below a limit.
(root, limit) => {
  const parse = (colour) => {
    const found = colour.match(/[\d.]+/g);
    if (!found || colour.startsWith("none")) return [0, 0, 0, 0];
    const [r, g, b, a = 1] = found.map(Number);
    const scale = colour.startsWith("color(") ? 255 : 1;
    return [r * scale, g * scale, b * scale, a];
  };
  const over = ([r, g, b, a], [R, G, B]) =>
    [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => {
      c /= 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ratio = (one, two) => {
    const [a, b] = [light(one), light(two)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  // Thousands of words of code have the same few parents.
  const once = (look) => {
    const known = new Map();
    return (element) => {
      if (!known.has(element)) known.set(element, look(element));
      return known.get(element);
    };
  };
  const faded = once((e) =>
    Number(getComputedStyle(e).opacity) * (e.parentElement ? faded(e.parentElement) : 1));
  // What is below an element: the grounds of its parents, the nearest on top.
  const ground = once((e) => {
    const colour = parse(getComputedStyle(e).backgroundColor);
    if (colour[3] === 1) return colour;
    return over(colour, e.parentElement ? ground(e.parentElement) : [255, 255, 255, 1]);
  });
  // What is below a text in a drawing: the shapes drawn before it that it stands on.
  const drawnGround = (text) => {
    const svg = text.ownerSVGElement;
    const box = text.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    let below = ground(svg);
    for (const shape of svg.querySelectorAll("rect, circle, ellipse, polygon, path")) {
      if (!(shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING)) break;
      if (shape.closest("defs")) continue;
      const r = shape.getBoundingClientRect();
      if (x < r.left || x > r.right || y < r.top || y > r.bottom) continue;
      const style = getComputedStyle(shape);
      const fill = parse(style.fill);
      fill[3] *= Number(style.fillOpacity) * Number(style.opacity);
      below = over(fill, below);
    }
    return below;
  };
  const found = new Map();
  let looked = 0;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const words = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!words || !element.getClientRects().length) continue;
    if (element.closest("title, desc, style, script, .sr-only, .visually-hidden")) continue;
    const style = getComputedStyle(element);
    if (style.visibility === "hidden" || faded(element) === 0) continue;
    const drawn = element instanceof SVGElement;
    const below = drawn ? drawnGround(element) : ground(element);
    const colour = parse(drawn ? style.fill : style.color);
    colour[3] *= faded(element) * (drawn ? Number(style.fillOpacity) : 1);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const contrast = ratio(over(colour, below), below);
    looked += 1;
    if (contrast < (large ? 3 : limit)) {
      const place = `${element.tagName.toLowerCase()}.${element.getAttribute("class") ?? ""}`
        + ` in ${element.parentElement.tagName.toLowerCase()}.${element.parentElement.getAttribute("class") ?? ""}`;
      const key = `${place} ${style.color}`;
      if (!found.has(key)) found.set(key, `${contrast.toFixed(2)} ${place}: ${words.slice(0, 40)}`);
    }
  }
  return { looked, poor: [...found.values()] };
}
