// A table of numbers, with sort and filter: rows stand as columns in the data, words once each.
function mountCells(box, table, section, extra) {
  const { columns, words: names, shown: shownColumns } = table;
  const count = columns[shownColumns[0].key].length, PAGE = 40;
  const value = (key, at) => key in names ? names[key][columns[key][at]] : columns[key][at];
  const here = { words: "", sort: "", lacking: "" };
  for (const one of shownColumns) if (one.kind === "word") here[one.key] = "";
  const plain = { ...here };
  let limit = PAGE, found = [];
  const controls = element("div", "", "controls"), said = element("span", "", "count"), wrap = element("div", "", "wide"), grid = element("table"), head = element("thead"), body = element("tbody");
  said.setAttribute("role", "status");
  const texts = new Map();
  for (const key of Object.keys(names)) texts.set(key, names[key].map((one) => String(one).toLowerCase()));
  const inputs = {};
  const set = (name, given, typing) => { here[name] = given; limit = PAGE; draw(); writeAddress(section, Object.fromEntries(Object.entries(here).filter(([key, one]) => one !== plain[key])), typing); };
  for (const one of shownColumns.filter((column) => column.kind === "word" && names[column.key].length > 1)) {
    const called = one.called || {};
    const made = choice(one.title.slice(0, 1).toUpperCase() + one.title.slice(1), [["", "all"], ...names[one.key].map((word) => [word, called[word] || word])], "", (given) => set(one.key, given));
    inputs[one.key] = made.querySelector("select");
    controls.append(made);
  }
  const typed = element("label", "Words"), input = document.createElement("input");
  input.type = "search";
  input.placeholder = "in any column";
  input.addEventListener("input", () => set("words", input.value, true));
  typed.append(input);
  inputs.words = input;
  controls.append(typed);
  if ("unscored" in columns) {
    const lacking = choice("Rows", [["", "all"], ["yes", "only with unscored answers"]], "", (given) => set("lacking", given));
    inputs.lacking = lacking.querySelector("select");
    controls.append(lacking);
  }
  controls.append(said);

  function matching() {
    const wordy = shownColumns.filter((column) => column.kind === "word");
    const wanted = wordy.filter((one) => here[one.key] !== "").map((one) => [one.key, names[one.key].indexOf(here[one.key])]);
    const parts = here.words.toLowerCase().split(/\s+/).filter(Boolean);
    // Which words of each column hold each part: told once, not for each row.
    const hits = parts.map((part) => Object.keys(names).map((key) => [key, new Set(texts.get(key).flatMap((one, at) => one.includes(part) ? [at] : []))]).filter(([, at]) => at.size));
    const rows = [];
    for (let at = 0; at < count; at++) {
      if (wanted.some(([key, word]) => columns[key][at] !== word)) continue;
      if (here.lacking && !columns.unscored[at]) continue;
      if (hits.some((columnsHit) => !columnsHit.some(([key, set]) => set.has(columns[key][at])))) continue;
      rows.push(at);
    }
    if (here.sort) {
      const down = here.sort.startsWith("-"), key = here.sort.replace(/^-/, ""), sign = down ? -1 : 1;
      const order = key in names ? (() => { const by = names[key].map((word, at) => [String(word), at]).sort((a, b) => a[0].localeCompare(b[0], "en", { numeric: true })), to = []; by.forEach(([, at], rank) => { to[at] = rank; }); return (at) => to[columns[key][at]]; })() : (at) => columns[key][at];
      rows.sort((a, b) => {
        const [x, y] = [order(a), order(b)], [no, none] = [x === null || x === undefined, y === null || y === undefined];
        return no || none ? no - none || a - b : sign * (x - y) || a - b;
      });
    }
    return rows;
  }

  function cell(one, at) {
    const span = columns.top ? columns.top[at] - columns.least[at] : 1;
    const text = one.kind === "word" ? (one.called || {})[value(one.key, at)] || value(one.key, at)
      : one.kind === "number" ? number(columns[one.key][at], span, one.sign)
      : one.kind === "interval" ? (columns[one.key][at] === null || one.only && !columns[one.only][at] ? "\u2013" : number(columns[one.key][at], span, one.sign) + " to " + number(columns[one.to][at], span, one.sign))
      : columns[one.key][at] === null ? "\u2013" : columns[one.key][at].toLocaleString("en");
    const made = element("td", text, one.kind === "word" ? one.short ? "short" : one.wrap ? "wrap" : "" : "figure");
    if (one.short) made.title = visible(value(one.key, at));
    return made;
  }

  function drawHead() {
    const line = element("tr");
    if (extra) line.append(element("td", ""));
    for (const one of shownColumns) {
      const made = element("th", undefined, one.kind === "word" ? "" : "figure"), key = here.sort.replace(/^-/, "");
      made.scope = "col";
      made.setAttribute("aria-sort", key !== one.key ? "none" : here.sort.startsWith("-") ? "descending" : "ascending");
      const first = one.kind === "word" ? "" : "-", other = first ? "" : "-";
      made.append(button(one.title, () => { set("sort", here.sort === first + one.key ? other + one.key : here.sort === other + one.key ? "" : first + one.key); head.querySelectorAll("button")[shownColumns.indexOf(one)].focus(); }));
      line.append(made);
    }
    head.replaceChildren(line);
  }

  function fill(from) {
    const part = document.createDocumentFragment();
    for (const at of found.slice(from, limit)) {
      const line = element("tr");
      if (extra) { const first = element("td"); first.append(extra((key) => value(key, at))); line.append(first); }
      for (const one of shownColumns) line.append(cell(one, at));
      part.append(line);
    }
    body.append(part);
    more.hidden = found.length <= limit;
    said.textContent = found.length.toLocaleString("en") + " of " + count.toLocaleString("en") + " rows";
  }
  const more = button("Show more rows", () => { const from = limit; limit += 5 * PAGE; fill(from); }, "more");
  function draw() {
    found = matching();
    drawHead();
    body.replaceChildren();
    fill(0);
  }
  grid.append(head, body);
  wrap.append(grid);
  box.replaceChildren(controls, wrap, more);
  views[section] = (view) => {
    for (const name of Object.keys(here)) {
      here[name] = view[name] === undefined ? plain[name] : view[name];
      if (inputs[name]) inputs[name].value = here[name];
    }
    const key = here.sort.replace(/^-/, "");
    if (here.sort && !shownColumns.some((one) => one.key === key)) here.sort = "";
    limit = PAGE;
    draw();
  };
  draw();
}
