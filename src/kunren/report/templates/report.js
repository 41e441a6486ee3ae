"use strict";
// The page's own script: this part holds what the charts and the table of rows share. Text from the
// data only ever becomes a text node or an attribute's value, never markup.

const held = JSON.parse(document.getElementById("facts").textContent);

/** A message with its placeholders filled. */
const say = (name, fields = {}) =>
  held.words[name].replace(/\{(\w+)[^}]*\}/g, (_, key) => String(fields[key]));

const SVG_SPACE = "http://www.w3.org/2000/svg";

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** An element of the page: attributes, listeners as `onclick`, children as nodes or text. */
const html = (tag, attributes = {}, ...children) =>
  furnish(document.createElement(tag), attributes, children);

/** The same of a drawing. */
const svg = (tag, attributes = {}, ...children) =>
  furnish(document.createElementNS(SVG_SPACE, tag), attributes, children);

/** A list to choose one from; `options` are [value, name], or [heading, options] of a group. */
function choice(name, options, changed) {
  const option = ([value, said]) => html("option", { value }, said);
  const made = options.map(([value, said]) =>
    Array.isArray(said) ? html("optgroup", { label: value }, ...said.map(option)) : option([value, said]));
  const select = html("select", { onchange: () => changed(select.value) }, ...made);
  return [html("label", {}, html("span", {}, name), select), select];
}

/** Buttons of which one is pressed; `options` are [value, name]. */
function oneOf(name, options, chosen, changed) {
  const buttons = options.map(([value, said]) => html("button", {
    type: "button", "data-value": value, "aria-pressed": String(value === chosen),
    onclick: () => { press(value); changed(value); },
  }, said));
  const press = (value) => {
    for (const b of buttons) b.setAttribute("aria-pressed", String(b.dataset.value === value));
  };
  return [html("div", { class: "buttons", role: "group", "aria-label": name }, ...buttons), press];
}

const tip = html("div", { id: "tip", role: "status", hidden: "" });
document.body.append(tip);

/** Show lines beside a point of the window, or hide them. */
function tell(lines, x = 0, y = 0) {
  tip.hidden = lines === null;
  if (lines === null) return;
  tip.replaceChildren(...lines.map((line) => html("div", {}, line)));
  const { width, height } = tip.getBoundingClientRect();
  const right = document.documentElement.clientWidth - width - 8;
  tip.style.left = `${Math.max(8, Math.min(x + 14, right))}px`;
  tip.style.top = `${y - height - 12 < 8 ? y + 18 : y - height - 12}px`;
}

/** Draw a chart into its place, and again whenever the place changes its width. */
function live(place, draw) {
  let width = 0;
  const redraw = () => { width = place.clientWidth; place.replaceChildren(draw(width)); };
  new ResizeObserver(() => { if (place.clientWidth !== width && place.clientWidth) redraw(); }).observe(place);
  redraw();
  return redraw;
}

/**
 * Make parts of a drawing tell something when pointed at or reached by arrow keys, and do something
 * when clicked or entered. `parts`: {node, row, column, lines, choose}; the drawing is one tab stop.
 */
function tellingParts(drawing, parts) {
  const order = [...parts].sort((a, b) => a.row - b.row || a.column - b.column);
  let at = -1;
  const enter = (part, x, y) => {
    order[at]?.node.classList.remove("at");
    at = order.indexOf(part);
    part.node.classList.add("at");
    tell(part.lines, x, y);
  };
  const leave = () => { order[at]?.node.classList.remove("at"); tell(null); };
  for (const part of order) {
    part.node.addEventListener("pointermove", (event) => enter(part, event.clientX, event.clientY));
    part.node.addEventListener("pointerleave", leave);
    if (part.choose) part.node.addEventListener("click", () => { leave(); part.choose(); });
  }
  const step = (key) => {
    if (at < 0) return order[0];
    const { row, column } = order[at];
    if (key === "ArrowRight") return order[at + 1];
    if (key === "ArrowLeft") return order[at - 1];
    const down = key === "ArrowDown";
    const beyond = order.filter((p) => (down ? p.row > row : p.row < row));
    const next = down ? Math.min(...beyond.map((p) => p.row)) : Math.max(...beyond.map((p) => p.row));
    const near = (p) => Math.abs(p.column - column);
    return beyond.filter((p) => p.row === next).sort((a, b) => near(a) - near(b))[0];
  };
  drawing.setAttribute("tabindex", "0");
  drawing.addEventListener("blur", leave);
  drawing.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && at >= 0 && order[at].choose) { leave(); order[at].choose(); return; }
    if (!event.key.startsWith("Arrow") || !order.length) return;
    event.preventDefault();
    const part = step(event.key) ?? order[at];
    part.node.scrollIntoView({ block: "nearest", inline: "nearest" });
    const box = part.node.getBoundingClientRect();
    enter(part, box.left + box.width / 2, box.top);
  });
  return drawing;
}
