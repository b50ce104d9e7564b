import { Ballots, patience } from "./ballots.js";
import { Gallery, showMap } from "./gallery.js";
import { SlideView } from "./slide.js";
import { Stage } from "./stage.js";

const $ = (id) => document.getElementById(id);
const root = $("gallery");
const inspector = $("inspector");
const stage = new Stage(inspector);
const slide = new SlideView(inspector, () => toast("The slide cannot be shown", true));
const gallery = new Gallery(root, $("grid"), inspect);
const ballots = new Ballots(document.body.dataset.csrf, { done, refused, waiting });
let looked = null;
const cast = [];

// The chosen figure at large.
let asking = new AbortController();
async function inspect(key, neighbors) {
  if (looked !== key) stage.reset();
  looked = key;
  asking.abort();
  asking = new AbortController();
  try {
    const answer = await fetch(`/figures/${key}`, { signal: patience(20000, asking.signal) });
    if (answer.status >= 500) throw new Error(String(answer.status));
    if (!answer.ok) return;
    const html = await answer.text();
    if (looked !== key) return;
    inspector.innerHTML = html;
    stage.apply();
    showMap(inspector);
    showSlide();
  } catch (error) {
    if (error.name !== "AbortError") setTimeout(() => { if (looked === key) inspect(key, neighbors); }, 2000);
    return;
  }
  for (const other of neighbors) new Image().src = `/pictures/${other}/view`;
}

// Votes.
function shown() {
  const large = document.body.classList.contains("large");
  return {
    view: gallery.selected.size ? "selection" : large ? "large" : "gallery",
    sort: root.dataset.sort,
    filters: root.dataset.filters,
    map: document.body.classList.contains("maps"),
  };
}
function vote(fields, { advance = true } = {}) {
  const batch = gallery.selected.size > 0;
  const keys = batch ? [...gallery.selected] : [gallery.focused];
  if (!keys[0]) return;
  ballots.add("/votes", { ...shown(), ...fields, figures: keys.join(",") }, keys);
  cast.push(keys);
  for (const key of keys) { gallery.pending.add(key); gallery.tile(key)?.classList.add("pending"); }
  if (batch) gallery.clear();
  else if (advance) gallery.focus(gallery.index + 1);
}
// The line for a comment belongs to the figure that was chosen when it opened, whatever loads meanwhile.
function comment() {
  const key = gallery.focused;
  const tile = key && gallery.tile(key);
  if (!tile) return;
  $("commenting").dataset.key = key;
  $("commented").textContent = tile.dataset.name;
  $("comment").value = tile.querySelector(".note")?.title ?? "";
  $("commenting").hidden = false;
  $("comment").focus();
}
function closeComment() {
  $("commenting").hidden = true;
  root.focus({ preventScroll: true });
}
$("commenting").addEventListener("submit", (event) => {
  event.preventDefault();
  const { key } = $("commenting").dataset;
  const keys = [key];
  ballots.add("/votes", { ...shown(), call: "keep", comment: $("comment").value, figures: key }, keys);
  cast.push(keys);
  closeComment();
});
// The figure that is taken back is chosen at once: a label that follows quickly must not meet the next one.
function undo() {
  const keys = cast.pop() ?? [];
  ballots.add("/undo", shown(), keys);
  if (keys.length) goBack(keys[0]);
}
function goBack(key) {
  const index = gallery.places.get(key);
  if (index !== undefined) gallery.focus(index);
}

function done(ballot, html, headers) {
  htmx.swap(document.body, html, { swapStyle: "none" });
  const keys = [...html.matchAll(/id="tile-([0-9a-f]+)"/g)].map((match) => match[1]);
  for (const key of [...ballot.keys, ...keys]) gallery.pending.delete(key);
  gallery.dress(keys.map((key) => gallery.tile(key)).filter(Boolean));
  if (headers.get("X-Cases") === "reload") htmx.ajax("GET", "/cases", { target: "#cases", swap: "innerHTML" });
  if (ballot.path === "/undo") undone(keys, ballot.keys);
  else if (keys.length > 1) toast(`${keys.length} figures labeled; z takes them back`);
  if (keys.includes(looked)) inspect(looked, []);
}
function undone(keys, expected) {
  if (!keys.length) { toast("Nothing to undo"); return; }
  toast(keys.length > 1 ? `${keys.length} votes taken back` : "Vote taken back");
  if (!keys.includes(expected[0])) goBack(keys[0]);
}
function refused(ballot, why) {
  const place = cast.indexOf(ballot.keys);
  if (place >= 0) cast.splice(place, 1);
  for (const key of ballot.keys) { gallery.pending.delete(key); gallery.tile(key)?.classList.remove("pending"); }
  toast(`Not saved: ${why}`, true);
}
function waiting(count) {
  $("trouble").hidden = count === 0;
  $("trouble").textContent = `atypica does not answer. ${count === 1 ? "1 vote waits" : `${count} votes wait`} in this window and will be sent again; do not close it.`;
}
let fading;
function toast(text, bad = false) {
  const box = $("toast");
  box.textContent = text;
  box.classList.toggle("bad", bad);
  box.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { box.hidden = true; }, bad ? 6000 : 2200);
}

