/** The table of a serf's pods: filtered by namespace, phase, node and text, sorted by any column, any number of rows. */

import { h, setText } from "./dom.js";
import { csv, fileName, save } from "./download.js";
import { MISSING, number } from "./format.js";
import { skeleton } from "./panel_parts.js";
import { MOST_PODS, podKey } from "./panel_view.js";
import { Table } from "./table.js";

const ROW_HEIGHT = 44;
const COLUMNS_KEY = "serflab.pod-columns";

const measure = (key) => ({ value: (pod) => pod[key], text: (pod) => (pod[key] === null ? MISSING : number(pod[key])) });

function podCell(cell, pod) {
  if (!cell.firstChild) cell.append(h("span", { class: "pod-name" }), h("span", { class: "pod-place" }));
  cell.title = podKey(pod);
  setText(cell.firstChild, pod.name);
  setText(cell.lastChild, pod.namespace);
}

function phaseCell(cell, pod) {
  if (!cell.firstChild) cell.append(h("span"));
  cell.firstChild.className = `badge phase-${pod.phase.toLowerCase()}`;
  cell.firstChild.title = pod.reason;
  setText(cell.firstChild, pod.phase);
}

function nodeCell(cell, pod) {
  cell.title = pod.node;
  setText(cell, pod.node || MISSING);
}

/** A virtual pod's id, which leads to its details; else what makes it one. */
function virtualCell(cell, pod, { details, offload }) {
  const { id, role } = pod.virtual ?? { id: "", role: "" };
  if (cell.dataset.shown === `${id} ${role}` && cell.firstChild) {
    cell.firstChild.act = () => (id ? details(id) : offload(pod));
    return;
  }
  cell.dataset.shown = `${id} ${role}`;
  const titles = { source: "A virtual pod: it runs on another serf", remote: "A virtual pod of another serf runs here" };
  const act = (event) => {
    event.stopPropagation();
    button.act();
  };
  const button = h("button", {
    type: "button", tabindex: -1, class: id ? "virtual-mark" : "row-action", onclick: act,
    title: id ? titles[role] : "Let it run on another serf", "aria-label": id ? `${id}, ${role === "source" ? "runs elsewhere" : "a guest"}: details` : `Offload ${podKey(pod)}`,
  }, id ? `${role === "source" ? "⇢" : "⇠"} ${id}` : "Offload");
  button.act = () => (id ? details(id) : offload(pod));
  cell.replaceChildren(button);
}

const COLUMNS = [
  { id: "pod", title: "Pod", header: true, value: podKey, cell: podCell },
  { id: "phase", title: "Phase", value: (pod) => pod.phase, cell: phaseCell },
  { id: "node", title: "Node", value: (pod) => pod.node, cell: nodeCell },
  { id: "cpu", title: "CPU m", numeric: true, ...measure("cpu_millicores") },
  { id: "memory", title: "Mem Mi", numeric: true, ...measure("memory_mi") },
  { id: "psi", title: "PSI %", numeric: true, ...measure("psi_percent") },
  { id: "power", title: "Power W", numeric: true, ...measure("power_watts") },
  // At the edge: a click on a row is for its chart.
  { id: "virtual", title: "Virtual", value: (pod) => pod.virtual?.id ?? null, text: () => "" },
];
const CSV_FIELDS = ["namespace", "name", "phase", "node", "cpu_millicores", "memory_mi", "psi_percent", "power_watts", "created"];
const FACETS = [
  { id: "namespace", title: "Namespace", all: "All namespaces" },
  { id: "phase", title: "Phase", all: "All phases" },
  { id: "node", title: "Node", all: "All nodes" },
];

export class PodTable {
  #pods = null;
  #chosen = new Set();
  #subject = { node: "", source: "" };
  #columns = storedColumns();
  #table;
  #count = h("span", { class: "muted" });
  #text = h("input", { type: "search", placeholder: "Filter by name", "aria-label": "Filter pods", autocomplete: "off", spellcheck: "false" });
  #selects = new Map();
  #clear;
  #chosenText = h("span");
  #chosenBar;
  #boxes = [];
  #shown = "";
  #peered = false;
  #message = h("p", { class: "hint", role: "status" });
  #loading = skeleton(8);
  #scroller = h("div", { class: "scroll pod-scroll", role: "region", "aria-label": "Pods" });

