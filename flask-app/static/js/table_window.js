/** Which rows of a long table are in sight: the others are room above and below it. */

// Rows beyond each edge, so that a short scroll shows rows at once.
const SPARE = 12;
// Without a layout (a hidden tab) as many rows as would fit a usual window.
const UNKNOWN_HEIGHT = 480;

export class VirtualWindow {
  #scroller;
  #frame;
  #rowHeight;
  #range = [0, 0];
  #count = 0;
  #pending = false;

  /** `scroller` scrolls, `frame` lies in it and holds the table; `rowHeight` in px until one is measured; `onMove` when other rows are in sight. */
  constructor({ scroller, frame, rowHeight, onMove }) {
    this.#scroller = scroller;
    this.#frame = frame;
    this.#rowHeight = rowHeight;
    const look = () => {
      if (this.#pending) return;
      this.#pending = true;
      requestAnimationFrame(() => {
        this.#pending = false;
        const [first, last] = this.#wanted();
        if (first !== this.#range[0] || last !== this.#range[1]) onMove();
      });
    };
    scroller.addEventListener("scroll", look, { passive: true });
    new ResizeObserver(look).observe(scroller);
  }

  /** How many rows a page key passes. */
  get page() {
    return Math.max(1, Math.floor(this.#height() / this.#rowHeight) - 2);
  }

  /** The first row to draw and the one after the last, of `count`; makes room for the others. */
  range(count) {
    this.#count = count;
    this.#range = this.#wanted();
    const [first, last] = this.#range;
    this.#frame.style.paddingTop = `${first * this.#rowHeight}px`;
    this.#frame.style.paddingBottom = `${(count - last) * this.#rowHeight}px`;
    return this.#range;
  }

  /** Takes over the height that a drawn row really has, with the fonts and zoom of this page; true when it is another. */
  measure(row) {
    const height = row?.getBoundingClientRect().height ?? 0;
    if (height === 0 || Math.abs(height - this.#rowHeight) < 0.5) return false;
    this.#rowHeight = height;
    return true;
  }

  /** Scrolls just as far as row `index` needs to be in sight. */
  reveal(index) {
    const head = this.#frame.querySelector("thead")?.offsetHeight ?? 0;
    const top = index * this.#rowHeight;
    const height = this.#height() - head;
    if (top < this.#scroller.scrollTop) this.#scroller.scrollTop = top;
    else if (top + this.#rowHeight > this.#scroller.scrollTop + height) this.#scroller.scrollTop = top + this.#rowHeight - height;
  }

  #height() {
    return this.#scroller.clientHeight || UNKNOWN_HEIGHT;
  }

  #wanted() {
    const seen = Math.ceil(this.#height() / this.#rowHeight);
    const top = Math.floor(this.#scroller.scrollTop / this.#rowHeight);
    const first = Math.max(0, Math.min(top - SPARE, this.#count - seen - SPARE));
    return [first, Math.min(this.#count, top + seen + SPARE)];
  }
}
