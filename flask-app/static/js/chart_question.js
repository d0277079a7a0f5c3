/** What a chart asks the API: which call and which parameters for what is to be shown. */

import { WINDOWS, podKey } from "./panel_view.js";

export const METRICS = {
  cpu: { title: "CPU", stacks: true },
  memory: { title: "Memory", stacks: true },
  psi: { title: "PSI", stacks: false },
  power: { title: "Power", stacks: true },
};

const segment = encodeURIComponent;

/** The shape that is drawn: only a serf has others than lines, and pressures do not add up to anything. */
export function shapeOf({ pods, shape }, metric) {
  if (pods.length > 0) return "lines";
  return shape === "lines" || shape === "difference" || METRICS[metric].stacks ? shape : "lines";
}

/**
 * The time that is asked for: `{window}` while the chart is live, `{from, to}` (seconds since the epoch) while it is fixed;
 * a range without `to` ends now. In the past (`at`) a window ends there.
 */
export function rangeOf({ window, from, to, at }) {
  if (from !== null) return to === null ? { from } : { from, to };
  return at === null ? { window } : { from: Math.round(at) - WINDOWS[window], to: Math.round(at) };
}

/** Whether new samples come to what is shown. */
export const isLive = (choice) => !("to" in rangeOf(choice));

/** `{path, parameters}` of the call that answers what `choice` wants to see of one measure. */
export function questionOf(choice, metric) {
  const { node, pods } = choice;
  const home = `/api/node/${segment(node)}`;
  const parameters = new URLSearchParams({ metric, ...rangeOf(choice) });
  const shape = shapeOf(choice, metric);
  if (pods.length > 1) {
    for (const pod of pods) parameters.append("pod", podKey(pod));
    return { path: `${home}/pods/timeseries`, parameters };
  }
  if (pods.length === 1) return { path: `${home}/pod/${segment(pods[0].namespace)}/${segment(pods[0].name)}/timeseries`, parameters };
  if (shape === "namespace" || shape === "pod") {
    parameters.set("by", shape);
    return { path: `${home}/stack`, parameters };
  }
  return { path: `${home}/timeseries`, parameters };
}
