import { h, setText } from "../dom";
import type { Chat } from "../model/chat";
import { iconButton } from "./controls";
import type { View } from "./view";

export interface HeaderOptions {
  readonly chat: Chat;
  readonly roomsButton: HTMLElement;
  readonly membersButton: HTMLElement;
}

/** Which room one looks at. */
export class HeaderView implements View {
  readonly element: HTMLElement;
  readonly #name = h("h1", { class: "header-name", "data-testid": "room-title" });
  readonly #about = h("p", { class: "header-about" });
  readonly #copied = h("span", { class: "visually-hidden", role: "status" });
  readonly #copy: HTMLButtonElement;

  constructor(private readonly options: HeaderOptions) {
    this.#copy = iconButton({ picture: "link", label: "Copy a link to this room", onPress: () => void this.#copyLink() });
    this.element = h(
      "header",
      { class: "header" },
      options.roomsButton,
      h("div", { class: "header-text" }, this.#name, this.#about),
      this.#copy,
      this.#copied,
      options.membersButton,
    );
  }

  render(): void {
    const room = this.options.chat.active;
    document.title = room === undefined ? "Hubbub" : `${unreadMark(this.options.chat)}${room.name} · Hubbub`;
    setText(this.#name, room?.name ?? "Hubbub");
    setText(this.#about, room === undefined ? "" : peopleText(room.count, room.moderator));
    // Browsers give no clipboard to pages that came without encryption.
    this.#copy.hidden = room === undefined || !isSecureContext;
  }

  async #copyLink(): Promise<void> {
    await navigator.clipboard.writeText(location.href);
    setText(this.#copied, "The link was copied.");
    this.#copy.dataset["done"] = "";
    setTimeout(() => {
      delete this.#copy.dataset["done"];
      setText(this.#copied, "");
    }, 1_500);
  }
}

function peopleText(count: number, moderator: boolean): string {
  if (count === 0) return "";
  const people = count === 1 ? "1 person" : `${count} people`;
  return moderator ? `${people} · you moderate` : people;
}

function unreadMark({ rooms }: Chat): string {
  const unread = [...rooms.values()].reduce((sum, room) => sum + room.unread, 0);
  return unread === 0 ? "" : `(${unread}) `;
}
