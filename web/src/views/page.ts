import { h, setText } from "../dom";
import type { Chat } from "../model/chat";
import type { Room } from "../model/room";
import { themeButton } from "../theme";
import { AttachmentView } from "./attachment";
import { ComposerView } from "./composer";
import { ConnectionView } from "./connection";
import { iconButton, textButton } from "./controls";
import { Drawers } from "./drawers";
import type { Drawer } from "./drawers";
import { HeaderView } from "./header";
import { LogView } from "./log";
import { MembersView } from "./members";
import { RoomsView } from "./rooms";
import { TrialView } from "./trial";
import type { View } from "./view";

export interface PageOptions {
  readonly chat: Chat;
  readonly onEnter: (name: string) => void;
  readonly onLeave: (room: Room) => void;
  readonly onSignOut: () => void;
  readonly onReconnect: () => void;
}

/** The whole chat: rooms, the room one looks at, its members. */
export class PageView implements View {
  readonly element: HTMLElement;
  readonly #chat: Chat;
  readonly #views: readonly View[];
  readonly #composer: ComposerView;
  readonly #outside: HTMLElement;
  readonly #problem = h("p", { class: "outside-text", role: "status", "data-testid": "outside" });
  readonly #drawers: Drawers;

  constructor(options: PageOptions) {
    const { chat, onLeave, onSignOut, onReconnect } = options;
    this.#chat = chat;
    const connection = new ConnectionView(chat, onReconnect);
    const attachment = new AttachmentView(chat);
    this.#composer = new ComposerView(chat, attachment);
    const rooms = new RoomsView({
      chat,
      connection: connection.element,
      themeButton: themeButton(),
      onEnter: (name) => {
        this.#drawers.close();
        options.onEnter(name);
        this.focus();
      },
      onLeave,
      onSignOut,
    });
    const trial = new TrialView(chat);
    const members = new MembersView(
      chat,
      trial.element,
      iconButton({
        picture: "close",
        label: "Close members",
        attributes: { class: "icon-button drawer-close" },
        onPress: () => this.#drawers.close(),
      }),
    );
    const header = new HeaderView({
      chat,
      roomsButton: this.#drawerButton("rooms", "menu", "Rooms"),
      membersButton: this.#drawerButton("members", "people", "Members"),
    });
    const log = new LogView(chat);
    this.#outside = h(
      "div",
      { class: "outside" },
      this.#problem,
      textButton("Join again", { class: "button button-small", "data-testid": "rejoin" }, () => {
        if (chat.active !== undefined) chat.enter(chat.active.name);
        this.focus();
      }),
    );
    const main = h("main", { class: "main" }, header.element, connection.banner, log.element, this.#outside, this.#composer.element);
    const scrim = h("div", { class: "scrim" });
    this.element = h("div", { class: "page" }, rooms.element, main, members.element, scrim, attachment.element);
    this.#drawers = new Drawers(this.element, main, scrim, { rooms: rooms.element, members: members.element });
    this.#views = [connection, rooms, header, log, this.#composer, members, trial];
  }

  focus(): void {
    this.#composer.focus();
  }

  render(): void {
    for (const view of this.#views) view.render();
    const room = this.#chat.active;
    this.#outside.hidden = room !== undefined && room.status !== "outside";
    setText(this.#problem, room === undefined ? "Enter a room to begin." : (room.problem ?? ""));
    this.#outside.classList.toggle("outside-nowhere", room === undefined);
  }

  #drawerButton(drawer: Drawer, picture: "menu" | "people", label: string): HTMLButtonElement {
    const button: HTMLButtonElement = iconButton({
      picture,
      label,
      attributes: { class: `icon-button open-${drawer}`, "data-testid": `open-${drawer}`, "aria-controls": drawer },
      onPress: () => this.#drawers.open(drawer, button),
    });
    return button;
  }
}
