import { iconButton } from "./views/controls";

const KEY = "hubbub.theme";
type Theme = "light" | "dark";

/** The user's choice, or the system's where there is none. */
function current(): Theme {
  const chosen = localStorage.getItem(KEY);
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function applyTheme(): void {
  const chosen = localStorage.getItem(KEY);
  if (chosen !== null) document.documentElement.dataset["theme"] = current();
}

export function themeButton(): HTMLButtonElement {
  return iconButton({
    picture: "sun",
    label: "Switch between light and dark",
    attributes: { "data-testid": "theme" },
    onPress: () => {
      localStorage.setItem(KEY, current() === "dark" ? "light" : "dark");
      applyTheme();
    },
  });
}
