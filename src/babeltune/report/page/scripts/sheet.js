const sheet = JSON.parse($("data").textContent);
const KEY = "babeltune-sheet-" + sheet.key;
const LEVELS = Object.keys(sheet.levels).map(Number);
const ENDS = [LEVELS[0], LEVELS[LEVELS.length - 1]].map((level) => level + " " + sheet.levels[level].toLowerCase()).join(" \u2026 ");
const LONGEST = 2000, LARGEST = 20e6;
const place = new Map(sheet.answers.map((one, index) => [one.id, index]));
const buttons = [...$("levels").children];
let kept = true;

// What is kept: { rater, at, answers: { id: { rating, comment } } }. Whatever is found, only this comes out.
function sane(found) {
  const clean = { rater: "", at: 0, answers: Object.create(null) };
  if (typeof found !== "object" || found === null) return clean;
  if (typeof found.rater === "string") clean.rater = found.rater.slice(0, 60);
  if (Number.isInteger(found.at) && found.at >= 0 && found.at < sheet.answers.length) clean.at = found.at;
  for (const { id } of sheet.answers) {
    const one = found.answers && found.answers[id];
    if (typeof one !== "object" || one === null) continue;
    const rating = LEVELS.includes(one.rating) ? one.rating : null;
    const comment = typeof one.comment === "string" ? one.comment.slice(0, LONGEST) : "";
    if (rating !== null || comment) clean.answers[id] = { rating, comment };
  }
  return clean;
}

function load() {
  try { return sane(JSON.parse(localStorage.getItem(KEY))); } catch { return sane(null); }
}

function save() {
  try { localStorage.setItem(KEY, JSON.stringify(state)); kept = true; } catch { kept = false; }
}

let state = load();
const given = (index) => state.answers[sheet.answers[index].id] || { rating: null, comment: "" };
const rated = () => sheet.answers.filter((_, index) => given(index).rating !== null).length;

function give(index, change) {
  state.answers[sheet.answers[index].id] = { ...given(index), ...change };
  save();
}

// Of a rating beside its points; of the tools beside them.
const say = (text) => { $("message").textContent = text; };
function tell(text, bad) {
  $("told").textContent = text;
  $("told").className = bad ? "bad" : "";
}

const count = (n, what) => n + " " + what + (n === 1 ? "" : "s");

function show(element, text, nothing) {
  element.textContent = text.trim() ? visible(text) : nothing;
  element.classList.toggle("empty", !text.trim());
}

function draw() {
  const at = state.at, answer = sheet.answers[at], mine = given(at), done = rated();
  $("place").textContent = (at + 1) + " of " + sheet.answers.length;
  show($("prompt"), answer.prompt, "(nothing)");
  show($("response"), answer.response, "(an empty answer)");
  $("prompt").lang = sheet.language;
  for (const button of buttons) button.setAttribute("aria-pressed", String(Number(button.dataset.level) === mine.rating));
  $("comment").value = mine.comment;
  $("rater").value = state.rater;
  $("bar").value = done;
  $("count").textContent = done + " of " + sheet.answers.length + " rated";
  $("kept").textContent = kept ? "" : "This browser keeps nothing: export before you close the page.";
  $("kept").className = "bad";
  $("previous").disabled = at === 0;
  $("next").disabled = at === sheet.answers.length - 1;
  $("unrated").disabled = done === sheet.answers.length;
}

function go(index) {
  if (index < 0 || index >= sheet.answers.length) return;
  state.at = index;
  save();
  draw();
  say(ENDS);
  tell("");
  const { top } = $("answer").getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) $("answer").scrollIntoView();
}

// The next answer without a rating, from here on and then from the start; -1 where there is none.
function unrated() {
  const all = sheet.answers.map((_, step) => (state.at + 1 + step) % sheet.answers.length);
  const found = all.find((index) => given(index).rating === null);
  return found === undefined ? -1 : found;
}

function rate(level) {
  const at = state.at, before = given(at).rating;
  give(at, { rating: level });
  const next = before === null && level !== null ? unrated() : at;
  if (next >= 0) go(next); else draw();
  const said = level === null ? "not rated" : level + ", " + sheet.levels[level];
  const all = rated() === sheet.answers.length ? " All are rated: export them and send the file back." : "";
  say("Answer " + (at + 1) + ": " + said + "." + all);
}

