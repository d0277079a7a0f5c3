/** Where the nodes of a topology are put when nobody has moved them yet. */

const RING_UP_TO = 40;
// Room for a node and, between two of them, for the names of two interfaces.
const SPACING = 190;

/**
 * Returns positions by node name for a box of the given aspect ratio (width ÷ height): a ring in the order of the file for
 * a lab of usual size, else a grid; nodes without links stand aside.
 */
export function place(nodes, links, aspect) {
  const linked = new Set(links.flatMap((link) => link.endpoints.map((end) => end.node)));
  const inside = nodes.filter((node) => linked.has(node.name));
  const aside = nodes.filter((node) => !linked.has(node.name));
  if (inside.length === 0) return grid(nodes, aspect);
  return inside.length <= RING_UP_TO ? ring(inside, aside, aspect) : grid([...inside, ...aside], aspect);
}

function ring(inside, aside, aspect) {
  const positions = new Map();
  const radius = Math.max(160, (inside.length * SPACING) / (2 * Math.PI));
  const stretch = Math.sqrt(Math.min(2, Math.max(0.6, aspect)));
  const [rx, ry] = [radius * stretch, radius / stretch];
  inside.forEach((node, index) => {
    const angle = (2 * Math.PI * index) / inside.length - Math.PI / 2;
    positions.set(node.name, { x: rx * Math.cos(angle), y: ry * Math.sin(angle) });
  });
  // The corners beside a ring are free; more than two nodes get a row of their own below it.
  const corner = aside.length <= 2;
  aside.forEach((node, index) => {
    const x = corner ? rx * (index === 0 ? 1 : -1) : (index - (aside.length - 1) / 2) * SPACING;
    positions.set(node.name, { x, y: corner ? -ry : ry + SPACING });
  });
  return positions;
}

function grid(nodes, aspect) {
  const columns = Math.max(1, Math.round(Math.sqrt(nodes.length * aspect)));
  return new Map(
    nodes.map((node, index) => [
      node.name,
      { x: (index % columns) * SPACING, y: Math.floor(index / columns) * SPACING },
    ]),
  );
}
