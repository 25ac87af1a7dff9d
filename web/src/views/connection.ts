import { ConnectionClosed } from "hubbub";
import type { ConnectionState } from "hubbub";
import { h, set, setText } from "../dom";
import type { Chat } from "../model/chat";
import { capitalised } from "../model/explanations";
import { textButton } from "./controls";
import type { View } from "./view";

/** The close code for a connection whose session has a newer one, as when a tab was duplicated. */
const REPLACED = 4409;

/** How it stands with the server: a quiet word always, a banner when it matters. */
export class ConnectionView implements View {
  readonly element: HTMLElement;
  readonly banner: HTMLElement;
  readonly #word = h("span", { class: "connection-word" });
  readonly #text = h("span", { class: "banner-text", role: "status" });
  readonly #again: HTMLButtonElement;

  constructor(
    private readonly chat: Chat,
    reconnect: () => void,
  ) {
    this.element = h(
      "p",
      { class: "connection", "data-testid": "connection" },
      h("span", { class: "connection-dot", "aria-hidden": "true" }),
      this.#word,
    );
    this.#again = textButton("Try now", { class: "button button-small" }, () =>
      chat.connection.phase === "closed" ? reconnect() : chat.isCut ? chat.mend() : chat.wake(),
    );
    this.banner = h("div", { class: "banner", "data-testid": "banner" }, this.#text, this.#again);
  }

  render(): void {
    const { connection } = this.chat;
    const { phase } = connection;
    set(this.element, { "data-phase": phase });
    setText(this.#word, { idle: "Connecting", connecting: "Connecting", open: "Connected", waiting: "Reconnecting", asleep: "Asleep", closed: "Disconnected" }[phase]);
    this.banner.hidden = phase === "open" || phase === "asleep" || (phase === "connecting" && connection.attempt === 1);
    this.#again.hidden = phase === "connecting" && !this.chat.isCut;
    setText(this.#again, isReplaced(connection) ? "Use it here, too" : this.chat.isCut ? "Plug it back in" : "Try now");
    setText(this.#text, this.#sentence());
  }

  #sentence(): string {
    const { connection } = this.chat;
    switch (connection.phase) {
      case "idle":
      case "open":
      case "asleep":
        return "";
      case "connecting":
      case "waiting":
        return this.chat.isCut
          ? "You cut the connection. What you write waits until you plug it back in."
          : "The connection was lost. Your messages wait until it is back.";
      case "closed":
        if (isReplaced(connection)) return "This conversation goes on in another tab.";
        return capitalised(connection.error?.message ?? "the connection was closed");
    }
  }
}

function isReplaced(state: ConnectionState): boolean {
  return state.phase === "closed" && state.error instanceof ConnectionClosed && state.error.closeCode === REPLACED;
}
