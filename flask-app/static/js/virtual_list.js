/** The virtual pods as the viewer lists them, asked for while somebody looks and only when something has changed. */

import { list } from "./liqo.js";

const SOONEST_MS = 1000;
const AGAIN_MS = 4000;
// A list of 10,000 takes a while: the page spends at most a fifth of its time on it, and never waits longer than this.
const REST = 4;
const LONGEST_MS = 10000;

export class VirtualPodList {
  #watched = false;
  #asking = false;
  #timer = null;
  #version = null;
  #known = null;
  #onChange;
  /** The pods, null before the first answer; `error`: why there is no newer list, null while all is well. */
  pods = null;
  error = null;

  /** `onChange()` after each answer. */
  constructor({ onChange }) {
    this.#onChange = onChange;
    document.addEventListener("visibilitychange", () => this.#look());
  }

  /** Whether somebody looks at the list. */
  watch(watched) {
    if (watched === this.#watched) return;
    this.#watched = watched;
    // What was known when nobody looked is shown at once, and asked for anew.
    this.#known = null;
    this.#look();
  }

  /** `offload` of the overview: its version says whether anything has changed. */
  update({ version = "" }) {
    this.#version = version;
    this.#look();
  }

  /** Asks now, whatever is known: after something was done here. */
  refresh() {
    this.#known = null;
    this.#look();
  }

  #look() {
    if (!this.#watched || this.#asking || this.#timer !== null || document.hidden || this.#known === this.#version) return;
    this.#ask();
  }

  async #ask() {
    this.#asking = true;
    const [version, began] = [this.#version, performance.now()];
    let wait = AGAIN_MS;
    try {
      this.pods = await list();
      this.error = null;
      this.#known = version;
      wait = Math.min(LONGEST_MS, Math.max(SOONEST_MS, REST * (performance.now() - began)));
    } catch (error) {
      this.error = error;
    }
    this.#asking = false;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#look();
    }, wait);
    this.#onChange();
  }
}
