// Light or dark before the first paint: what the address says (the server put it on <html>), else what was chosen here
// earlier, else what the system prefers (no attribute: the style sheet asks for it).
"use strict";
(() => {
  const root = document.documentElement;
  if (root.dataset.theme) return;
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch {
    // storage is switched off: the system's preference stands
  }
})();
