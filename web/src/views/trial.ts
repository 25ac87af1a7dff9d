import { h, set, setText } from "../dom";
import type { Chat } from "../model/chat";
import { textButton } from "./controls";
import type { View } from "./view";

/** Lets one cut the connection and move it, to see that nothing is lost. */
export class TrialView implements View {
  readonly element: HTMLElement;
  readonly #cut: HTMLButtonElement;
  readonly #move: HTMLButtonElement;
  readonly #state = h("p", { class: "trial-state", "data-testid": "trial-state" });

  constructor(private readonly chat: Chat) {
    this.#cut = textButton("", { class: "button button-small", "data-testid": "cut" }, () =>
      chat.isCut ? chat.mend() : chat.cut(),
    );
    this.#move = textButton("Move to another node", { class: "button button-small", "data-testid": "move" }, () =>
      void chat.move(),
    );
    this.element = h(
      "section",
      { class: "trial", "aria-labelledby": "trial-title" },
      h("h2", { class: "side-title", id: "trial-title" }, "Try to break it"),
      h("p", { class: "trial-text" }, "Cut the connection and keep writing. Everything arrives: once, and in order."),
      h("div", { class: "trial-buttons" }, this.#cut, this.#move),
      this.#state,
    );
  }

  render(): void {
    const { isCut, connection, moving } = this.chat;
    setText(this.#cut, isCut ? "Plug it back in" : "Cut the connection");
    set(this.#cut, { "data-cut": isCut });
    this.#move.disabled = connection.phase !== "open" || moving;
    setText(this.#move, moving ? "Moving…" : "Move to another node");
    setText(this.#state, this.#words());
  }

  #words(): string {
    const { isCut, connection, place, roundTripMs, waiting } = this.chat;
    if (isCut) return waiting === 0 ? "Nothing gets through" : `${waiting} ${waiting === 1 ? "message waits" : "messages wait"}`;
    if (connection.phase !== "open" || place === undefined) return "";
    return `Node ${place}${roundTripMs === undefined ? "" : ` · ${roundTripMs} ms`}`;
  }
}
