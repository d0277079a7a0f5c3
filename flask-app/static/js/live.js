/**
 * The state of the lab as it changes: the only place that knows how it gets here (polling).
 *
 * Listeners get `{topology, error, staleSince, mode}`; `staleSince` (seconds since the epoch) is set while the viewer does not
 * answer and `topology` is an old one.
 */

import { topology } from "./api.js";

const INTERVAL_MS = 2500;
const LONGEST_MS = 10000;

export class Live {
  #listeners = new Set();
  #failures = 0;
  #timer = null;
  #received = 0;
  state = { topology: null, error: null, staleSince: null, mode: "connecting" };

  subscribe(listener) {
    this.#listeners.add(listener);
    if (this.state.topology || this.state.error) listener(this.state);
  }

  start() {
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#poll();
    });
    this.#poll();
  }

  async #poll() {
    clearTimeout(this.#timer);
    // Nobody sees a hidden page: it asks again the moment that it is shown.
    if (document.hidden && this.state.topology) return;
    try {
      const answer = await topology();
      this.#failures = 0;
      this.#received = Date.now() / 1000;
      this.state = { topology: answer, error: null, staleSince: null, mode: "polling" };
    } catch (error) {
      this.#failures += 1;
      const staleSince = this.#received || null;
      this.state = { topology: this.state.topology, error, staleSince, mode: "stale" };
    }
    for (const listener of this.#listeners) listener(this.state);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#poll(), Math.min(INTERVAL_MS * 2 ** Math.max(0, this.#failures - 1), LONGEST_MS));
  }
}
