/** Asks again and again while somebody looks. */

const INTERVAL_MS = 5000;

/**
 * Calls `ask(signal)`, then `onAnswer(answer)` or `onFailure(error)`, at once and `every` so many ms (5 s) until stopped. A hidden page
 * asks nothing and catches up when it is shown.
 */
export class Poller {
  #ask;
  #onAnswer;
  #onFailure;
  #every;
  #timer = null;
  #request = null;
  #running = false;

  constructor({ ask, onAnswer, onFailure, every = INTERVAL_MS }) {
    [this.#ask, this.#onAnswer, this.#onFailure, this.#every] = [ask, onAnswer, onFailure, every];
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.#running) this.start();
    });
  }

  start() {
    this.stop();
    this.#running = true;
    this.#poll();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
    this.#request?.abort();
  }

  async #poll() {
    if (document.hidden) return;
    const request = new AbortController();
    this.#request = request;
    try {
      const answer = await this.#ask(request.signal);
      if (request.signal.aborted) return;
      this.#onAnswer(answer);
    } catch (error) {
      if (request.signal.aborted) return;
      this.#onFailure(error);
    }
    this.#timer = setTimeout(() => this.#poll(), this.#every);
  }
}
