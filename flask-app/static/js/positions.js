/** The positions that users have given to nodes, kept on the server for all browsers. */

import { forgetPositions, positions, putPositions } from "./api.js";

const QUIET_MS = 500;

export class Positions {
  #timer = null;
  #waiting = null;
  #tell;

  /** `tell(text)` shows a failure to the user; an empty text takes it away. */
  constructor({ tell }) {
    this.#tell = tell;
    // A page that is left at once must not lose what was dragged last.
    window.addEventListener("pagehide", () => this.#waiting && this.#send());
  }

  /** What is saved, `{topology, positions}`; nothing where the viewer cannot tell. */
  static async load() {
    try {
      return await positions();
    } catch {
      return { topology: null, positions: {} };
    }
  }

  /** Saves positions, `{name: {x, y}}`, once the user pauses. */
  save(all) {
    this.#waiting = all;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#send(), QUIET_MS);
  }

  /** Forgets what is saved; whether that worked. */
  async forget() {
    clearTimeout(this.#timer);
    this.#waiting = null;
    return this.#try(forgetPositions);
  }

  async #send() {
    const all = this.#waiting;
    this.#waiting = null;
    clearTimeout(this.#timer);
    await this.#try(() => putPositions(all));
  }

  async #try(write) {
    try {
      await write();
      this.#tell("");
      return true;
    } catch (error) {
      const reason = error.code === "token_required" ? "this viewer asks for a token before it changes anything." : error.message;
      this.#tell(`The positions are not saved: ${reason}`);
      return false;
    }
  }
}
