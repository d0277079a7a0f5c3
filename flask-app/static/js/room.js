/** How nodes make room for expanded serfs: they are pushed away on both axes, and none changes its order with another. */

const HALF = 46;
// Boxes that are as good as in one row or column push once, not one after the other.
const SAME = 20;

/**
 * Where nodes go when some have become boxes. `base`: `Map(name -> {x, y})` without any box; `boxes`: `Map(name -> {w, h})`;
 * `reach`: from this distance on a node is pushed as far as the box demands. Returns a function from a name to `{x, y}`.
 */
export function room(base, boxes, reach) {
  const present = [...boxes].filter(([name]) => base.has(name));
  const columns = groups(present.map(([name, { w }]) => ({ name, at: base.get(name).x, extra: Math.max(0, w / 2 - HALF) })));
  const rows = groups(present.map(([name, { h }]) => ({ name, at: base.get(name).y, extra: Math.max(0, h / 2 - HALF) })));
  return (name) => {
    const { x, y } = base.get(name);
    return { x: x + shift(columns, name, x, reach), y: y + shift(rows, name, y, reach) };
  };
}

function groups(pushers) {
  const found = [];
  for (const pusher of pushers.toSorted((a, b) => a.at - b.at)) {
    const last = found.at(-1);
    if (last && pusher.at - last[0].at <= SAME) last.push(pusher);
    else found.push([pusher]);
  }
  return found;
}

function shift(found, name, at, reach) {
  let sum = 0;
  for (const group of found) {
    const pushes = group.filter((pusher) => pusher.name !== name).map((pusher) => pusher.extra * Math.max(-1, Math.min(1, (at - pusher.at) / reach)));
    sum += Math.max(0, ...pushes) + Math.min(0, ...pushes);
  }
  return sum;
}
