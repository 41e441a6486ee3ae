// The charts: each function fills one <figure data-chart="…">.

const scale = (low, high, from, to) => (value) =>
  from + ((value - low) / (high - low || 1)) * (to - from);

/** Round numbers from `low` to at least `high`, about `count` steps. */
function ticks(low, high, count) {
  const rough = (high - low || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough - 1e-12);
  const made = [];
  for (let n = 0; low + (n - 1) * step < high - 1e-9; n += 1) made.push(Number((low + n * step).toPrecision(12)));
  return made;
}

const short = (value) => String(Number(value.toPrecision(4)));
const clipped = (said, limit) => ([...said].length > limit ? `${[...said].slice(0, limit - 1).join("")}…` : said);
const path = (points, x, y) => points.map((p, n) => `${n ? "L" : "M"}${x(p[0]).toFixed(1)} ${y(p[1]).toFixed(1)}`).join("");

/** Lines and numbers of the axes. `box`: left, right, top, bottom; ticks are [value, text]. */
function axes(box, x, y, across, up, names) {
  const middle = (box.left + box.right) / 2;
  return svg("g", { class: "axes" },
    ...up.map(([value]) => svg("line", { x1: box.left, x2: box.right, y1: y(value), y2: y(value) })),
    ...up.map(([value, said]) => svg("text", { x: box.left - 8, y: y(value) + 4, "text-anchor": "end" }, said)),
    ...across.map(([value, said]) => svg("text", { x: x(value), y: box.bottom + 20, "text-anchor": "middle" }, said)),
    svg("text", { x: middle, y: box.bottom + 42, "text-anchor": "middle", class: "name" }, names[0]),
    svg("text", { x: box.left - 8, y: box.top - 12, "text-anchor": "end", class: "name" }, names[1]));
}

function drawing(width, height, name, ...children) {
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": name }, ...children);
}

/** Loss by step and epoch, with metrics to switch on; pointing at it gives the numbers. */
function drawCurves(figure) {
  const { train, together, validation, metrics, kept } = held.curves;
  const lines = [
    { name: say("train-loss"), points: train, axis: "loss", steps: true, on: true },
    { name: say("validation-loss"), points: validation, axis: "loss", marked: true, on: true },
    ...metrics.map((m) => ({ ...m, axis: "metric", marked: true, on: false })),
  ].filter((line) => line.points.length);
  lines.forEach((line, n) => { line.colour = `var(--line-${n % 8})`; });
  const place = html("div", { class: "place" });
  const legend = html("div", { class: "buttons legend", role: "group", "aria-label": say("page-curves") },
    ...lines.map((line) => {
      const button = html("button", { type: "button", "aria-pressed": String(line.on), onclick: () => {
        line.on = !line.on;
        button.setAttribute("aria-pressed", String(line.on));
        redraw();
      } }, html("span", { class: "swatch", style: `background:${line.colour}` }), line.name);
      return button;
    }));
  figure.prepend(legend, place);
  figure.append(html("p", { class: "small" }, say("page-hint-lines"),
    together > 1 ? ` ${say("page-smoothed", { steps: together })}` : ""));
  const redraw = live(place, (width) => curvesOf(lines, kept, width, figure.dataset.name));
}

