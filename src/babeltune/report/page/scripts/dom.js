// What all parts of the pages of results share: elements that are made of text only, numbers, blocks, and the address.
function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = visible(text);
  if (className) made.className = className;
  return made;
}

function button(text, does, className) {
  const made = element("button", text, className);
  made.type = "button";
  made.addEventListener("click", does);
  return made;
}

// A labelled choice; values: [[value, what it is called], ...].
function choice(label, values, value, does) {
  const box = element("label", label), select = document.createElement("select");
  for (const [code, name] of values) {
    const option = element("option", name);
    option.value = code;
    select.append(option);
  }
  select.value = value;
  select.addEventListener("change", () => does(select.value));
  box.append(select);
  return box;
}

const unique = (values) => [...new Set(values)];
const range = (count) => Array.from({ length: count }, (_, at) => at);

// As many digits as a metric of this size deserves; a true minus.
function number(value, span = 1, sign = false) {
  if (value === null || value === undefined || !isFinite(value)) return "\u2013";
  const text = Math.abs(value).toFixed(span > 10 ? 1 : 2), zero = Number(text) === 0;
  return (value < 0 && !zero ? "\u2212" : sign && !zero ? "+" : "") + text;
}
const interval = (one, span = 1, sign = false) => one && one.value !== null && one.value !== undefined
  ? number(one.value, span, sign) + " [" + number(one.low, span, sign) + ", " + number(one.high, span, sign) + "]" : "\u2013";

// A block: gzipped JSON in base64, in an element of its own.
async function unpack(text) {
  text = text.trim();
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return JSON.parse(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text());
}

// The address names a section and its view: #answers?task=dialogue&language=de. A section registers how it shows one.
const views = {};
const readAddress = () => {
  const [section, rest] = location.hash.slice(1).split("?");
  return [section, Object.fromEntries(new URLSearchParams(rest || ""))];
};
function writeAddress(section, view, typing = false) {
  const said = new URLSearchParams(Object.entries(view).filter(([, value]) => value !== "" && value !== undefined && value !== null)).toString();
  const hash = "#" + section + (said ? "?" + said : "");
  if (hash === location.hash) return;
  history[typing ? "replaceState" : "pushState"](null, "", hash);
}
function followAddress(scroll) {
  const [section, view] = readAddress();
  for (const [name, show] of Object.entries(views)) show(name === section ? view : {}, name === section);
  if (scroll && section in views && $(section)) $(section).scrollIntoView();
}
window.addEventListener("popstate", () => followAddress(false));
document.addEventListener("click", (event) => {
  const link = event.target.closest && event.target.closest("a[href^='#'][href*='?']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", link.getAttribute("href"));
  followAddress(true);
});
