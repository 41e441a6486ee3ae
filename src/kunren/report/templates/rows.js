// The table of all test rows: search, filters, order, pages. Only the rows of a page are in the
// document, so that thousands stay fast.

const PAGE = 50;
const KINDS = { right: ["right", "fixed"], wrong: ["wrong", "broken"] };
const systems = Object.entries(held.systems);
const tunedAt = systems.findIndex(([key]) => key === "tuned");
const judged = { change: "all", search: "", gold: "", predicted: "", order: "file", page: 0 };
const columns = new Set(systems.flatMap(([key, s]) => (s.shown ? [key] : [])));

/** What a search compares: full and half width, and upper and lower case, are one. */
const plain = (said) => said.normalize("NFKC").toLowerCase();
const namesIn = (labels) => {
  if (!labels.length) return say("none");
  const names = labels.map(labelName);
  return held.labels[labels[0]].meaning ? names.join("") : names.join("、");
};
const answerSaid = (answer) => (held.answers === "text" ? answer.w : answer.l && namesIn(answer.l));
const grouped = (count) => count.toLocaleString("en-US");
const tunedOf = (row) => row.a[tunedAt] ?? null;

let haystacks = null;
/** All that a row says, made when one first searches. */
function haystack(n) {
  haystacks ??= held.rows.map((row) => {
    const labels = (found) => found.map(labelSaid).join(" ");
    const gold = held.answers === "text" ? row.g : labels(row.g);
    const said = row.a.map((a) => (a ? `${a.w ?? ""} ${labels(a.l ?? [])}` : ""));
    return plain([row.t, row.b ?? "", gold, ...said].join("\n"));
  });
  return haystacks[n];
}

/** Whether labels are those of a filter: a label, one of an upper level ("L0:3"), none ("-"). */
function labelled(labels, wanted) {
  if (wanted === "") return true;
  if (wanted === "-") return !labels.length;
  if (!wanted.startsWith("L")) return labels.includes(Number(wanted));
  const [level, name] = wanted.slice(1).split(":").map(Number);
  return labels.some((n) => held.levels[level].of[n] === name);
}

function found() {
  const wanted = plain(judged.search.trim());
  const kinds = judged.change === "all" ? null : (KINDS[judged.change] ?? [judged.change]);
  const places = [];
  held.rows.forEach((row, n) => {
    if (kinds && !kinds.includes(row.c)) return;
    if (held.answers !== "text") {
      if (!labelled(row.g, judged.gold)) return;
      if (judged.predicted !== "" && !labelled(tunedOf(row)?.l ?? [], judged.predicted)) return;
    }
    if (wanted && !haystack(n).includes(wanted)) return;
    places.push(n);
  });
  const [by, sign] = { sure: ["p", -1], unsure: ["p", 1], high: ["s", -1], low: ["s", 1] }[judged.order] ?? [null, 0];
  if (by === null) return places;
  // Rows without the value come last, whichever way round.
  const value = (n) => tunedOf(held.rows[n])?.[by] ?? null;
  return places.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    return sign * (x - y) || a - b;
  });
}

function cellOf(answer, name) {
  if (!answer || (answerSaid(answer) ?? null) === null) return html("td", { "data-name": name }, "—");
  const single = held.answers === "label", right = answer.k === 1;
  const kind = single ? (answer.k === undefined ? "" : right ? "right" : "wrong") : right ? "right" : "";
  const meaning = answer.l?.length === 1 ? held.labels[answer.l[0]].meaning : null;
  return html("td", { class: kind, "data-name": name },
    single && kind ? html("span", { class: "mark" }, right ? "○ " : "× ") : null,
    html("span", { title: meaning }, answerSaid(answer) || say("empty")),
    answer.p !== undefined && single ? html("small", {}, ` ${answer.p.toFixed(2)}`) : null,
    answer.s !== undefined ? html("small", { class: "score" }, ` ${answer.s.toFixed(held.answers === "text" ? 1 : 2)}`) : null,
    held.answers !== "text" && answer.w !== undefined
      ? html("small", { class: "generated" }, `${say("generated-short")} ${answer.w || say("empty")}`) : null);
}

function lineOf(row) {
  const gold = held.answers === "text" ? row.g : namesIn(row.g);
  return html("tr", { "data-change": row.c },
    html("td", { class: "text", "data-name": say("input") }, row.b ? html("small", { class: "before" }, row.b) : null, row.t),
    html("td", { "data-name": say("gold"), title: row.g.length === 1 && held.labels[row.g[0]] ? held.labels[row.g[0]].meaning : null }, gold),
    ...systems.flatMap(([key, s], n) => (columns.has(key) ? [cellOf(row.a[n], s.name)] : [])));
}

