/** The events of a serf's cluster, newest first, filtered by type and text. */

import { clusterEvents } from "./api.js";
import { arrange, h, setText } from "./dom.js";
import { age, time } from "./format.js";
import { Problem, skeleton } from "./panel_parts.js";
import { Poller } from "./poller.js";
import { choices } from "./chart_tools.js";

const MOST = 200;
const TYPES = [{ id: "", title: "All" }, { id: "Warning", title: "Warnings" }, { id: "Normal", title: "Normal" }];

export class EventsTab {
  #poller;
  #node = null;
  #answer = null;
  #type = "";
  #items = new Map();
  #onPod;
  #types;
  #problem = new Problem();
  #stale = h("p", { class: "notice warning", hidden: true });
  #text = h("input", { type: "search", placeholder: "Filter by reason, object or message", "aria-label": "Filter events", autocomplete: "off", spellcheck: "false" });
  #count = h("span", { class: "muted" });
  #loading = skeleton(8);
  #list = h("ol", { class: "events", "aria-label": "Events" });
  #message = h("p", { class: "hint", role: "status" });

  /** `onPod(pod)` opens the chart of a pod that an event is about. */
  constructor({ onPod }) {
    this.#onPod = onPod;
    this.#types = choices("Type", TYPES, (type) => {
      this.#type = type;
      this.#render();
    });
    this.#text.addEventListener("input", () => this.#render());
    this.#poller = new Poller({
      ask: (signal) => clusterEvents(this.#node, signal),
      onAnswer: (answer) => {
        this.#problem.show(null);
        this.#answer = answer;
        this.#render();
      },
      onFailure: (error) => {
        this.#loading.hidden = true;
        this.#problem.show(error);
      },
    });
    this.element = h("div", { class: "stack" },
      h("div", { class: "section-head" }, h("h3", {}, "Events ", this.#count)),
      h("div", { class: "panel-filters" }, this.#types.element, this.#text),
      this.#problem.element, this.#stale, this.#loading, this.#list, this.#message);
  }

  open(node) {
    if (this.#node !== node.name) {
      this.#node = node.name;
      this.#answer = null;
      this.#items.clear();
      this.#list.replaceChildren();
      setText(this.#message, "");
      setText(this.#count, "");
      this.#loading.hidden = false;
    }
    this.#types.choose(this.#type);
    this.#poller.start();
  }

  close() {
    this.#poller.stop();
  }

  show() {
    // Everything here comes with the events' own answer.
  }

  #render() {
    this.#types.choose(this.#type);
    if (this.#answer === null) return;
    this.#loading.hidden = true;
    const { events, stale_since: stale } = this.#answer;
    this.#stale.hidden = !stale;
    setText(this.#stale, stale ? `Stale since ${time(stale)}: the API server does not report events, newer ones may be missing.` : "");
    const words = this.#text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = events.filter((event) => (!this.#type || event.type === this.#type)
      && words.every((word) => `${event.reason} ${event.kind} ${event.namespace}/${event.name} ${event.message} ${event.source}`.toLowerCase().includes(word)));
    setText(this.#count, found.length === events.length ? events.length.toLocaleString("en") : `${found.length.toLocaleString("en")} of ${events.length.toLocaleString("en")}`);
    const keys = new Map();
    arrange(this.#list, found.slice(0, MOST).map((event) => this.#item(event, keys)));
    for (const key of this.#items.keys()) if (!keys.has(key)) this.#items.delete(key);
    let message = "";
    if (events.length === 0) message = "The cluster has reported no events in the last hour, which is how long an API server keeps them.";
    else if (found.length === 0) message = "No event matches the filters.";
    else if (found.length > MOST) message = `The newest ${MOST} of ${found.length} are shown: filter to see the others.`;
    setText(this.#message, message);
  }

  #item(event, keys) {
    // Two events may say the same: they are counted.
    const name = JSON.stringify([event.reason, event.kind, event.namespace, event.name, event.message, event.source]);
    const nth = [...keys.values()].filter((value) => value === name).length;
    const key = `${name}${nth}`;
    keys.set(key, name);
    if (!this.#items.has(key)) this.#items.set(key, this.#make(event));
    const { element, when, count } = this.#items.get(key);
    setText(when, event.time ? age(event.time * 1000) : "");
    when.title = event.time ? new Date(event.time * 1000).toLocaleString("sv") : "";
    setText(count, event.count > 1 ? `× ${event.count.toLocaleString("en")}` : "");
    return element;
  }

  #make({ type, reason, kind, namespace, name, message, source }) {
    const [when, count] = [h("time", { class: "muted" }), h("span", { class: "muted" })];
    const full = namespace ? `${namespace}/${name}` : name;
    const object = kind === "Pod"
      ? h("button", { type: "button", class: "link", onclick: () => this.#onPod({ namespace, name }) }, full)
      : h("span", {}, full);
    const element = h("li", { class: type === "Warning" ? "event warning" : "event", "data-type": type },
      h("div", { class: "event-head" }, h("span", { class: `badge ${type === "Warning" ? "state-connecting" : ""}` }, type === "Warning" ? "⚠ Warning" : type),
        h("strong", {}, reason), count, when),
      h("p", { class: "event-object" }, h("span", { class: "muted" }, `${kind} `), object),
      h("p", { class: "event-message" }, message), source ? h("p", { class: "muted event-source" }, `reported by ${source}`) : null);
    return { element, when, count };
  }
}
