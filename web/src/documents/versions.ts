import type { SharedDocument, Version } from "hubbub/collab";
import { h, set, setText } from "../dom";
import { momentText } from "../format";
import { iconButton, textButton } from "../views/controls";

const PAUSE_MS = 90;

export interface VersionsOptions {
  readonly document: SharedDocument;
  /** Makes the text of a version the document's again, as an ordinary edit. */
  readonly onRestore: (text: string) => void;
  readonly onClose: () => void;
}

/** The history of a document: a slider over its revisions, and the text as it was at each. */
export class Versions {
  readonly element: HTMLElement;
  readonly #slider = h("input", { type: "range", class: "versions-slider", "aria-label": "Version", "data-testid": "slider" });
  readonly #about = h("p", { class: "versions-about", role: "status", "data-testid": "version" });
  readonly #text = h("pre", { class: "versions-text", tabindex: 0, "aria-label": "Text at this version", "data-testid": "old-text" });
  readonly #restore: HTMLButtonElement;
  #versions: readonly Version[] = [];
  #shown = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;

  constructor(private readonly options: VersionsOptions) {
    this.#restore = textButton("Restore this version", { class: "button", "data-testid": "restore" }, () =>
      options.onRestore(this.#shown),
    );
    this.#slider.addEventListener("input", () => {
      this.#describe();
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#load(), PAUSE_MS);
    });
    const close = iconButton({ picture: "close", label: "Close the history", onPress: options.onClose });
    this.element = h(
      "section",
      { class: "versions", "aria-label": "History", "data-testid": "versions" },
      h("div", { class: "versions-head" }, h("h2", { class: "side-title" }, "History"), close),
      this.#slider,
      this.#about,
      this.#text,
      this.#restore,
    );
  }

  async open(): Promise<void> {
    this.#restore.disabled = true;
    setText(this.#about, "Reading the history…");
    try {
      this.#versions = await this.options.document.versions();
    } catch (error) {
      setText(this.#about, error instanceof Error ? error.message : String(error));
      return;
    }
    const last = this.#versions.length;
    set(this.#slider, { min: 0, max: last, step: 1 });
    this.#slider.value = String(last);
    this.#describe();
    await this.#load();
    this.#slider.focus();
  }

  #describe(): void {
    const version = this.#versions[Number(this.#slider.value) - 1];
    const about =
      version === undefined
        ? "Before the first change that is kept"
        : `${version.user} · ${momentText(version.timestamp)}`;
    setText(this.#about, about);
    set(this.#slider, { "aria-valuetext": about });
  }

  async #load(): Promise<void> {
    const index = Number(this.#slider.value);
    const first = this.#versions[0];
    const revision = this.#versions[index - 1]?.revision ?? (first === undefined ? 0 : first.revision - 1);
    const asked = (this.#asked += 1);
    try {
      const text = await this.options.document.textAt(revision);
      if (asked !== this.#asked) return;
      this.#shown = text;
      setText(this.#text, text);
      this.#restore.disabled = false;
    } catch (error) {
      if (asked === this.#asked) setText(this.#about, error instanceof Error ? error.message : String(error));
    }
  }
}
