const TOPIC = "topic:";

/** The log that carries a channel: topics with one first segment share one, groups ride in `all`. */
export function logOf(channel: string): string {
  if (channel.startsWith(TOPIC)) {
    return TOPIC + (channel.slice(TOPIC.length).split(".", 1)[0] ?? "");
  }
  return channel.startsWith("group:") ? "all" : channel;
}

/** Whether a subscription to `pattern` sees `channel`: `*` is one segment, a last `**` one or more. */
export function covers(pattern: string, channel: string): boolean {
  if (pattern === channel) return true;
  if (!pattern.startsWith(TOPIC) || !channel.startsWith(TOPIC)) return false;
  const wanted = pattern.split(".");
  const given = channel.split(".");
  const open = wanted.at(-1) === "**";
  if (open) {
    wanted.pop();
    if (given.length <= wanted.length) return false;
  } else if (given.length !== wanted.length) {
    return false;
  }
  return wanted.every((segment, index) => segment === "*" || segment === given[index]);
}
