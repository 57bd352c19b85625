"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const PAGE = 20;
let shown = PAGE;

// Characters that would steer the text around them are shown as what they are.
const visible = (text) => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
  (c) => "\u27e8U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "\u27e9");

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function options(select, values, name) {
  for (const value of values) {
    const option = element("option", name(value));
    option.value = value;
    select.append(option);
  }
}

const unique = (values) => [...new Set(values)];
options($("model"), unique(data.entries.map((e) => e.model)), (v) => v);
options($("task"), unique(data.entries.map((e) => e.task)), (v) => data.tasks[v] || v);
options($("prompting"), unique(data.entries.map((e) => e.prompting)), (v) => v);
options($("language"), unique(data.entries.map((e) => e.language)), (v) => data.names[v] + " (" + v + ")");
options($("off"), unique(data.entries.flatMap((e) => e.answers.map((a) => a.mix))), (v) => "only where " + v + " is wrong");

function matches(entry) {
  const words = $("words").value.trim().toLowerCase();
  const off = $("off").value;
  return entry.model === $("model").value
    && entry.task === $("task").value
    && (!$("prompting").value || entry.prompting === $("prompting").value)
    && (!$("language").value || entry.language === $("language").value)
    && (!off || entry.answers.some((a) => a.mix === off && a.value !== 1))
    && (!words || (entry.prompt + "\n" + entry.answers.map((a) => a.text).join("\n")).toLowerCase().includes(words));
}

// What an answer was found to be: the language it is in, or the answer that was read out of it.
function verdict(given) {
  if (given.unscored) return element("span", "unscored (" + given.unscored + ")");
  if (given.value === undefined || given.value === null) return element("span", "");
  const right = given.value === 1;
  const what = given.notes.found || data.names[given.notes.response] || given.notes.response || "";
  return element("span", (right ? "\u2713 " : "\u2717 ") + visible(what), right ? "yes" : "no");
}

function answer(entry, given) {
  const box = element("div", undefined, "answer");
  const seeds = unique(entry.answers.filter((a) => a.mix === given.mix).map((a) => a.seed)).length > 1;
  const heading = element("h3", given.mix + (seeds ? ", " + given.seed : "") + ": ");
  heading.append(verdict(given));
  heading.title = given.metric + "; " + Object.entries(given.notes).filter(([k]) => !k.startsWith("reasoning")).map(([k, v]) => k + ": " + v).join(", ")
    + "; ended by: " + given.finish;
  const text = element("p", visible(given.text) + (given.finish === "length" ? " \u2026" : ""));
  text.dir = "auto";
  box.append(heading, text);
  for (const said of given.judge || []) {
    const what = "judge" + (said.how ? ", " + said.how : "") + ": " + visible(said.mark);
    if (!said.why) { box.append(element("p", what, "judge")); continue; }
    const why = element("details", undefined, "judge");
    why.append(element("summary", what), element("p", visible(said.why)));
    box.append(why);
  }
  return box;
}

function draw() {
  const found = data.entries.filter(matches);
  const list = document.createDocumentFragment();
  for (const entry of found.slice(0, shown)) {
    const card = element("article");
    const header = element("header");
    const prompt = element("p", visible(entry.subject));
    prompt.dir = "auto";
    header.append(element("small", data.names[entry.language] + ", " + entry.item + (entry.prompting === "xx:xx" ? "" : ", " + entry.prompting)), prompt);
    if (!entry.subject.startsWith(entry.prompt)) {
      const whole = element("details");
      const asked = element("pre", visible(entry.prompt));
      asked.dir = "auto";
      whole.append(element("summary", "the prompt"), asked);
      header.append(whole);
    }
    if (entry.references.length) {
      const wanted = element("p", "Reference: " + visible(entry.references.join(" | ")), "note");
      wanted.dir = "auto";
      header.append(wanted);
    }
    const answers = element("div", undefined, "answers");
    for (const given of entry.answers) answers.append(answer(entry, given));
    card.append(header, answers);
    list.append(card);
  }
  $("browser").replaceChildren(list);
  $("count").textContent = found.length + " prompts";
  $("more").hidden = found.length <= shown;
}

const fields = ["model", "task", "prompting", "language", "off", "words"];
function fromAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  for (const id of fields) if (wanted.has(id)) $(id).value = wanted.get(id);
}
for (const id of fields) {
  $(id).addEventListener("input", () => {
    shown = PAGE;
    const view = new URLSearchParams(fields.filter((f) => $(f).value).map((f) => [f, $(f).value]));
    history.replaceState(null, "", "#" + view);
    draw();
  });
}
$("more").addEventListener("click", () => { shown += PAGE; draw(); });
window.addEventListener("hashchange", () => { fromAddress(); draw(); });
fromAddress();
draw();
