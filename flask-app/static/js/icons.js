/** The icons of nodes that are no serfs, drawn here; strokes take the colour that they are asked for. */

const SHAPES = {
  // A torch: the flame and its bowl.
  prometheus: '<path d="M16 4c1 5 6 6 6 12a6 6 0 0 1-12 0c0-3 2-4 2-7 2 1 3 2 3 4 1-2 2-5 1-9z"/><path d="M10 25h12M12 29h8"/>',
  router: '<circle cx="16" cy="16" r="11"/><path d="M16 13V7m-2.5 2.5L16 7l2.5 2.5M16 19v6m-2.5-2.5L16 25l2.5-2.5M7 16h6m-2.5-2.5L13 16l-2.5 2.5M25 16h-6m2.5-2.5L19 16l2.5 2.5"/>',
  bridge: '<rect x="4" y="10" width="24" height="12" rx="2"/><path d="M9 14h9m-2-2 2 2-2 2M23 19h-9m2-2-2 2 2 2"/>',
  host: '<rect x="5" y="6" width="22" height="15" rx="2"/><path d="M16 21v5m-5 0h10"/>',
};

const ROLES = { switch: "bridge", "ovs-bridge": "bridge", client: "host", linux: "host" };

/** A data: address of the icon for a role; a host's for roles that have none. */
export function icon(role, colour) {
  const routing = /router|frr|srl|ceos|crpd|vyos/.test(role) ? "router" : null;
  const shape = SHAPES[role] ?? SHAPES[ROLES[role]] ?? SHAPES[routing] ?? SHAPES.host;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64" viewBox="0 0 32 32" fill="none" stroke="${colour}" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${shape}</svg>`;
  return `data:image/svg+xml;utf8,${encodeURIComponent(svg)}`;
}
