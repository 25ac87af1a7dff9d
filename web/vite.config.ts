import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

function client(entry: string): string {
  return fileURLToPath(new URL(`../clients/typescript/src/${entry}.ts`, import.meta.url));
}

export default defineConfig({
  base: "./",
  resolve: {
    // The client's source, so that the pages need no build of it first.
    alias: [
      { find: /^hubbub$/, replacement: client("index") },
      { find: /^hubbub\/(\w+)$/, replacement: client("$1") },
    ],
  },
  build: {
    outDir: "../src/hubbub/server/pages",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { "/ws": { target: "ws://127.0.0.1:8000", ws: true } },
  },
});
