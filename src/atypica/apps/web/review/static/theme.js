"use strict";
// Runs before the page is drawn, so that it never flashes in the other theme.
const THEMES = ["system", "light", "dark"];
function readTheme() {
  const kept = localStorage.getItem("atypica-theme");
  return THEMES.includes(kept) ? kept : "system";
}
function applyTheme() { document.documentElement.dataset.theme = readTheme(); }
window.nextTheme = () => {
  const next = THEMES[(THEMES.indexOf(readTheme()) + 1) % THEMES.length];
  localStorage.setItem("atypica-theme", next);
  applyTheme();
  return next;
};
applyTheme();
document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  button.addEventListener("click", () => { button.title = `Theme: ${window.nextTheme()}`; });
});