function curvesOf(lines, kept, width, name) {
  const shown = lines.filter((line) => line.on);
  const losses = shown.filter((line) => line.axis === "loss");
  const measured = shown.filter((line) => line.axis === "metric");
  const box = { left: 52, right: width - (measured.length ? 56 : 16), top: 40, bottom: 300 };
  const last = Math.max(1, ...lines.flatMap((line) => line.points.map((p) => p[0])));
  const x = scale(0, last, box.left, box.right);
  const up = ticks(0, Math.max(...losses.flatMap((l) => l.points.map((p) => p[1])), 1e-6), 5);
  const percents = ticks(0, Math.max(...measured.flatMap((l) => l.points.map((p) => p[1])), 1), 5);
  const heights = { loss: scale(0, up.at(-1), box.bottom, box.top), metric: scale(0, percents.at(-1), box.bottom, box.top) };
  const whole = ticks(0, last, Math.min(last, Math.max(3, width / 90))).filter((t) => Number.isInteger(t) && t <= last);
  const parts = [axes(box, x, heights.loss, whole.map((t) => [t, String(t)]),
    losses.length ? up.map((t) => [t, short(t)]) : [], [say("epoch"), losses.length ? say("loss") : ""])];
  if (measured.length) {
    parts.push(svg("g", { class: "axes" },
      ...percents.map((t) => svg("text", { x: box.right + 8, y: heights.metric(t) + 4 }, short(t))),
      svg("text", { x: width - 4, y: box.top - 12, "text-anchor": "end", class: "name" }, say("percent-or-points"))));
  }
  if (kept !== null) {
    const side = kept > last * 0.8 ? "end" : kept < last * 0.2 ? "start" : "middle";
    parts.push(svg("line", { class: "kept", x1: x(kept), x2: x(kept), y1: box.top, y2: box.bottom }),
      svg("text", { class: "kept", x: x(kept), y: box.top - 26, "text-anchor": side }, `★ ${say("page-kept", { epoch: kept })}`));
  }
  for (const line of shown) {
    const y = heights[line.axis];
    parts.push(svg("path", { class: line.axis === "metric" ? "curve dashed" : "curve", d: path(line.points, x, y), stroke: line.colour }));
    if (!line.marked) continue;
    for (const p of line.points) {
      const chosen = p[0] === kept;
      parts.push(svg("circle", { cx: x(p[0]), cy: y(p[1]), r: chosen ? 6 : 3.5, fill: line.colour, class: chosen ? "chosen" : null }));
    }
  }
  const cursor = svg("g", { class: "cursor" });
  return followed(drawing(width, box.bottom + 52, name, ...parts, cursor), cursor, shown, { x, heights, box });
}

/** Let a cursor follow the pointer, or the arrow keys, from point to point. */
function followed(picture, cursor, shown, { x, heights, box }) {
  const marked = [...new Set(shown.filter((l) => l.marked).flatMap((l) => l.points.map((p) => p[0])))];
  const all = [...new Set([...marked, ...shown.flatMap((l) => l.points.map((p) => p[0]))])].sort((a, b) => a - b);
  let at = null;
  const near = (epochs, px) => epochs.reduce((best, e) => (Math.abs(x(e) - px) < Math.abs(x(best) - px) ? e : best), epochs[0]);
  const go = (epoch) => {
    at = epoch;
    const found = shown.flatMap((line) => {
      const point = line.points.reduce((best, p) => (Math.abs(p[0] - epoch) < Math.abs(best[0] - epoch) ? p : best));
      return line.steps || Math.abs(point[0] - epoch) < 1e-3 ? [[line, point]] : [];
    });
    const step = found.find(([line]) => line.steps)?.[1][2];
    cursor.replaceChildren(svg("line", { x1: x(epoch), x2: x(epoch), y1: box.top, y2: box.bottom }),
      ...found.map(([line, p]) => svg("circle", { cx: x(p[0]), cy: heights[line.axis](p[1]), r: 5, fill: line.colour })));
    const head = `${say("epoch")} ${short(epoch)}${step === undefined || step === null ? "" : ` (${say("page-step")} ${step})`}`;
    const where = picture.getBoundingClientRect();
    tell([head, ...found.map(([line, p]) => `${line.name} ${short(p[1])}${line.unit ?? ""}`)],
      where.left + x(epoch), where.top + box.top + 150);
  };
  const leave = () => { cursor.replaceChildren(); tell(null); };
  picture.addEventListener("pointermove", (event) => {
    if (!all.length) return;
    const px = event.clientX - picture.getBoundingClientRect().left;
    const evaluated = marked.length ? near(marked, px) : null;
    go(evaluated !== null && Math.abs(x(evaluated) - px) < 10 ? evaluated : near(all, px));
  });
  picture.addEventListener("pointerleave", leave);
  picture.addEventListener("blur", leave);
  picture.setAttribute("tabindex", "0");
  picture.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by || !all.length) return;
    event.preventDefault();
    go(all[Math.max(0, Math.min(all.length - 1, at === null ? 0 : all.indexOf(at) + by))]);
  });
  return picture;
}

