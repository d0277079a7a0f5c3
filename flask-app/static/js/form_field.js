/** A field of a form: its label, a hint, and what is wrong with it, each bound to the control for screen readers. */

import { h, setText } from "./dom.js";

export class Field {
  #problem;

  /** `control`: an input or select; `hint`: a short line below it. */
  constructor({ id, label, control, hint = "" }) {
    this.control = control;
    this.#problem = h("p", { class: "field-problem", id: `${id}-problem`, role: "alert" });
    control.id = id;
    control.setAttribute("aria-describedby", hint ? `${id}-hint ${id}-problem` : `${id}-problem`);
    this.element = h("div", { class: "field" }, h("label", { for: id }, label), control,
      hint ? h("p", { class: "field-hint", id: `${id}-hint` }, hint) : null, this.#problem);
    control.addEventListener("input", () => this.problem(""));
  }

  get value() {
    return this.control.value.trim();
  }

  /** Says what is wrong, "" for nothing. */
  problem(text) {
    setText(this.#problem, text);
    if (text) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
  }
}

/** Fills a select with `[value, text]` pairs and keeps what is chosen, if it is still offered. */
export function fill(select, options) {
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}
