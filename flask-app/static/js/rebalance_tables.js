/** What has happened in a loop: migrations, evictions, cycles; and all VMs as a table. */

import { h, setText } from "./dom.js";
import { MISSING, cpu, memory, number, time } from "./format.js";
import { share } from "./rebalance.js";
import { Table } from "./table.js";

const ROW_HEIGHT = 36;
const PHASES = { Succeeded: "phase-succeeded", Failed: "phase-failed" };
const OUTCOMES = { background: "accepted", evicted: "evicted", "already requested": "asked before", refused: "refused" };

/** A table that is only read; its rows are drawn anew when they differ. */
class Listing {
  #columns;
  #seen = "";
  #body = h("tbody");
  #none;

  /** `columns`: `[title, cell(row)]`; `none`: what is said when there is no row. */
  constructor({ title, columns, none }) {
    this.#columns = columns;
    this.#none = h("p", { class: "hint", hidden: true }, none);
    const scroll = h("div", { class: "scroll loop-scroll", role: "region", "aria-label": title, tabindex: 0 },
      h("table", { class: "table plain" }, h("thead", {}, h("tr", {}, columns.map(([name]) => h("th", { scope: "col" }, name)))), this.#body));
    this.scroll = scroll;
    this.element = h("section", {}, h("h3", {}, title), this.#none, scroll);
  }

  update(rows) {
    const seen = JSON.stringify(rows);
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#none.hidden = rows.length > 0;
    this.scroll.hidden = rows.length === 0;
    this.#body.replaceChildren(...rows.map((row) => h("tr", {}, this.#columns.map(([, cell], at) => h(at === 0 ? "th" : "td", at === 0 ? { scope: "row" } : {}, cell(row))))));
  }
}

const badge = (kind, text) => h("span", { class: `badge ${kind}` }, text);

export class LoopTables {
  #migrations = new Listing({
    title: "Migrations", none: "No VM has moved yet.",
    columns: [
      ["VM", ({ vm }) => vm], ["From", ({ source }) => source || MISSING], ["To", ({ target }) => target || MISSING],
      ["Phase", ({ phase, reason }) => [badge(PHASES[phase] ?? "phase-pending", phase), reason ? ` ${reason}` : ""]],
      ["Began", ({ created }) => time(created)], ["Took", ({ started, ended, created }) => (ended === null ? MISSING : `${number(ended - (started ?? created))} s`)],
    ],
  });

  #evictions = new Listing({
    title: "Evictions", none: "The descheduler has evicted nothing yet.",
    columns: [
      ["VM", ({ vm }) => vm], ["From", ({ node }) => node], ["Asked", ({ at }) => time(at)],
      ["Answer", ({ outcome, problem }) => [badge(outcome === "refused" ? "phase-failed" : "", OUTCOMES[outcome] ?? outcome), problem ? ` ${problem}` : ""]],
      ["Became", ({ migration, target }) => (migration === null ? MISSING : `${migration}${target ? ` on ${target}` : ""}`)],
    ],
  });

  #cycles = new Listing({
    title: "Cycles of the descheduler", none: "No cycle has ended yet.",
    columns: [
      ["Cycle", ({ started }) => time(started)], ["Under", ({ under }) => String(under)], ["Fits", ({ appropriate }) => String(appropriate)], ["Over", ({ over }) => String(over)],
      ["Evictions", ({ evictions }) => String(evictions)], ["In flight", ({ in_flight: flying }) => String(flying)],
      ["Notes", ({ problems, notes }) => (problems.length ? `gave up: ${problems.join("; ")}` : notes.join("; "))],
    ],
  });

  #scroller = h("div", { class: "scroll loop-scroll", role: "region", "aria-label": "VMs" });
  #vms = new Table({
    label: "VMs", key: ({ name }) => name, sort: { id: "vm", down: false }, scroller: this.#scroller, rowHeight: ROW_HEIGHT,
    columns: [
      { id: "vm", title: "VM", header: true, value: ({ name }) => name, text: ({ name }) => name },
      { id: "place", title: "Node", value: ({ node }) => node, text: ({ node, target }) => (target ? `${node} → ${target}` : node || MISSING) },
      { id: "uses-cpu", title: "CPU", numeric: true, value: (vm) => vm.cpu, text: (vm) => share(vm.cpu) },
      { id: "uses-memory", title: "Memory", numeric: true, value: (vm) => vm.memory, text: (vm) => share(vm.memory) },
      { id: "requests-cpu", title: "CPU requested", numeric: true, value: (vm) => vm.requested_cpu, text: (vm) => cpu(vm.requested_cpu) },
      { id: "requests-memory", title: "Memory requested", numeric: true, value: (vm) => vm.requested_memory, text: (vm) => memory(vm.requested_memory) },
      { id: "state", title: "State", value: ({ phase }) => phase, text: ({ phase, migration }) => (migration === null ? phase : `moves: ${migration}`) },
    ],
  });
  #vmsTitle = h("summary", {}, "VMs as a table");
  element;

  constructor() {
    this.#scroller.append(this.#vms.element);
    const all = h("details", { class: "loop-all" }, this.#vmsTitle, this.#scroller);
    this.element = h("div", { class: "stack" }, all, this.#migrations.element, this.#evictions.element, this.#cycles.element);
  }

  update(loop) {
    setText(this.#vmsTitle, `${loop.vms.length.toLocaleString("en")} VMs as a table`);
    this.#vms.update(loop.vms);
    this.#migrations.update(loop.migrations);
    this.#evictions.update(loop.evictions);
    this.#cycles.update(loop.cycles);
  }
}