const labelName = (n) => (n < 0 ? say("page-no-label") : held.labels[n].name);
const labelSaid = (n) => (n >= 0 && held.labels[n].meaning ? `${labelName(n)} ${held.labels[n].meaning}` : labelName(n));
const swatches = (pairs) => html("div", { class: "key" }, ...pairs.map(([kind, said]) =>
  html("span", {}, html("span", { class: `swatch ${kind}` }), said)));

const FEW = 20;

/** How often each label stands in gold and is predicted, as pairs of bars. */
function drawLabels(figure) {
  const orders = {
    gold: (a, b) => b[1] - a[1] || b[2] - a[2] || a[0] - b[0],
    predicted: (a, b) => b[2] - a[2] || b[1] - a[1] || a[0] - b[0],
    difference: (a, b) => Math.abs(b[2] - b[1]) - Math.abs(a[2] - a[1]) || a[0] - b[0],
  };
  const state = { order: "gold", most: "top" };
  const total = held.frequency.length;
  const place = html("div", { class: "place tall" });
  const change = (name) => (value) => { state[name] = value; redraw(); };
  const controls = html("div", { class: "controls" },
    oneOf(say("page-sort"), Object.keys(orders).map((o) => [o, say(`page-sort-${o}`)]), "gold", change("order"))[0],
    total > FEW ? oneOf(say("page-top", { count: FEW }),
      [["top", say("page-top", { count: FEW })], ["all", say("page-all", { count: total })]], "top", change("most"))[0] : null,
    swatches([["gold", say("gold")], ["tuned", say("predicted")]]));
  figure.prepend(controls, place);
  figure.append(html("p", { class: "small" }, say("page-hint-labels")));
  const redraw = live(place, (width) => {
    const sorted = [...held.frequency].sort(orders[state.order]);
    return barsOf(state.most === "top" ? sorted.slice(0, FEW) : sorted, width, figure.dataset.name);
  });
}

function barsOf(counted, width, name) {
  const narrow = width < 520, most = narrow ? 8 : 14, each = 28;
  const named = (label) => clipped(narrow ? labelName(label) : labelSaid(label), most);
  const left = 26 + 15 * Math.max(1, ...counted.map(([label]) => [...named(label)].length));
  const longest = Math.max(1, ...counted.flatMap(([, gold, said]) => [gold, said]));
  const x = scale(0, longest, 0, width - left - 48);
  const parts = counted.map(([label, gold, said], row) => {
    const y = row * each;
    const node = svg("g", { class: "bars" },
      svg("rect", { class: "ground", x: 0, y, width, height: each }),
      svg("text", { x: left - 10, y: y + 19, "text-anchor": "end", class: "label" }, named(label)),
      svg("rect", { class: "gold", x: left, y: y + 4, width: x(gold), height: 9 }),
      svg("rect", { class: "tuned", x: left, y: y + 14, width: x(said), height: 9 }),
      svg("text", { x: left + x(Math.max(gold, said)) + 6, y: y + 18, class: "count" }, `${gold} / ${said}`));
    const lines = [labelSaid(label), `${say("gold")} ${gold}`, `${say("predicted")} ${said}`];
    return { node, row, column: 0, lines, choose: () => pickRows(String(label), "") };
  });
  return tellingParts(drawing(width, counted.length * each, name, ...parts.map((p) => p.node)), parts);
}

const WORST = 30;

/** Gold against predicted labels; a cell leads to its rows. */
function drawConfusion(figure) {
  const state = { level: "last", most: "worst" };
  const place = html("div", { class: "place" });
  const levels = [...held.levels.map((_, n) => [String(n), say("page-level-n", { level: n + 1 })]), ["last", say("page-level-last")]];
  const controls = html("div", { class: "controls" });
  const redrawn = () => {
    const names = namesOf(cellsAt(state.level), "all");
    controls.replaceChildren(
      held.levels.length ? oneOf(say("page-level"), levels, state.level, (v) => { state.level = v; redrawn(); })[0] : "",
      names.length > WORST ? oneOf(say("page-worst", { count: WORST }), [["worst", say("page-worst", { count: WORST })],
        ["all", say("page-all", { count: names.length })]], state.most, (v) => { state.most = v; redrawn(); })[0] : "");
    redraw();
  };
  figure.prepend(controls, place);
  figure.append(html("p", { class: "small" }, say("page-hint-confusion")));
  const redraw = live(place, (width) => matrixOf(state, width, figure.dataset.name));
  redrawn();
}

