import DOMPurify from "dompurify";
import { marked } from "marked";
import { h } from "../dom";

const DELAY_MS = 120;

/** The document as it reads: Markdown, made safe, brought up to date when the typing pauses. */
export class Preview {
  readonly element = h("article", { class: "preview", "aria-label": "Preview", tabindex: 0, "data-testid": "preview" });
  #timer: ReturnType<typeof setTimeout> | undefined;
  #text = "";

  show(text: string): void {
    this.#text = text;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#render();
    }, DELAY_MS);
  }

  #render(): void {
    const made = marked.parse(this.#text, { async: false, breaks: true });
    // Everybody's words: no scripts, no forms, no styles.
    this.element.innerHTML = DOMPurify.sanitize(made, { FORBID_TAGS: ["style", "form", "input", "button"], FORBID_ATTR: ["style"] });
    for (const link of this.element.querySelectorAll("a[href]")) {
      link.setAttribute("target", "_blank");
      link.setAttribute("rel", "noopener noreferrer");
    }
  }
}
