// The answers: a list of prompts, and of the chosen one the answers of all mixes and seeds side by side.
const ROW = 54, BLOCK = 12;  // pixels of a line; milliseconds that a block takes at most
const answers = {
  here: { model: "", task: "", prompting: "", language: "", off: "", words: "", item: "" },
  index: null, texts: [], lower: [], found: [], chosen: -1, asked: 0,
};
answers.plain = { ...answers.here };

// The entries of a block; the last few stay read.
const readBlocks = new Map();
async function entriesOf(block) {
  if (readBlocks.has(block)) return readBlocks.get(block);
  const found = unpack(answers.texts[block].textContent);
  readBlocks.set(block, found);
  if (readBlocks.size > 12) readBlocks.delete(readBlocks.keys().next().value);
  return found;
}
function blockOf(entry) {
  const firsts = answers.index.firsts;
  let low = 0, high = firsts.length - 1;
  while (low < high) { const middle = (low + high + 1) >> 1; if (firsts[middle] <= entry) low = middle; else high = middle - 1; }
  return low;
}

// The texts of a block in lower case, as one, with where each entry begins: what words are looked for in.
async function lowered(block) {
  if (answers.lower[block]) return answers.lower[block];
  const entries = await entriesOf(block), starts = [], parts = [];
  let at = 0;
  for (const [subject, prompt, references, given] of entries) {
    starts.push(at);
    const text = (subject + "\n" + (prompt === subject ? "" : prompt) + "\n" + references.join("\n") + "\n" + given.map((one) => one.text).join("\n") + "\n\u0000").toLowerCase();
    parts.push(text);
    at += text.length;
  }
  answers.lower[block] = { starts, text: parts.join("") };
  return answers.lower[block];
}
function holding({ starts, text }, words, first, into) {
  for (let at = text.indexOf(words); at >= 0;) {
    let low = 0, high = starts.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (starts[middle] <= at) low = middle; else high = middle - 1; }
    into.push(first + low);
    if (low + 1 >= starts.length) break;
    at = text.indexOf(words, starts[low + 1]);
  }
}

function fitting() {
  const { index, here } = answers, found = [], off = here.off ? index.mixes.indexOf(here.off.slice(1)) : -1;
  const marks = { "-": "0", "+": "1", "?": "-" }[here.off[0]];
  for (const [model, task, prompting, language, first, count] of index.groups) {
    if (here.model && here.model !== model || here.task && here.task !== task || here.prompting && here.prompting !== prompting || here.language && here.language !== language) continue;
    for (let at = first; at < first + count; at++) {
      if (here.off && !index.answers[at].some((mix, place) => (off < 0 || mix === off) && index.marks[at][place] === marks)) continue;
      found.push(at);
    }
  }
  return found;
}

// Find what fits. Words are looked for block by block; what is found is shown while the rest is read.
async function search(keep) {
  const mine = ++answers.asked, words = answers.here.words.trim().toLowerCase();
  const base = fitting();
  answers.searching = false;
  if (!words) { settle(base, keep, true); return; }
  const blocks = unique(base.map(blockOf)), allowed = new Set(base), hits = [];
  let last = performance.now();
  answers.searching = true;
  for (const block of blocks) {
    const ready = answers.lower[block] || await lowered(block);
    if (mine !== answers.asked) return;
    const some = [];
    holding(ready, words, answers.index.firsts[block], some);
    for (const one of some) if (allowed.has(one)) hits.push(one);
    if (performance.now() - last > 60) {
      settle(hits.slice(), keep, false);
      await new Promise((resolve) => setTimeout(resolve));
      if (mine !== answers.asked) return;
      last = performance.now();
    }
  }
  answers.searching = false;
  settle(hits, keep, true);
}

