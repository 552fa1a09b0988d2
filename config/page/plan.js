// SPDX-License-Identifier: Apache-2.0
// The plan: its subtasks, the model's judgement, approval, edits and history.
import { at, badge, make } from "/dom.js";

export class Plan {
  constructor(send) {
    Object.assign(this, { send, plan: null, chosen: null, mine: false, drawn: "", active: -1 });
    [this.head, this.rows, this.said, this.add] = ["head", "rows", "said", "add"].map((name) => make("div", { class: name }));
    at("approve").addEventListener("click", (event) => this.decide(event, "approve"));
    at("refuse").addEventListener("click", (event) => this.decide(event, "refuse"));
    at("approval").addEventListener("submit", (event) => event.preventDefault());
    at("editor").addEventListener("submit", (event) => event.preventDefault());
  }

  drives(mine) {
    this.mine = mine;
    this.show(this.plan);
  }

  decide(event, what) {
    event.preventDefault();
    if (this.plan !== null && this.send({ do: what, plan: this.plan.id, revision: this.plan.revision, why: at("why").value })) at("why").value = "";
  }

  show(plan) {
    const old = this.plan;
    this.plan = plan;
    at("approval").hidden = !plan?.awaits;
    at("thought").hidden = !plan?.thought;
    if (plan === null) {
      at("plan-body").replaceChildren(make("p", { class: "note" }, "planner not heard yet"));
      this.drawn = "";
      return;
    }
    const { judgement } = plan;
    at("plan-body").className = plan.stale ? "stale" : "";
    if (!this.rows.isConnected) at("plan-body").replaceChildren(this.head, this.rows, this.said, this.add);
    this.head.replaceChildren(make("p", {}, badge(plan.state, plan.tone), " ", make("b", {}, plan.instruction)));
    this.list(plan);
    this.said.replaceChildren(
      ...(plan.message ? [make("p", { class: "note" }, plan.message)] : []), ...(judgement ? [this.judged(judgement)] : []));
    at("reasoning").textContent = plan.reasoning;
    at("thought").replaceChildren(make("span", { class: "note" }, "The model sees: "), make("bdi", {}, plan.thought));
    at("changes").replaceChildren(...[...plan.history].reverse().map((one) => make("li", {},
      make("b", {}, `${one.revision}. `, make("bdi", {}, one.what)), " ", make("bdi", {}, one.why), " ", make("span", { class: "note" }, `${one.at} ${one.who}`))));
    const changed = old !== null && (old.id !== plan.id || old.revision !== plan.revision);
    if (this.chosen !== null && (changed || !plan.alive || !this.mine)) this.close();
  }

  // The subtasks, drawn anew only where they are others: a click or a key that has just begun would be lost, and the place
  // to which somebody has scrolled.
  list({ subtasks, more, alive, active }) {
    const drawn = JSON.stringify([subtasks, more, alive, this.mine, this.chosen]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const focused = [...this.rows.children].indexOf(document.activeElement), top = this.rows.scrollTop;
    this.rows.replaceChildren(...subtasks.map((one, index) => this.row(one, index)),
      ...(more ? [make("p", { class: "note" }, `and ${more} more`)] : []));
    if (focused >= 0) this.rows.children[focused]?.focus({ preventScroll: true });
    const shown = this.rows.children[active];
    const middle = shown && active !== this.active ? shown.offsetTop - (this.rows.clientHeight - shown.offsetHeight) / 2 : top;
    this.rows.scrollTop = middle;
    this.active = active;
    this.add.replaceChildren(...(alive && this.mine
      ? [make("button", { type: "button", click: () => this.open(this.plan.subtasks.length) }, "Insert at the end")] : []));
  }

  row(one, index) {
    const notes = [one.next ? "would begin" : "", one.by_person ? "a person's" : "", one.attempts > 1 ? `attempt ${one.attempts}` : ""];
    const look = ["subtask", one.tone, one.active ? "active" : "", one.next ? "next" : "", index === this.chosen ? "chosen" : ""];
    const inside = [make("span", { class: "mark" }, one.mark), make("span", {}, make("bdi", {}, one.text), " ",
      make("span", { class: "note" }, notes.filter(Boolean).join(", ")))];
    if (!this.plan.alive || !this.mine) return make("div", { class: look.join(" ") }, ...inside);
    return make("button", { class: look.join(" "), type: "button", click: () => this.open(index) }, ...inside);
  }

  judged({ words, confidence, about, age, repeats, confirmations }) {
    const sure = confidence === null ? "" : `, ${Math.round(100 * confidence)} % sure of its words`;
    return make("p", { class: "note" }, "The model judges: ", make("b", {}, words),
      `${sure} (${repeats < confirmations ? `${repeats} of ${confirmations} times` : `${repeats} times in a row`}${age ? `, seen ${age}` : ""}`,
      ...(about ? [", asked about “", make("bdi", {}, about), "”"] : []), ")");
  }

  open(index) {
    if (this.chosen === index) return this.close();
    this.chosen = index;
    const { id, revision, subtasks } = this.plan, one = subtasks[index], editor = at("editor");
    const text = make("input", { value: one?.text ?? "", maxLength: 500, ariaLabel: "words of the subtask" });
    const why = make("input", { placeholder: "why, for the history", maxLength: 500, ariaLabel: "why" });
    const send = (edit, more = {}) => {
      if (this.send({ do: "edit", plan: id, revision, edit, index, why: why.value, ...more })) this.close();
    };
    const button = (words, edit, more) => make("button", { type: "button", class: "drive", click: () => send(edit, more?.()) }, words);
    const words = () => ({ texts: [text.value] });
    const front = Math.max(subtasks.findIndex((other) => other.left), 0);
    const buttons = [button("Insert before it", "INSERT", words)];
    if (one?.left) {
      buttons.unshift(button("Change words", "CHANGE", words));
      buttons.push(button("Up", "MOVE", () => ({ to: Math.max(index - 1, front) })), button("Down", "MOVE", () => ({ to: Math.min(index + 1, subtasks.length - 1) })),
        button("Skip", "SKIP"), button("Remove", "REMOVE"));
    }
    if (one) buttons.push(button("Repeat next", "REPEAT", () => ({ to: subtasks.some((other) => other.active) ? this.plan.active + 1 : front })));
    else buttons[0].textContent = "Insert at the end";
    buttons.push(button("Replace all that is left", "REPLACE", () => ({ texts: text.value.split(";").map((part) => part.trim()).filter(Boolean) })));
    editor.replaceChildren(make("b", {}, one ? `Subtask ${index + 1}` : "A new last subtask"), text, why,
      make("div", { class: "row" }, ...buttons, make("button", { type: "button", click: () => this.close() }, "Close")),
      make("p", { class: "note" }, "To replace all that is left, separate subtasks by semicolons."));
    editor.hidden = false;
    this.show(this.plan);
    text.focus();
  }

  close() {
    this.chosen = null;
    at("editor").hidden = true;
    this.show(this.plan);
  }
}
