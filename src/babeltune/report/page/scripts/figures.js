// The figures: for each task its metrics as bars or lines, of one model, with a second one as points over them.
const data = JSON.parse($("data").textContent);
const words = data.rows.words, columns = data.rows.columns;
const rowCount = columns.value.length;
const cellOf = new Map(range(rowCount).map((at) => [["model", "mix", "task", "language", "prompting", "metric"].map((name) => columns[name][at]).join(), at]));
const place = (name, word) => words[name].indexOf(word);
const find = (...cell) => cellOf.get(["model", "mix", "task", "language", "prompting", "metric"].map((name, at) => place(name, cell[at])).join());
const field = (name, at) => name in words ? words[name][columns[name][at]] : columns[name][at];
const called = (code) => data.names[code] || code;
const named = (metric) => data.metrics[metric] || metric;
const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
const titled = (task) => data.tasks[task] || task;
const colourOf = (mix) => {
  const at = data.mixes.findIndex((one) => one.name === mix), own = at < 0 ? -1 : data.mixes[at].colour ?? at;
  return mix === "base" || own < 0 ? "base" : "m" + own;
};
const holds = (mix, language) => language in ((data.mixes.find((one) => one.name === mix) || {}).languages || {});
// Mixes of the same languages that differ in the number of chats which are not English: a set of languages, its numbers.
const familyOf = (one) => Object.keys(one.languages).sort().join("+");
const othersOf = (one) => Object.entries(one.languages).reduce((sum, [code, count]) => sum + (code === "en" ? 0 : count), 0);
const familiesOf = (mixes, least) => unique(mixes.map(familyOf)).filter((name) => name !== "en" && unique(mixes.filter((one) => familyOf(one) === name).map(othersOf)).length >= least);
const models = words.model;
const evaluated = ["base", ...data.mixes.map((one) => one.name)].filter((mix) => words.mix.includes(mix)).concat(words.mix.filter((mix) => mix !== "base" && !data.mixes.some((one) => one.name === mix)));
const state = { figure: "", metric: "", model: models[0] || "", points: models[1] || "", view: familiesOf(data.mixes.filter((one) => !("of" in one)), 3).length ? "lines" : "bars", hide: "" };
const hidden = () => new Set(state.hide ? state.hide.split(",").map(decodeURIComponent) : []);

function says(model, mix, language, at, prompting) {
  const span = field("top", at) - field("least", at), value = field("value", at);
  return [
    called(language) + ", " + mix + (models.length > 1 ? ", " + model : ""),
    value === null ? "unscored: " + field("unscored", at) + " answers" : interval({ value, low: field("low", at), high: field("high", at) }, span) + ", 95 % interval",
    "n = " + field("n", at) + " items" + (field("seeds", at) > 1 ? ", " + field("seeds", at) + " seeds" : "") + (field("tuning_seeds", at) > 1 ? ", " + field("tuning_seeds", at) + " tunings" : "") + (field("unscored", at) && value !== null ? "; " + field("unscored", at) + " unscored" : ""),
    (mix === "base" ? "not tuned" : holds(mix, language) ? "language in the mix" : "language not in the mix") + (prompting === "en:xx" ? "; English instructions" : ""),
    field("signature", at),
  ];
}

// The axis of a metric: from its worst value to its best, or to what there is of a wide one.
function axisOf(task, metric, chosen) {
  let least = 0, top = 1, most = 0;
  const [t, m] = [place("task", task), place("metric", metric)];
  for (let at = 0; at < rowCount; at++) {
    if (columns.task[at] !== t || columns.metric[at] !== m) continue;
    [least, top] = [field("least", at), field("top", at)];
    if (chosen.has(field("model", at))) most = Math.max(most, field("high", at) || 0);
  }
  if (top - least <= 1) return [least, top];
  const reach = least + (most - least) * 1.05;
  return [least, Math.min(top, top - least > 10 ? Math.ceil(reach / 10) * 10 : Math.ceil(reach)) || top];
}

function barsOf(box, figure, metric, prompting, mixes) {
  const languages = data.languages.filter((code) => models.some((model) => (model === state.model || model === state.points) && mixes.some((mix) => find(model, mix, figure.task, code, prompting, metric) !== undefined)));
  const groups = languages.map((language) => ({
    name: called(language), code: language,
    bars: mixes.map((mix) => {
      const at = find(state.model, mix, figure.task, language, prompting, metric);
      if (at === undefined) return { colour: colourOf(mix), value: null, says: () => [called(language) + ", " + mix, "not evaluated"] };
      const over = state.points && state.points !== state.model ? find(state.points, mix, figure.task, language, prompting, metric) : undefined;
      return {
        colour: colourOf(mix), striped: mix !== "base" && !holds(mix, language),
        value: field("value", at), low: field("low", at), high: field("high", at), says: () => says(state.model, mix, language, at, prompting),
        points: over === undefined || field("value", over) === null ? [] : [{ value: field("value", over), low: field("low", over), high: field("high", over), says: () => says(state.points, mix, language, over, prompting) }],
      };
    }),
  }));
  bars(box, `${titled(figure.task)}, ${named(metric)}, ${state.model}: bars for ${languages.length} languages and ${mixes.length} mixes. Arrow keys go from bar to bar; the table below has the numbers.`, groups, axisOf(figure.task, metric, new Set([state.model, state.points])));
}

