/** A tab of the panel that shows one answer of the API, asked for again while the tab is open. */

import { h } from "./dom.js";
import { Problem, skeleton } from "./panel_parts.js";
import { Poller } from "./poller.js";

/** Those that extend it say in `draw(answer)` what is shown, and in `seen(answer)` what of the answer is. */
export class AnswerTab {
  #poller;
  #node = null;
  #seen = "";
  #problem = new Problem();
  #content = h("div", { class: "stack" });

  /** `ask(node, signal)` is a call of api.js. */
  constructor(ask) {
    this.#poller = new Poller({
      ask: (signal) => ask(this.#node, signal),
      onAnswer: (answer) => this.#show(answer),
      onFailure: (error) => {
        this.#problem.show(error);
        if (this.#seen === "") this.#content.replaceChildren();
      },
    });
    this.element = h("div", { class: "stack" }, this.#problem.element, this.#content);
  }

  open(node) {
    if (this.#node !== node.name) {
      this.#node = node.name;
      this.#seen = "";
      this.#content.replaceChildren(skeleton(8));
    }
    this.#poller.start();
  }

  close() {
    this.#poller.stop();
  }

  /** Asks at once. */
  refresh() {
    this.#poller.start();
  }

  show() {
    // Everything here comes with the tab's own answer.
  }

  seen(answer) {
    return answer;
  }

  #show(answer) {
    this.#problem.show(null);
    const seen = JSON.stringify(this.seen(answer));
    if (seen === this.#seen) return;
    this.#seen = seen;
    // What is drawn anew keeps the keyboard where it was, and stays as far open.
    const stops = () => [...this.#content.querySelectorAll("button, summary")];
    const details = () => [...this.#content.querySelectorAll("details")];
    const focus = stops().indexOf(document.activeElement);
    const open = details().map((element) => element.open);
    this.#content.replaceChildren(...this.draw(answer));
    details().forEach((element, at) => void (element.open ||= open[at] ?? false));
    if (focus >= 0) stops()[focus]?.focus({ preventScroll: true });
  }
}
