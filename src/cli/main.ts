#!/usr/bin/env node
/** The program `striate`. */
import { runCommandLine } from "./run.ts";

// A reader that has seen enough (head, a pager) is no failure.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

process.exitCode = await runCommandLine(process.argv.slice(2));