function settle(found, keep, whole) {
  answers.found = found;
  const wanted = answers.here.item ? found.findIndex((at) => answers.index.items[at] === answers.here.item) : -1;
  answers.chosen = wanted >= 0 ? wanted : keep ? -1 : found.length ? 0 : -1;
  $("count").textContent = found.length.toLocaleString("en") + (found.length === 1 ? " prompt" : " prompts") + (whole ? "" : " so far \u2026");
  answers.found.whole = whole;
  $("list").firstElementChild.style.height = found.length * ROW + "px";
  if (answers.chosen >= 0) reveal(answers.chosen); else $("list").scrollTop = 0;
  drawList();
  openItem(answers.chosen);
}

function groupOf(entry) {
  const groups = answers.index.groups;
  let low = 0, high = groups.length - 1;
  while (low < high) { const middle = (low + high + 1) >> 1; if (groups[middle][4] <= entry) low = middle; else high = middle - 1; }
  return groups[low];
}

// Only the lines that can be seen stand in the list.
function drawList() {
  const list = $("list"), inside = list.firstElementChild, from = Math.max(0, Math.floor(list.scrollTop / ROW) - 4), to = Math.min(answers.found.length, from + Math.ceil(list.clientHeight / ROW) + 8);
  const made = [];
  for (let place = from; place < to; place++) {
    const entry = answers.found[place], [model, task, prompting, language] = groupOf(entry);
    const line = element("div", undefined, "line");
    line.id = "line-" + place;
    line.setAttribute("role", "option");
    line.setAttribute("aria-selected", String(place === answers.chosen));
    line.setAttribute("aria-posinset", place + 1);
    line.setAttribute("aria-setsize", answers.found.length);
    line.style.transform = `translateY(${place * ROW}px)`;
    const about = [language, answers.index.items[entry], answers.here.task ? "" : titled(task), prompting === "xx:xx" ? "" : prompting, models.length > 1 && !answers.here.model ? model : ""].filter(Boolean).join(" \u00b7 ");
    const marks = element("span", undefined, "marks");
    marks.setAttribute("aria-hidden", "true");
    for (const mark of answers.index.marks[entry].slice(0, 24)) marks.append(element("i", "", { 1: "yes", 0: "no", "~": "some", "-": "none", ".": "none" }[mark]));
    const top = element("small", about), snippet = element("span", answers.index.snippets[entry], "snippet");
    snippet.dir = "auto";
    const head = element("span", undefined, "head");
    head.append(top, marks);
    line.append(head, snippet);
    line.addEventListener("click", () => choose(place));
    made.push(line);
  }
  inside.replaceChildren(...made);
  if (answers.chosen >= 0) list.setAttribute("aria-activedescendant", "line-" + answers.chosen); else list.removeAttribute("aria-activedescendant");
}
function reveal(place) {
  const list = $("list"), top = place * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
}
const viewOfAnswers = () => Object.fromEntries(Object.entries(answers.here).filter(([name, value]) => value !== answers.plain[name]).map(([name, value]) => [name, value === "" ? "all" : value]));
function choose(place) {
  if (place < 0 || place >= answers.found.length) return;
  answers.chosen = place;
  answers.here.item = answers.index.items[answers.found[place]];
  const [model, task, prompting, language] = groupOf(answers.found[place]);
  writeAddress("answers", { ...viewOfAnswers(), model, task, prompting, language });
  reveal(place);
  drawList();
  openItem(place);
}

async function openItem(place) {
  const box = $("item");
  if (place < 0) {
    const why = !data.outputs ? "This page holds no answers." : answers.here.item && answers.found.length ? "No such item among these." : answers.found.whole === false ? "Looking \u2026" : "No prompt fits these filters.";
    box.replaceChildren(element("p", why, "note"));
    return;
  }
  const entry = answers.found[place], block = blockOf(entry), mine = answers.asked;
  const entries = await entriesOf(block);
  if (mine !== answers.asked && answers.found[answers.chosen] !== entry) return;
  if (answers.found[answers.chosen] === entry) box.replaceChildren(...shownItem(entry, entries[entry - answers.index.firsts[block]], place));
}

