import { h } from "./dom";

/** The folders that were built as pages, beside the rooms. */
declare const PAGES: readonly string[];

/** Every page there may be, in order; one that is not built is not shown. */
const ENTRIES = [
  { folder: "", name: "Rooms" },
  { folder: "documents", name: "Documents" },
  { folder: "playground", name: "Playground" },
] as const;

export type PageFolder = (typeof ENTRIES)[number]["folder"];

/** The way from page to page. `here` is the one that it stands on. */
export function siteNavigation(here: PageFolder): HTMLElement {
  const home = here === "" ? "./" : "../";
  const links = ENTRIES.filter(({ folder }) => folder === "" || PAGES.includes(folder)).map(({ folder, name }) =>
    h(
      "a",
      {
        class: "site-link",
        href: folder === "" ? home : `${home}${folder}/`,
        "aria-current": folder === here ? "page" : undefined,
      },
      name,
    ),
  );
  return h("nav", { class: "site-nav", "aria-label": "Pages" }, ...links);
}

/** Where the pages begin, whichever of them this is. */
export function siteRoot(here: PageFolder): string {
  return new URL(here === "" ? "./" : "../", document.baseURI).href;
}
