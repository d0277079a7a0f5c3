/** Which loops of rebalancing there are: looked at every few seconds while the viewer answers and the page is seen. */

import { loops } from "./rebalance.js";

const LOOK_MS = 10000;
const ANSWERS = new Set(["stream", "polling"]);

export class Loops {
  #live;
  #onChange;
  #key = "";
  #looked = 0;
  #asking = false;
  known = [];

  /** `onChange(loops)` when there is another loop, or none any more. */
  constructor({ live, onChange }) {
    [this.#live, this.#onChange] = [live, onChange];
  }

  start() {
    this.#live.subscribe(() => this.#look());
    setInterval(() => this.#look(), LOOK_MS);
    document.addEventListener("visibilitychange", () => this.#look());
  }

  /** The loop that runs on a serf, null where none does. */
  on(serf) {
    return this.known.find((loop) => loop.serf === serf) ?? null;
  }

  async #look() {
    // The interval's own turn comes a little early now and then.
    if (this.#asking || document.hidden || !ANSWERS.has(this.#live.state.mode) || Date.now() - this.#looked < LOOK_MS * 0.9) return;
    this.#asking = true;
    this.#looked = Date.now();
    try {
      this.known = await loops();
      const key = JSON.stringify(this.known.map(({ serf, own_serf: own }) => [serf, own]));
      if (key !== this.#key) this.#onChange(this.known);
      this.#key = key;
    } catch {
      // What was known stays; whoever opens the tab is told what is wrong.
    } finally {
      this.#asking = false;
    }
  }
}