/** The cells summed up to a level: [gold, predicted, count]. */
function cellsAt(level) {
  if (level === "last") return held.confusion;
  const of = held.levels[level].of, sums = new Map();
  for (const [gold, said, count] of held.confusion) {
    const key = `${of[gold]} ${said < 0 ? -1 : of[said]}`;
    sums.set(key, (sums.get(key) ?? 0) + count);
  }
  return [...sums].map(([key, count]) => [...key.split(" ").map(Number), count]);
}

/** Labels with a row and a column: all that occur, or those in the most errors. */
function namesOf(cells, most) {
  const wrong = new Map();
  for (const [gold, said, count] of cells) {
    for (const label of [gold, said]) {
      if (label >= 0) wrong.set(label, (wrong.get(label) ?? 0) + (gold === said ? 0 : count));
    }
  }
  const names = [...wrong.keys()].sort((a, b) => a - b);
  if (most === "all" || names.length <= WORST) return names;
  const worst = [...names].sort((a, b) => wrong.get(b) - wrong.get(a) || a - b).slice(0, WORST);
  return worst.sort((a, b) => a - b);
}

function matrixOf(state, width, name) {
  const cells = cellsAt(state.level), names = namesOf(cells, state.most);
  const said = (n) => (n < 0 ? say("page-no-label") : state.level === "last" ? labelName(n) : held.levels[state.level].names[n]);
  const across = cells.some(([, s]) => s < 0) ? [...names, -1] : names;
  const place = new Map(names.map((n, at) => [n, at])), column = new Map(across.map((n, at) => [n, at]));
  const longest = Math.max(...across.map((n) => Math.min(10, [...said(n)].length)));
  const margin = 34 + longest * (longest > 2 ? 13 : 10);
  const size = Math.max(22, Math.min(38, Math.floor((width - margin - 12) / across.length)));
  const most = Math.max(...cells.map((c) => c[2]));
  const shown = cells.filter(([gold, s]) => place.has(gold) && column.has(s));
  const key = (n) => (n < 0 ? "-" : state.level === "last" ? String(n) : `L${state.level}:${n}`);
  const parts = shown.map(([gold, s, count]) => {
    const row = place.get(gold), col = column.get(s), share = 0.15 + 0.85 * (count / most);
    const left = margin + col * size, top = margin + row * size;
    const node = svg("g", { class: gold === s ? "cell hit" : "cell miss" },
      svg("rect", { x: left, y: top, width: size - 1, height: size - 1, "fill-opacity": share.toFixed(2) }),
      svg("text", { x: left + size / 2, y: top + size / 2 + 4, "text-anchor": "middle", class: share > 0.6 ? "dark" : null }, String(count)));
    const lines = [`${say("gold")}: ${said(gold)}`, `${say("predicted")}: ${said(s)}`, say("page-items", { count })];
    return { node, row, column: col, lines, choose: () => pickRows(key(gold), key(s)) };
  });
  const end = margin + across.length * size;
  const labels = [
    ...names.map((n, at) => svg("text", { x: margin - 7, y: margin + at * size + size / 2 + 5, "text-anchor": "end" }, clipped(said(n), 10))),
    ...across.map((n, at) => {
      const x = margin + at * size + size / 2, upright = [...said(n)].length <= 2;
      return svg("text", upright ? { x, y: margin - 8, "text-anchor": "middle" }
        : { transform: `translate(${x + 5} ${margin - 7}) rotate(-90)` }, clipped(said(n), 10));
    }),
    svg("text", { x: margin, y: 15, class: "name" }, `${say("predicted")} →`),
    svg("text", { x: margin - 8, y: 15, "text-anchor": "end", class: "name" }, `${say("gold")} ↓`),
    svg("rect", { class: "rim", x: margin - 1, y: margin - 1, width: end - margin + 1, height: names.length * size + 1 }),
  ];
  return tellingParts(drawing(end + 8, margin + names.length * size + 8, name, ...labels, ...parts.map((p) => p.node)), parts);
}

