import { arrange, h, set, setText } from "../dom";
import type { Chat } from "../model/chat";
import type { Room } from "../model/room";
import { avatar, iconButton, textButton } from "./controls";
import type { View } from "./view";

/** Who is in the room, and what its moderator may do about it. */
export class MembersView implements View {
  readonly element: HTMLElement;
  readonly #title = h("h2", { class: "side-title" }, "Members");
  readonly #count = h("span", { class: "count", "data-testid": "member-count" });
  readonly #list = h("ul", { class: "members", "data-testid": "members" });
  readonly #more = h("p", { class: "members-more" });
  #room: Room | undefined;
  #items = new Map<string, MemberItem>();

  constructor(
    private readonly chat: Chat,
    trial: HTMLElement,
    close: HTMLElement,
  ) {
    this.element = h(
      "aside",
      { class: "side side-members", id: "members", "aria-label": "Members" },
      h("div", { class: "side-head" }, this.#title, this.#count, close),
      this.#list,
      this.#more,
      trial,
    );
  }

  render(): void {
    const room = this.chat.active;
    if (room !== this.#room) {
      this.#room = room;
      this.#items = new Map();
    }
    setText(this.#count, room === undefined ? "" : String(room.count));
    const names = room === undefined ? [] : sorted(room);
    for (const name of this.#items.keys()) if (!room?.members.has(name)) this.#items.delete(name);
    arrange(
      this.#list,
      names.map((name) => this.#item(name).element),
    );
    for (const item of this.#items.values()) item.render();
    const hidden = (room?.count ?? 0) - names.length;
    this.#more.hidden = hidden <= 0;
    setText(this.#more, `and ${hidden} more`);
  }

  #item(name: string): MemberItem {
    let item = this.#items.get(name);
    if (item === undefined) {
      item = new MemberItem(this.chat, this.#room as Room, name);
      this.#items.set(name, item);
    }
    return item;
  }
}

function sorted({ members, me }: Room): string[] {
  return [...members].sort((one, other) => Number(other === me) - Number(one === me) || one.localeCompare(other));
}

class MemberItem {
  readonly element: HTMLElement;
  readonly #note = h("span", { class: "member-note" });
  readonly #toggle: HTMLButtonElement;
  readonly #actions: HTMLElement;

  constructor(
    chat: Chat,
    private readonly room: Room,
    private readonly name: string,
  ) {
    this.#toggle = iconButton({
      picture: "more",
      label: `Moderate ${name}`,
      attributes: { class: "icon-button icon-button-small", "data-testid": "moderate", "aria-expanded": "false" },
      onPress: () => this.#expand(this.#toggle.getAttribute("aria-expanded") === "false"),
    });
    const action = (label: string, testid: string, act: () => Promise<void>): HTMLButtonElement =>
      textButton(label, { class: "button button-small", "data-testid": testid }, () => {
        this.#expand(false);
        this.#toggle.focus();
        void act();
      });
    this.#actions = h(
      "div",
      { class: "member-actions", role: "group", "aria-label": `Moderate ${name}` },
      action("Mute", "mute", () => chat.mute(room, name)),
      action("Unmute", "unmute", () => chat.unmute(room, name)),
      action("Remove", "kick", () => chat.kick(room, name)),
    );
    this.#actions.hidden = true;
    this.element = h(
      "li",
      { class: "member", "data-testid": "member", "data-user": name },
      h(
        "div",
        { class: "member-line" },
        avatar(name),
        h("span", { class: "member-name" }, name),
        this.#note,
        this.#toggle,
      ),
      this.#actions,
    );
  }

  render(): void {
    const self = this.name === this.room.me;
    const muted = this.room.muted.has(this.name);
    this.#toggle.hidden = !this.room.moderator || self;
    if (this.#toggle.hidden) this.#expand(false);
    setText(this.#note, self ? "you" : muted ? "muted" : "");
  }

  #expand(open: boolean): void {
    this.#actions.hidden = !open;
    set(this.#toggle, { "aria-expanded": String(open) });
  }
}
