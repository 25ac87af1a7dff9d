import { set } from "../dom";

export type Drawer = "rooms" | "members";

/** Where the window is narrow the side panels slide over the room, one at a time. */
export class Drawers {
  #open: Drawer | undefined;
  #opener: HTMLElement | undefined;

  constructor(
    private readonly page: HTMLElement,
    private readonly main: HTMLElement,
    scrim: HTMLElement,
    private readonly panels: Record<Drawer, HTMLElement>,
  ) {
    scrim.addEventListener("click", () => this.close());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#open !== undefined) this.close();
    });
    // At these widths of the stylesheet a panel finds a place of its own.
    for (const width of ["760px", "1080px"]) {
      matchMedia(`(min-width: ${width})`).addEventListener("change", () => this.close());
    }
  }

  open(drawer: Drawer, opener: HTMLElement): void {
    this.#opener = opener;
    this.#show(drawer);
    this.panels[drawer].querySelector<HTMLElement>("input, button:not([hidden])")?.focus();
  }

  close(): void {
    if (this.#open === undefined) return;
    this.#show(undefined);
    this.#opener?.focus();
  }

  #show(drawer: Drawer | undefined): void {
    this.#open = drawer;
    set(this.page, { "data-drawer": drawer });
    this.main.inert = drawer !== undefined;
  }
}
