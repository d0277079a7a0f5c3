/** The list of virtual pods: filtered by serf, status and text, several selected at once, any number of rows. */

import { h, setText } from "./dom.js";
import { age } from "./format.js";
import { serverNow } from "./server_clock.js";
import { Table } from "./table.js";
import { STATUSES, loadName, podName, showStatus } from "./virtual_words.js";

const ROW_HEIGHT = 46;
const AGES_MS = 10000;
const collator = new Intl.Collator("en", { numeric: true });
const count = (number) => number.toLocaleString("en");

function twoLines(cell, first, second) {
  if (!cell.firstChild) cell.append(h("span", { class: "pod-name" }), h("span", { class: "pod-place" }));
  cell.title = `${first}\n${second}`;
  setText(cell.firstChild, first);
  setText(cell.lastChild, second);
}

const COLUMNS = [
  { id: "virtual-pod", title: "Pod", header: true, value: podName, cell: (cell, pod) => twoLines(cell, pod.source_pod_name, `${pod.id} · ${pod.source_node} → ${pod.dest_node} · ${loadName(pod)}`) },
  {
    id: "status", title: "Status", value: (pod) => pod.status, cell: (cell, pod) => {
      if (!cell.firstChild) cell.append(h("span"));
      showStatus(cell.firstChild, pod);
    },
  },
  // Upwards is the youngest first.
  { id: "age", title: "Age", value: (pod) => -pod.created_at, text: (pod) => age(pod.created_at * 1000, serverNow() * 1000) },
];

export class VirtualTable {
  #pods = [];
  #selected = new Set();
  #table;
  #serf;
  #status;
  #text = h("input", { type: "search", placeholder: "Search: name, template …", "aria-label": "Search virtual pods", autocomplete: "off", spellcheck: "false" });
  #clear;
  #found = h("p", { class: "muted virtual-found", role: "status" });
  #scroller = h("div", { class: "scroll virtual-scroll", role: "region", "aria-label": "Virtual pods" });
  #empty = h("p", { class: "hint", hidden: true }, "No virtual pod matches the filters.");
  #bar;
  #barText = h("span");

  /** `onOpen(pod)` for a row, `onDelete(pods)` for those that are selected. */
  constructor({ onOpen, onDelete }) {
    this.#table = new Table({
      label: "Virtual pods", columns: COLUMNS, key: (pod) => pod.id, sort: { id: "age", down: false }, rowLabel: "Show its details",
      onOpen, scroller: this.#scroller, rowHeight: ROW_HEIGHT,
      select: {
        title: "Select", label: (pod) => `Select ${pod.id}, ${podName(pod)}`,
        selected: (id) => this.#selected.has(id), toggle: (pod) => this.#toggle(pod.id),
      },
    });
    this.#scroller.append(this.#table.element);
    const select = (label, all) => h("select", { "aria-label": label, onchange: () => this.#render() }, h("option", { value: "" }, all));
    [this.#serf, this.#status] = [select("Serf", "All serfs"), select("Status", "All statuses")];
    this.#text.addEventListener("input", () => this.#render());
    this.#clear = h("button", { type: "button", class: "link", hidden: true, onclick: () => this.#clearFilters() }, "Clear");
    this.#bar = h("div", { class: "selection-bar", role: "group", "aria-label": "Selected virtual pods", hidden: true }, this.#barText,
      h("button", { type: "button", class: "link", onclick: () => this.#selectAll() }, "Select all shown"),
      h("button", { type: "button", class: "link", onclick: () => this.#selectNone() }, "Select none"),
      h("button", { type: "button", class: "button danger", onclick: () => onDelete(this.#chosen()) }, "Delete …"));
    this.element = h("div", { class: "virtual-list" },
      h("div", { class: "panel-filters" }, this.#text, this.#serf, this.#status, this.#clear), this.#bar, this.#found, this.#scroller, this.#empty);
    // Ages go on without news.
    setInterval(() => {
      if (this.#scroller.offsetParent !== null) this.#render();
    }, AGES_MS);
  }

  /** `pods` as `GET /api/virtual-pods` lists them. */
  update(pods) {
    this.#pods = pods;
    const known = new Set(pods.map(({ id }) => id));
    for (const id of this.#selected) if (!known.has(id)) this.#selected.delete(id);
    offer(this.#serf, pods.flatMap((pod) => [pod.source_node, pod.dest_node]));
    offer(this.#status, pods.map(({ status }) => status), Object.keys(STATUSES));
    this.#render();
  }

  /** Gives the focus to the row of a pod, or to the search. */
  focus(id) {
    (this.element.querySelector(`tr[data-key="${id}"]`) ?? this.#text).focus();
  }

  #chosen() {
    return this.#pods.filter(({ id }) => this.#selected.has(id));
  }

  #toggle(id) {
    if (!this.#selected.delete(id)) this.#selected.add(id);
    this.#render();
  }

  #selectAll() {
    for (const { id } of this.#matching()) this.#selected.add(id);
    this.#render();
  }

  #selectNone() {
    this.#selected.clear();
    this.#render();
    this.#text.focus();
  }

  #clearFilters() {
    for (const field of [this.#text, this.#serf, this.#status]) field.value = "";
    this.#render();
    this.#text.focus();
  }

  #matching() {
    const words = this.#text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const [serf, status] = [this.#serf.value, this.#status.value];
    return this.#pods.filter((pod) => (!serf || pod.source_node === serf || pod.dest_node === serf) && (!status || pod.status === status)
      && (words.length === 0 || matches(pod, words)));
  }

  #render() {
    const found = this.#matching();
    this.#table.update(found);
    const filtered = Boolean(this.#text.value.trim() || this.#serf.value || this.#status.value);
    this.#clear.hidden = !filtered;
    this.#empty.hidden = found.length > 0 || this.#pods.length === 0;
    setText(this.#found, filtered ? `${count(found.length)} of ${count(this.#pods.length)} virtual pods` : "");
    this.#found.hidden = !filtered;
    this.#bar.hidden = this.#selected.size === 0;
    setText(this.#barText, `${count(this.#selected.size)} selected`);
  }
}

function matches(pod, words) {
  const text = [pod.id, podName(pod), pod.dest_pod_name, pod.dest_namespace, pod.source_node, pod.dest_node, pod.workload_template, pod.status, pod.reason, pod.origin].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Offers the values that there are, in an order of their own or as people count, and keeps what is chosen. */
function offer(select, values, order = null) {
  const there = new Set(values);
  if (select.value) there.add(select.value);
  const names = order ? order.filter((name) => there.has(name)) : [...there].sort(collator.compare);
  if (String(names) === String([...select.options].slice(1).map((option) => option.value))) return;
  const chosen = select.value;
  select.replaceChildren(select.options[0], ...names.map((name) => h("option", { value: name }, name)));
  select.value = chosen;
}