function labelOptions() {
  const used = new Set(held.rows.flatMap((row) => [...row.g, ...(tunedOf(row)?.l ?? [])]));
  const each = held.labels.flatMap((_, n) => (used.has(n) ? [[String(n), labelSaid(n)]] : []));
  if (!held.levels.length) return [["", say("page-any")], ...each, ["-", say("page-no-label")]];
  const upper = held.levels.map((level, l) => [say("page-level-n", { level: l + 1 }), level.names.map((name, n) => [`L${l}:${n}`, name])]);
  return [["", say("page-any")], ...upper, [say("page-level-last"), each], ["-", say("page-no-label")]];
}

const controls = {};

function draw() {
  const places = found();
  const pages = Math.max(1, Math.ceil(places.length / PAGE));
  judged.page = Math.max(0, Math.min(judged.page, pages - 1));
  const shown = places.slice(judged.page * PAGE, (judged.page + 1) * PAGE);
  const heads = [say("input"), say("gold"), ...systems.flatMap(([key, s]) => (columns.has(key) ? [s.name] : []))];
  controls.head.replaceChildren(...heads.map((name, n) => html("th", { class: n ? null : "l", scope: "col" }, name)));
  controls.body.replaceChildren(...shown.map((n) => lineOf(held.rows[n])));
  controls.nothing.hidden = places.length > 0;
  controls.count.textContent = say("page-count", { shown: grouped(places.length), total: grouped(held.rows.length) });
  controls.pager.hidden = pages < 2;
  controls.at.textContent = say("page-page", { page: judged.page + 1, pages });
  controls.previous.disabled = judged.page === 0;
  controls.next.disabled = judged.page === pages - 1;
  controls.reset.hidden = !(judged.search || judged.gold || judged.predicted || judged.change !== "all");
}

/** Change what is shown, from the first page on. */
function judge(changed) {
  Object.assign(judged, { page: 0 }, changed);
  draw();
}

function turn(by) {
  judged.page += by;
  draw();
  controls.table.scrollIntoView({ block: "start" });
}

function reset(changed = {}) {
  Object.assign(judged, { change: "all", search: "", gold: "", predicted: "" }, changed);
  controls.search.value = judged.search;
  controls.press(judged.change);
  if (controls.gold) [controls.gold.value, controls.predicted.value] = [judged.gold, judged.predicted];
  judge({});
}

/** Show the rows of a gold and a predicted label; a chart's click leads here. */
function pickRows(gold, predicted) {
  reset({ gold, predicted });
  const section = document.getElementById("rows");
  section.scrollIntoView({ block: "start" });
  section.focus({ preventScroll: true });
}

function buildRows(section) {
  const [kinds, press] = oneOf(say("filter"), held.changes, "all", (change) => judge({ change }));
  let waiting = 0;
  const search = html("input", { type: "search", placeholder: say("filter-search"), "aria-label": say("filter-search"), oninput: () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => judge({ search: search.value }), 80);
  } });
  const orders = held.answers === "text" ? ["file", "low", "high"] : held.answers === "set" ? ["file", "low", "high", "unsure", "sure"] : ["file", "sure", "unsure"];
  const measured = orders.filter((o) => !o.endsWith("sure") || held.rows.some((row) => tunedOf(row)?.p !== undefined));
  const [order] = choice(say("page-order"), measured.map((o) => [o, say(`page-order-${o}`)]), (value) => judge({ order: value }));
  const filters = [order];
  if (held.answers !== "text") {
    const options = labelOptions();
    const [gold, goldSelect] = choice(say("page-gold"), options, (value) => judge({ gold: value }));
    const [said, saidSelect] = choice(say("page-predicted"), options, (value) => judge({ predicted: value }));
    Object.assign(controls, { gold: goldSelect, predicted: saidSelect });
    filters.unshift(gold, said);
  }
  const boxes = systems.map(([key, s]) => html("label", {}, html("input", { type: "checkbox", ...(columns.has(key) ? { checked: "" } : {}), onchange: (event) => {
    if (event.target.checked) columns.add(key); else columns.delete(key);
    draw();
  } }), s.name));
  const button = (name, onclick) => html("button", { type: "button", onclick }, say(name));
  Object.assign(controls, {
    press, search, head: html("tr"), body: html("tbody"), count: html("output", { "aria-live": "polite" }),
    nothing: html("p", {}, say("page-nothing")), at: html("span"), previous: button("page-previous", () => turn(-1)),
    next: button("page-next", () => turn(1)), reset: button("page-reset", () => reset()),
  });
  controls.table = html("div", { class: "scroll" }, html("table", { class: `rows ${held.answers}` }, html("thead", {}, controls.head), controls.body));
  controls.pager = html("nav", { class: "pager" }, controls.previous, controls.at, controls.next);
  section.append(
    html("div", { class: "filter" }, kinds, search),
    html("div", { class: "filter" }, ...filters),
    html("fieldset", { class: "filter" }, html("legend", {}, say("page-columns")), ...boxes),
    html("div", { class: "filter" }, controls.count, controls.reset),
    controls.table, controls.nothing, controls.pager);
  draw();
}

const rowsSection = document.getElementById("rows");
if (rowsSection) buildRows(rowsSection);
