import { HubbubError } from "hubbub";

const SENTENCES: Readonly<Record<string, string>> = {
  muted: "You are muted in this room.",
  forbidden: "You may not do that here.",
  not_joined: "You are not in this room.",
  not_found: "That is not here any more.",
  room_full: "This room is full.",
  rate_limited: "That was a little fast. Try again in a moment.",
  too_many_pending: "Too many messages are waiting to be sent.",
  too_large: "That is too large to be sent.",
  unavailable: "The server cannot take that right now.",
  not_connected: "There is no connection right now.",
  outcome_unknown: "The connection ended before this was confirmed.",
  unauthorized: "The server does not let you in.",
  unknown_type: "The server does not know this kind of message.",
};

/** An error in words for a person; the server's own reason where there are none. */
export function explain(error: unknown): string {
  if (!(error instanceof HubbubError)) return "Something went wrong.";
  return SENTENCES[error.code] ?? capitalised(error.message);
}

export function capitalised(text: string): string {
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(sentence) || sentence === "" ? sentence : `${sentence}.`;
}
