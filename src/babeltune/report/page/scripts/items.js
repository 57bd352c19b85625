// One prompt with its answers side by side: all mixes and seeds, the language of each line, scores, what the judge said.
function shownItem(entry, [subject, prompt, references, given], place) {
  const [model, task, prompting, language] = groupOf(entry);
  const head = element("header"), bar = element("div", undefined, "bar");
  bar.append(element("small", [called(language), titled(task), prompting === "en:xx" ? "English instructions" : "", models.length > 1 ? model : "", "item " + answers.index.items[entry]].filter(Boolean).join(" \u00b7 ")));
  const back = button("\u2190", () => choose(place - 1)), on = button("\u2192", () => choose(place + 1));
  back.setAttribute("aria-label", "previous prompt");
  on.setAttribute("aria-label", "next prompt");
  back.disabled = place === 0;
  on.disabled = place + 1 >= answers.found.length;
  const step = element("span", undefined, "step");
  step.append(back, on);
  bar.append(step);
  const asked = element("p", subject, "asked");
  asked.dir = "auto";
  head.append(bar, asked);
  if (subject !== prompt) {
    const whole = element("details"), text = element("pre", prompt);
    text.dir = "auto";
    whole.append(element("summary", "the whole prompt"), text);
    head.append(whole);
  }
  if (references.length) {
    const wanted = element("p", undefined, "references");
    wanted.append(element("b", references.length > 1 ? "References " : "Reference "));
    references.forEach((one, at) => { const said = element("bdi", one); wanted.append(at ? " | " : "", said); });
    head.append(wanted);
  }
  const made = [head];
  // A mix of several studies stands once, with the answers of each.
  const rowOf = (mix) => (data.mixes.find((one) => one.name === mix) || {}).of ?? mix;
  for (const mix of unique(given.map((one) => rowOf(one.mix)))) {
    const row = element("section", undefined, "mix"), own = given.filter((one) => rowOf(one.mix) === mix), title = element("h4");
    const key = drawn("svg", { width: 12, height: 12, "aria-hidden": "true" });
    key.append(drawn("rect", { width: 12, height: 12, rx: 2, class: "bar", fill: "var(--" + colourOf(own[0].mix) + ")" }));
    title.append(key, visible(mix));
    if (mix !== "base" && data.mixes.some((one) => one.name === mix)) title.append(element("small", holds(mix, language) ? called(language) + " in the mix" : "zero-shot"));
    const side = element("div", undefined, "side");
    for (const one of own) side.append(shownAnswer(one, own, language));
    row.append(title, side);
    made.push(row);
  }
  const grid = element("div", undefined, given.length === made.length - 1 ? "mixes single" : "mixes");
  grid.append(...made.splice(1));
  made.push(grid);
  return made;
}

function shownAnswer(one, own, language) {
  const box = element("div", undefined, "answer"), head = element("p", undefined, "mark");
  const several = (name) => unique(own.map((each) => each[name])).length > 1, study = (data.mixes.find((each) => each.name === one.mix) || {}).study;
  const seeds = [study || "", several("tuned") ? "tuning " + one.tuned : "", several("seed") ? "seed " + one.seed : ""].filter(Boolean).join(", ");
  if (seeds) head.append(element("small", seeds));
  const value = (one.values || {})[one.metric], [least, top] = data.spans[one.metric] || [0, 1];
  const read = (one.notes || {}).found || called((one.notes || {}).response) || "";
  if (value === undefined) head.append(element("span", (one.unscored || {})[one.metric] ? "unscored: " + one.unscored[one.metric] : Object.values(one.unscored || {})[0] ? "unscored: " + Object.values(one.unscored)[0] : "", "none"));
  else head.append(element("span", (value >= top ? "\u2713 " : value <= least ? "\u2717 " : "") + (read || number(value, top - least)), value >= top ? "yes" : value <= least ? "no" : ""));
  const text = shownText(one.text, one.lines || [], language);
  if (one.finish === "length") text.append(element("span", " \u2026 cut at the limit", "cut"));
  box.append(head, text);
  for (const said of one.judge || []) {
    const what = "Judge" + (said.how ? ", " + said.how : "") + ": " + said.mark;
    if (!said.why) { box.append(element("p", what, "judge")); continue; }
    const why = element("details", undefined, "judge");
    why.append(element("summary", what), element("p", said.why));
    box.append(why);
  }
  const more = element("details", undefined, "parts"), table = element("table"), rows = element("tbody");
  const line = (name, said) => { const made = element("tr"); made.append(element("th", name), element("td", said)); rows.append(made); };
  for (const [name, found] of Object.entries(one.values || {})) line(named(name), number(found, (data.spans[name] || [0, 1])[1]));
  for (const [name, why] of Object.entries(one.unscored || {})) line(named(name), "unscored: " + why);
  for (const [name, said] of Object.entries(one.notes || {})) line(name, said);
  if (one.finish) line("ended by", one.finish);
  table.append(rows);
  more.append(element("summary", "scores and notes"), table);
  box.append(more);
  return box;
}

// The lines of an answer, each marked with its language: the one asked for, English, or another; and where it flips.
function shownText(text, codes, language) {
  const box = element("div", undefined, "text"), told = unique(codes.filter(Boolean));
  let before = "";
  if (!text.trim()) { box.append(element("span", text ? "(white space only)" : "(nothing)", "none")); return box; }
  text.split("\n").forEach((line, at) => {
    const code = codes[at] || "", made = element("div", undefined, "said" + (code ? code === language ? " asked" : code === "en" ? " english" : " other" : ""));
    made.dir = "auto";
    if (code && code !== before && (before || told.length > 1 || code !== language)) {
      const chip = element("span", (before ? "\u2192 " : "") + code, "chip");
      chip.title = (before ? "flips from " + called(before) + " to " : "") + called(code);
      made.append(chip);
    }
    if (code) before = code;
    made.append(element("bdi", line || " "));
    box.append(made);
  });
  return box;
}
