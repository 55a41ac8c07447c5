// Runs one module of this folder: JSON on standard input is its argument, JSON on standard output its answer.
import { readFileSync, writeSync } from "node:fs";

// @medplum/core names WebSocket while it loads and Node has one from 22 on; no test here opens any.
globalThis.WebSocket ??= class extends EventTarget {};

const { default: answer } = await import(`./${process.argv[2]}`);
const said = JSON.stringify(await answer(JSON.parse(readFileSync(0, "utf8")))) ?? "null";
const bytes = Buffer.from(said);
for (let at = 0; at < bytes.length; ) {
  try {
    at += writeSync(1, bytes, at);
  } catch (wrong) {
    if (wrong.code !== "EAGAIN") throw wrong;
  }
}
process.exit(0);
