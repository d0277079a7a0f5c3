/** How an operation on a virtual pod goes on: its steps, and a bar while the pod is on its way. */

import { h, setText } from "./dom.js";
import { sentence } from "./format.js";
import { shareOf } from "./server_clock.js";

const REDRAW_MS = 250;
const STEPS = {
  create: ["Pending", "Transferring", "Running"],
  offload: ["Pending", "Transferring", "Running"],
  "bring-back": ["Pending", "Transferring", "Home"],
};
// How far an operation is, by its state.
const REACHED = { Pending: 0, Transferring: 1, Running: 2, Succeeded: 3, Failed: -1 };

/** A bar for a transfer `{started, seconds}`, which goes on by itself: `{element, show(transfer or null), stop()}`. */
export function transferBar() {
  const [fill, text] = [h("span"), h("span", { class: "transfer-left" })];
  const track = h("div", { class: "meter", role: "progressbar", "aria-label": "Transfer", "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  const element = h("div", { class: "transfer", hidden: true }, track, text);
  let [transfer, timer] = [null, null];
  const draw = () => {
    const share = shareOf(transfer);
    const left = transfer.seconds * (1 - share);
    fill.style.width = `${100 * share}%`;
    track.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    setText(text, `${Math.floor(100 * share)} %${left >= 1 ? `, ${duration(left)} left` : ""}`);
  };
  const stop = () => clearInterval(timer);
  const show = (next) => {
    stop();
    transfer = next;
    element.hidden = transfer === null;
    if (transfer === null) return;
    draw();
    timer = setInterval(() => (element.isConnected ? draw() : stop()), REDRAW_MS);
  };
  return { element, show, stop };
}

/** Seconds as people say them: 42 s, 3 min, 1.5 h. */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export class OperationProgress {
  #steps;
  #bar = transferBar();
  #message = h("p", { class: "muted" });
  // The steps and the end, without each percent.
  #spoken = h("p", { class: "visually-hidden", role: "status" });

  constructor(kind) {
    this.#steps = STEPS[kind].map((name) => h("li", {}, h("span", { class: "sign", "aria-hidden": "true" }), name));
    this.element = h("div", { class: "operation" }, h("ol", { class: "steps", "aria-label": "Steps" }, this.#steps), this.#bar.element, this.#message, this.#spoken);
  }

  /** `operation` as the API gives it. */
  show({ state, message, started, ends }) {
    const reached = REACHED[state] ?? 0;
    this.#steps.forEach((step, at) => {
      const [now, done] = [at === reached, reached > at];
      step.className = done ? "done" : now ? "now" : "";
      if (now) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
      setText(step.firstChild, done ? "✓" : now ? "➜" : "○");
    });
    const moving = state === "Transferring" && started !== null && ends !== null;
    this.#bar.show(moving ? { started, seconds: ends - started } : null);
    // What has failed is told by whoever asked.
    setText(this.#message, state === "Failed" ? "" : sentence(message));
    setText(this.#spoken, `${state}. ${message}`);
  }

  stop() {
    this.#bar.stop();
  }
}
