/** The legend: which measure gives the colours, what they mean, how many serfs have each; a click shows only those. */

import { byId, h, setText } from "./dom.js";
import { MEASURES, chosenMeasure, levels } from "./measures.js";
import { isSerf, levelOf } from "./nodes.js";
import { peeringsOf } from "./peerings.js";

export class Legend {
  #buttons = new Map();
  #select;
  #peerings = h("span", { class: "count" });
  #peering = h("p", { class: "legend-peering", title: "An arrow leads from the consumer to the provider", hidden: true },
    h("span", { class: "peering-swatch", "aria-hidden": "true" }), "Peering", this.#peerings);

  /** `onMeasure(id)` and `onLevel(id)` when the user chooses. */
  constructor({ onMeasure, onLevel }) {
    const options = Object.entries(MEASURES).map(([id, { title }]) => h("option", { value: id }, title));
    this.#select = h("select", { id: "measure", "aria-label": "Colour by", onchange: ({ target }) => onMeasure(target.value) }, options);
    for (const { id } of levels()) {
      const name = h("span", { class: "level-name" });
      const count = h("span", { class: "count" }, "0");
      const button = h("button", { type: "button", class: `level-${id}`, "aria-pressed": "false", onclick: () => onLevel(id) },
        h("span", { class: "swatch", "aria-hidden": "true" }), name, count);
      this.#buttons.set(id, { button, name, count });
    }
    byId("legend").append(
      h("div", { class: "legend-measure" }, h("span", { class: "legend-title", "aria-hidden": "true" }, "Colour by"), this.#select),
      ...[...this.#buttons.values()].map(({ button }) => button), this.#peering);
    this.#describe();
  }

  /** Counts anew, and follows the measure that is chosen. */
  update(topology) {
    this.#describe();
    const counts = {};
    for (const node of topology.nodes.filter(isSerf)) counts[levelOf(node)] = (counts[levelOf(node)] ?? 0) + 1;
    for (const [id, { count }] of this.#buttons) setText(count, String(counts[id] ?? 0));
    this.#peering.hidden = peeringsOf(topology).length === 0;
    setText(this.#peerings, String(peeringsOf(topology).length));
  }

  /** Shows which levels are chosen. */
  choose(chosen) {
    for (const [id, { button }] of this.#buttons) button.setAttribute("aria-pressed", String(chosen.includes(id)));
  }

  #describe() {
    this.#select.value = chosenMeasure();
    for (const { id, name } of levels()) setText(this.#buttons.get(id).name, name);
  }
}
