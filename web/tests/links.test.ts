import { describe, expect, it } from "vitest";
import { fileName, guessedType, stretches, webUrl } from "../src/links";

describe("webUrl", () => {
  it.each(["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "not a url", ""])("refuses %s", (text) => {
    expect(webUrl(text)).toBeUndefined();
  });

  it("takes web addresses", () => {
    expect(webUrl("https://example.org/a b")).toBe("https://example.org/a%20b");
  });
});

describe("stretches", () => {
  it("cuts out addresses and leaves the sentence its punctuation", () => {
    expect(stretches("see https://example.org/x, please")).toEqual([
      { text: "see ", url: undefined },
      { text: "https://example.org/x", url: "https://example.org/x" },
      { text: ", please", url: undefined },
    ]);
  });

  it("leaves markup alone: it is text", () => {
    expect(stretches("<b>bold</b>")).toEqual([{ text: "<b>bold</b>", url: undefined }]);
  });
});

describe("files", () => {
  it("have a name and a guessed type", () => {
    expect(fileName("https://example.org/a/b%20c.pdf?x")).toBe("b c.pdf");
    expect(fileName("https://example.org")).toBe("example.org");
    expect(guessedType("https://example.org/b.pdf")).toBe("application/pdf");
    expect(guessedType("https://example.org/b")).toBe("application/octet-stream");
  });
});
