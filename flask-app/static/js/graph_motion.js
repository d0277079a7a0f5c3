/**
 * Moving a large graph: the picture that is drawn already is shifted and scaled as a whole, which costs the same for ten
 * nodes and for a thousand, and it is drawn anew as soon as the movement pauses or has gone far.
 */

const PAUSE_MS = 140;
// Between these the drawn picture is still sharp enough, and above this share of the map too much of it would be blank.
const [SMALLEST, LARGEST] = [0.5, 2];
const LARGEST_GAP = 0.35;

export class Motion {
  #cy;
  #layer;
  #drawn = null;
  #last = null;
  #timer = null;
  enabled = false;

  /** `cy` has been drawn by its canvas renderer, whose drawing is put off while the viewport moves. */
  constructor(cy) {
    this.#cy = cy;
    const renderer = cy.renderer();
    const draw = renderer.render.bind(renderer);
    this.#layer = renderer.data.canvasContainer;
    this.#layer.style.transformOrigin = "0 0";
    this.#layer.style.willChange = "transform";
    renderer.render = (options) => {
      if (options?.forcedContext || !this.#shift()) {
        draw(options);
        if (!options?.forcedContext) this.#settled();
      }
    };
  }

  /** Whether moving the drawn picture is enough for now; if so, it has been moved. */
  #shift() {
    const { zoom, pan } = this.#viewport();
    const moved = this.#drawn && (zoom !== this.#drawn.zoom || pan.x !== this.#drawn.pan.x || pan.y !== this.#drawn.pan.y);
    if (!this.enabled || !moved) return false;
    const scale = zoom / this.#drawn.zoom;
    const [x, y] = [pan.x - scale * this.#drawn.pan.x, pan.y - scale * this.#drawn.pan.y];
    const still = this.#last && this.#last.zoom === zoom && this.#last.pan.x === pan.x && this.#last.pan.y === pan.y;
    if (scale < SMALLEST || scale > LARGEST || this.#gap(scale, x, y) > LARGEST_GAP) return false;
    if (!still) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#settle(), PAUSE_MS);
    } else if (this.#timer === null) {
      return false;
    }
    this.#last = { zoom, pan };
    this.#layer.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    return true;
  }

  #settle() {
    this.#timer = null;
    const renderer = this.#cy.renderer();
    renderer.redrawHint("eles", true);
    renderer.redraw();
  }

  #settled() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#drawn = this.#last = this.#viewport();
    this.#layer.style.transform = "";
  }

  /** The largest share of the map's width or height that the moved picture leaves uncovered. */
  #gap(scale, x, y) {
    const [width, height] = [this.#cy.width(), this.#cy.height()];
    return Math.max(x / width, y / height, (width - x - scale * width) / width, (height - y - scale * height) / height);
  }

  #viewport() {
    return { zoom: this.#cy.zoom(), pan: { ...this.#cy.pan() } };
  }
}
