/** The tools of the graph: layout, expanding, files, full screen; and the line that says what went wrong with them. */

import { byId, h, setText } from "./dom.js";
import { LAYOUTS } from "./layouts.js";
import { MEASURES, chosenMeasure } from "./measures.js";

const EXPAND_ALL_UP_TO = 20;
const SAVED = "saved";

export class GraphTools {
  #map = byId("map");
  #layout;
  #expand;
  #all;
  #reset;
  #fullscreen;
  #message = h("p", { class: "graph-message", role: "alert", hidden: true });
  #shades;
  region = h("p", { id: "graph-voice", class: "visually-hidden", role: "status", "aria-live": "polite" });

  /**
   * `actions`: `layout(id)` (null: as saved), `reset()`, `expand()`, `expandAll()`, `save(format)`. The buttons `zoom-in`, `zoom-out`
   * and `fit` of the page get `zoom(factor)` and `fit()`.
   */
  constructor(actions) {
    const button = (text, label, onclick) => h("button", { type: "button", title: label, "aria-label": label, onclick }, text);
    const layouts = Object.entries(LAYOUTS).map(([value, { title }]) => h("option", { value }, title));
    this.#layout = h("select", {
      id: "layout", "aria-label": "Layout", title: "Layout", onchange: ({ target }) => actions.layout(target.value === SAVED ? null : target.value),
    }, h("option", { value: SAVED, hidden: true }, "As arranged"), layouts);
    this.#reset = h("button", { type: "button", id: "reset-positions", title: "Forget where nodes have been put, for everybody", onclick: actions.reset, hidden: true }, "Reset positions");
    this.#expand = h("button", { type: "button", id: "expand", onclick: actions.expand, disabled: true }, "Expand");
    this.#all = h("button", { type: "button", id: "expand-all", onclick: actions.expandAll, hidden: true }, "Expand all");
    this.#fullscreen = h("button", { type: "button", id: "fullscreen", onclick: () => this.#toggleFullscreen() }, "Full screen");
    const files = h("div", { class: "segmented small", role: "group", "aria-label": "Save the picture" },
      button("PNG", "Save as PNG", () => actions.save("png")), button("SVG", "Save as SVG", () => actions.save("svg")));
    const element = h("div", { id: "graph-tools", class: "graph-tools", role: "group", "aria-label": "Graph tools" },
      this.#layout, this.#reset, this.#expand, this.#all, files, this.#fullscreen);
    this.#shades = h("p", { class: "shades", hidden: true });
    this.#map.append(h("div", { id: "graph-top", class: "graph-top" }, element, this.#shades, this.#message), this.region);
    this.element = element;
    byId("zoom-in").addEventListener("click", () => actions.zoom(1.25));
    byId("zoom-out").addEventListener("click", () => actions.zoom(0.8));
    byId("fit").addEventListener("click", () => actions.fit());
    document.addEventListener("fullscreenchange", () => this.#showFullscreen());
    this.#fullscreen.hidden = !document.fullscreenEnabled;
    byId("graph").setAttribute("aria-describedby", "graph-tools");
  }

  /** `layout`: its id or null; `saved`: whether positions are; `selected`: a serf's name or null; `open`: names of expanded serfs. */
  show({ layout, saved, selected, open, serfs }) {
    this.#layout.querySelector(`[value="${SAVED}"]`).hidden = !saved;
    this.#layout.value = layout ?? (saved ? SAVED : "auto");
    this.#reset.hidden = !saved;
    const expanded = selected !== null && open.includes(selected);
    this.#expand.disabled = selected === null;
    setText(this.#expand, expanded ? `Collapse ${selected}` : selected ? `Expand ${selected}` : "Expand");
    this.#expand.title = selected === null ? "Choose a serf, or double-click it" : "";
    this.#all.hidden = !(open.length > 0 || (serfs > 1 && serfs <= EXPAND_ALL_UP_TO));
    setText(this.#all, open.length > 0 ? "Collapse all" : "Expand all");
    this.#shades.hidden = open.length === 0;
    const { title } = MEASURES[chosenMeasure()];
    if (open.length > 0) {
      this.#shades.replaceChildren(
        h("span", { class: "ramp", "aria-hidden": "true" }),
        `Pods: ${title} as a share of the serf's largest pod. Dashed: pending; cut corners: failed.`,
      );
    }
  }

  tell(text) {
    this.#message.hidden = text === "";
    setText(this.#message, text);
  }

  async #toggleFullscreen() {
    try {
      await (document.fullscreenElement ? document.exitFullscreen() : this.#map.requestFullscreen());
    } catch {
      this.tell("The browser does not allow full screen here.");
    }
  }

  #showFullscreen() {
    setText(this.#fullscreen, document.fullscreenElement ? "Leave full screen" : "Full screen");
  }
}
