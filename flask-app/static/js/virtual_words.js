/** Virtual pods in words: their statuses, reasons and ends. */

import { h } from "./dom.js";

/** By status: the sign that stands before its word, and what it means. */
export const STATUSES = {
  Pending: { sign: "○", text: "It waits for the scheduler, or for the provider to take it." },
  Transferring: { sign: "➜", text: "It is on its way between the two serfs." },
  Running: { sign: "●", text: "It runs on the destination." },
  Succeeded: { sign: "✓", text: "It has run to its end." },
  Failed: { sign: "✕", text: "It does not run." },
  Deleting: { sign: "⊘", text: "Both sides of it are being taken away." },
};

const REASONS = {
  Unschedulable: "The scheduler of the source finds no place for it on the virtual node.",
  OffloadingBackOff: "The provider has not taken it. It is tried again.",
  OffloadingAborted: "The provider has refused it for good.",
  RemotePodTerminated: "The pod on the destination has ended.",
  ProviderUnreachable: "The destination does not answer. The pod there may still be running.",
};

const ORIGINS = {
  created: "Created for the destination",
  offloaded: "Offloaded: it ran on the source before",
  adopted: "Made with kubectl",
};

/** What a reason of Liqo's means, "" where nothing is known. */
export const reasonText = (reason) => REASONS[reason] ?? "";

export const originText = (origin) => ORIGINS[origin] ?? origin;

/** Whether a pod that should run is not ready: its provider does not answer, or it has just come. */
export const notReady = ({ status, ready }) => status === "Running" && !ready;

/** The status as sign and word: `{sign, word, tone, title}`; `tone` is a class. */
export function statusOf(pod) {
  const { sign, text } = STATUSES[pod.status] ?? { sign: "?", text: "" };
  if (notReady(pod)) return { sign: "!", word: "Not ready", tone: "pending", title: reasonText(pod.reason) || pod.message || "It runs, but is not ready." };
  const word = pod.status === "Transferring" && pod.transfer?.direction === "home" ? "Going home" : pod.status;
  return { sign, word, tone: pod.status.toLowerCase(), title: pod.reason ? `${pod.reason}: ${reasonText(pod.reason) || pod.message}` : text };
}

/** Puts a pod's status into an element of a table or a heading. */
export function showStatus(element, pod) {
  const { sign, word, tone, title } = statusOf(pod);
  if (element.dataset.shown === `${sign}${word}`) {
    element.title = title;
    return;
  }
  element.dataset.shown = `${sign}${word}`;
  element.className = `virtual-status ${tone}`;
  element.title = title;
  element.replaceChildren(h("span", { "aria-hidden": "true", class: "sign" }, sign), word);
}

/** "ns1/web-0". */
export const podName = ({ namespace, source_pod_name: name }) => `${namespace}/${name}`;

/** Where a pod's load comes from: its template, or the pod that it was. */
export const loadName = ({ workload_template: template, origin }) => template || (origin === "offloaded" ? "its own series" : "a pod's series");

/** Whether a pod has a home to go to. */
export const hasHome = ({ origin }) => origin === "offloaded";
