// Charts: SVG made by hand. Each mark can be pointed at or reached by the arrow keys, and says what it is.
const SVG = "http://www.w3.org/2000/svg";
let charts = 0;

function drawn(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes || {})) if (value !== undefined) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = visible(text);
  return made;
}

// Round numbers between two ends, about so many.
function ticks(low, high, about = 5) {
  const raw = (high - low) / about, unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * unit).find((one) => one >= raw * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-6; at++) found.push(Math.round(at * step * 1e6) / 1e6 + 0);
  return found;
}

// A canvas of a width, with stripes for each colour that asks for them.
class Chart {
  constructor(box, label, height, width) {
    this.box = box;
    this.width = width || Math.max(280, box.clientWidth);
    this.id = "c" + ++charts;
    this.marks = [];
    this.at = -1;
    this.stripes = new Set();
    this.svg = drawn("svg", { viewBox: `0 0 ${this.width} ${height}`, width: this.width, height, role: "img", tabindex: 0, "aria-label": visible(label) });
    this.defs = drawn("defs");
    this.svg.append(this.defs);
    this.tip = element("div", "", "tip");
    this.tip.hidden = true;
    this.tip.setAttribute("role", "status");
    this.ring = drawn("rect", { class: "ring", visibility: "hidden", rx: 2 });
    this.svg.addEventListener("pointermove", (event) => this.#point(event));
    this.svg.addEventListener("pointerdown", (event) => this.#point(event));
    this.svg.addEventListener("pointerleave", () => this.hide());
    this.svg.addEventListener("blur", () => this.hide());
    this.svg.addEventListener("focus", () => { if (this.at < 0 && this.svg.matches(":focus-visible")) this.show(0); });
    this.svg.addEventListener("keydown", (event) => this.#key(event));
  }

  add(tag, attributes, text) {
    const made = drawn(tag, attributes, text);
    this.svg.append(made);
    return made;
  }

  // Fill of a colour class, striped or not.
  fill(colour, striped) {
    if (!striped) return "var(--" + colour + ")";
    if (!this.stripes.has(colour)) {
      this.stripes.add(colour);
      const pattern = drawn("pattern", { id: `${this.id}-${colour}`, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
      pattern.append(drawn("rect", { width: 5, height: 5, fill: "var(--" + colour + ")" }), drawn("rect", { width: 1.6, height: 5, fill: "var(--" + colour + "-o)" }));
      this.defs.append(pattern);
    }
    return `url(#${this.id}-${colour})`;
  }

  whisker(x, low, high, cap = 2.5) {
    const d = `M${x} ${low}V${high}M${x - cap} ${low}h${2 * cap}M${x - cap} ${high}h${2 * cap}`;
    this.add("path", { class: "halo", d });
    this.add("path", { class: "whisker", d });
  }

  // What can be pointed at: where it is, how much room around it counts, and the lines that it says.
  mark(place, hit, says) {
    hit = hit || place;
    this.marks.push({ place, says });
    this.add("rect", { class: "hit", x: hit.x, y: hit.y, width: hit.width, height: hit.height, "data-at": this.marks.length - 1 });
  }

  show(at) {
    const { place, says } = this.marks[at];
    this.at = at;
    this.tip.replaceChildren(...says().map((line, first) => element(first ? "span" : "strong", line)));
    this.tip.hidden = false;
    const scale = this.svg.clientWidth / this.width || 1;
    const middle = (place.x + place.width / 2) * scale, room = this.box.clientWidth, wide = this.tip.offsetWidth;
    this.tip.style.left = Math.max(0, Math.min(room - wide, middle - wide / 2)) + "px";
    // Above the mark, or where that is out of sight beside its top.
    const above = place.y * scale - this.tip.offsetHeight - 8, hidden = this.box.getBoundingClientRect().top + above < 48;
    this.tip.style.top = (hidden ? place.y * scale + 14 : above) + "px";
    for (const [name, value] of Object.entries({ x: place.x - 1.5, y: place.y - 1.5, width: place.width + 3, height: Math.max(0, place.height) + 3, visibility: "visible" })) this.ring.setAttribute(name, value);
  }

  hide() {
    this.tip.hidden = true;
    this.ring.setAttribute("visibility", "hidden");
  }

  #point(event) {
    const at = event.target.dataset && event.target.dataset.at;
    if (at !== undefined) this.show(Number(at)); else this.hide();
  }

  #key(event) {
    const last = this.marks.length - 1;
    const to = { ArrowRight: this.at + 1, ArrowDown: this.at + 1, ArrowLeft: this.at - 1, ArrowUp: this.at - 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.hide();
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.show(Math.max(0, Math.min(last, to)));
  }

  // Lines across at round values, with their numbers.
  scale(values, y, left, right) {
    for (const value of values) {
      this.add("path", { class: "grid", d: `M${left} ${y(value)}H${right}` });
      this.add("text", { class: "tick", x: left - 6, y: y(value) + 3.5, "text-anchor": "end" }, String(value).replace("-", "\u2212"));
    }
  }

  finish() {
    this.svg.append(this.ring);
    this.box.replaceChildren(this.svg, this.tip);
  }
}

// Groups of bars, wrapped into as many rows as the width asks for.
//   groups: [{name, code, bars: [{colour, striped, value, low, high, says, points: [{value, low, high, says}]}]}]
function bars(box, label, groups, [low, high], axis) {
  const LEFT = 38, RIGHT = 4, width = Math.max(280, box.clientWidth);
  const most = Math.max(1, ...groups.map((group) => group.bars.length));
  const least = Math.max(30, most * 7 + 8);
  const fit = Math.max(1, Math.floor((width - LEFT - RIGHT) / least));
  const rows = Math.max(1, Math.ceil(groups.length / fit)), across = Math.ceil(groups.length / rows) || 1;
  const plot = rows > 1 ? 130 : 190, TOP = 12, BELOW = 36, row = TOP + plot + BELOW;
  const chart = new Chart(box, label, rows * row + 6, width);
  const each = Math.min((width - LEFT - RIGHT) / across, Math.max(least, 34 * most));
  const longest = Math.max(1, ...groups.map((group) => group.name.length)), names = longest * 5.8 <= each, small = longest * 6.8 > each;
  range(rows).forEach((at) => {
    const top = at * row + TOP;
    const y = (value) => top + plot * (1 - (Math.max(low, Math.min(high, value)) - low) / (high - low));
    const part = groups.slice(at * across, (at + 1) * across);
    chart.scale(ticks(low, high, rows > 1 ? 4 : 5), y, LEFT, LEFT + part.length * each);
    part.forEach((group, place) => {
      const left = LEFT + place * each, one = Math.min(30, (each - Math.max(6, each * 0.12)) / Math.max(1, group.bars.length));
      const start = left + (each - one * group.bars.length) / 2;
      chart.add("text", { class: "name", x: left + each / 2, y: top + plot + 15, "text-anchor": "middle", "font-size": names && small ? 10.5 : undefined }, names ? group.name : group.code);
      if (names && group.code !== group.name) chart.add("text", { class: "tick", x: left + each / 2, y: top + plot + 28, "text-anchor": "middle" }, group.code);
      group.bars.forEach((bar, number) => {
        const x = start + number * one, hit = { x, y: top, width: one, height: plot };
        const size = Math.max(1, one - (one > 9 ? 1.5 : 0.8));
        if (bar.value === null || bar.value === undefined) {
          chart.add("text", { class: "tick none", x: x + one / 2, y: y(low) - 3, "text-anchor": "middle" }, "\u00d7");
          chart.mark({ x, y: y(low) - 12, width: one, height: 12 }, hit, bar.says);
          return;
        }
        const tall = Math.max(1, y(low) - y(bar.value));
        chart.add("rect", { class: bar.points && bar.points.length ? "bar pale" : "bar", x, y: y(low) - tall, width: size, height: tall, fill: chart.fill(bar.colour, bar.striped) });
        if (bar.low !== null && bar.low !== undefined) chart.whisker(x + size / 2, y(bar.low), y(bar.high), Math.min(2.5, size / 3));
        chart.mark({ x, y: y(low) - tall, width: size, height: tall }, hit, bar.says);
        for (const point of bar.points || []) {
          const middle = x + size / 2, r = Math.min(4.5, Math.max(2.6, size / 2));
          if (point.low !== null && point.low !== undefined) chart.add("path", { class: "whisker", d: `M${middle} ${y(point.low)}V${y(point.high)}` });
          chart.add("path", { class: "point", d: `M${middle} ${y(point.value) - r}l${r} ${1.7 * r}h${-2 * r}Z`, fill: "var(--" + bar.colour + ")" });
          chart.mark({ x: middle - r, y: y(point.value) - r, width: 2 * r, height: 2 * r }, { x: middle - r, y: y(point.value) - r - 2, width: 2 * r, height: 2 * r + 4 }, point.says);
        }
      });
    });
    chart.add("path", { class: "axis", d: `M${LEFT} ${y(low)}H${LEFT + part.length * each}` });
  });
  chart.finish();
  if (axis) chart.svg.append(drawn("title", {}, axis));
}

// Lines over places on one axis; a panel each.
//   panels: [{title, lines: [{name, colour, thin, dash, points: [{x, value, low, high, hollow, says}]}]}], places: [label]
function lines(box, label, panels, places, [low, high], under) {
  const width = Math.max(280, box.clientWidth), LEFT = 40, RIGHT = panels.some((panel) => panel.ends) ? 30 : 12, TOP = 22, PLOT = panels.length > 1 ? 150 : 240;
  const across = Math.min(panels.length, Math.max(1, Math.floor(width / (panels.length > 1 ? 260 : 400))));
  const wide = width / across, step = (wide - LEFT - RIGHT) / Math.max(1, places.length);
  const longest = Math.max(...places.map((one) => one.length)), turned = longest * 6.2 > step;
  const BELOW = (turned ? Math.min(96, longest * 5.2 + 12) : 20) + (under ? 16 : 0) + 8;
  const chart = new Chart(box, label, Math.ceil(panels.length / across) * (TOP + PLOT + BELOW), width);
  panels.forEach((panel, at) => {
    const left = (at % across) * wide + LEFT, top = Math.floor(at / across) * (TOP + PLOT + BELOW) + TOP;
    const x = (place) => left + step * (place + 0.5), y = (value) => top + PLOT * (1 - (Math.max(low, Math.min(high, value)) - low) / (high - low));
    if (panel.title) chart.add("text", { class: "name", x: left, y: top - 9 }, panel.title);
    chart.scale(ticks(low, high, 4), y, left, left + step * places.length);
    places.forEach((name, place) => {
      const at = turned ? { x: x(place) + 3, y: top + PLOT + 12, "text-anchor": "end", transform: `rotate(-45 ${x(place) + 3} ${top + PLOT + 12})` } : { x: x(place), y: top + PLOT + 16, "text-anchor": "middle" };
      chart.add("text", { class: "tick", ...at }, name);
    });
    if (under) chart.add("text", { class: "tick", x: left + step * places.length / 2, y: top + PLOT + BELOW - 10, "text-anchor": "middle" }, under);
    for (const line of panel.lines) {
      const points = line.points.filter((one) => one.value !== null && one.value !== undefined);
      chart.add("path", { class: line.thin ? "line thin" : "line", d: points.map((one, first) => (first ? "L" : "M") + x(one.x) + " " + y(one.value)).join(""), stroke: "var(--" + line.colour + "-i)", "stroke-dasharray": line.dash || undefined });
      for (const one of points) {
        if (!line.thin && one.low !== null && one.low !== undefined) chart.whisker(x(one.x), y(one.low), y(one.high));
        const r = line.thin ? 2.6 : 4;
        chart.add("circle", { cx: x(one.x), cy: y(one.value), r, fill: one.hollow ? "var(--paper)" : "var(--" + line.colour + "-i)", stroke: "var(--" + line.colour + "-i)", "stroke-width": 1.5 });
        chart.mark({ x: x(one.x) - r, y: y(one.value) - r, width: 2 * r, height: 2 * r }, { x: x(one.x) - 6, y: y(one.value) - 6, width: 12, height: 12 }, one.says);
      }
    }
    if (!panel.ends) return;
    // The name of each line stands at its end, one below the other where ends lie close.
    let last = -Infinity;
    const ends = panel.lines.map((line) => [line, line.points.filter((one) => one.value !== null).at(-1)]).filter(([, end]) => end).map(([line, end]) => [line, end, y(end.value)]).sort((a, b) => a[2] - b[2]);
    const crowd = ends.length * 10 > PLOT;
    for (const [line, end, at] of ends) {
      const down = Math.max(at, last + 10);
      if (crowd && down - at > 14) continue;
      last = down;
      chart.add("text", { class: "tick", x: x(end.x) + 9, y: down + 3.5 }, line.name);
    }
  });
  chart.finish();
}

// Differences with intervals, one below the other. rows: [{name, value, low, high, filled, note, says}]
function forest(box, label, rows, span, margin) {
  const width = Math.max(280, box.clientWidth), LEFT = width < 500 ? 92 : 130, RIGHT = width < 500 ? 14 : 150, EACH = 22, TOP = 10;
  const ends = rows.flatMap((row) => [row.low, row.high]).concat([0, margin * 1.2]).filter((one) => isFinite(one));
  const low = Math.min(...ends) - 0.02 * span, high = Math.max(...ends) + 0.02 * span;
  const chart = new Chart(box, label, TOP + rows.length * EACH + 28, width);
  const x = (value) => LEFT + (width - LEFT - RIGHT) * (value - low) / (high - low), bottom = TOP + rows.length * EACH;
  for (const value of ticks(low, high, width < 500 ? 4 : 7)) {
    chart.add("path", { class: "grid", d: `M${x(value)} ${TOP}V${bottom}` });
    chart.add("text", { class: "tick", x: x(value), y: bottom + 15, "text-anchor": "middle" }, number(value, span, true).replace(/\.?0+$/, "") || "0");
  }
  chart.add("path", { class: "axis", d: `M${x(0)} ${TOP}V${bottom}` });
  chart.add("path", { class: "margin", d: `M${x(margin)} ${TOP}V${bottom}` });
  rows.forEach((row, at) => {
    const y = TOP + EACH * (at + 0.5);
    chart.add("text", { class: "name", x: LEFT - 8, y: y + 4, "text-anchor": "end" }, row.name);
    chart.add("path", { class: "whisker bold", d: `M${x(row.low)} ${y}H${x(row.high)}M${x(row.low)} ${y - 3}v6M${x(row.high)} ${y - 3}v6` });
    chart.add("circle", { cx: x(row.value), cy: y, r: 4.5, fill: row.filled ? "var(--accent)" : "var(--paper)", stroke: "var(--accent)", "stroke-width": 2 });
    if (RIGHT > 100 && row.note) chart.add("text", { class: "tick", x: width - RIGHT + 12, y: y + 4 }, row.note);
    chart.mark({ x: x(row.value) - 6, y: y - 6, width: 12, height: 12 }, { x: LEFT, y: y - EACH / 2, width: width - LEFT - RIGHT, height: EACH }, row.says);
  });
  chart.finish();
}

// Points over a share on a logarithmic axis, with a fitted line. points: [{name, x, y, filled, says}], fit: {slope, intercept}
function scatter(box, label, points, fit, span, [under, beside]) {
  const width = Math.max(280, Math.min(720, box.clientWidth)), LEFT = 52, RIGHT = 26, TOP = 14, PLOT = 240;
  const chart = new Chart(box, label, TOP + PLOT + 40, width);
  const shares = points.map((one) => Math.log10(one.x)), ends = [Math.min(...shares) - 0.15, Math.max(...shares) + 0.15], [left, right] = ends;
  const gains = points.map((one) => one.y).concat(0, fit ? ends.map((end) => fit.intercept + fit.slope * end) : []);
  const room = 0.12 * (Math.max(...gains) - Math.min(...gains) || span), low = Math.min(...gains) - room, high = Math.max(...gains) + room;
  const x = (value) => LEFT + (width - LEFT - RIGHT) * (value - left) / (right - left), y = (value) => TOP + PLOT * (1 - (value - low) / (high - low));
  chart.scale(ticks(low, high), y, LEFT, width - RIGHT);
  const taken = [];
  for (const value of range(8).flatMap((at) => [1, 2, 5].map((one) => one * 10 ** (at - 5)))) {
    const place = x(Math.log10(value));
    if (Math.log10(value) < left || Math.log10(value) > right || taken.some((one) => Math.abs(one - place) < 40)) continue;
    taken.push(place);
    chart.add("text", { class: "tick", x: place, y: TOP + PLOT + 16, "text-anchor": "middle" }, String(value));
  }
  chart.add("text", { class: "tick", x: (LEFT + width - RIGHT) / 2, y: TOP + PLOT + 33, "text-anchor": "middle" }, under);
  chart.add("text", { class: "tick", x: 12, y: TOP + PLOT / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${TOP + PLOT / 2})` }, beside);
  if (fit) chart.add("path", { class: "fit", d: `M${x(left)} ${y(fit.intercept + fit.slope * left)}L${x(right)} ${y(fit.intercept + fit.slope * right)}` });
  const labels = [];
  points.forEach((one, at) => {
    const [cx, cy] = [x(shares[at]), y(one.y)];
    chart.add("circle", { cx, cy, r: 4.5, fill: one.filled ? "var(--accent)" : "var(--paper)", stroke: "var(--accent)", "stroke-width": 2 });
    const free = [[7, 4], [7, -6], [7, 14], [-20, 4], [-20, -6], [-20, 14], [-6, -9], [-6, 18]].find(([dx, dy]) => !labels.some(([a, b]) => Math.abs(a - cx - dx) < 17 && Math.abs(b - cy - dy) < 11));
    if (free) {
      labels.push([cx + free[0], cy + free[1]]);
      chart.add("text", { class: "tick", x: cx + free[0], y: cy + free[1] }, one.name);
    }
    chart.mark({ x: cx - 6, y: cy - 6, width: 12, height: 12 }, null, one.says);
  });
  chart.finish();
}
