// What a page pays for the client: each entry bundled alone, minified and gzipped. Fails above its limit.
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const LIMITS = { index: 12_000, protobuf: 4_000, content: 4_000, browser: 1_500 };

for (const [name, limit] of Object.entries(LIMITS)) {
  const { output } = await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      target: "es2022",
      modulePreload: { polyfill: false },
      rollupOptions: {
        input: fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url)),
        preserveEntrySignatures: "strict",
      },
    },
  });
  const bytes = gzipSync(output[0].code, { level: 9 }).length;
  console.log(`${name}: ${bytes} bytes gzipped, of ${limit}`);
  if (bytes > limit) process.exitCode = 1;
}
