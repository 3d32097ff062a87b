"use strict";
const { createHash } = require("node:crypto");
const { gzipSync, gunzipSync } = require("node:zlib");
const fs = require("node:fs");
const { EventEmitter } = require("node:events");

function* primes() {
  const known = [];
  for (let n = 2; ; n++) if (known.every((prime) => n % prime)) { known.push(n); yield n; }
}
const found = [];
for (const prime of primes()) { if (prime > 2000) break; found.push(prime); }
console.log("primes", found.length, found.at(-1));

let power = 1n;
for (let i = 0; i < 300; i++) power *= 7n;
console.log("power", String(power).length, power % 1000007n);

const text = "the quick brown fox ".repeat(5000);
const packed = gzipSync(text, { level: 9 });
console.log("gzip", packed.length < 1000, gunzipSync(packed).toString() === text);
console.log("sha256", createHash("sha256").update(text).digest("hex"));

function fibonacci(n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
console.log("fibonacci", fibonacci(24));
const map = new Map(Array.from({ length: 20000 }, (_, i) => [`key ${(i * 7919) % 20000}`, i]));
console.log("map", map.size, [...map.keys()].sort().slice(0, 3));
console.log(text.match(/(?<=quick )(?<colour>\p{L}+)/u).groups.colour, JSON.stringify({ a: [1, { b: null }], c: "\u00e9" }));

fs.writeFileSync("written", "line 1\nline 2\n");
fs.appendFileSync("written", "line 3\n");
console.log("file", fs.readFileSync("written", "utf8").split("\n").length, fs.statSync("written").size);

const emitter = new EventEmitter();
emitter.once("done", (word) => console.log("event", word));
setImmediate(() => console.log("immediate"));
process.nextTick(() => console.log("tick"));
Promise.all([1, 2, 3].map(async (n) => { await null; return n * n; })).then((all) => console.log("promises", all));
fs.readFile("written", (error, bytes) => {
  console.log("read by a thread", error, bytes.length);
  setTimeout(() => emitter.emit("done", "later"), 20);
});
process.on("exit", (code) => console.log("exit", code));
process.exitCode = 9;
