/** The graph by keyboard: the arrows go from node to node, a live region says where one is. */

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
// A linked node is worth a detour; one that lies sideways counts as farther away.
const LINKED = 0.55;
const SIDEWAYS = 2;

const HELP = "Arrow keys move between nodes, Enter opens, E expands, the menu key shows what can be done, plus, minus and 0 zoom.";

/**
 * Wires the keys of the graph's container. `actions` has `open(id)`, `expand(id)`, `zoom(factor)`, `fit()`, `describe(id)` (a
 * text for the live region), `selected()` (the id where the keyboard starts, or null), `menu(id)`, and `pick`, the `GraphPick` that
 * the keys belong to while it is active.
 */
export function setUpKeys(cy, region, actions) {
  const container = cy.container();
  container.tabIndex = 0;
  container.setAttribute("role", "application");
  container.setAttribute("aria-roledescription", "graph");
  container.setAttribute("aria-label", `The topology as a graph. ${HELP} The Table button shows the same as a table.`);
  const current = () => cy.nodes(".focused").first();
  const focus = (node) => {
    cy.nodes(".focused").removeClass("focused");
    node.addClass("focused");
    if (actions.pick.active) actions.pick.focus(node.id());
    else region.textContent = actions.describe(node.id());
    bringIntoView(cy, node);
  };
  const keys = {
    Enter: () => current().nonempty() && actions.open(current().id()),
    e: () => current().nonempty() && actions.expand(current().id()),
    "+": () => actions.zoom(1.25),
    "=": () => actions.zoom(1.25),
    "-": () => actions.zoom(0.8),
    0: () => actions.fit(),
    Home: () => cy.nodes().nonempty() && focus(cy.nodes().first()),
    ContextMenu: () => current().nonempty() && actions.menu(current().id()),
  };
  keys.F10 = keys.ContextMenu;
  const first = () => (actions.pick.active ? actions.pick.nodes().first() : start(cy, actions.selected()));
  container.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.key === "F10" && !event.shiftKey)) return;
    const direction = ARROWS[event.key];
    if (actions.pick.active) {
      pickingKey(event, direction);
      return;
    }
    if (!direction && !(event.key in keys)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!direction) keys[event.key]();
    else if (current().empty()) focus(first());
    else focus(next(cy, current(), direction) ?? current());
  });
  const pickingKey = (event, direction) => {
    const { pick } = actions;
    if (!direction && !["Enter", " ", "Tab", "+", "=", "-", "0"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Tab") {
      const id = pick.following(current().id(), event.shiftKey ? -1 : 1);
      if (id !== null) focus(cy.getElementById(id));
    } else if (event.key === "Enter" || event.key === " ") {
      if (current().nonempty()) pick.offer(current().id());
    } else if (!direction) {
      keys[event.key]();
    } else if (current().empty()) {
      focus(first());
    } else {
      focus(next(cy, current(), direction, pick.nodes()) ?? current());
    }
  };
  container.addEventListener("focus", () => {
    if (current().empty() && cy.nodes().nonempty() && container.matches(":focus-visible")) focus(first());
  });
  container.addEventListener("blur", () => cy.nodes(".focused").removeClass("focused"));
}

function start(cy, selected) {
  const node = selected ? cy.getElementById(selected) : cy.collection();
  return node.nonempty() ? node : cy.nodes().first();
}

/** The node that an arrow leads to, of `among` or all: the nearest that way, sooner a linked one; undefined where there is none. */
export function next(cy, from, [dx, dy], among = null) {
  const { x, y } = from.position();
  const linked = new Set(from.neighborhood("node").map((node) => node.id()));
  let [best, least] = [undefined, Infinity];
  (among ?? cy.nodes(from.hasClass("inside") ? `[id = "${from.data("serf")}"], .inside` : "*")).forEach((node) => {
    if (node.same(from) || node.hasClass("message")) return;
    const [ax, ay] = [node.position("x") - x, node.position("y") - y];
    const [along, aside] = [ax * dx + ay * dy, Math.abs(ax * dy) + Math.abs(ay * dx)];
    if (along <= 1 || aside > 3 * along) return;
    const distance = (along + SIDEWAYS * aside) * (linked.has(node.id()) ? LINKED : 1);
    if (distance < least) [best, least] = [node, distance];
  });
  return best;
}

function bringIntoView(cy, node) {
  const box = node.renderedBoundingBox({ includeLabels: true });
  const by = (low, high, size) => (low < 24 ? 24 - low : high > size - 24 ? size - 24 - high : 0);
  cy.panBy({ x: by(box.x1, box.x2, cy.width()), y: by(box.y1, box.y2, cy.height()) });
}
