/**
 * A force-directed layout after Fruchterman and Reingold, "Graph Drawing by Force-directed Placement" (1991): nodes repel each
 * other within a cutoff, links pull, and the largest step shrinks until nothing moves. It starts from a spiral without
 * any chance in it, so that the same topology always looks the same.
 */

// In distances; what is farther apart does not repel.
const REACH = 2;
const SEPARATING_ROUNDS = 40;
const GOLDEN_ANGLE = Math.PI * (3 - Math.sqrt(5));

/** Positions by name, `distance` apart where linked; a box of `aspect` (width ÷ height) is filled. */
export function force(nodes, links, aspect, distance) {
  const index = new Map(nodes.map((node, at) => [node.name, at]));
  const pairs = links.map(({ endpoints: [a, b] }) => [index.get(a.node), index.get(b.node)]).filter(([a, b]) => a !== b);
  const points = nodes.map((_, at) => {
    const radius = distance * 0.6 * Math.sqrt(at + 0.5);
    return { x: radius * Math.cos(at * GOLDEN_ANGLE), y: radius * Math.sin(at * GOLDEN_ANGLE) };
  });
  const rounds = Math.max(40, Math.min(200, Math.round(30_000 / Math.max(1, nodes.length))));
  const most = distance * Math.max(1, Math.sqrt(nodes.length) / 4);
  for (let round = 0; round < rounds; round += 1) {
    const moves = forces(points, pairs, distance);
    const limit = most * (1 - round / rounds);
    points.forEach((point, at) => {
      const length = Math.hypot(moves[at].x, moves[at].y) || 1;
      const step = Math.min(length, limit) / length;
      point.x += moves[at].x * step;
      point.y += moves[at].y * step;
    });
  }
  const stretch = Math.sqrt(Math.min(1.6, Math.max(0.6, aspect)));
  const stretched = points.map(({ x, y }) => ({ x: x * stretch, y: y / stretch }));
  separate(stretched, 0.6 * distance);
  return new Map(nodes.map((node, at) => [node.name, stretched[at]]));
}

/** Moves points that are closer than `least` apart; where that does not end, the whole grows until they are. */
function separate(points, least) {
  let closest = 0;
  for (let round = 0; round < SEPARATING_ROUNDS && closest < least; round += 1) {
    closest = Infinity;
    for (const [a, b] of nearby(points, least)) {
      const [dx, dy] = [points[a].x - points[b].x || 0.1 * (a - b), points[a].y - points[b].y || 0.1];
      const length = Math.hypot(dx, dy);
      closest = Math.min(closest, length);
      if (length >= least) continue;
      // A little more than half for each, so that the last rounds come to an end.
      const share = (0.52 * (least - length)) / length;
      for (const [point, sign] of [[points[a], 1], [points[b], -1]]) {
        point.x += sign * dx * share;
        point.y += sign * dy * share;
      }
    }
  }
  const short = Math.min(...Array.from(nearby(points, least), ([a, b]) => Math.hypot(points[a].x - points[b].x, points[a].y - points[b].y)), least);
  if (short < least) for (const point of points) Object.assign(point, { x: (point.x * least) / short, y: (point.y * least) / short });
}

function forces(points, pairs, distance) {
  const moves = points.map(({ x, y }) => ({ x: -0.02 * x, y: -0.02 * y }));
  const push = (a, b, amount) => {
    const [dx, dy] = [points[a].x - points[b].x || 0.1 * (a - b), points[a].y - points[b].y || 0.1];
    const length = Math.hypot(dx, dy);
    const [x, y] = [(dx / length) * amount(length), (dy / length) * amount(length)];
    moves[a].x += x;
    moves[a].y += y;
    moves[b].x -= x;
    moves[b].y -= y;
  };
  for (const [a, b] of nearby(points, REACH * distance)) push(a, b, (length) => distance ** 2 / length);
  for (const [a, b] of pairs) push(a, b, (length) => -(length ** 2) / distance);
  return moves;
}

/** Pairs of points that may be closer than `reach`: those in the same or in neighbouring cells of a grid. */
function* nearby(points, reach) {
  const cells = new Map();
  const key = (column, row) => column * 65_536 + row;
  const places = points.map(({ x, y }) => [Math.floor(x / reach), Math.floor(y / reach)]);
  for (const [at, [column, row]] of places.entries()) {
    // Only with those that are in their cell already: each pair comes once.
    for (let dx = -1; dx <= 1; dx += 1) {
      for (let dy = -1; dy <= 1; dy += 1) {
        for (const other of cells.get(key(column + dx, row + dy)) ?? []) yield [at, other];
      }
    }
    const cell = cells.get(key(column, row));
    if (cell) cell.push(at);
    else cells.set(key(column, row), [at]);
  }
}
