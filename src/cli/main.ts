#!/usr/bin/env node
/** The program `striate`. */
import { runCommandLine } from "./run.ts";

// A reader that has seen enough (head, a pager) is no failure.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", ({ code, message }: NodeJS.ErrnoException) => {
    // No one reads what is said on the side: the work goes on.
    if (code === "EPIPE" && stream === process.stderr) return;
    if (code === "EPIPE") process.exit(0);
    if (stream === process.stdout) process.stderr.write(`striate: standard output: ${message}\n`);
    process.exit(1);
  });

process.exitCode = await runCommandLine(process.argv.slice(2));
