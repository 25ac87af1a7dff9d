/** A part of the page. `render` brings it up to date and may be called at any time. */
export interface View {
  readonly element: HTMLElement;
  render(): void;
}