// What the page can do by hand.
function toggleMaps() {
  const on = document.body.classList.toggle("maps");
  $("maps")?.setAttribute("aria-pressed", on);
  if (on) { showMap(document); }
}
// The slide around the figure; read only when it is asked for.
const onSlide = () => document.body.classList.contains("wide") && slide.place !== null;
function showSlide() {
  if (onSlide()) slide.show();
  inspector.querySelector("#wider")?.setAttribute("aria-pressed", onSlide());
}
function toggleSlide() {
  const on = document.body.classList.toggle("wide");
  if (on && !slide.place) { document.body.classList.remove("wide"); toast("This figure is a crop of its own: there is no slide around it"); return; }
  stage.reset();
  showSlide();
}
function zoom(factor) { if (onSlide()) slide.zoom(factor); else stage.zoom(factor); }
function toggleLarge(on) {
  document.body.classList.toggle("large", on);
  stage.reset();
}
async function nextOpen() {
  let index;
  try {
    const answer = await fetch(`/next?${root.dataset.query}&as_of=${root.dataset.asOf}&after=${gallery.index}`, { signal: patience(10000) });
    ({ index } = await answer.json());
  } catch { toast("atypica does not answer: try again", true); return; }
  if (index === null) toast("Every figure here has your label"); else gallery.focus(index);
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-call]");
  if (button) vote({ call: button.dataset.call, subtype: button.dataset.subtype ?? "" }, { advance: false });
  if (event.target.closest("#comment-button")) comment();
  if (event.target.closest("#wider")) toggleSlide();
});
document.addEventListener("change", (event) => { if (event.target.form?.id === "filters") event.target.form.requestSubmit(); });
$("filters").addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
});
$("smaller").addEventListener("click", () => gallery.resize(-1));
$("larger").addEventListener("click", () => gallery.resize(1));
$("maps")?.addEventListener("click", toggleMaps);
$("help-button").addEventListener("click", () => $("help").showModal());
$("unselect").addEventListener("click", () => gallery.clear());
$("grid").addEventListener("dblclick", () => toggleLarge(true));

// Keys.
const CALLS = { n: "NMF", a: "AMF", u: "unsure", x: "not_mitosis", y: "confirm" };
const SUBTYPES = root.dataset.subtypes.split(" ").map((pair) => pair.split(":"));
function bySubtype(digit) {
  const [subtype, call] = SUBTYPES[digit - 1];
  vote({ call, subtype });
}
function page(by) {
  const rows = Math.max(1, Math.floor(root.clientHeight / gallery.row) - 1);
  gallery.focus(gallery.index + by * rows * gallery.columns);
}
const ACTIONS = {
  ArrowRight: (event) => gallery.focus(gallery.index + 1, { select: event.shiftKey }),
  ArrowLeft: (event) => gallery.focus(gallery.index - 1, { select: event.shiftKey }),
  ArrowDown: (event) => gallery.focus(gallery.index + gallery.columns, { select: event.shiftKey }),
  ArrowUp: (event) => gallery.focus(gallery.index - gallery.columns, { select: event.shiftKey }),
  j: () => gallery.focus(gallery.index + 1),
  k: () => gallery.focus(gallery.index - 1),
  PageDown: () => page(1),
  PageUp: () => page(-1),
  Home: () => gallery.focus(0),
  End: () => gallery.focus(gallery.total - 1),
  Enter: () => toggleLarge(),
  Escape: () => { if (gallery.selected.size) gallery.clear(); else toggleLarge(false); },
  s: () => { gallery.toggle(gallery.focused); gallery.focus(gallery.index + 1); },
  z: undo,
  m: toggleMaps,
  w: toggleSlide,
  f: nextOpen,
  t: () => toast(`Theme: ${nextTheme()}`),
  c: comment,
  0: () => (onSlide() ? slide.home() : stage.reset()),
  "+": () => (document.body.classList.contains("large") ? zoom(1.4) : gallery.resize(1)),
  "-": () => (document.body.classList.contains("large") ? zoom(1 / 1.4) : gallery.resize(-1)),
  "?": () => $("help").showModal(),
};
function inText(event) {
  const field = event.target;
  if (!field.matches?.("input, select, textarea")) return false;
  if (event.key === "Escape") { if (field.id === "comment") closeComment(); else field.blur(); }
  return true;
}
document.addEventListener("keydown", (event) => {
  if (inText(event) || $("help").open) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "z") { event.preventDefault(); undo(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.repeat && (CALLS[key] || /^[1-8]$/.test(key) || key === "z")) return;
  if (event.target.matches?.("button, a, summary") && (key === "Enter" || key === " ")) return;
  const action = CALLS[key] ? () => vote({ call: CALLS[key] }) : /^[1-8]$/.test(key) ? () => bySubtype(Number(key)) : ACTIONS[key];
  if (!action) return;
  event.preventDefault();
  action(event);
});
root.focus({ preventScroll: true });
