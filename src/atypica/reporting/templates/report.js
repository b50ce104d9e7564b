"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
all(".script").forEach((element) => { element.hidden = false; });

function value(cell) {
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = parseFloat(text.replace(/[\u202f,]/g, ""));
  return /^[-\d]/.test(text) && !Number.isNaN(number) && /^[-\d.,\u202f%\s]+$/.test(text) ? number : text;
}
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}
function sortable(table) {
  all("thead th", table).forEach((head, column) => {
    head.tabIndex = 0;
    const sort = () => {
      const down = head.getAttribute("aria-sort") === "ascending" || (!head.ariaSort && head.classList.contains("n"));
      all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = all("tbody tr", table);
      rows.sort((a, b) => (down ? -1 : 1) * compare(value(a.cells[column]), value(b.cells[column])));
      table.tBodies[0].append(...rows);
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  });
}
all("table.sortable").forEach(sortable);

const grid = document.querySelector(".grid");
document.getElementById("sort").addEventListener("change", (event) => {
  const key = event.target.value;
  const order = {
    number: (a, b) => a.dataset.number - b.dataset.number,
    uncertainty: (a, b) => b.dataset.uncertainty - a.dataset.uncertainty,
    ood: (a, b) => b.dataset.ood - a.dataset.ood,
    case: (a, b) => compare(a.dataset.case, b.dataset.case),
  };
  grid.append(...all(".tile", grid).sort((a, b) => order[key](a, b) || order.number(a, b)));
});

const viewer = document.getElementById("viewer");
const subtypes = JSON.parse(document.getElementById("subtypes").textContent);
let current = null;
function bars(tile) {
  const odds = tile.dataset.odds.trim().split(" ").filter(Boolean).map(Number);
  const list = document.createElement("div");
  list.className = "odds";
  odds.forEach((p, index) => {
    const row = document.createElement("div");
    const [name, bar, number] = ["span", "i", "span"].map((tag) => document.createElement(tag));
    row.className = subtypes[index][1];
    name.textContent = subtypes[index][0];
    bar.style.setProperty("--p", `${100 * p}%`);
    number.textContent = p.toFixed(2);
    const track = document.createElement("span");
    track.append(bar);
    row.append(name, track, number);
    list.append(row);
  });
  return list;
}
function copy(svg) {
  const twin = svg.cloneNode(true);
  all("[id]", twin).forEach((element) => element.removeAttribute("id"));
  return twin;
}
function open(tile) {
  current = tile;
  const crop = tile.querySelector(".crop");
  viewer.querySelector(".name").textContent = tile.querySelector(".id").textContent;
  viewer.querySelector(".views").replaceChildren(copy(crop), copy(crop));
  const text = tile.querySelector(".text").cloneNode(true);
  const facts = viewer.querySelector(".facts");
  facts.className = `facts tile-facts ${tile.className.replace("tile", "")}`;
  facts.replaceChildren(text, bars(tile));
  if (!viewer.open) viewer.showModal();
}
function step(by) {
  const visible = all(".tile", grid).filter((tile) => tile.querySelector(".crop") && tile.offsetParent);
  const next = visible[visible.indexOf(current) + by];
  if (next) open(next);
}
grid.addEventListener("click", (event) => {
  const button = event.target.closest("button.look");
  if (button) open(button.closest(".tile"));
});
viewer.querySelector(".close").addEventListener("click", () => viewer.close());
viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
viewer.addEventListener("close", () => { if (current) current.querySelector(".look").focus({ preventScroll: false }); });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  if (viewer.open && event.key === "ArrowRight") step(1);
  else if (viewer.open && event.key === "ArrowLeft") step(-1);
  else if (event.key === "m") {
    const maps = document.getElementById("maps");
    maps.checked = !maps.checked;
  }
});