/** How often answers of each confidence are right. */
function drawCalibration(figure) {
  const place = html("div", { class: "place" });
  let chosen = 0;
  const [buttons] = oneOf(say("page-system"), held.calibration.map((s, n) => [String(n), s.name]), "0",
    (value) => { chosen = Number(value); redraw(); });
  figure.prepend(html("div", { class: "controls" }, held.calibration.length > 1 ? buttons : null), place);
  figure.append(html("p", { class: "small" }, say("page-hint-calibration")));
  const redraw = live(place, (width) => reliabilityOf(held.calibration[chosen].bins, Math.min(width, 460), figure.dataset.name));
}

function reliabilityOf(bins, width, name) {
  const box = { left: 52, right: width - 16, top: 34, bottom: width - 34 };
  const x = scale(0, 1, box.left, box.right), y = scale(0, 1, box.bottom, box.top);
  const most = Math.max(...bins.map((b) => b[2]));
  const fifths = [0, 0.2, 0.4, 0.6, 0.8, 1].map((t) => [t, `${Math.round(100 * t)} %`]);
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  const parts = bins.map(([low, high, count, confidence, accuracy], column) => {
    const node = svg("g", { class: "bin" },
      svg("line", { x1: x(confidence), x2: x(confidence), y1: y(confidence), y2: y(accuracy) }),
      svg("circle", { cx: x(confidence), cy: y(accuracy), r: 4 + 9 * Math.sqrt(count / most) }));
    const lines = [`${short(low)} – ${short(high)} (${say("page-items", { count })})`,
      `${say("page-confidence")} ${percent(confidence)}`, `${say("page-accuracy")} ${percent(accuracy)}`];
    return { node, row: 0, column, lines };
  });
  return tellingParts(drawing(width, width + 14, name,
    axes(box, x, y, fifths, fifths, [say("page-confidence"), ""]),
    svg("text", { x: 4, y: 14, class: "name" }, say("page-accuracy")),
    svg("line", { class: "even", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }), ...parts.map((p) => p.node)), parts);
}

/** How the scores of the answers are spread, before training and after. */
function drawScores(figure) {
  const place = html("div", { class: "place" });
  const kind = (n) => (held.scores.length > 1 && n === 0 ? "gold" : "tuned");
  figure.prepend(html("div", { class: "controls" }, swatches(held.scores.map((s, n) => [kind(n), s.name]))), place);
  live(place, (width) => {
    const box = { left: 52, right: width - 16, top: 34, bottom: 240 };
    const up = ticks(0, Math.max(1, ...held.scores.flatMap((s) => s.counts)), 4).filter(Number.isInteger);
    const x = scale(0, 100, box.left, box.right), y = scale(0, up.at(-1), box.bottom, box.top);
    const each = (x(10) - x(0) - 6) / held.scores.length;
    const tens = Array.from({ length: 11 }, (_, n) => [10 * n, String(10 * n)]);
    const parts = held.scores.flatMap((s, n) => s.counts.map((count, tenth) => ({
      node: svg("rect", { class: kind(n), x: x(10 * tenth) + 3 + n * each, y: y(count), width: each - 1, height: box.bottom - y(count) }),
      row: n, column: tenth, lines: [s.name, `${held.metric.name} ${10 * tenth} – ${10 * tenth + 10}`, say("page-items", { count })],
    })));
    return tellingParts(drawing(width, box.bottom + 52, figure.dataset.name,
      axes(box, x, y, tens, up.map((t) => [t, String(t)]), [held.metric.name, ""]),
      svg("text", { x: 4, y: 14, class: "name" }, say("test-items")), ...parts.map((p) => p.node)), parts);
  });
}

const CHARTS = {
  curves: drawCurves, frequency: drawLabels, confusion: drawConfusion, calibration: drawCalibration, scores: drawScores,
};

for (const figure of document.querySelectorAll("figure[data-chart]")) {
  if (held[figure.dataset.chart] === null) continue;
  figure.hidden = false;
  CHARTS[figure.dataset.chart](figure);
}
