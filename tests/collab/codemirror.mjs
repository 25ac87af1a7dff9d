// Answers batches of cases with what @codemirror/state makes of them: one JSON array a line in, one out.
import { createInterface } from "node:readline";
import { ChangeSet, Text } from "@codemirror/state";

const text = (content) => Text.of(content.split("\n"));

function answer(kind, [first, second, ...rest]) {
  const a = ChangeSet.fromJSON(first);
  switch (kind) {
    case "apply":
      return a.apply(text(second)).toString();
    case "invert":
      return a.invert(text(second)).toJSON();
    case "compose":
      return a.compose(ChangeSet.fromJSON(second)).toJSON();
    case "map":
      return a.map(ChangeSet.fromJSON(second), rest[0]).toJSON();
    case "position":
      return a.mapPos(second, rest[0]);
    case "json":
      return a.toJSON();
  }
  throw new Error(`no such case: ${kind}`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const answers = JSON.parse(line).map(([kind, given]) => answer(kind, given));
  process.stdout.write(`${JSON.stringify(answers)}\n`);
}