async function mountAnswers() {
  const { here, plain } = answers;
  answers.texts = [...document.querySelectorAll("script.block")];
  if (typeof DecompressionStream === "undefined") { $("item").textContent = "This browser is too old to read the answers: it lacks DecompressionStream."; return; }
  answers.index = await unpack($("index").textContent);
  const groups = answers.index.groups, of = (at) => unique(groups.map((one) => one[at]));
  plain.model = of(0)[0] || "";
  plain.task = of(1)[0] || "";
  Object.assign(here, plain);
  const lists = { model: of(0), task: of(1), prompting: of(2), language: data.languages.filter((code) => of(3).includes(code)).concat(of(3).filter((code) => !data.languages.includes(code))) };
  const say = { model: (one) => one, task: titled, prompting: (one) => one, language: (one) => called(one) + " (" + one + ")" };
  const inputs = {};
  const changed = (name, typing) => (value) => {
    here[name] = value;
    here.item = "";
    writeAddress("answers", viewOfAnswers(), typing);
    search(false);
  };
  const made = [];
  for (const [name, title] of [["model", "Model"], ["task", "Task"], ["prompting", "Prompting"], ["language", "Language"]]) {
    if (lists[name].length < 2) continue;
    const one = choice(title, [["", "all"], ...lists[name].map((value) => [value, say[name](value)])], here[name], changed(name));
    inputs[name] = one.querySelector("select");
    inputs[name].dataset.of = name;
    made.push(one);
  }
  const outcomes = [["-", "wrong"], ["+", "right"], ["?", "unscored"]];
  const off = choice("Answers", [["", "all"], ...outcomes.map(([sign, word]) => [sign, "any " + word]), ...answers.index.mixes.flatMap((mix) => outcomes.map(([sign, word]) => [sign + mix, mix + " " + word]))], "", changed("off"));
  inputs.off = off.querySelector("select");
  inputs.off.dataset.of = "off";
  const words = element("label", "Words"), input = document.createElement("input");
  input.type = "search";
  input.id = "words";
  input.placeholder = "in prompts and answers";
  input.addEventListener("input", () => changed("words", true)(input.value));
  words.append(input);
  inputs.words = input;
  const count = element("span", "", "count");
  count.id = "count";
  count.setAttribute("role", "status");
  $("filters").replaceChildren(...made, off, words, count);
  const list = $("list");
  list.replaceChildren(element("div"));
  list.addEventListener("scroll", drawList);
  list.addEventListener("keydown", (event) => {
    const to = { ArrowDown: answers.chosen + 1, ArrowUp: answers.chosen - 1, Home: 0, End: answers.found.length - 1, PageDown: answers.chosen + 8, PageUp: answers.chosen - 8 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(Math.max(0, Math.min(answers.found.length - 1, to)));
  });
  new ResizeObserver(drawList).observe(list);
  views.answers = (view) => {
    for (const name of Object.keys(here)) {
      here[name] = view[name] === undefined ? plain[name] : view[name] === "all" && name !== "words" && name !== "item" ? "" : view[name];
      if (inputs[name]) inputs[name].value = here[name];
    }
    search(Boolean(here.item));
  };
  const [section, view] = readAddress();
  views.answers(section === "answers" ? view : {});
  if (section === "answers" && location.hash.includes("?")) $("answers").scrollIntoView();
  readAhead();
}

// Read the texts while nothing else happens, so that words are found at once: as many blocks as an idle moment has room for.
async function readAhead() {
  const idle = () => new Promise((resolve) => (window.requestIdleCallback || setTimeout)(resolve));
  let moment = null;
  for (const block of range(answers.texts.length)) {
    while (answers.searching) await new Promise((resolve) => setTimeout(resolve, 50));
    if (!moment || moment.timeRemaining() < BLOCK) moment = await idle() || null;
    await lowered(block);
  }
  document.documentElement.dataset.read = "all";
}
