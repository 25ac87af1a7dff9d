import { h, set } from "../dom";
import { icon } from "../icons";
import type { Chat } from "../model/chat";
import type { Room } from "../model/room";
import { TypingSignal } from "../model/typing";
import type { AttachmentView } from "./attachment";
import { iconButton } from "./controls";
import type { View } from "./view";

const MOST_CHARACTERS = 4096;

/** Where one writes. Enter sends, Shift and Enter begin a new line. */
export class ComposerView implements View {
  readonly element: HTMLFormElement;
  readonly #input = h("textarea", {
    class: "composer-input",
    rows: 1,
    maxlength: MOST_CHARACTERS,
    "data-testid": "composer",
    enterkeyhint: "send",
  });
  readonly #attach: HTMLButtonElement;
  readonly #send = h("button", {
    class: "icon-button icon-button-filled",
    "aria-label": "Send",
    title: "Send",
    "data-testid": "send",
  });
  #room: Room | undefined;
  #signal: TypingSignal | undefined;

  constructor(
    private readonly chat: Chat,
    attachment: AttachmentView,
  ) {
    this.#attach = iconButton({
      picture: "attach",
      label: "Share a picture or a file",
      attributes: { "data-testid": "attach" },
      onPress: () => attachment.open(),
    });
    this.#send.append(icon("send"));
    this.element = h("form", { class: "composer", novalidate: true }, this.#attach, this.#input, this.#send);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("blur", () => this.#signal?.stopped());
  }

  focus(): void {
    this.#input.focus();
  }

  render(): void {
    const room = this.chat.active;
    if (room !== this.#room) this.#enter(room);
    const outside = room === undefined || room.status === "outside";
    this.#input.disabled = outside;
    this.#attach.disabled = outside;
    this.#send.disabled = outside || this.#input.value.trim() === "";
  }

  #enter(room: Room | undefined): void {
    this.#signal?.stopped();
    this.#room = room;
    this.#signal = room && new TypingSignal((typing) => this.chat.signalTyping(room, typing));
    const words = room === undefined ? "" : `Message to ${room.name}`;
    set(this.#input, { "aria-label": words, placeholder: words });
    this.#input.value = room?.draft ?? "";
    this.#fit();
  }

  #typed(): void {
    if (this.#room !== undefined) this.#room.draft = this.#input.value;
    this.#fit();
    this.render();
    if (this.#input.value.trim() === "") this.#signal?.stopped();
    else this.#signal?.typed(Date.now());
  }

  #submit(): void {
    const room = this.#room;
    const content = this.#input.value.trim();
    if (room === undefined || content === "" || this.#input.disabled) return;
    this.#input.value = "";
    this.#typed();
    this.chat.send(room, { kind: "text", content, mentions: mentionsIn(content, room) });
  }

  #fit(): void {
    this.#input.style.height = "auto";
    this.#input.style.height = `${this.#input.scrollHeight}px`;
  }
}

/** The members whose names stand behind an @. */
function mentionsIn(content: string, { members, me }: Room): string[] {
  return [...members].filter((name) => name !== me && content.includes(`@${name}`));
}
