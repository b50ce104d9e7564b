// The grid of figures: only what is near the window is in the page, so that any number of figures scrolls alike.
import { patience } from "./ballots.js";

const ROWS = 6;
const GAP = 8;
const UNDER = 26;
const SIZES = [104, 128, 156, 192, 240, 300];
const KEEP = 3;
const PATIENCE_MS = 30000;

export class Gallery {
  constructor(root, grid, onFocus) {
    this.root = root;
    this.grid = grid;
    this.onFocus = onFocus;
    this.total = Number(root.dataset.total);
    this.address = `/tiles?${root.dataset.query}&as_of=${root.dataset.asOf}`;
    this.size = Number(localStorage.getItem("atypica-tile")) || 2;
    this.chunks = new Map();
    this.keys = new Map();
    this.places = new Map();
    this.selected = new Set();
    this.pending = new Set();
    this.index = 0;
    this.anchor = null;
    this.layout();
    root.addEventListener("scroll", () => this.soon(), { passive: true });
    new ResizeObserver(() => this.relayout()).observe(root);
    grid.addEventListener("click", (event) => this.clicked(event));
  }

  layout() {
    this.size = Math.min(Math.max(this.size, 0), SIZES.length - 1);
    this.width = this.root.clientWidth;
    const width = this.root.clientWidth - 2 * GAP;
    this.side = SIZES[this.size];
    this.columns = Math.max(1, Math.floor((width + GAP) / (this.side + GAP)));
    this.side = Math.floor((width + GAP) / this.columns) - GAP;
    this.row = this.side + UNDER + GAP;
    this.step = this.columns * ROWS;
    this.grid.style.setProperty("--side", `${this.side}px`);
    this.grid.style.setProperty("--columns", this.columns);
    this.grid.style.height = `${Math.ceil(this.total / this.columns) * this.row + GAP}px`;
    this.grid.replaceChildren();
    this.chunks.clear();
    this.draw();
  }

  relayout() {
    // The large view hides the gallery; its tiles stay for the way back.
    if (this.root.clientWidth < SIZES[0]) return;
    if (this.root.clientWidth === this.width) { this.reveal(); return; }
    this.width = this.root.clientWidth;
    this.layout();
    this.reveal();
  }

  resize(by) {
    this.size += by;
    this.layout();
    localStorage.setItem("atypica-tile", this.size);
    this.reveal();
  }

  soon() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = null; this.draw(); });
  }

  // Puts the chunks in place that the window shows, and the next ones; takes those far away out.
  draw() {
    if (!this.total) return;
    const height = this.row * ROWS;
    const first = Math.floor(this.root.scrollTop / height);
    const last = Math.floor((this.root.scrollTop + this.root.clientHeight) / height);
    const end = Math.ceil(this.total / this.step) - 1;
    for (const [number, chunk] of this.chunks) {
      if (number < first - KEEP || number > last + KEEP) { chunk.element.remove(); chunk.stop.abort(); this.chunks.delete(number); }
    }
    for (let number = Math.max(0, first - 1); number <= Math.min(end, last + 1); number += 1) {
      if (!this.chunks.has(number)) this.place(number, height);
    }
  }

  place(number, height) {
    const element = document.createElement("div");
    element.className = "chunk";
    element.style.top = `${number * height + GAP}px`;
    element.style.height = `${height}px`;
    const chunk = { element, stop: new AbortController() };
    this.chunks.set(number, chunk);
    this.grid.append(element);
    chunk.loaded = this.load(number, chunk);
  }

  async load(number, chunk) {
    const signal = chunk.stop.signal;
    // While the scroll bar is dragged, what only flies past is not asked for.
    await new Promise((resolve) => { setTimeout(resolve, this.chunks.size > 1 ? 60 : 0); });
    if (signal.aborted) return;
    try {
      const answer = await fetch(`${this.address}&start=${number * this.step}&count=${this.step}`, { signal: patience(PATIENCE_MS, signal) });
      if (!answer.ok) throw new Error(String(answer.status));
      chunk.element.innerHTML = await answer.text();
      this.dress(chunk.element.querySelectorAll(".tile"));
      if (this.key(this.index) && number === Math.floor(this.index / this.step)) this.mark();
    } catch (error) {
      if (error.name !== "AbortError") setTimeout(() => { if (this.chunks.get(number) === chunk) this.load(number, chunk); }, 1500);
    }
  }

  // Tiles come without what only this window knows: place, focus, selection.
  dress(tiles) {
    for (const tile of tiles) {
      const key = tile.dataset.key;
      if (tile.dataset.index) { this.keys.set(Number(tile.dataset.index), key); this.places.set(key, Number(tile.dataset.index)); }
      else if (this.places.has(key)) tile.dataset.index = this.places.get(key);
      const chosen = this.selected.has(key);
      tile.classList.toggle("selected", chosen);
      tile.setAttribute("aria-selected", chosen);
      tile.classList.toggle("pending", this.pending.has(key));
      tile.classList.toggle("focus", this.places.get(key) === this.index);
      showMap(tile);
    }
  }

  key(index) { return this.keys.get(index); }
  tile(key) { return document.getElementById(`tile-${key}`); }
  get focused() { return this.key(this.index); }

  focus(index, { select = false } = {}) {
    if (!this.total) return;
    const before = this.index;
    this.index = Math.min(Math.max(index, 0), this.total - 1);
    if (select) this.selectRange(before, this.index); else this.anchor = null;
    this.reveal();
    this.mark();
  }

  reveal() {
    const row = Math.floor(this.index / this.columns);
    const top = row * this.row;
    const room = this.root.clientHeight;
    if (top < this.root.scrollTop) this.root.scrollTop = top;
    else if (top + this.row + GAP > this.root.scrollTop + room) this.root.scrollTop = top + this.row + GAP - room;
    this.draw();
  }

  mark() {
    this.grid.querySelectorAll(".tile.focus").forEach((tile) => tile.classList.remove("focus"));
    const key = this.focused;
    const tile = key && this.tile(key);
    if (!tile) return;
    tile.classList.add("focus");
    this.root.setAttribute("aria-activedescendant", tile.id);
    this.onFocus(key, [1, 2, -1].map((by) => this.key(this.index + by)).filter(Boolean));
  }

  clicked(event) {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    const index = Number(tile.dataset.index);
    if (event.shiftKey) this.selectRange(this.index, index);
    else if (event.ctrlKey || event.metaKey || event.target.closest(".pick")) this.toggle(tile.dataset.key);
    this.index = index;
    this.mark();
    this.root.focus({ preventScroll: true });
  }

  toggle(key) {
    if (!key) return;
    if (!this.selected.delete(key)) this.selected.add(key);
    this.selectionChanged();
  }

  // Only figures that were on the screen can be selected: nobody confirms what was never seen.
  selectRange(from, to) {
    if (this.anchor === null) this.anchor = from;
    for (let index = Math.min(this.anchor, to); index <= Math.max(this.anchor, to); index += 1) {
      if (this.key(index)) this.selected.add(this.key(index));
    }
    this.selectionChanged();
  }

  clear() { this.selected.clear(); this.anchor = null; this.selectionChanged(); }

  selectionChanged() {
    this.dress(this.grid.querySelectorAll(".tile"));
    document.getElementById("selection").hidden = this.selected.size === 0;
    document.getElementById("selected").textContent = this.selected.size;
  }
}

export function showMap(root) {
  if (!document.body.classList.contains("maps")) return;
  for (const image of root.querySelectorAll("[data-map]")) {
    image.setAttribute(image.localName === "image" ? "href" : "src", image.dataset.map);
    image.removeAttribute("data-map");
  }
}
