/** The loop of rebalancing on a serf: its nodes and VMs, the spread, what has happened, and the choice of the algorithm. */

import { h, setText } from "./dom.js";
import { age, number } from "./format.js";
import { Problem, facts, skeleton } from "./panel_parts.js";
import { Poller } from "./poller.js";
import { loops, troubles } from "./rebalance.js";
import { SpreadChart } from "./rebalance_spread.js";
import { Stage } from "./rebalance_stage.js";
import { AlgorithmSwitch } from "./rebalance_switch.js";
import { LoopTables } from "./rebalance_tables.js";
import { serverNow } from "./server_clock.js";

const LOOK_MS = 2000;

export class RebalanceTab {
  #serf = null;
  #drawing = false;
  #problem = new Problem();
  #troubles = h("p", { class: "notice warning", role: "status", hidden: true });
  #loading = skeleton(8);
  #none = h("p", { class: "hint", hidden: true });
  #facts = h("div");
  #stage = new Stage();
  #spread = new SpreadChart();
  #tables = new LoopTables();
  #switch;
  #content;
  #poller;

  constructor() {
    this.#switch = new AlgorithmSwitch({ onSwitched: () => this.#poller.start() });
    this.#content = h("div", { class: "stack", hidden: true }, this.#troubles, this.#facts, this.#switch.element, this.#stage.element, this.#spread.element, this.#tables.element);
    this.#poller = new Poller({
      ask: loops, every: LOOK_MS,
      onAnswer: (found) => this.#show(found.find((loop) => loop.serf === this.#serf) ?? null),
      onFailure: (error) => {
        this.#loading.hidden = true;
        this.#problem.show(error);
      },
    });
    this.element = h("div", { class: "stack loop" });
  }

  /** What is not looked at is not in the page: few serfs have a loop. */
  open(node) {
    this.element.replaceChildren(this.#problem.element, this.#loading, this.#none, this.#content);
    if (node.name !== this.#serf) {
      this.#serf = node.name;
      this.#stage.forget();
      this.#content.hidden = true;
      this.#none.hidden = true;
      this.#loading.hidden = false;
    }
    this.#poller.start();
  }

  close() {
    this.#poller.stop();
    this.#spread.close();
    this.#drawing = false;
    this.element.replaceChildren();
  }

  show() {
    // Everything here comes with the tab's own answer.
  }

  restyle() {
    this.#spread.restyle();
  }

  #show(loop) {
    this.#problem.show(null);
    this.#loading.hidden = true;
    this.#none.hidden = loop !== null;
    this.#content.hidden = loop === null;
    if (loop === null) {
      setText(this.#none, `No loop of rebalancing runs on ${this.#serf}. \`serflab rebalance up --serf ${this.#serf}\` starts one.`);
      this.#spread.close();
      this.#drawing = false;
      return;
    }
    const wrong = troubles(loop);
    this.#troubles.hidden = wrong === "";
    setText(this.#troubles, wrong);
    this.#facts.replaceChildren(facts(factsOf(loop)));
    this.#switch.update(loop);
    this.#stage.update(loop);
    this.#tables.update(loop);
    // When the tab is in sight: a chart has to know how wide it is.
    if (!this.#drawing) this.#spread.open(loop.serf);
    this.#drawing = true;
  }
}

function factsOf({ serf, own_serf: own, scenario, interval, average, low, high, cycles: [last], vms }) {
  const points = (value) => `${value.toLocaleString("en", { maximumFractionDigits: 1 })} %`;
  const moving = vms.filter(({ migration }) => migration !== null).length;
  return [
    ["Serf", own ? `${serf}, the loop's own` : null],
    ["Scenario", scenario],
    ["Average score", average === null ? "not known" : `${points(average)}; under up to ${points(low)}, over above ${points(high)}`],
    ["Last cycle", last ? `${age(last.ended * 1000, serverNow() * 1000)} ago, one every ${number(interval)} s: ${last.over} over, ${last.under} under, ${last.evictions} evictions` : `none yet; one every ${number(interval)} s`],
    ["On the move", `${moving} of ${vms.length.toLocaleString("en")} VMs`],
  ];
}
