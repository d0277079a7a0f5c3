/** One virtual pod in detail: all that is known of it, its transfer, and what can be done with it. */

import { h, setText } from "./dom.js";
import { dateTime, memory, sentence } from "./format.js";
import { show } from "./liqo.js";
import { duration, transferBar } from "./operation_progress.js";
import { Problem, facts, skeleton } from "./panel_parts.js";
import { Poller } from "./poller.js";
import { STATUSES, hasHome, loadName, originText, podName, reasonText, showStatus } from "./virtual_words.js";

const MI = 1024 * 1024;

export class VirtualDetails {
  #id = null;
  #pod = null;
  #seen = "";
  #acts;
  #poller;
  #problem = new Problem();
  #gone = h("p", { class: "notice", role: "status", hidden: true });
  #title = h("h3");
  #status = h("span");
  #reason = h("div", { class: "notice warning", hidden: true });
  #bar = transferBar();
  #facts = h("div");
  #bringBack;
  #delete;
  #loading = skeleton(6);
  #body;

  /** `acts`: `{onBack(), onNode(serf), onPod(serf, pod), onDelete(pod), onBringBack(pod)}`. */
  constructor(acts) {
    this.#acts = acts;
    this.#bringBack = h("button", { type: "button", class: "button", hidden: true, onclick: () => acts.onBringBack(this.#pod) }, "Bring back");
    this.#delete = h("button", { type: "button", class: "button danger", onclick: () => acts.onDelete([this.#pod]) }, "Delete …");
    this.#body = h("div", { class: "stack", hidden: true }, h("div", { class: "virtual-title" }, this.#title, this.#status), this.#reason, this.#bar.element,
      h("div", { class: "virtual-actions" }, this.#bringBack, this.#delete), this.#facts);
    this.element = h("div", { class: "virtual-details stack" },
      h("button", { type: "button", class: "link back", onclick: () => acts.onBack() }, "← All virtual pods"), this.#problem.element, this.#gone, this.#loading, this.#body);
    this.#poller = new Poller({
      ask: (signal) => show(this.#id, signal),
      onAnswer: (pod) => this.#draw(pod),
      onFailure: (error) => this.#fail(error),
    });
  }

  /** Shows the pod of an id, asked for again while it is shown. */
  open(id) {
    if (id === this.#id) return;
    this.#id = id;
    this.#seen = "";
    this.#problem.show(null);
    this.#loading.hidden = false;
    this.#body.hidden = this.#gone.hidden = true;
    this.#poller.start();
  }

  /** `pods`: all that there are now. */
  update(pods) {
    if (this.#id === null) return;
    const pod = pods.find(({ id }) => id === this.#id);
    if (pod) this.#draw(pod);
    else this.#showGone();
  }

  close() {
    this.#id = null;
    this.#poller.stop();
    this.#bar.stop();
  }

  focus() {
    this.element.querySelector(".back").focus();
  }

  #fail(error) {
    this.#loading.hidden = true;
    if (error.code === "unknown_virtual_pod") this.#showGone();
    else this.#problem.show(error);
  }

  #showGone() {
    this.#poller.stop();
    this.#loading.hidden = this.#body.hidden = true;
    this.#problem.show(null);
    this.#gone.hidden = false;
    setText(this.#gone, `${this.#id} is gone: it was deleted, or it is at home again.`);
  }

  #draw(pod) {
    this.#problem.show(null);
    this.#pod = pod;
    const seen = JSON.stringify(pod);
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#loading.hidden = true;
    this.#body.hidden = false;
    setText(this.#title, podName(pod));
    showStatus(this.#status, pod);
    this.#showReason(pod);
    this.#bar.show(pod.transfer);
    const busy = pod.status === "Transferring" || pod.status === "Deleting";
    this.#bringBack.hidden = !hasHome(pod);
    this.#bringBack.disabled = busy || pod.status === "Pending";
    this.#delete.disabled = pod.status === "Deleting";
    // What is drawn anew keeps the keyboard where it was.
    const focus = [...this.#facts.querySelectorAll("button")].indexOf(document.activeElement);
    this.#facts.replaceChildren(facts(this.#entries(pod)));
    if (focus >= 0) this.#facts.querySelectorAll("button")[focus]?.focus({ preventScroll: true });
  }

  #showReason({ reason, message }) {
    this.#reason.hidden = !reason && !message;
    const words = [reasonText(reason), sentence(message)].filter(Boolean);
    this.#reason.replaceChildren(...(reason ? [h("p", {}, h("strong", {}, reason))] : []), ...words.map((text) => h("p", {}, text)));
  }

  #entries(pod) {
    const { onNode, onPod } = this.#acts;
    const link = (text, act) => h("button", { type: "button", class: "link", onclick: act }, text);
    const serf = (name) => link(name, () => onNode(name));
    const chart = (name, namespace, pod_) => link(`${namespace}/${pod_}`, () => onPod(name, { namespace, name: pod_ }));
    return [
      ["Id", pod.id],
      ["Status", STATUSES[pod.status] ? `${pod.status}: ${STATUSES[pod.status].text}` : pod.status],
      ["Source", serf(pod.source_node)],
      ["Pod there", chart(pod.source_node, pod.namespace, pod.source_pod_name)],
      ["Destination", serf(pod.dest_node)],
      ["Pod there", pod.dest_namespace ? chart(pod.dest_node, pod.dest_namespace, pod.dest_pod_name) : null],
      ["Origin", originText(pod.origin)],
      ["Load", loadName(pod)],
      ["Interval", `${pod.interval} s a point${pod.loop ? ", then from the start" : ", the last one stays"}`],
      ["Point", pod.point === null ? null : `${pod.point + 1} of ${pod.points}`],
      ["Ready", pod.ready ? "Yes" : "No"],
      ["IP address", pod.pod_ip],
      ["Restarts", String(pod.restarts)],
      ["Created", dateTime(pod.created_at)],
      ["Transfer", pod.transfer ? transferText(pod) : null],
    ];
  }
}

function transferText({ transfer: { direction, bytes, seconds, path }, source_node: source }) {
  const to = direction === "home" ? `home to ${source}` : "to the destination";
  return `${memory(bytes / MI)} ${to} by ${path.join(" → ")}, ${duration(seconds)}`;
}
