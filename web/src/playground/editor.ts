import { newMessageId } from "hubbub";
import { h, setText } from "../dom";
import { textButton } from "../views/controls";
import { BROKEN, SAMPLES } from "./samples";

export interface EditorOptions {
  readonly user: () => string;
  /** Throws what is wrong, in words. */
  readonly send: (text: string) => void;
}

/** Where a message is written. Control and Enter sends it. */
export class Editor {
  readonly element: HTMLElement;
  readonly #text = h("textarea", {
    class: "editor-text",
    id: "message",
    spellcheck: "false",
    autocapitalize: "none",
    "data-testid": "message",
  });
  readonly #fresh = h("input", { type: "checkbox", checked: true, "data-testid": "fresh" });
  readonly #problem = h("p", { class: "problem", role: "alert", "data-testid": "problem" });

  constructor(private readonly options: EditorOptions) {
    const form = h(
      "form",
      { class: "editor", novalidate: true, "aria-label": "Message" },
      h("div", { class: "samples" }, ...this.#samples()),
      h("label", { class: "field-label", for: "message" }, "Message"),
      this.#text,
      this.#problem,
      h(
        "div",
        { class: "editor-foot" },
        h("label", { class: "check" }, this.#fresh, "New id and time each time"),
        h("button", { class: "button button-primary", "data-testid": "send" }, "Send"),
      ),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.#send();
    });
    this.element = form;
    this.show(SAMPLES["Rooms"]?.["join"]?.(options.user()));
  }

  /** Puts a message into the editor, as after a choice of a sample. */
  show(message: unknown): void {
    this.#text.value = typeof message === "string" ? message : JSON.stringify(message, null, 2);
    setText(this.#problem, "");
  }

  #samples(): HTMLElement[] {
    const { user } = this.options;
    const chip = (name: string, make: () => unknown): HTMLElement =>
      h("li", {}, textButton(name, { class: "chip", "data-testid": "sample" }, () => this.show(make())));
    const group = (title: string, chips: HTMLElement[]): HTMLElement =>
      h(
        "div",
        { class: "sample-group" },
        h("span", { class: "sample-title", "aria-hidden": "true" }, title),
        h("ul", { class: "chips", "aria-label": title }, ...chips),
      );
    return [
      ...Object.entries(SAMPLES).map(([title, samples]) =>
        group(title, Object.entries(samples).map(([name, make]) => chip(name, () => make(user())))),
      ),
      group("Broken", Object.entries(BROKEN).map(([name, make]) => chip(name, () => make(user())))),
    ];
  }

  #send(): void {
    if (this.#fresh.checked) this.#freshen();
    try {
      this.options.send(this.#text.value);
      setText(this.#problem, "");
    } catch (error) {
      setText(this.#problem, error instanceof Error ? error.message : String(error));
    }
  }

  /** Gives the message another id and the time of now, where it has any. */
  #freshen(): void {
    this.#text.value = this.#text.value
      .replace(/^( {2}"messageId": )"[^"]*"/m, (_, before: string) => `${before}"${newMessageId()}"`)
      .replace(/^( {2}"timestamp": )\d+/m, (_, before: string) => `${before}${Date.now()}`);
  }
}