  /**
   * `onOpen(pod)` for a row, `onToggle(pod)` for its checkbox, `onClear()` when no pod is wanted in the chart; `onDetails(id)`
   * for a virtual pod, `onOffload(pod)` to make one of a pod.
   */
  constructor({ onOpen, onToggle, onClear, onDetails, onOffload }) {
    const acts = { details: onDetails, offload: onOffload };
    const columns = COLUMNS.map((column) => (column.id === "virtual" ? { ...column, cell: (cell, pod) => virtualCell(cell, pod, acts) } : column));
    this.#table = new Table({
      label: "Pods", columns, key: podKey, sort: { id: "cpu", down: true }, rowLabel: "Show its chart", onOpen,
      scroller: this.#scroller, rowHeight: ROW_HEIGHT,
      select: {
        title: "In the chart", label: (pod) => `Show ${podKey(pod)} in the chart`,
        selected: (key) => this.#chosen.has(key),
        toggle: (pod) => this.#toggle(pod, onToggle),
      },
    });
    this.#scroller.append(this.#table.element);
    for (const { id, title, all } of FACETS) {
      this.#selects.set(id, h("select", { "aria-label": title, onchange: () => this.#render() }, h("option", { value: "" }, all)));
    }
    this.#text.addEventListener("input", () => this.#render());
    this.#clear = h("button", { type: "button", class: "link", hidden: true, onclick: () => this.filterBy({}) }, "Clear");
    this.#chosenBar = h("p", { class: "chosen-pods", hidden: true }, this.#chosenText, h("button", { type: "button", class: "link", onclick: onClear }, "Clear the selection"));
    this.element = h("section", { class: "pods" },
      h("div", { class: "section-head" }, h("h3", {}, "Pods ", this.#count), h("div", { class: "pod-tools" }, this.#columnMenu(),
        h("button", { type: "button", class: "button", title: "Save the rows that the filters leave", onclick: () => this.#save() }, "CSV"))),
      h("div", { class: "panel-filters" }, this.#text, [...this.#selects.values()], this.#clear),
      this.#chosenBar, this.#loading, this.#scroller, this.#message);
    this.#scroller.hidden = true;
  }

  /** `pods` as `cluster-info` gives them; `source` is where their values come from. */
  update(pods, subject) {
    this.#pods = pods;
    this.#subject = subject;
    this.#loading.hidden = true;
    this.#scroller.hidden = false;
    this.#showColumns();
    for (const { id, all } of FACETS) this.#offer(this.#selects.get(id), all, pods.map((pod) => pod[id]));
    this.#render();
  }

  /**
   * Those that the user chose; else all that say something: on a single node its name says nothing, without a
   * peering nothing is virtual.
   */
  #showColumns() {
    const single = new Set(this.#pods.filter((pod) => pod.virtual?.role !== "source").map((pod) => pod.node)).size < 2;
    const virtual = this.#peered || this.#pods.some((pod) => pod.virtual);
    const idle = [single ? "node" : "", virtual ? "" : "virtual"];
    const columns = this.#columns ?? COLUMNS.map(({ id }) => id).filter((id) => !idle.includes(id));
    if (this.#shown === String(columns)) return;
    this.#shown = String(columns);
    for (const box of this.#boxes) box.checked = columns.includes(box.value);
    this.#table.show(columns);
  }

  /** Whether pods of this serf can go to another one. */
  setPeered(peered) {
    if (peered === this.#peered) return;
    this.#peered = peered;
    if (this.#pods !== null) this.#showColumns();
  }

  /** Back to what is shown before the pods of a serf are known. */
  forget() {
    this.#pods = null;
    this.#table.update([]);
    this.#loading.hidden = false;
    this.#scroller.hidden = true;
    this.#message.hidden = true;
    setText(this.#count, "");
    this.filterBy({});
  }

  /** Shows only the pods of `{text, namespace, phase, node}`; what is left out is not filtered by. */
  filterBy(filter) {
    this.#text.value = filter.text ?? "";
    for (const [id, select] of this.#selects) {
      const value = filter[id] ?? "";
      if (value && ![...select.options].some((option) => option.value === value)) select.append(h("option", { value }, value));
      select.value = value;
    }
    this.#render();
  }

  /** Marks the pods that are in the chart. */
  choose(pods) {
    this.#chosen = new Set(pods.map(podKey));
    this.#table.choose(pods.length === 1 ? podKey(pods[0]) : null);
    this.#chosenBar.hidden = pods.length < 2;
    setText(this.#chosenText, `${pods.length} of at most ${MOST_PODS} pods in the chart `);
    this.#render();
  }

  #toggle(pod, onToggle) {
    if (this.#chosen.has(podKey(pod)) || this.#chosen.size < MOST_PODS) {
      onToggle(pod);
      return;
    }
    this.#render();
    this.#message.hidden = false;
    setText(this.#message, `A chart shows at most ${MOST_PODS} pods: take one out first.`);
  }

  /** Offers the values that there are, and keeps what is chosen. */
  #offer(select, all, values) {
    const names = [...new Set(values)].filter(Boolean).sort(new Intl.Collator("en", { numeric: true }).compare);
    if (select.value && !names.includes(select.value)) names.unshift(select.value);
    const now = [...select.options].slice(1).map((option) => option.value);
    if (JSON.stringify(names) === JSON.stringify(now)) return;
    const chosen = select.value;
    select.replaceChildren(h("option", { value: "" }, all), ...names.map((name) => h("option", { value: name }, name)));
    select.value = chosen;
    select.disabled = names.length < 2 && !chosen;
  }

  #found() {
    const words = this.#text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const facets = [...this.#selects].map(([id, select]) => [id, select.value]).filter(([, value]) => value);
    return this.#pods.filter((pod) => facets.every(([id, value]) => pod[id] === value)
      && words.every((word) => `${pod.namespace}/${pod.name} ${pod.phase} ${pod.node}`.toLowerCase().includes(word)));
  }

  #render() {
    const filtered = this.#text.value.trim() !== "" || [...this.#selects.values()].some((select) => select.value);
    this.#clear.hidden = !filtered;
    if (this.#pods === null) return;
    const found = this.#found();
    this.#table.update(found);
    const [some, all] = [found.length.toLocaleString("en"), this.#pods.length.toLocaleString("en")];
    setText(this.#count, filtered ? `${some} of ${all}` : all);
    let message = "";
    if (this.#pods.length === 0) message = "This cluster has no pods.";
    else if (found.length === 0) message = "No pod matches the filters.";
    else if (this.#subject.source === "annotations") message = "Prometheus has no values of these pods: those shown are from the pods' annotations.";
    setText(this.#message, message);
    this.#message.hidden = !message;
  }

  #columnMenu() {
    const boxes = COLUMNS.slice(1).map(({ id, title }) => h("label", {}, h("input", {
      type: "checkbox", value: id, onchange: () => {
        this.#columns = ["pod", ...boxes.filter((label) => label.firstChild.checked).map((label) => label.firstChild.value)];
        storeColumns(this.#columns);
        this.#showColumns();
      },
    }), title));
    this.#boxes = boxes.map((label) => label.firstChild);
    const menu = h("div", { id: "pod-columns", class: "column-menu", popover: "auto" }, h("fieldset", {}, h("legend", {}, "Columns"), boxes));
    return h("span", { class: "menu-anchor" }, h("button", { type: "button", class: "button", popovertarget: "pod-columns" }, "Columns"), menu);
  }

  #save() {
    if (this.#pods === null) return;
    const rows = this.#table.rows.map((pod) => CSV_FIELDS.map((field) => pod[field]));
    save(new Blob([csv([CSV_FIELDS, ...rows])], { type: "text/csv" }), fileName([this.#subject.node, "pods"], "csv"));
  }
}

function storedColumns() {
  try {
    const ids = JSON.parse(localStorage.getItem(COLUMNS_KEY));
    return Array.isArray(ids) ? ["pod", ...ids.filter((id) => id !== "pod")] : null;
  } catch {
    return null;
  }
}

function storeColumns(ids) {
  try {
    localStorage.setItem(COLUMNS_KEY, JSON.stringify(ids));
  } catch {
    // Storage may be switched off; the choice then lasts as long as the page.
  }
}
