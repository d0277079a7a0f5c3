/** Choosing the algorithm by which a loop scores its nodes: what it computes, what it is good for, and what a switch changes. */

import { h, setText } from "./dom.js";
import { number } from "./format.js";
import { algorithms, chooseAlgorithm } from "./rebalance.js";
import { facts } from "./panel_parts.js";
import { toast, toastError } from "./toasts.js";

export class AlgorithmSwitch {
  #known = null;
  #loop = null;
  #busy = false;
  #onSwitched;
  #select = h("select", { id: "loop-algorithm", disabled: true, onchange: () => this.#describe() });
  #recommended = h("input", { type: "checkbox", id: "loop-recommended", onchange: () => this.#describe() });
  #recommendedText = h("span");
  #about = h("div", { class: "loop-about" });
  #changes = h("p", { class: "hint", role: "status" });
  #button = h("button", { type: "submit", class: "button primary", disabled: true }, "Switch");
  element;

  /** `onSwitched()` when the loop has another algorithm. */
  constructor({ onSwitched }) {
    this.#onSwitched = onSwitched;
    this.element = h("section", { class: "loop-switch", "aria-label": "Algorithm" },
      h("form", { onsubmit: (event) => this.#submit(event) },
        h("div", { class: "loop-choice" }, h("label", { for: "loop-algorithm" }, "Algorithm"), this.#select, this.#button),
        h("label", { class: "check" }, this.#recommended, this.#recommendedText), this.#changes),
      h("details", {}, h("summary", {}, "What it computes"), this.#about));
  }

  /** A loop as `GET /api/rebalance` has it. */
  update(loop) {
    const other = loop.serf !== this.#loop?.serf || loop.algorithm !== this.#loop?.algorithm;
    const threshold = loop.target_threshold !== this.#loop?.target_threshold;
    this.#loop = loop;
    if (this.#known === null) this.#learn();
    else if (other) this.#choose(loop.algorithm);
    else if (threshold) this.#describe();
  }

  async #learn() {
    this.#known = [];
    try {
      this.#known = await algorithms();
    } catch (error) {
      this.#known = null;
      setText(this.#changes, error.message);
      return;
    }
    this.#select.replaceChildren(...this.#known.map(({ number: at, name }) => h("option", { value: name }, `${at} ${name}`)));
    this.#select.disabled = false;
    this.#choose(this.#loop.algorithm);
  }

  #choose(name) {
    // A choice that is being made stays; the loop's own is what is told to be in force.
    if (!this.#busy && document.activeElement !== this.#select) this.#select.value = name;
    this.#describe();
  }

  #chosen() {
    return this.#known?.find(({ name }) => name === this.#select.value) ?? null;
  }

  /** Says what the chosen one is, and what pressing the button would change. */
  #describe() {
    const chosen = this.#chosen();
    if (chosen === null) return;
    const { algorithm, target_threshold: now, interval } = this.#loop;
    const wanted = this.#recommended.checked ? chosen.threshold : now;
    setText(this.#recommendedText, `Also take the recommended threshold: over from +${number(chosen.threshold)} points`);
    const [other, moved] = [chosen.name !== algorithm, wanted !== now];
    const changes = [
      other ? `nodes are scored by ${chosen.name} instead of ${algorithm}` : "",
      moved ? `a node is over from +${number(wanted)} points instead of +${number(now)}` : "",
    ].filter(Boolean);
    this.#button.disabled = this.#busy || changes.length === 0;
    setText(this.#changes, changes.length === 0 ? `In force: ${algorithm}, over from +${number(now)} points above the average.`
      : `From the next cycle on (one every ${number(interval)} s) ${changes.join(", and ")}. Only the descheduler is restarted; migrations go on.`);
    this.#about.replaceChildren(h("p", {}, chosen.documentation),
      facts([["Score", h("code", {}, chosen.formula)], ["Good for", chosen.good_for], ["Blind to", chosen.blind_to], ["Recommended threshold", `+${number(chosen.threshold)} points`]]));
  }

  async #submit(event) {
    event.preventDefault();
    const chosen = this.#chosen();
    if (this.#busy || chosen === null || this.#button.disabled) return;
    this.#busy = true;
    setText(this.#button, "Switching …");
    this.#button.disabled = true;
    try {
      const told = await chooseAlgorithm(this.#loop.serf, { algorithm: chosen.name, ...(this.#recommended.checked ? { target_threshold: chosen.threshold } : {}) });
      this.#loop = { ...this.#loop, algorithm: told.algorithm, target_threshold: told.target_threshold };
      this.#recommended.checked = false;
      toast({ kind: "good", text: `Nodes are scored by ${told.algorithm}, over from +${number(told.target_threshold)} points.` });
      this.#onSwitched();
    } catch (error) {
      toastError(error, "the algorithm was not switched");
    } finally {
      this.#busy = false;
      setText(this.#button, "Switch");
      this.#describe();
    }
  }
}
