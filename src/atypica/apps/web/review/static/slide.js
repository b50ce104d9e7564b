// The slide around the chosen figure, to zoom and move in.
import { patience } from "./ballots.js";

const AROUND_UM = 256;
const SCRIPT = "/static/openseadragon.min.js";
const BARS_UM = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];
const BAR_PX = 130;

export class SlideView {
  constructor(inspector, failed) {
    this.inspector = inspector;
    this.failed = failed;
    this.box = document.createElement("div");
    this.box.id = "slide";
    this.box.innerHTML = '<div class="scale" aria-hidden="true"><span></span></div>';
    this.field = document.createElement("div");
    this.field.className = "on-slide";
    this.opened = null;
  }

  // Where the chosen figure lies; null where it is a crop of its own.
  get place() {
    const element = this.inspector.querySelector("[data-slide]");
    if (!element) return null;
    const { slide, x, y, side, mpp } = element.dataset;
    return { slide, x: Number(x), y: Number(y), side: Number(side), mpp: Number(mpp) };
  }

  async show() {
    const place = this.place;
    if (!place) return;
    this.inspector.querySelector("#stage").append(this.box);
    try {
      await this.open(place.slide);
      if (this.place?.slide === this.opened) this.goTo(this.place);
    } catch {
      this.failed();
    }
  }

  async open(slide) {
    if (this.opened === slide) return;
    await script();
    const answer = await fetch(`/slides/${slide}`, { signal: patience(20000) });
    if (!answer.ok) throw new Error(String(answer.status));
    const info = await answer.json();
    this.viewer ??= this.make();
    await new Promise((resolve, reject) => {
      this.viewer.addOnceHandler("open", resolve);
      this.viewer.addOnceHandler("open-failed", reject);
      this.viewer.open({
        width: info.width, height: info.height, tileSize: info.tile, minLevel: info.min_level, maxLevel: info.max_level,
        getTileUrl: (level, column, row) => `/slides/${slide}/${level}/${column}_${row}.jpg`,
      });
    });
    // Farther out the server would have to read too much for a tile.
    const farthest = 2 ** (info.max_level - info.min_level);
    this.viewer.viewport.minZoomLevel = info.min_level ? this.viewer.viewport.imageToViewportZoom(1 / farthest) : 0;
    this.opened = slide;
  }

  make() {
    quietStyle();
    const viewer = window.OpenSeadragon({
      element: this.box, drawer: "canvas", showNavigationControl: false, keyboardNavEnabled: false, visibilityRatio: 0.2,
      maxZoomPixelRatio: 8, animationTime: 0.4, imageLoaderLimit: 4, tileRetryMax: 2, tileRetryDelay: 1500, timeout: 20000,
      gestureSettingsMouse: { clickToZoom: false }, subPixelRoundingForTransparency: 0,
    });
    viewer.addHandler("animation", () => this.drawScale());
    viewer.addHandler("resize", () => this.drawScale());
    return viewer;
  }

  goTo(place) {
    const { viewport } = this.viewer;
    const side = AROUND_UM / place.mpp;
    viewport.fitBounds(viewport.imageToViewportRectangle(place.x - side / 2, place.y - side / 2, side, side), true);
    const half = place.side / 2;
    this.viewer.removeOverlay(this.field);
    this.viewer.addOverlay({ element: this.field, location: viewport.imageToViewportRectangle(place.x - half, place.y - half, place.side, place.side) });
    this.drawScale();
  }

  home() { if (this.place && this.opened) this.goTo(this.place); }

  zoom(factor) { this.viewer?.viewport.zoomBy(factor); }

  drawScale() {
    const place = this.place;
    const image = this.viewer?.world.getItemAt(0);
    if (!place || !image) return;
    const umOfPx = place.mpp / image.viewportToImageZoom(this.viewer.viewport.getZoom(true));
    const um = BARS_UM.findLast((length) => length / umOfPx <= BAR_PX) ?? BARS_UM[0];
    const bar = this.box.querySelector(".scale");
    bar.style.width = `${um / umOfPx}px`;
    bar.firstElementChild.textContent = um >= 1000 ? `${um / 1000} mm` : `${um} µm`;
  }
}

let loading = null;
function script() {
  loading ??= new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = SCRIPT;
    element.onload = resolve;
    element.onerror = () => { loading = null; element.remove(); reject(new Error(SCRIPT)); };
    document.head.append(element);
  });
  return loading;
}

// The viewer would add a style of its own for phones, which the page's policy forbids: it finds one here already.
function quietStyle() {
  const found = document.createElementNS("urn:atypica", "style");
  found.setAttribute("data-openseadragon-mobile-css", "true");
  document.head.append(found);
}
