// Charts of the findings: each language's gain, gain over pretraining share, the judge's scores, the losses.
function redrawnWithWidth(box, draw) {
  let at = 0;
  const again = () => { if (box.clientWidth && Math.abs(box.clientWidth - at) > 8) { at = box.clientWidth; draw(); } };
  new ResizeObserver(again).observe(box);
  window.addEventListener("beforeprint", () => { at = 0; again(); });
}

const spanOf = (verdict) => {
  const [least, top] = data.spans[verdict.metric] || [0, 1];
  return top - least;
};

// Of each language what the second language of a mix brought it.
function mountLanguages(box) {
  const plot = box.querySelector(".plot"), controls = box.querySelector(".controls"), share = box.querySelector(".share"), tables = [...box.querySelectorAll("[data-verdict]")];
  const told = data.verdicts.map((one, at) => at).filter((at) => data.verdicts[at].by_language.length);
  let shown = told.includes(data.headline) ? data.headline : told[0];
  const name = (at) => { const one = data.verdicts[at]; return [data.models.length > 1 ? one.model : "", titled(one.task), named(one.metric).split(",")[0], one.prompting === "en:xx" ? "en:xx" : ""].filter(Boolean).join(", "); };
  function draw() {
    const verdict = data.verdicts[shown], span = spanOf(verdict);
    const rows = verdict.by_language.filter((one) => one.step).map((one) => ({
      name: called(one.language), ...one.step.interval, filled: holds(one.step.first, one.language),
      note: interval(one.step.interval, span, true),
      says: () => [
        called(one.language) + ": " + one.step.first + " minus " + one.step.second,
        interval(one.step.interval, span, true) + ", 95 % interval, paired by item",
        "n = " + one.step.interval.n + " items" + (one.step.p_holm !== null && one.step.p_holm !== undefined ? "; p = " + one.step.p_holm.toPrecision(2) + " (Holm over languages)" : ""),
        one.entered ? "enters with " + one.entered : "in no mix",
      ],
    }));
    forest(plot, `Gain of each language by a further tuning language: ${name(shown)}. The table below has the numbers.`, rows, span, verdict.margin);
    tables.forEach((one) => { one.hidden = Number(one.dataset.verdict) !== shown; });
    share.replaceChildren();
    if (verdict.fit && verdict.fit.points.length) {
      const fit = verdict.fit, inside = element("div", "", "plot");
      share.append(element("h4", "Gain against the language’s share of the pretraining data"), inside, element("p",
        `Each tenfold share goes with ${number(fit.slope, span, true)} (95 % interval ${number(fit.low, span, true)} to ${number(fit.high, span, true)}; r = ${number(fit.r)}, ${fit.n} languages). Filled: the language is in the mix.`, "note"));
      scatter(inside, "Gain over pretraining share, a point a language.", fit.points.map(([code, x, y]) => ({
        name: code, x, y, filled: holds((verdict.by_language.find((one) => one.language === code)?.step || {}).first, code),
        says: () => [called(code), "share " + x + " %", "gain " + number(y, span, true)],
      })), fit, span, ["share of pretraining documents [%], logarithmic", "gain"]);
    }
  }
  if (!told.length) return;
  if (told.length > 1) controls.replaceChildren(choice("Of", told.map((at) => [at, name(at)]), shown, (value) => { shown = Number(value); draw(); writeAddress("languages", shown === data.headline ? {} : { of: shown }); }));
  views.languages = (view) => {
    const wanted = told.includes(Number(view.of)) && view.of !== undefined ? Number(view.of) : told.includes(data.headline) ? data.headline : told[0];
    if (wanted === shown) return;
    shown = wanted;
    if (controls.querySelector("select")) controls.querySelector("select").value = shown;
    draw();
  };
  redrawnWithWidth(plot, draw);
}
if ($("languages")) mountLanguages($("languages"));

