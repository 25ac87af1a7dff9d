import { roomProblem } from "../address";
import { arrange, h, set, setText } from "../dom";
import type { Chat } from "../model/chat";
import type { Room } from "../model/room";
import { icon } from "../icons";
import { siteNavigation } from "../site";
import { avatar, iconButton, textButton } from "./controls";
import type { View } from "./view";

export interface RoomsOptions {
  readonly chat: Chat;
  readonly connection: HTMLElement;
  readonly themeButton: HTMLElement;
  readonly onEnter: (name: string) => void;
  readonly onLeave: (room: Room) => void;
  readonly onSignOut: () => void;
}

/** The rooms one is in, the way into others, and who one is. */
export class RoomsView implements View {
  readonly element: HTMLElement;
  readonly #list = h("ul", { class: "rooms", "data-testid": "rooms" });
  readonly #items = new Map<string, RoomItem>();

  constructor(private readonly options: RoomsOptions) {
    const { chat, connection, themeButton, onSignOut } = options;
    this.element = h(
      "aside",
      { class: "side side-rooms", id: "rooms", "aria-label": "Rooms" },
      h(
        "div",
        { class: "side-head" },
        h("div", { class: "brand" }, h("span", { class: "brand-mark", "aria-hidden": "true" }), "Hubbub"),
        themeButton,
      ),
      siteNavigation(""),
      this.#form(),
      h("h2", { class: "side-title" }, "Your rooms"),
      this.#list,
      h(
        "div",
        { class: "me" },
        avatar(chat.me),
        h("div", { class: "me-text" }, h("strong", { class: "me-name", "data-testid": "me" }, chat.me), connection),
        iconButton({
          picture: "leave",
          label: "Sign out",
          attributes: { "data-testid": "sign-out" },
          onPress: onSignOut,
        }),
      ),
    );
  }

  render(): void {
    const { rooms } = this.options.chat;
    for (const name of this.#items.keys()) if (!rooms.has(name)) this.#items.delete(name);
    const items = [...rooms.values()].map((room) => {
      const item = this.#items.get(room.name) ?? this.#item(room);
      item.render(room === this.options.chat.active);
      return item.element;
    });
    arrange(this.#list, items);
  }

  #item(room: Room): RoomItem {
    const item = new RoomItem(room, this.options);
    this.#items.set(room.name, item);
    return item;
  }

  #form(): HTMLElement {
    const input = h("input", {
      class: "input",
      name: "room",
      placeholder: "Enter a room",
      "aria-label": "Room to enter",
      autocomplete: "off",
      autocapitalize: "none",
      "data-testid": "room-name",
    });
    const problem = h("p", { class: "problem", role: "alert" });
    const button = h("button", {
      class: "icon-button icon-button-filled",
      "aria-label": "Enter room",
      title: "Enter room",
      "data-testid": "room-enter",
    });
    button.append(icon("attach"));
    const form = h("form", { class: "room-form", novalidate: true }, input, button, problem);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = input.value.trim();
      const wrong = roomProblem(name);
      setText(problem, wrong ?? "");
      if (wrong !== undefined) return;
      input.value = "";
      this.options.onEnter(name);
    });
    return form;
  }
}

class RoomItem {
  readonly element: HTMLElement;
  readonly #button: HTMLButtonElement;
  readonly #unread = h("span", { class: "unread", "data-testid": "unread" });

  constructor(
    private readonly room: Room,
    { onEnter, onLeave }: RoomsOptions,
  ) {
    this.#button = textButton("", { class: "room", "data-testid": "room", "data-room": room.name }, () =>
      onEnter(room.name),
    );
    this.#button.append(
      h("span", { class: "room-sign", "aria-hidden": "true" }, "#"),
      h("span", { class: "room-name" }, room.name),
      this.#unread,
    );
    const leave = iconButton({
      picture: "close",
      label: `Leave ${room.name}`,
      attributes: { class: "icon-button icon-button-small room-leave", "data-testid": "leave" },
      onPress: () => onLeave(room),
    });
    this.element = h("li", { class: "room-item" }, this.#button, leave);
  }

  render(active: boolean): void {
    const { unread, status } = this.room;
    set(this.#button, { "aria-current": active ? "true" : undefined, "data-status": status });
    this.#unread.hidden = unread === 0;
    setText(this.#unread, unread > 99 ? "99+" : String(unread));
    set(this.#unread, { "aria-label": `${unread} unread` });
  }
}