// Mixes as one axis: the number of languages or, of mixes that differ in chats of the same languages, these chats.
function linesOf(box, figure, metric, prompting, mixes) {
  const tuned = data.mixes.filter((one) => mixes.includes(one.name));
  const families = familiesOf(tuned, 2);
  const languages = data.languages.filter((code) => tuned.some((one) => find(state.model, one.name, figure.task, code, prompting, metric) !== undefined));
  const axis = axisOf(figure.task, metric, new Set([state.model]));
  const point = (mix, language, x) => {
    const at = find(state.model, mix, figure.task, language, prompting, metric);
    return at === undefined ? null : { x, value: field("value", at), low: field("low", at), high: field("high", at), hollow: !holds(mix, language), says: () => says(state.model, mix, language, at, prompting) };
  };
  const label = `${titled(figure.task)}, ${named(metric)}, ${state.model}: lines over mixes. Arrow keys go from point to point.`;
  if (families.length) {
    const counts = unique(tuned.map(othersOf)).sort((a, b) => a - b);
    const panels = languages.map((language) => ({
      title: called(language),
      lines: families.map((name, number) => ({
        name, colour: "k" + number % 4, dash: ["", "6 3", "2 3"][number % 3],
        points: tuned.filter((one) => familyOf(one) === name || (familyOf(one) === "en" && one === tuned[0])).map((one) => point(one.name, language, counts.indexOf(othersOf(one)))).filter(Boolean).sort((a, b) => a.x - b.x),
      })),
    }));
    lines(box, label, panels, counts.map(String), axis, "chats that are not English");
    return families.map((name, number) => ["k" + number % 4, name]);
  }
  const ever = (code) => tuned.some((one) => holds(one.name, code));
  const kinds = [[(code) => code === "en", "k2", "English"], [(code) => code !== "en" && ever(code), "k0", "in a mix from the filled point on"], [(code) => !ever(code) && code !== "en", "k1", "in no mix"]];
  const found = languages.map((language) => {
    const kind = kinds.find(([is]) => is(language));
    return { name: language, colour: kind[1], thin: true, points: tuned.map((one, x) => point(one.name, language, x)).filter(Boolean) };
  });
  lines(box, label, [{ title: "", lines: found, ends: true }], tuned.map((one) => one.name), axis, "");
  return kinds.filter(([is]) => languages.some(is)).map(([, colour, name]) => [colour, name]);
}

function legendOf(box, own, mixes, redraw) {
  box.replaceChildren();
  const off = hidden();
  const swatch = (colour, striped) => {
    const made = drawn("svg", { width: 14, height: 14, class: "swatch", "aria-hidden": "true" });
    made.append(drawn("rect", { width: 14, height: 14, rx: 2, class: "bar", fill: "var(--" + colour + ")" }));
    if (striped) made.append(drawn("path", { d: "M-2 9L9 -2M2 16L16 2", stroke: "var(--" + colour + "-o)", "stroke-width": 2 }));
    return made;
  };
  if (own) {
    for (const [colour, name] of own) { const said = element("span", "", "key"); said.append(swatch(colour), name); box.append(said); }
    return;
  }
  for (const mix of mixes) {
    const made = button("", () => {
      const now = hidden();
      if (!now.delete(mix)) now.add(mix);
      state.hide = [...now].map(encodeURIComponent).join(",");
      redraw();
    }, "key");
    const held = (data.mixes.find((one) => one.name === mix) || {}).languages;
    made.append(swatch(colourOf(mix)), visible(mix));
    made.title = held ? Object.entries(held).map(([code, count]) => count + " " + code).join(", ") : "the model without tuning";
    made.setAttribute("aria-pressed", String(!off.has(mix)));
    box.append(made);
  }
  const zero = element("span", "", "key");
  zero.append(swatch("soft", true), "language not in the mix");
  box.append(zero);
  if (state.points && state.points !== state.model) {
    const over = element("span", "", "key"), mark = drawn("svg", { width: 12, height: 12, "aria-hidden": "true" });
    mark.append(drawn("path", { class: "point", d: "M6 1l5 10h-10Z", fill: "var(--soft)" }));
    over.append(mark, visible(state.points));
    box.append(over);
  }
}