// How often the judge gave each score.
function mountJudge(box) {
  const plot = box.querySelector(".plot"), controls = box.querySelector(".controls"), legend = box.querySelector(".legend");
  const table = data.histogram, here = { model: data.models[0], language: "", by: "mix" };
  const all = unique(table.map((row) => row[2])), readings = unique(table.map((row) => row[3]));
  function draw() {
    const chosen = table.filter((row) => row[0] === here.model && (!here.language || row[2] === here.language) && (here.by === "reading" || row[3] === readings[0]));
    const series = here.by === "reading" ? readings : evaluated.filter((mix) => chosen.some((row) => row[1] === mix));
    const sums = new Map();
    for (const row of chosen) { const key = (here.by === "reading" ? row[3] : row[1]) + " " + row[4]; sums.set(key, (sums.get(key) || 0) + row[5]); }
    const colours = series.map((one, at) => here.by === "reading" ? "k" + at : colourOf(one));
    const whole = new Map(series.map((one) => [one, range(6).reduce((sum, at) => sum + (sums.get(one + " " + (at + 1)) || 0), 0)]));
    const groups = range(6).map((at) => ({
      name: String(at + 1), code: String(at + 1),
      bars: series.map((one, number) => {
        const count = sums.get(one + " " + (at + 1)) || 0, part = count / (whole.get(one) || 1);
        return { colour: colours[number], value: 100 * part, says: () => [one + ", score " + (at + 1), count.toLocaleString("en") + " answers of " + whole.get(one).toLocaleString("en"), (100 * part).toFixed(1) + " %"] };
      }),
    }));
    const most = Math.max(10, ...groups.flatMap((group) => group.bars.map((bar) => bar.value)));
    bars(plot, "Share of answers that the judge gave each score, in per cent. Arrow keys go from bar to bar.", groups, [0, Math.min(100, Math.ceil(most / 10) * 10)]);
    legend.replaceChildren(...series.map((one, at) => {
      const key = element("span", "", "key"), made = drawn("svg", { width: 14, height: 14, "aria-hidden": "true" });
      made.append(drawn("rect", { width: 14, height: 14, rx: 2, class: "bar", fill: "var(--" + colours[at] + ")" }));
      key.append(made, visible(one));
      return key;
    }));
  }
  const set = (name) => (value) => { here[name] = value; draw(); };
  controls.replaceChildren(
    ...(data.models.length > 1 ? [choice("Model", data.models.map((one) => [one, one]), here.model, set("model"))] : []),
    choice("Language", [["", "all"], ...all.map((code) => [code, called(code)])], "", set("language")),
    ...(readings.length > 1 ? [choice("By", [["mix", "mix"], ["reading", "direct or translated"]], "mix", set("by"))] : []),
  );
  redrawnWithWidth(plot, draw);
}
if ($("judge")) mountJudge($("judge"));

// Training loss over updates, a panel a model.
function mountLosses(box) {
  const plot = box.querySelector(".plot");
  redrawnWithWidth(plot, () => {
    const width = Math.max(280, plot.clientWidth), LEFT = 44, TOP = 24, PLOT = 200, across = Math.max(1, Math.min(data.losses.length, Math.floor(width / 380))), wide = width / across;
    const chart = new Chart(plot, "Training loss over updates for each model and mix; the table below has the first and last values.", Math.ceil(data.losses.length / across) * (TOP + PLOT + 46), width);
    data.losses.forEach((panel, at) => {
      const left = (at % across) * wide + LEFT, top = Math.floor(at / across) * (TOP + PLOT + 46) + TOP, right = left + wide - LEFT - 12;
      const every = panel.lines.flatMap((line) => line.losses), last = Math.max(1, ...panel.lines.flatMap((line) => line.steps));
      const low = Math.max(0, Math.min(...every) - 0.1), high = Math.max(...every) + 0.1;
      const x = (step) => left + (right - left) * step / last, y = (loss) => top + PLOT * (1 - (loss - low) / (high - low));
      if (data.losses.length > 1) chart.add("text", { class: "name", x: left, y: top - 9 }, panel.model);
      chart.scale(ticks(low, high), y, left, right);
      for (const step of ticks(0, last, 4)) chart.add("text", { class: "tick", x: x(step), y: top + PLOT + 16, "text-anchor": "middle" }, step.toLocaleString("en"));
      chart.add("text", { class: "tick", x: (left + right) / 2, y: top + PLOT + 33, "text-anchor": "middle" }, "update");
      for (const line of panel.lines) {
        const colour = colourOf(line.mix);
        chart.add("path", { class: "line thin", d: line.losses.map((one, n) => (n ? "L" : "M") + x(line.steps[n]).toFixed(1) + " " + y(one).toFixed(1)).join(""), stroke: "var(--" + colour + "-i)" });
        line.losses.forEach((one, n) => { if (n % Math.ceil(line.losses.length / 12) === 0 || n === line.losses.length - 1) chart.mark({ x: x(line.steps[n]) - 4, y: y(one) - 4, width: 8, height: 8 }, null, () => [line.mix + (line.seed ? ", tuning seed " + line.seed : ""), "update " + line.steps[n].toLocaleString("en"), "loss " + one.toFixed(3) + " nats per token"]); });
      }
    });
    chart.finish();
    box.querySelector(".legend").replaceChildren(...unique(data.losses.flatMap((panel) => panel.lines.map((line) => line.mix))).map((mix) => {
      const key = element("span", "", "key"), made = drawn("svg", { width: 14, height: 14, "aria-hidden": "true" });
      made.append(drawn("rect", { width: 14, height: 14, rx: 2, class: "bar", fill: "var(--" + colourOf(mix) + ")" }));
      key.append(made, visible(mix));
      return key;
    }));
  });
}
if ($("losses")) mountLosses($("losses"));
