/** What is shown, kept in the address after `#`, so that a link, a reload and the back button bring it back. */

export function readView() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const [namespace, name] = (parameters.get("pod") ?? "").split("/");
  return {
    node: parameters.get("node"),
    pod: namespace && name ? { namespace, name } : null,
    metric: parameters.get("metric") ?? "cpu",
    window: parameters.get("window") ?? "5m",
  };
}

export function writeView({ node, pod, metric, window }) {
  const parameters = new URLSearchParams();
  if (node) {
    parameters.set("node", node);
    if (pod) parameters.set("pod", `${pod.namespace}/${pod.name}`);
    if (metric !== "cpu") parameters.set("metric", metric);
    if (window !== "5m") parameters.set("window", window);
  }
  const hash = parameters.size ? `#${parameters}` : location.pathname;
  if (hash !== location.hash) history.pushState(null, "", hash);
}
