import { h, set, setText } from "../dom";
import { guessedType, webUrl } from "../links";
import type { Chat } from "../model/chat";
import type { Body } from "../model/timeline";
import { field, textButton } from "./controls";

const PATIENCE_MS = 15_000;

type Kind = "image" | "file";

/** Shares a picture or a file that is on the web already, by its address. */
export class AttachmentView {
  readonly element: HTMLDialogElement;
  readonly #url = h("input", {
    class: "input",
    type: "url",
    inputmode: "url",
    placeholder: "https://",
    autocomplete: "off",
    "data-testid": "attachment-url",
  });
  readonly #size = h("input", { class: "input", type: "number", min: 1, "data-testid": "attachment-size" });
  readonly #type = h("input", { class: "input", autocomplete: "off", "data-testid": "attachment-type" });
  readonly #details: HTMLElement;
  readonly #problem = h("p", { class: "problem", role: "alert", "data-testid": "attachment-problem" });
  readonly #send = h("button", { class: "button button-primary", "data-testid": "attachment-send" }, "Share");
  readonly #kinds: Record<Kind, HTMLInputElement>;
  /** Counts the times it was opened, so that a picture measured for an earlier time is not sent now. */
  #opened = 0;

  constructor(private readonly chat: Chat) {
    this.#kinds = { image: this.#choice("image"), file: this.#choice("file") };
    this.#details = h(
      "div",
      { class: "field-row" },
      field("Size in bytes", this.#size),
      field("Type", this.#type),
    );
    const form = h(
      "form",
      { class: "dialog-form", novalidate: true },
      h("h2", { class: "dialog-title", id: "share-title" }, "Share by address"),
      h(
        "div",
        { class: "choice", role: "radiogroup", "aria-labelledby": "share-title" },
        h("label", { class: "choice-option" }, this.#kinds.image, h("span", {}, "Picture")),
        h("label", { class: "choice-option" }, this.#kinds.file, h("span", {}, "File")),
      ),
      field("Web address", this.#url),
      this.#details,
      this.#problem,
      h(
        "div",
        { class: "dialog-buttons" },
        textButton("Cancel", { class: "button button-quiet" }, () => this.element.close()),
        this.#send,
      ),
    );
    this.element = h("dialog", { class: "dialog", "aria-labelledby": "share-title" }, form);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#url.addEventListener("change", () => {
      const url = webUrl(this.#url.value.trim());
      if (url !== undefined && this.#type.value === "") this.#type.value = guessedType(url);
    });
  }

  open(): void {
    this.#opened += 1;
    for (const input of [this.#url, this.#size, this.#type]) input.value = "";
    this.#kinds.image.checked = true;
    this.#waits(false);
    this.#choose();
    this.element.showModal();
    this.#url.focus();
  }

  #choice(kind: Kind): HTMLInputElement {
    const input = h("input", { type: "radio", name: "kind", value: kind, "data-testid": `attachment-${kind}` });
    input.addEventListener("change", () => this.#choose());
    return input;
  }

  #choose(): void {
    this.#details.hidden = this.#kinds.image.checked;
    setText(this.#problem, "");
  }

  async #submit(): Promise<void> {
    const room = this.chat.active;
    const opened = this.#opened;
    setText(this.#problem, "");
    this.#waits(true);
    try {
      const body = this.#kinds.image.checked ? await this.#picture() : this.#file();
      if (room === undefined || opened !== this.#opened || !this.element.open) return;
      this.chat.send(room, body);
      this.element.close();
    } catch (error) {
      if (opened === this.#opened) setText(this.#problem, (error as Error).message);
    } finally {
      if (opened === this.#opened) this.#waits(false);
    }
  }

  #waits(waiting: boolean): void {
    this.#send.disabled = waiting;
    setText(this.#send, waiting ? "Looking at it…" : "Share");
    set(this.element, { "aria-busy": waiting });
  }

  #address(): string {
    const url = webUrl(this.#url.value.trim());
    if (url === undefined) throw new Error("Please enter a whole web address, with https:// before it.");
    return url;
  }

  async #picture(): Promise<Body> {
    const url = this.#address();
    return { kind: "image", url, ...(await measured(url)) };
  }

  #file(): Body {
    const url = this.#address();
    const size = Number(this.#size.value);
    const mimeType = this.#type.value.trim() || guessedType(url);
    if (!Number.isSafeInteger(size) || size < 1) throw new Error("Please enter the file's size as a whole number of bytes.");
    return { kind: "file", url, size, mimeType };
  }
}

/** The protocol wants a picture's size, so that pages can keep its place. */
function measured(url: string): Promise<{ width: number; height: number }> {
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(new Error("No picture could be loaded from this address."));
    const picture = new Image();
    picture.referrerPolicy = "no-referrer";
    picture.onload = () => {
      const { naturalWidth: width, naturalHeight: height } = picture;
      // A drawing may have no size of its own.
      resolve({ width: width || 300, height: height || 300 });
    };
    picture.onerror = fail;
    setTimeout(fail, PATIENCE_MS);
    picture.src = url;
  });
}
