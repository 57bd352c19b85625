// The start: the table of cells, the answers as soon as all of the page is there, and the view that the address names.
if ($("cells")) mountCells($("cells").querySelector(".grid-of-cells"), data.compared || data.rows, "cells", data.outputs ? (value) => {
  const link = element("a", "answers");
  link.href = "#answers?" + new URLSearchParams({ model: value("model"), task: value("task"), prompting: value("prompting"), language: value("language") });
  return link;
} : null);
const seen = new Set();
const spy = new IntersectionObserver((found) => {
  for (const one of found) if (one.isIntersecting) seen.add(one.target.id); else seen.delete(one.target.id);
  const links = [...document.querySelectorAll("nav a")], first = links.find((link) => seen.has(link.getAttribute("href").slice(1)));
  for (const link of links) link.classList.toggle("here", link === first);
}, { rootMargin: "-20% 0px -70% 0px" });
document.querySelectorAll("main > section[id]").forEach((one) => spy.observe(one));
followAddress(true);
document.addEventListener("DOMContentLoaded", () => { if ($("answers")) mountAnswers(); });
