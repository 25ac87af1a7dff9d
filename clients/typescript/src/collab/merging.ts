import { ChangeSet, Text } from "@codemirror/state";

/** The change that makes `after` of `before`: one replacement of what is not alike at both ends. */
export function differenceOf(before: Text, after: Text): ChangeSet {
  const [old, now] = [before.toString(), after.toString()];
  const shorter = Math.min(old.length, now.length);
  let start = 0;
  while (start < shorter && old.charCodeAt(start) === now.charCodeAt(start)) start += 1;
  if (isInside(old, start) || isInside(now, start)) start -= 1;
  let end = 0;
  while (end < shorter - start && old.charCodeAt(old.length - 1 - end) === now.charCodeAt(now.length - 1 - end)) end += 1;
  if (isInside(old, old.length - end) || isInside(now, now.length - end)) end -= 1;
  if (start === old.length && start === now.length) return ChangeSet.empty(old.length);
  const insert = Text.of(now.slice(start, now.length - end).split("\n"));
  return ChangeSet.of({ from: start, to: old.length - end, insert }, old.length);
}

/** The text of the protocol, whose lines end with `\n`, as the editor holds it. */
export function textOf(content: string): Text {
  return Text.of(content.split("\n"));
}

/** Whether a place lies between the halves of a surrogate pair. */
function isInside(text: string, at: number): boolean {
  return /[\uD800-\uDBFF]/.test(text.charAt(at - 1)) && /[\uDC00-\uDFFF]/.test(text.charAt(at));
}
