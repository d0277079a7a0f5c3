/** The sidebar of all virtual pods: their list, the details of one, and what can be done with them. */

import { byId, h, setText } from "./dom.js";
import { sentence } from "./format.js";
import { Problem, skeleton } from "./panel_parts.js";
import { bringHome, deletePods } from "./virtual_actions.js";
import { VirtualDetails } from "./virtual_details.js";
import { VirtualPodList } from "./virtual_list.js";
import { VirtualTable } from "./virtual_table.js";

/** What the address says while the list is shown; else the id of the pod that is. */
export const ALL = "all";

const count = (number) => number.toLocaleString("en");

export class VirtualSidebar {
  #element = byId("virtual");
  #button = byId("virtual-toggle");
  #shown = null;
  #opener = null;
  #connected = false;
  #change;
  #pods;
  #table;
  #details;
  #count = h("span", { class: "muted" });
  // Where pods can go is known with the first overview.
  #create = h("button", { type: "button", class: "button primary", disabled: true }, "Create Pod …");
  #away = h("p", { class: "notice warning", role: "status", hidden: true });
  #problem = new Problem();
  #loading = skeleton(8);
  #empty = h("div", { class: "virtual-empty", hidden: true });
  #list;

  /**
   * `onChange(virtual)` when something else is shown (null: nothing), `onCreate()` for a new pod, `onNode(serf)` and
   * `onPod(serf, pod)` lead to the panel.
   */
  constructor({ onChange, onCreate, onNode, onPod }) {
    this.#change = onChange;
    this.#pods = new VirtualPodList({ onChange: () => this.#draw() });
    this.#table = new VirtualTable({ onOpen: ({ id }) => onChange(id), onDelete: (pods) => this.#delete(pods) });
    this.#details = new VirtualDetails({
      onBack: () => onChange(ALL), onNode, onPod, onDelete: (pods) => this.#delete(pods),
      onBringBack: async (pod) => {
        await bringHome(pod, { onDetails: onChange });
        this.#pods.refresh();
      },
    });
    this.#list = h("div", { class: "stack virtual-all" }, this.#problem.element, this.#loading, this.#empty, this.#table.element);
    this.#element.append(
      h("header", { class: "sidebar-head" }, h("h2", {}, "Virtual pods ", this.#count),
        this.#create,
        h("button", { type: "button", class: "icon-button", "aria-label": "Close the virtual pods", onclick: () => onChange(null) }, "✕")),
      this.#away, h("div", { class: "sidebar-body" }, this.#list, this.#details.element));
    this.#table.element.hidden = true;
    this.#element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      onChange(this.#shown === ALL ? null : ALL);
    });
    this.#button.addEventListener("click", () => this.toggle());
    this.#create.addEventListener("click", () => onCreate());
  }

  toggle() {
    this.#change(this.#shown === null ? ALL : null);
  }

  /** Shows what the address says: `virtual` is `all`, an id, or null. */
  show({ virtual }) {
    if (virtual === this.#shown) return;
    const before = this.#shown;
    if (before === null) this.#opener = document.activeElement;
    this.#shown = virtual;
    this.#element.hidden = virtual === null;
    document.body.classList.toggle("with-virtual", virtual !== null);
    this.#button.setAttribute("aria-expanded", String(virtual !== null));
    this.#pods.watch(virtual !== null);
    const one = virtual !== null && virtual !== ALL;
    this.#list.hidden = one;
    this.#details.element.hidden = !one;
    if (one) this.#details.open(virtual);
    else this.#details.close();
    this.#moveFocus(before);
  }

  /** `offload` of the newest overview; null where a viewer knows none. */
  update(offload) {
    const { available = false, message = "", connections = [], virtual_pods: pods = { running: 0, total: 0 }, version = "" } = offload ?? {};
    setText(byId("virtual-count"), pods.total > 0 ? count(pods.total) : "");
    this.#button.title = `${count(pods.running)} of ${count(pods.total)} virtual pods are running`;
    setText(this.#count, pods.total > 0 ? `${count(pods.running)} of ${count(pods.total)} running` : "");
    this.#create.disabled = false;
    this.#away.hidden = available;
    setText(this.#away, available ? "" : `Virtual pods cannot be changed now. ${sentence(message) || "The lab has no offload manager: `serflab up` starts it."}`);
    this.#connected = connections.length > 0;
    this.#pods.update({ version });
  }

  async #delete(pods) {
    if (!await deletePods(pods)) return;
    this.#pods.refresh();
  }

  #draw() {
    const { pods, error } = this.#pods;
    // The line above says already that the manager is away.
    this.#problem.show(error && this.#away.hidden ? error : null);
    this.#loading.hidden = pods !== null || error !== null;
    const none = pods !== null && pods.length === 0;
    this.#table.element.hidden = pods === null || none;
    this.#empty.hidden = !none;
    if (none) this.#empty.replaceChildren(...howToBegin(this.#connected));
    if (pods === null) return;
    this.#table.update(pods);
    if (error === null) this.#details.update(pods);
  }

  #moveFocus(before) {
    if (this.#shown === null) {
      if (this.#element.contains(document.activeElement) || document.activeElement === document.body) (this.#opener?.isConnected && this.#opener !== document.body ? this.#opener : this.#button).focus();
    } else if (before === null) {
      this.#element.focus({ preventScroll: true });
    } else if (this.#element.contains(document.activeElement) || document.activeElement === document.body) {
      if (this.#shown === ALL) this.#table.focus(before);
      else this.#details.focus();
    }
  }
}

function howToBegin(connected) {
  const steps = [
    ["Connect two serfs", "right-click one, or use the menu in its panel: Liqo Connect. The pods of the first may then run on the second."],
    ["Create Pod", "here, or in the same menu: a new pod, seen in the first serf and running on the second."],
    ["Offload", "in the table of a serf's pods: one that runs already moves, with its load."],
  ];
  return [
    h("h3", {}, "No virtual pods yet"),
    h("p", { class: "muted" }, "A virtual pod is seen in one serf and runs on another."),
    h("ol", { class: "begin" }, steps.map(([name, text], at) => h("li", { class: connected && at === 0 ? "done" : "" },
      h("strong", {}, name), connected && at === 0 ? ": done." : `: ${text}`))),
  ];
}
