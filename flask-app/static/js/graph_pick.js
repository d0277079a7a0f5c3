/** Picking a serf on the graph: those that can be picked light up, all else is dimmed, a line above says what to do. */

import { byId, h } from "./dom.js";

const AIM = "pick aim";

export class GraphPick {
  #cy;
  #region;
  #describe;
  #now = null;

  /** `describe(id)` is what the live region says of a node. */
  constructor(cy, region, describe) {
    [this.#cy, this.#region, this.#describe] = [cy, region, describe];
    const pointed = ({ target }) => void (this.#can(target.id()) && this.#aim(target.id()));
    cy.on("mouseover", "node", pointed);
    cy.on("mouseout", "node", () => this.#now && this.#aim(null));
  }

  get active() {
    return this.#now !== null;
  }

  /** Begins; see `pickWith` of pick.js. */
  start({ candidates, prompt, from }) {
    const order = this.#cy.collection(candidates.map((name) => this.#cy.getElementById(name))).map((node) => node.id());
    const leave = h("button", { type: "button", class: "button", onclick: () => this.#end(null), onkeydown: (event) => this.#onBannerKey(event) }, "Cancel");
    const words = h("p", { role: "status" });
    const banner = h("div", { id: "pick-banner", class: "pick-banner" }, words, leave);
    const onKey = (event) => {
      if (event.key !== "Escape" || event.target.closest?.("dialog")) return;
      event.preventDefault();
      event.stopPropagation();
      this.#end(null);
    };
    const picked = new Promise((resolve) => void (this.#now = { resolve, candidates: new Set(order), order, from, banner, leave, onKey }));
    byId("graph-top").prepend(banner);
    document.addEventListener("keydown", onKey, true);
    document.body.classList.add("picking");
    this.mark();
    // Said once it is in the document, or a screen reader would not hear it.
    words.textContent = `${prompt} Escape cancels.`;
    // Also where the graph has the focus already: the keyboard begins at the first candidate.
    this.#cy.container().blur();
    this.#cy.container().focus({ preventScroll: true });
    return { picked, cancel: () => this.#end(null) };
  }

  /** Marks what can be picked, also after the graph was built anew. */
  mark() {
    if (!this.#now) return;
    const { candidates, from } = this.#now;
    this.#cy.batch(() => {
      this.#cy.nodes().forEach((node) => {
        const serf = node.data("serf") ?? node.id();
        node.toggleClass("candidate", candidates.has(node.id())).toggleClass("unpickable", !candidates.has(serf) && serf !== from);
      });
      this.#cy.edges().not(".aim").addClass("unpickable");
    });
  }

  /** A node that was clicked, or chosen by Enter: picked if it is one of the candidates. */
  offer(id) {
    if (this.#can(id)) this.#end(id);
    else this.#region.textContent = `${id} cannot be chosen.`;
  }

  /** The candidate that has the keyboard's focus: it is aimed at, and said. */
  focus(id) {
    this.#aim(id);
    this.#region.textContent = this.#describe(id);
  }

  /** The candidates as a collection, for the arrow keys. */
  nodes() {
    return this.#cy.nodes(".candidate");
  }

  /** The candidate after `id` for the Tab key (`step` 1 or -1); null where the button to cancel comes next. */
  following(id, step) {
    const { order, leave } = this.#now;
    const at = order.indexOf(id);
    const next = at < 0 ? order[0] : order[at + step];
    if (next === undefined) leave.focus();
    return next ?? null;
  }

  #onBannerKey(event) {
    if (event.key !== "Tab") return;
    event.preventDefault();
    this.#cy.nodes(".focused").removeClass("focused");
    this.#cy.container().focus({ preventScroll: true });
  }

  #can(id) {
    return this.#now?.candidates.has(id) ?? false;
  }

  #aim(id) {
    const { from } = this.#now;
    this.#cy.getElementById(AIM).remove();
    if (id !== null && from !== null) this.#cy.add({ group: "edges", data: { id: AIM, source: from, target: id, label: "" }, classes: "peering aim" });
  }

  #end(name) {
    if (!this.#now) return;
    const { resolve, banner, onKey } = this.#now;
    this.#aim(null);
    this.#now = null;
    document.removeEventListener("keydown", onKey, true);
    document.body.classList.remove("picking");
    banner.remove();
    this.#cy.batch(() => this.#cy.elements().removeClass("candidate unpickable"));
    this.#region.textContent = name === null ? "Nothing chosen." : `${name} chosen.`;
    resolve(name);
  }
}
