// Zoom and shift of the large view.
const MOST = 12;

export class Stage {
  constructor(inspector) {
    this.inspector = inspector;
    this.reset();
    inspector.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    inspector.addEventListener("pointerdown", (event) => this.grab(event));
    inspector.addEventListener("dblclick", (event) => { if (event.target.closest("#stage") && !event.target.closest("#slide")) this.reset(); });
  }

  get element() { return this.inspector.querySelector("#zoom"); }

  reset() { this.scale = 1; this.x = 0; this.y = 0; this.apply(); }

  zoom(factor, at = { x: 0, y: 0 }) {
    const scale = Math.min(Math.max(this.scale * factor, 1), MOST);
    this.x = at.x - (at.x - this.x) * (scale / this.scale);
    this.y = at.y - (at.y - this.y) * (scale / this.scale);
    this.scale = scale;
    if (scale === 1) { this.x = 0; this.y = 0; }
    this.apply();
  }

  apply() {
    const element = this.element;
    if (element) element.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
  }

  wheel(event) {
    const stage = event.target.closest("#stage");
    if (!stage || event.target.closest("#slide")) return;
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    this.zoom(Math.exp(-event.deltaY / 300), { x: event.clientX - box.left - box.width / 2, y: event.clientY - box.top - box.height / 2 });
  }

  grab(event) {
    if (!event.target.closest("#stage") || event.target.closest("#slide") || event.button !== 0) return;
    const from = { x: event.clientX - this.x, y: event.clientY - this.y };
    const move = (next) => { if (this.scale > 1) { this.x = next.clientX - from.x; this.y = next.clientY - from.y; this.apply(); } };
    const drop = () => { removeEventListener("pointermove", move); removeEventListener("pointerup", drop); };
    addEventListener("pointermove", move);
    addEventListener("pointerup", drop);
  }
}