const shownFigures = [];
function mountFigure(box) {
  const figure = data.figures[Number(box.dataset.figure)];
  const controls = box.querySelector(".controls"), legend = box.querySelector(".legend"), plots = box.querySelector(".plots"), caption = box.querySelector("figcaption"), told = caption.textContent;
  let seen = false, drawnAt = 0;
  const mine = () => state.figure === figure.id && figure.metrics.includes(state.metric) ? state.metric : figure.metrics[0];
  const change = (name) => (value) => {
    state[name] = value;
    if (name === "metric") state.figure = figure.id;
    redrawAll();
    writeAddress("figures", viewOfFigures());
    controls.querySelector(`[data-of=${name}] select`)?.focus();
  };
  function controlsOf() {
    const made = [];
    if (figure.metrics.length > 1) made.push(["metric", "Metric", figure.metrics.map((one) => [one, named(one)]), mine()]);
    if (models.length > 1) {
      made.push(["model", "Bars", models.map((one) => [one, one]), state.model]);
      if (state.view === "bars") made.push(["points", "Points over them", [["", "none"], ...models.filter((one) => one !== state.model).map((one) => [one, one])], state.points === state.model ? "" : state.points]);
    }
    made.push(["view", "As", [["bars", "bars by language"], ["lines", "lines over mixes"]], state.view]);
    controls.replaceChildren(...made.map(([name, label, values, value]) => {
      const one = choice(label, values, value, change(name));
      one.dataset.of = name;
      return one;
    }));
  }
  function draw() {
    if (!seen) return;
    drawnAt = plots.clientWidth;
    controlsOf();
    const metric = mine();
    const there = evaluated.filter((mix) => models.some((model) => (model === state.model || model === state.points) && data.languages.some((code) => figure.promptings.some((one) => find(model, mix, figure.task, code, one, metric) !== undefined))));
    const off = hidden(), mixes = there.filter((mix) => !off.has(mix));
    let own = null;
    plots.replaceChildren();
    const asked = figure.promptings.filter((one) => mixes.some((mix) => data.languages.some((code) => find(state.model, mix, figure.task, code, one, metric) !== undefined)));
    for (const prompting of asked) {
      if (figure.promptings.length > 1) plots.append(element("h4", prompting === "en:xx" ? "Instructions in English (en:xx)" : "Instructions in the language of the input (xx:xx)"));
      const plot = element("div", "", "plot");
      plots.append(plot);
      if (state.view === "lines") own = linesOf(plot, figure, metric, prompting, mixes); else barsOf(plot, figure, metric, prompting, mixes);
    }
    if (!asked.length) plots.append(element("p", there.length ? "All mixes are hidden: choose one above." : "Nothing was evaluated here.", "note"));
    legendOf(legend, own, there, () => { redrawAll(); writeAddress("figures", viewOfFigures()); });
    caption.textContent = state.view === "bars" ? told + (plots.querySelector(".none") ? " \u00d7: no value." : "") : "A line a language. Filled: the mix has chats in that language; hollow: it has none (zero-shot).";
    if (state.view === "lines" && own && own[0][0] === "k0" && own.some(([, name]) => name.includes("+"))) caption.textContent = "Mixes that differ in the number of chats of the same languages: a line a set of languages, a panel a language asked in. Whiskers are 95 % intervals over items. Filled: the mix has chats in that language; hollow: it has none.";
    box.querySelector("h3").textContent = visible(capital(titled(figure.task) + ": " + named(metric)));
  }
  new IntersectionObserver((found, watcher) => {
    if (!found.some((one) => one.isIntersecting)) return;
    watcher.disconnect();
    seen = true;
    draw();
  }, { rootMargin: "600px" }).observe(box);
  window.addEventListener("beforeprint", () => { seen = true; draw(); });
  new ResizeObserver(() => { if (seen && Math.abs(plots.clientWidth - drawnAt) > 8) draw(); }).observe(plots);
  shownFigures.push({ draw, id: figure.id, box });
}
const redrawAll = () => { for (const one of shownFigures) one.draw(); };
const plainFigures = { ...state };
const viewOfFigures = () => Object.fromEntries(Object.entries(state).filter(([name, value]) => value !== plainFigures[name]).map(([name, value]) => [name, value === "" ? "none" : value]));
views.figures = (view, here) => {
  const wanted = { ...plainFigures };
  for (const [name, value] of Object.entries(view)) if (name in wanted) wanted[name] = value === "none" ? "" : value;
  if (!models.includes(wanted.model)) wanted.model = plainFigures.model;
  if (JSON.stringify(wanted) !== JSON.stringify(state)) { Object.assign(state, wanted); redrawAll(); }
  if (here && wanted.figure) shownFigures.find((one) => one.id === wanted.figure)?.box.scrollIntoView();
};
document.querySelectorAll("[data-figure]").forEach(mountFigure);
