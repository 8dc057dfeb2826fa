// Runs in the page; returns what is wrong with it, in words.
() => {
  const faults = [];
  const visible = (node) => node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const told = (node) => `<${node.tagName.toLowerCase()} class="${node.className?.baseVal ?? node.className}"> ${(node.textContent ?? "").trim().slice(0, 40)}`;
  const root = document.documentElement;

  if (root.scrollWidth > root.clientWidth) faults.push(`scrolls sideways by ${root.scrollWidth - root.clientWidth} px`);
  if (!document.title.trim()) faults.push("no title");
  if (!root.lang) faults.push("no language");
  if (document.querySelectorAll("main").length !== 1) faults.push("not one main landmark");
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  for (const nav of document.querySelectorAll("nav, aside")) {
    if (!nav.getAttribute("aria-label") && !nav.getAttribute("aria-labelledby") && nav.tagName === "NAV") faults.push(`nav without a name: ${told(nav)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  for (const id of new Set(ids.filter((id, place) => ids.indexOf(id) !== place))) faults.push(`id twice: ${id}`);
  for (const node of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
    for (const name of ["aria-labelledby", "aria-describedby"]) {
      for (const id of (node.getAttribute(name) ?? "").split(/\s+/).filter(Boolean)) {
        if (!document.getElementById(id)) faults.push(`${name} names nothing: ${id}`);
      }
    }
  }
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!field.labels?.length && !field.getAttribute("aria-label")) faults.push(`field without a label: ${field.name || field.id}`);
  }
  for (const node of document.querySelectorAll("button, a[href], summary, [role=slider]")) {
    const name = node.getAttribute("aria-label") ?? node.textContent;
    if (!name.trim()) faults.push(`nothing to read on ${node.outerHTML.slice(0, 80)}`);
  }
  for (const bar of document.querySelectorAll("progress")) {
    if (!bar.getAttribute("aria-label")) faults.push("progress without a name");
  }
  for (const picture of document.querySelectorAll("img:not([alt])")) faults.push(`img without alt: ${picture.src}`);

  const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parse = (colour) => {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((part) => { const c = part / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0.99) return colour;
    }
    return [255, 255, 255, 1];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || seen.has(node) || !visible(node)) continue;
    seen.add(node);
    if (node.closest(":disabled, [aria-disabled=true], .sr-only, script, style, template, .skip")) continue;
    const [front, back] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)}: ${told(node)}`);
  }
  return faults;
}