// A spreadsheet that opens the file must not run what was written as a comment.
const CELL = /((?:^|[,;\t\n])[ "']*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/g;
const field = (text) => '"' + String(text).replace(CELL, "$1'").replaceAll('"', '""') + '"';
const unmarked = (text) => text.replace(/((?:^|[,;\t\n])[ "']*)'(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/g, "$1");

function exported() {
  const lines = [["id", "language", "item", "rating", "rater", "comment"]];
  sheet.answers.forEach((answer, index) => {
    const mine = given(index);
    lines.push([answer.id, sheet.language, visible(answer.item), mine.rating === null ? "" : mine.rating, state.rater, mine.comment]);
  });
  return "\ufeff" + lines.map((cells) => cells.map(field).join(",") + "\r\n").join("");
}

function download() {
  if (!state.rater.trim()) {
    $("rater").focus();
    tell("First your name or initials, so that the ratings of two people can be told apart.", true);
    return;
  }
  const name = state.rater.match(/[\p{L}\p{M}\p{N}]+/gu)?.join("-") || "x";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([exported()], { type: "text/csv;charset=utf-8" }));
  link.download = "ratings-" + sheet.language + "-" + sheet.key + "-" + name + ".csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  tell(count(rated(), "rating") + " exported to " + link.download + ".");
}

// Cells of each line of a CSV: commas, semicolons or tabs, whichever the header has most of.
function parsed(text) {
  text = text.replace(/^\ufeff/, "").replace(/^sep=.\r?\n/i, "").replace(/\r\n?/g, "\n");
  const header = text.split("\n", 1)[0];
  const [delimiter] = [",", ";", "\t"].sort((a, b) => header.split(b).length - header.split(a).length);
  const rows = [];
  let row = [], cell = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') { cell += c; i++; }
      else quoted = false;
    } else if (c === '"' && !cell) quoted = true;
    else if (c === delimiter) { row.push(cell); cell = ""; }
    else if (c === "\n") { row.push(cell); rows.push(row); row = []; cell = ""; }
    else cell += c;
  }
  if (cell || row.length) { row.push(cell); rows.push(row); }
  return rows.filter((cells) => cells.some((one) => one.trim()));
}

function take(text) {
  const [header, ...rows] = parsed(text);
  const column = Object.create(null);
  (header || []).forEach((name, index) => { column[name.trim().toLowerCase()] = index; });
  if (column.id === undefined || column.rating === undefined) return tell("That file has no columns id and rating: it is no sheet of ratings.", true);
  const cell = (row, name) => (column[name] === undefined ? "" : (row[column[name]] || "").trim());
  const found = [];
  let foreign = 0, wrong = 0;
  for (const row of rows) {
    const index = place.get(cell(row, "id"));
    const written = cell(row, "rating");
    const level = Number(written.replace(",", "."));
    if (index === undefined) foreign++;
    else if (written && !LEVELS.includes(level)) wrong++;
    else found.push({ index, rating: written ? level : null, comment: unmarked(cell(row, "comment")).slice(0, LONGEST), rater: unmarked(cell(row, "rater")) });
  }
  const others = [...new Set(found.map((one) => one.rater).filter(Boolean))];
  if (state.rater && others.length && others.some((name) => name !== state.rater)
    && !confirm("These are ratings of " + others.join(", ") + ", and this sheet is " + state.rater + "'s. Take them all the same?")) return tell("Nothing imported.");
  const differ = found.filter((one) => one.rating !== null && given(one.index).rating !== null && given(one.index).rating !== one.rating);
  const replace = !differ.length || confirm(count(differ.length, "answer") + " rated otherwise here. OK takes the file's ratings, Cancel keeps those here.");
  let taken = 0;
  for (const one of found) {
    const mine = given(one.index);
    const takes = one.rating !== null && (mine.rating === null || (replace && mine.rating !== one.rating));
    if (takes) taken++;
    const rating = takes ? one.rating : mine.rating;
    const comment = one.comment && (replace || !mine.comment) ? one.comment : mine.comment;
    if (rating !== null || comment) state.answers[sheet.answers[one.index].id] = { rating, comment };
  }
  if (!state.rater && others.length === 1) state.rater = others[0].slice(0, 60);
  save();
  draw();
  const rest = [foreign && count(foreign, "line") + " of another sheet", wrong && count(wrong, "rating") + " not from 1 to " + LEVELS.length].filter(Boolean);
  tell(count(taken, "rating") + " imported" + (rest.length ? "; left out: " + rest.join(", ") : "") + ".", rest.length > 0);
}

async function read(file) {
  if (!file) return;
  if (file.size > LARGEST) return tell("That file is too large to be a sheet of ratings.", true);
  try { take(await file.text()); } catch { tell("That file cannot be read.", true); }
}

for (const button of buttons) button.addEventListener("click", (event) => {
  if (event.detail > 1) return; // the second half of a double click, which would rate the next answer
  rate(button.getAttribute("aria-pressed") === "true" ? null : Number(button.dataset.level));
});
$("previous").addEventListener("click", () => go(state.at - 1));
$("next").addEventListener("click", () => go(state.at + 1));
$("unrated").addEventListener("click", () => go(unrated()));
$("comment").addEventListener("input", () => { give(state.at, { comment: $("comment").value }); });
$("rater").addEventListener("input", () => { state.rater = $("rater").value; save(); });
$("export").addEventListener("click", download);
$("import").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => { read($("file").files[0]); $("file").value = ""; });
$("clear").addEventListener("click", () => {
  if (!confirm("Delete all ratings and comments of this sheet in this browser? Export them first.")) return;
  state = sane(null);
  save();
  draw();
  tell("Cleared.");
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.matches("input, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  // The key's place counts too: digits are shifted on some keyboards and other digits on others, and letters not Latin.
  const digit = (/^Digit(\d)$/.exec(event.code) || (/^\p{Nd}$/u.test(event.key) && /^Numpad(\d)$/.exec(event.code)) || /^(\d)$/.exec(event.key) || [])[1];
  const letter = (/^[a-z]$/i.test(event.key) ? event.key : event.code.slice(3)).toLowerCase();
  if (event.repeat && digit) return;
  if (LEVELS.includes(Number(digit))) rate(Number(digit));
  else if (digit === "0" || event.key === "Backspace" || event.key === "Delete") rate(null);
  else if (event.key === "ArrowLeft") go(state.at - 1);
  else if (event.key === "ArrowRight") go(state.at + 1);
  else if (letter === "u") go(unrated());
  else if (letter === "c") $("comment").focus();
  else return;
  event.preventDefault();
});

// The same sheet in another tab.
window.addEventListener("storage", (event) => {
  if (event.key !== KEY) return;
  const at = state.at;
  state = { ...load(), at };
  draw();
});
window.addEventListener("beforeunload", (event) => { if (!kept && Object.keys(state.answers).length) event.preventDefault(); });

// On paper all answers stand below one another, with the points of the scale to circle.
let open = false;
window.addEventListener("beforeprint", () => {
  const list = document.createDocumentFragment();
  sheet.answers.forEach((answer, index) => {
    const box = document.createElement("article");
    for (const [tag, text, auto] of [["h3", index + 1 + ". " + answer.id, false], ["h3", "Prompt", false], ["p", answer.prompt, true], ["h3", "Answer", false], ["p", answer.response, true]]) {
      const part = document.createElement(tag);
      if (auto) { part.className = "text"; part.dir = "auto"; show(part, text, "(empty)"); } else part.textContent = text;
      box.append(part);
    }
    const mine = given(index), boxes = document.createElement("p");
    boxes.className = "boxes";
    boxes.textContent = mine.rating === null ? LEVELS.join(" ") : "Rated " + mine.rating;
    box.append(boxes);
    list.append(box);
  });
  $("print").replaceChildren(list);
  open = $("rubric").open;
  $("rubric").open = true;
});
window.addEventListener("afterprint", () => {
  $("print").replaceChildren();
  $("rubric").open = open;
});

$("rubric").open = rated() === 0;
save();
draw();
say(ENDS);
