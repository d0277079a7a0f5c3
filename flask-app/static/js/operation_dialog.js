/** A dialog that starts an operation on a virtual pod and shows it to its end: form, progress, result. */

import { makeDialog } from "./dialog.js";
import { h, setText } from "./dom.js";
import { sentence } from "./format.js";
import { OperationProgress } from "./operation_progress.js";
import { Problem } from "./panel_parts.js";
import { followUp } from "./virtual_actions.js";

/**
 * `title`, `content` (the fields) and `submit` (the text of the button) make the form. `start()` makes the call and resolves
 * with its answer, null where the fields are not right yet; `refuse(error)` puts an error beside its field and says whether
 * it could. `told(pod)`: `{done, failed}`, the end in words. `kind`: of the operation. `onDetails(id)` shows the pod.
 * Who closes the dialog early gets the end as a message. Resolves when it is closed.
 */
export function operationDialog({ title, content, submit, kind, start, refuse = () => false, told, onDetails }) {
  const problem = new Problem();
  const fields = h("div", { class: "operation-form" }, content);
  const stage = h("div", { class: "operation-stage", tabindex: -1, hidden: true });
  const form = [{ text: "Cancel", value: "" }, { text: submit, value: "start", primary: true }];
  let open = true;
  let shown = null;

  const showForm = (error = null) => {
    shown?.stop();
    stage.hidden = true;
    fields.hidden = false;
    dialog.offer(form);
    busy(false);
    const beside = error !== null && refuse(error);
    problem.show(beside ? null : error);
    if (error !== null && !beside) problem.element.scrollIntoView({ block: "nearest" });
  };
  const busy = (is) => {
    const button = dialog.element.querySelector(".dialog-buttons .primary");
    button.disabled = is;
    dialog.element.setAttribute("aria-busy", String(is));
  };
  const run = async () => {
    busy(true);
    problem.show(null);
    let answer;
    try {
      answer = await start();
    } catch (error) {
      showForm(error);
      return;
    }
    if (answer === null) busy(false);
    else await watch(answer);
  };
  const watch = async ({ operation, virtual_pod: pod }) => {
    const words = told(pod);
    const end = h("p", { class: "operation-end", role: "status" });
    shown = new OperationProgress(kind);
    stage.replaceChildren(h("p", { class: "muted" }, `${pod.id}: ${pod.source_node} → ${pod.dest_node}`), shown.element, end);
    [fields.hidden, stage.hidden] = [true, false];
    dialog.offer([{ text: "Go on in the background", value: "" }]);
    dialog.element.setAttribute("aria-busy", "false");
    stage.focus();
    const last = await followUp(operation, {
      ...words, looking: () => open, onChange: (change) => shown.show(change), actions: [{ text: "Details", act: () => onDetails(pod.id) }],
    });
    if (!open) return;
    if (last?.state === "Failed" || last === null) {
      stage.append(h("p", { class: "notice error", role: "alert" }, last === null ? "The viewer does not say how it went on. The list of virtual pods does." : sentence([words.failed, last.message].filter(Boolean).join(": "))));
      dialog.offer([{ text: "Close", value: "" }, { text: "Details", value: pod.id, primary: true }]);
    } else {
      setText(end, words.done);
      end.classList.add("good");
      dialog.offer([{ text: "Close", value: "" }, { text: "Details", value: pod.id, primary: true }]);
    }
    dialog.element.querySelector(".dialog-buttons .primary").focus();
  };

  const dialog = makeDialog({
    title, content: [problem.element, fields, stage], buttons: form,
    onSubmit: (value) => (value === "start" ? run() : dialog.close(value)),
  });
  dialog.element.classList.add("operation-dialog");
  return dialog.closed.then((value) => {
    open = false;
    shown?.stop();
    if (value !== "" && value !== "start") onDetails(value);
  });
}
