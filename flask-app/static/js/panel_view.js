/** What the panel and its chart show: the fields of a view that are theirs, and what they mean together. */

export const TABS = ["overview", "pods", "peerings", "cluster", "events", "health", "config", "rebalancing"];
/** By name, in seconds. */
export const WINDOWS = { "5m": 300, "15m": 900, "1h": 3600, "2h": 7200 };
/** How a serf's chart shows its series: emulated and real, emulated minus real, or stacked by namespace or by pod. */
export const SHAPES = ["lines", "difference", "namespace", "pod"];
export const MOST_PODS = 12;

/** "ns1/web-0" → `{namespace, name}`, null for anything else. */
export function parsePod(text) {
  const [namespace, name, more] = text.split("/");
  return namespace && name && more === undefined ? { namespace, name } : null;
}

export const podKey = ({ namespace, name }) => `${namespace}/${name}`;

/** The pods whose series the chart shows: whoever sets `pod` alone means that one, whoever clears it means none. */
export function chosenPods({ pod, pods }) {
  if (!pod) return [];
  const known = new Map((pods ?? []).map((other) => [podKey(other), other]));
  return known.has(podKey(pod)) ? [...known.values()].slice(0, MOST_PODS) : [pod];
}

/** The fields of a view that say which pods are chosen: `pod` is the first of `pods`. */
export function choosing(pods) {
  return { pod: pods[0] ?? null, pods: pods.length > 1 ? pods : [] };
}

/** The tab that is shown: a link to a pod leads to the pods, any other to the overview. */
export const chosenTab = ({ tab, pod }) => (TABS.includes(tab) ? tab : pod ? "pods" : "overview");
