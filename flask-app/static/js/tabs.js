/** Tabs after the pattern of the WAI-ARIA Authoring Practices: one stop of the Tab key, arrows, Home and End choose. */

import { h } from "./dom.js";

export class Tabs {
  #tabs = new Map();
  #onChoose;
  #chosen = null;

  /** `tabs`: `{id, title, element}`; `onChoose(id)` when the user asks for another one, `choose` shows it. */
  constructor({ label, tabs, onChoose }) {
    this.#onChoose = onChoose;
    for (const { id, title, element } of tabs) {
      const panel = h("div", { class: "tab-panel", role: "tabpanel", id: `tab-panel-${id}`, "aria-labelledby": `tab-${id}`, tabindex: 0, hidden: true }, element);
      const button = h("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `tab-panel-${id}`, "data-tab": id, onclick: () => this.#onChoose(id) }, title);
      this.#tabs.set(id, { button, panel });
    }
    this.list = h("div", { class: "tabs", role: "tablist", "aria-label": label, onkeydown: (event) => this.#move(event) },
      [...this.#tabs.values()].map(({ button }) => button));
    this.panels = [...this.#tabs.values()].map(({ panel }) => panel);
  }

  /** Offers only the tabs of these ids. */
  offer(ids) {
    for (const [id, { button }] of this.#tabs) button.hidden = !ids.includes(id);
  }

  choose(id) {
    if (id === this.#chosen) return;
    this.#chosen = id;
    for (const [other, { button, panel }] of this.#tabs) {
      const chosen = other === id;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
      panel.hidden = !chosen;
      if (chosen) button.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  #move(event) {
    const ids = [...this.#tabs.keys()].filter((id) => !this.#tabs.get(id).button.hidden);
    const at = ids.indexOf(this.#chosen);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: ids.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const id = ids[(next + ids.length) % ids.length];
    this.#tabs.get(id).button.focus();
    this.#onChoose(id);
  }
}
