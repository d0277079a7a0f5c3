/** A range of one's own: two moments with date and time, checked before they are asked for. */

import { h, setText } from "./dom.js";

const SHORTEST_S = 10;
const LONGEST_S = 24 * 3600;

/** Seconds since the epoch as the value of a `datetime-local` input, in the local time zone. */
export function localValue(seconds) {
  const date = new Date(seconds * 1000);
  const two = (value) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The words for what is wrong with a range, "" for one that can be asked for; `to` null means now. */
export function problemOf(from, to, now = Date.now() / 1000) {
  const end = to ?? now;
  if (!Number.isFinite(from)) return "Say when the range begins.";
  if (!Number.isFinite(end)) return "The end is no date and time; leave it empty for now.";
  if (from >= end) return "The range has to begin before it ends.";
  if (end > now + 1) return "The range ends in the future: it can end now at the latest.";
  if (end - from < SHORTEST_S) return `The range is shorter than ${SHORTEST_S} seconds.`;
  if (end - from > LONGEST_S) return "The range is longer than 24 hours, which is as long as Prometheus keeps samples.";
  return "";
}

/** A range drawn on a chart, made one that can be asked for: not too short, not too long, not beyond now. */
export function fitting(from, to, now = Date.now() / 1000) {
  const length = Math.min(LONGEST_S, Math.max(SHORTEST_S, Math.round(to - from)));
  const end = Math.floor(Math.min(now, Math.max((from + to) / 2 + length / 2, length)));
  return { from: end - length, to: end };
}

export class RangeForm {
  #from = h("input", { type: "datetime-local", step: 1, required: true });
  #to = h("input", { type: "datetime-local", step: 1 });
  #problem = h("p", { class: "problem", role: "alert" });

  /** `onApply(from, to)` in seconds since the epoch, `to` null for a range that ends now; `onCancel()`. */
  constructor({ onApply, onCancel }) {
    this.element = h("form", {
      class: "range-form", hidden: true, novalidate: true, "aria-label": "Time range",
      onsubmit: (event) => {
        event.preventDefault();
        const [from, to] = [moment(this.#from.value), this.#to.value ? moment(this.#to.value) : null];
        const problem = problemOf(from, to);
        setText(this.#problem, problem);
        this.#from.setAttribute("aria-invalid", String(problem !== ""));
        if (!problem) onApply(from, to);
      },
      onkeydown: (event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        onCancel();
      },
    },
    h("label", {}, "From", this.#from), h("label", {}, "To (empty: now)", this.#to),
    h("button", { type: "submit", class: "button primary" }, "Show"), h("button", { type: "button", class: "button", onclick: onCancel }, "Cancel"),
    this.#problem);
  }

  /** Opens with a range to begin with. */
  open(from, to) {
    this.#from.value = localValue(from);
    this.#to.value = to === null ? "" : localValue(to);
    setText(this.#problem, "");
    this.#from.removeAttribute("aria-invalid");
    this.element.hidden = false;
    this.#from.focus();
  }

  close() {
    this.element.hidden = true;
  }
}

const moment = (value) => Math.floor(Date.parse(value) / 1000);
