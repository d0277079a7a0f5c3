/** What can be done with the pod whose chart is shown: it is offloaded, or, where it is virtual, brought back. */

import { h, setText } from "./dom.js";
import { show } from "./liqo.js";
import { podKey } from "./panel_view.js";
import { hasHome, showStatus } from "./virtual_words.js";

export class PodActions {
  #acts;
  #chosen = { serf: null, pod: null, peered: false };
  #pods = [];
  #virtual = null;
  #asked = null;
  #seen = "";
  #text = h("span");
  #status = h("span");
  #offload = h("button", { type: "button", class: "button", onclick: () => this.#acts.offload(this.#chosen.serf, this.#chosen.pod) }, "Offload …");
  #back = h("button", { type: "button", class: "button", onclick: () => this.#acts.bringBack(this.#virtual) }, "Bring back");
  #details = h("button", { type: "button", class: "link", onclick: () => this.#acts.details(this.#virtual.id) }, "Details");

  /** `acts`: `{offload(serf, pod), bringBack(virtualPod), details(id)}`. */
  constructor(acts) {
    this.#acts = acts;
    this.element = h("div", { class: "pod-actions", role: "group", "aria-label": "Actions for the pod", hidden: true }, this.#text, this.#status, this.#offload, this.#back, this.#details);
  }

  /** `pod`: the one that is chosen, or null; `peered`: whether pods of the serf can go elsewhere. */
  show(chosen) {
    this.#chosen = chosen;
    this.#draw();
  }

  /** The pods of the serf, as cluster-info gives them now. */
  update(pods) {
    this.#pods = pods;
    this.#ask();
  }

  close() {
    this.#asked?.abort();
    this.#pods = [];
    this.#virtual = null;
    this.#seen = "";
  }

  #known() {
    const { pod } = this.#chosen;
    return pod && this.#pods.find((other) => podKey(other) === podKey(pod));
  }

  /** A virtual pod is asked for with each answer of its serf: its status goes on. */
  async #ask() {
    this.#asked?.abort();
    const id = this.#known()?.virtual?.id;
    if (id) {
      const request = new AbortController();
      this.#asked = request;
      try {
        this.#virtual = await show(id, request.signal);
      } catch {
        if (request.signal.aborted) return;
        this.#virtual = null;
      }
    } else {
      this.#virtual = null;
    }
    this.#draw();
  }

  #draw() {
    const known = this.#known();
    const virtual = known?.virtual && this.#virtual?.id === known.virtual.id ? this.#virtual : null;
    this.element.hidden = !known || (known.virtual ? virtual === null : !this.#chosen.peered);
    if (known?.virtual && virtual === null && this.#seen !== podKey(known)) {
      this.#seen = podKey(known);
      this.#ask();
    }
    this.#offload.hidden = Boolean(known?.virtual);
    this.#back.hidden = !virtual || !hasHome(virtual);
    this.#back.disabled = virtual?.status !== "Running" && virtual?.status !== "Failed" && virtual?.status !== "Succeeded";
    this.#details.hidden = this.#status.hidden = !virtual;
    setText(this.#text, virtual ? `${virtual.id}: ${virtual.source_node} → ${virtual.dest_node}` : "");
    if (virtual) showStatus(this.#status, virtual);
  }
}
