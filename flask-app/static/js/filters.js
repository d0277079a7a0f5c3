/** Filters that can be combined: chips with counts in a menu below the search, and what is chosen in a row of its own. */

import { arrange, byId, h, setText } from "./dom.js";
import { levels } from "./measures.js";
import { FACETS, STATES, isSerf, matches } from "./nodes.js";

const TITLES = { role: "Role", state: "State", level: "Load", namespace: "Namespace" };
// As many chips of a facet as a menu can hold; the search finds the others.
const MOST = 40;

const nameOf = (facet, value) => {
  if (facet === "state") return STATES[value] ?? value;
  if (facet === "level") return levels().find(({ id }) => id === value)?.name ?? value;
  return value;
};

export const toggled = (values, value) => (values.includes(value) ? values.filter((other) => other !== value) : [...values, value]);

/** The filter that a view asks for, as `matches()` reads it. */
export const filterOf = (view) => ({ ...view, words: view.search.toLowerCase().split(/\s+/).filter(Boolean) });

const isActive = (view) => view.search !== "" || Object.keys(FACETS).some((facet) => view[facet].length > 0);

export class Filters {
  #nodes = [];
  #view = null;
  #onChange;
  #button = byId("filter");
  #menu = byId("filter-menu");
  #row = byId("filters");
  #chips = new Map();
  #groups = new Map();

  /** `onChange(part)` gets the fields of the view that the user has changed. */
  constructor({ onChange }) {
    this.#onChange = onChange;
    for (const facet of Object.keys(FACETS)) {
      const chips = h("div", { class: "chip-row" });
      const group = h("div", { class: "facet", role: "group", "aria-label": TITLES[facet], hidden: true }, h("h3", {}, TITLES[facet]), chips);
      this.#groups.set(facet, { group, chips });
      this.#menu.append(group);
    }
    this.#button.addEventListener("click", () => this.#open(this.#menu.hidden));
    this.#menu.addEventListener("keydown", (event) => this.#onKey(event));
    this.#button.addEventListener("keydown", (event) => this.#onKey(event));
    document.addEventListener("pointerdown", ({ target }) => {
      if (!this.#menu.contains(target) && !this.#button.contains(target)) this.#open(false);
    });
  }

  toggleMenu() {
    this.#open(this.#menu.hidden);
    if (!this.#menu.hidden) this.#menu.querySelector("button")?.focus();
  }

  update(topology) {
    this.#nodes = topology.nodes;
    this.#show();
  }

  show(view) {
    this.#view = view;
    this.#show();
  }

  #open(open) {
    if (open !== this.#menu.hidden) return;
    this.#menu.hidden = !open;
    this.#button.setAttribute("aria-expanded", String(open));
    this.#show();
  }

  #onKey(event) {
    if (event.key !== "Escape" || this.#menu.hidden) return;
    event.preventDefault();
    event.stopPropagation();
    this.#open(false);
    this.#button.focus();
  }

  #show() {
    if (!this.#view) return;
    const count = Object.keys(FACETS).reduce((sum, facet) => sum + this.#view[facet].length, 0);
    setText(byId("filter-count"), count ? String(count) : "");
    this.#showRow();
    if (!this.#menu.hidden) for (const facet of Object.keys(FACETS)) this.#showFacet(facet);
  }

  /** The chips of a facet, each with how many nodes it would show, given what is chosen elsewhere. */
  #showFacet(facet) {
    const filter = filterOf(this.#view);
    const counts = new Map(this.#view[facet].map((value) => [value, 0]));
    for (const node of this.#nodes) {
      const counted = matches(node, filter, facet) ? 1 : 0;
      for (const value of FACETS[facet](node)) counts.set(value, (counts.get(value) ?? 0) + counted);
    }
    const order = facet === "level" ? levels().map(({ id }) => id) : null;
    const values = [...counts.keys()].sort((one, other) => (order ? order.indexOf(one) - order.indexOf(other) : one.localeCompare(other, "en", { numeric: true })));
    const { group, chips } = this.#groups.get(facet);
    group.hidden = values.length === 0;
    arrange(chips, values.slice(0, MOST).map((value) => this.#chip(facet, value, counts.get(value))));
  }

  #chip(facet, value, count) {
    const key = `${facet}:${value}`;
    if (!this.#chips.has(key)) {
      const [name, number] = [h("span"), h("span", { class: "count" })];
      const swatch = facet === "level" ? h("span", { class: "swatch", "aria-hidden": "true" }) : null;
      const toggle = () => this.#onChange({ [facet]: toggled(this.#view[facet], value) });
      this.#chips.set(key, { name, number, button: h("button", { type: "button", class: `chip ${facet === "level" ? `level-${value}` : ""}`, onclick: toggle }, swatch, name, number) });
    }
    const { name, number, button } = this.#chips.get(key);
    setText(name, nameOf(facet, value));
    setText(number, String(count));
    button.setAttribute("aria-pressed", String(this.#view[facet].includes(value)));
    return button;
  }

  #showRow() {
    const active = isActive(this.#view);
    this.#row.hidden = !active;
    if (!active) return;
    const filter = filterOf(this.#view);
    const found = this.#nodes.filter((node) => matches(node, filter));
    const told = `${found.length} of ${this.#nodes.length} nodes, ${found.filter(isSerf).length} of them serfs`;
    if (!this.#row.children.length) this.#row.append(h("span", { class: "found", role: "status" }), h("span", { class: "chip-row" }), h("button", { type: "button", class: "link", id: "filter-clear", onclick: () => this.#clear() }, "Clear"));
    setText(this.#row.children[0], told);
    const chosen = Object.keys(FACETS).flatMap((facet) => this.#view[facet].map((value) => [facet, value]));
    const key = JSON.stringify([chosen, levels()]);
    if (this.#row.dataset.key === key) return;
    this.#row.dataset.key = key;
    this.#row.children[1].replaceChildren(...chosen.map(([facet, value]) => h("button", {
      type: "button", class: "chip chosen", "aria-label": `Remove the filter ${TITLES[facet]}: ${nameOf(facet, value)}`,
      onclick: () => {
        this.#onChange({ [facet]: this.#view[facet].filter((other) => other !== value) });
        (this.#row.hidden ? this.#button : this.#row.querySelector("button")).focus();
      },
    }, h("span", { class: "muted" }, `${TITLES[facet]}:`), nameOf(facet, value), h("span", { "aria-hidden": "true" }, "✕"))));
  }

  #clear() {
    this.#onChange({ search: "", ...Object.fromEntries(Object.keys(FACETS).map((facet) => [facet, []])) });
    this.#button.focus();
  }
}
