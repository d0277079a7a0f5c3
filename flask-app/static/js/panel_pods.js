/** The pods of a serf: their table, and the chart of those that are chosen. */

import { clusterInfo } from "./api.js";
import { h } from "./dom.js";
import { Problem } from "./panel_parts.js";
import { PodActions } from "./pod_actions.js";
import { chosenPods, podKey } from "./panel_view.js";
import { peersOf } from "./peers.js";
import { PodTable } from "./pods.js";
import { Poller } from "./poller.js";

export class PodsTab {
  #chart;
  #poller;
  #node = null;
  #chosen = [];
  #wanted = null;
  #table;
  #problem = new Problem();
  #slot = h("div", { hidden: true });
  #actions;

  /** `chart` is shared with the overview; `onChoose(pods)` when the user opens a pod or ticks several; `virtualPods` as the panel has it. */
  constructor({ chart, onChoose, virtualPods }) {
    this.#chart = chart;
    this.#actions = new PodActions(virtualPods);
    this.#table = new PodTable({
      onOpen: ({ namespace, name }) => onChoose([{ namespace, name }]),
      onToggle: ({ namespace, name }) => {
        const key = podKey({ namespace, name });
        const others = this.#chosen.filter((pod) => podKey(pod) !== key);
        onChoose(others.length < this.#chosen.length ? others : [...others, { namespace, name }]);
      },
      onClear: () => onChoose([]),
      onDetails: (id) => virtualPods.details(id),
      onOffload: ({ namespace, name }) => virtualPods.offload(this.#node, { namespace, name }),
    });
    this.#poller = new Poller({
      ask: (signal) => clusterInfo(this.#node, signal),
      onAnswer: (info) => {
        this.#problem.show(null);
        this.#actions.update(info.pods);
        this.#table.update(info.pods, { node: this.#node, source: info.values_from });
      },
      onFailure: (error) => this.#problem.show(error),
    });
    this.element = h("div", { class: "stack pods-tab" }, this.#slot, this.#actions.element, this.#problem.element, this.#table.element);
  }

  open(node) {
    if (this.#node !== node.name) {
      if (this.#node !== null) this.#table.forget();
      this.#node = node.name;
    }
    if (this.#wanted !== null) this.#table.filterBy(this.#wanted);
    this.#wanted = null;
    this.#slot.replaceChildren(this.#chart.element);
    this.#problem.show(null);
    if (node.state === "absent") this.#problem.show({ message: "This serf is not up.", hint: "`serflab up` starts it." });
    else this.#poller.start();
  }

  close() {
    this.#poller.stop();
    this.#actions.close();
    this.#chart.show(null);
  }

  /** The next time that the tab is opened it shows only pods of `{namespace}` or of the Kubernetes `{node}`. */
  filterBy(filter) {
    this.#wanted = filter;
  }

  show({ node, view, topology }) {
    this.#chosen = chosenPods(view);
    const shown = this.#chosen.length > 0 && node.state !== "absent";
    this.#slot.hidden = !shown;
    this.#chart.show(shown ? { ...view, pods: this.#chosen } : null);
    this.#table.choose(this.#chosen);
    const peered = peersOf(topology, node.name).length > 0;
    this.#table.setPeered(peered);
    this.#actions.show({ serf: node.name, pod: shown && this.#chosen.length === 1 ? this.#chosen[0] : null, peered });
  }
}
