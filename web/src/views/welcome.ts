import { roomProblem } from "../address";
import { h, setText } from "../dom";
import { nameProblem } from "../identity";
import { field } from "./controls";

export interface WelcomeOptions {
  readonly name: string;
  readonly room: string;
  readonly onEnter: (name: string, room: string) => void;
}

/** Asks who one is and where to go first. */
export function welcomeView({ name, room, onEnter }: WelcomeOptions): HTMLElement {
  const nameInput = h("input", {
    class: "input",
    name: "name",
    value: name,
    maxlength: 40,
    autocomplete: "nickname",
    "data-testid": "name",
  });
  const roomInput = h("input", {
    class: "input",
    name: "room",
    value: room,
    autocomplete: "off",
    autocapitalize: "none",
    "data-testid": "first-room",
  });
  const problem = h("p", { class: "problem", role: "alert", "data-testid": "welcome-problem" });
  const form = h(
    "form",
    { class: "welcome-form", novalidate: true },
    field("Your name", nameInput),
    field("Room", roomInput, "Whoever enters the same name meets you there."),
    problem,
    h("button", { class: "button button-primary", "data-testid": "enter" }, "Come in"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = nameInput.value.trim();
    const entered = roomInput.value.trim();
    const wrongName = nameProblem(chosen);
    const wrong = wrongName ?? roomProblem(entered);
    setText(problem, wrong ?? "");
    if (wrong === undefined) onEnter(chosen, entered);
    else (wrongName === undefined ? roomInput : nameInput).focus();
  });
  nameInput.select();
  return h(
    "main",
    { class: "welcome" },
    h(
      "div",
      { class: "welcome-card" },
      h("div", { class: "brand brand-large" }, h("span", { class: "brand-mark", "aria-hidden": "true" }), "Hubbub"),
      h("h1", { class: "welcome-title" }, "Come in and talk"),
      h("p", { class: "welcome-text" }, "No account needed. Choose a name and a room."),
      form,
    ),
  );
}
