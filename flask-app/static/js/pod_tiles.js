/** The inside of an expanded serf as boxes: its Kubernetes nodes and, in these, its pods. Sizes in the graph's own units. */

/** Above this many pods, a Kubernetes node shows one tile for each namespace instead of one for each pod. */
const PODS_SHOWN = 200;

const POD = { w: 44, h: 26, gap: 5 };
const NAMESPACE = { w: 96, h: 44, gap: 8 };
const EDGE = 10;
const HEADER = 24;
const TITLE = 34;
const LEAST = { w: 130, h: 56 };
// Wider than high, as most screens are.
const ASPECT = 1.5;

/** The field of a pod's current value, by measure. */
const POD_FIELDS = { cpu: "cpu_millicores", memory: "memory_mi", psi: "psi_percent", power: "power_watts" };

/**
 * Boxes for an answer of cluster-info: `{w, h, boxes}`; each box is `{id, kind, x, y, w, h, …}` with its centre as seen from
 * the serf's, and `kind` one of `kube` (with `node`), `pod` (with `pod` and `share`, 0 to 1 of the serf's largest pod, null where
 * unknown) and `namespace` (with `namespace`, `pods` and `share`).
 */
export function plan(report, measure) {
  const field = POD_FIELDS[measure];
  const largest = Math.max(0, ...report.pods.map((pod) => pod[field] ?? 0));
  const share = (value) => (value === null || value === undefined ? null : largest > 0 ? Math.min(1, value / largest) : 0);
  const groups = byNode(report).map(({ node, pods }) => ({ node, ...(pods.length > PODS_SHOWN ? namespaces(pods, field) : tiles(pods, field, share)) }));
  return assemble(report.node, groups);
}

/** A box with nothing in it but a message. */
export function emptyPlan(serf, message, failed = false) {
  return { w: 240, h: 110, boxes: [{ id: `${serf}/message`, kind: "message", message, failed, x: 0, y: TITLE / 2, w: 200, h: 50 }] };
}

function byNode({ nodes, pods }) {
  const groups = new Map(nodes.map((node) => [node.name, { node, pods: [] }]));
  for (const pod of pods) {
    const name = pod.node || "";
    if (!groups.has(name)) groups.set(name, { node: { name, ready: null }, pods: [] });
    groups.get(name).pods.push(pod);
  }
  return [...groups.values()];
}

function tiles(pods, field, share) {
  const boxes = pods.map((pod) => ({ kind: "pod", key: `${pod.namespace}/${pod.name}`, pod, share: share(pod[field]) }));
  return { boxes, ...inRows(boxes, POD) };
}

function namespaces(pods, field) {
  const sums = new Map();
  for (const pod of pods) {
    const sum = sums.get(pod.namespace) ?? { pods: 0, value: 0 };
    sums.set(pod.namespace, { pods: sum.pods + 1, value: sum.value + (pod[field] ?? 0) });
  }
  const most = Math.max(0, ...[...sums.values()].map(({ value }) => value));
  const boxes = [...sums].map(([namespace, { pods: count, value }]) => ({
    kind: "namespace", key: namespace, namespace, pods: count, value, share: most > 0 ? value / most : 0,
  }));
  return { boxes, ...inRows(boxes, NAMESPACE) };
}

/** Puts tiles of one size in rows, left and top at 0, and returns the size of the whole. */
function inRows(boxes, { w, h, gap }) {
  const columns = Math.max(1, Math.ceil(Math.sqrt((boxes.length * ASPECT * (h + gap)) / (w + gap))));
  boxes.forEach((box, at) => Object.assign(box, { w, h, left: (at % columns) * (w + gap), top: Math.floor(at / columns) * (h + gap) }));
  const count = Math.ceil(boxes.length / columns);
  return { w: Math.min(columns, boxes.length) * (w + gap) - gap, h: count * (h + gap) - gap };
}

/** Puts the Kubernetes nodes beside and below each other, all as large as the largest of their row. */
function assemble(serf, groups) {
  const columns = Math.max(1, Math.round(Math.sqrt(groups.length)));
  const boxes = [];
  let [width, top] = [0, 0];
  for (let first = 0; first < groups.length; first += columns) {
    const row = groups.slice(first, first + columns);
    const height = Math.max(LEAST.h, ...row.map(({ h }) => h + HEADER + EDGE));
    let left = 0;
    for (const group of row) {
      const w = Math.max(LEAST.w, group.w + 2 * EDGE);
      const id = `${serf}/node/${group.node.name}`;
      boxes.push({ id, kind: "kube", node: group.node, pods: count(group.boxes), left, top, w, h: height });
      const inset = left + (w - Math.max(0, group.w)) / 2;
      for (const box of group.boxes) {
        boxes.push({ ...box, id: `${id}/${box.key}`, left: box.left + inset, top: box.top + top + HEADER });
      }
      left += w + EDGE;
    }
    width = Math.max(width, left - EDGE);
    top += height + EDGE;
  }
  const [w, h] = [Math.max(width, LEAST.w) + 2 * EDGE, Math.max(top - EDGE, LEAST.h) + TITLE + EDGE];
  for (const box of boxes) {
    box.x = box.left + box.w / 2 + EDGE - w / 2;
    box.y = box.top + box.h / 2 + TITLE - h / 2;
  }
  return { w, h, boxes };
}

const count = (boxes) => boxes.reduce((sum, box) => sum + (box.pods ?? 1), 0);
