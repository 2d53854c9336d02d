/** `npm test`: sets up what is needed, then types, style and tests; the last line is `N passed, N failed`. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBrowser, ensureBuilt, ensureInstalled, ensureNative, openly, packaged, SetupError } from "./setup.mjs";

const count = { passed: 0, failed: 0, skipped: 0 };

/** Runs a check that counts as one test. */
function check(title, body) {
  process.stdout.write(`\n${title}\n`);
  const passed = body();
  count[passed ? "passed" : "failed"] += 1;
  if (!passed) process.stdout.write(`FAILED: ${title}\n`);
}

const node = (path, ...commandArguments) => openly(process.execPath, [packaged(path), ...commandArguments]);

function attempt(body) {
  try {
    body();
    return true;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stdout.write(`${error.message}\n`);
    return false;
  }
}

/** Vitest, its results counted test by test; a file that cannot be loaded is one failure. */
function runTests() {
  process.stdout.write("\nTests\n");
  const folder = mkdtempSync(join(tmpdir(), "striate-test-"));
  const results = join(folder, "results.json");
  try {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${results}`];
    const succeeded = node("vitest/vitest.mjs", "run", ...reporters, ...process.argv.slice(2));
    const before = count.failed;
    tally(results);
    if (!succeeded && count.failed === before) count.failed += 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function tally(results) {
  let report;
  try {
    report = JSON.parse(readFileSync(results, "utf8"));
  } catch {
    return;
  }
  count.passed += report.numPassedTests;
  count.failed += report.numFailedTests;
  count.skipped += report.numPendingTests + report.numTodoTests;
  count.failed += report.testResults.filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
  ).length;
}

if (attempt(ensureInstalled)) {
  check("Build", () => attempt(ensureBuilt));
  for (const missing of [ensureBrowser(), ensureNative()]) if (missing) process.stdout.write(`${missing}\n`);
  check("Types (tsc)", () => node("typescript/bin/tsc", "--noEmit"));
  check("Style (biome)", () => node("@biomejs/biome/bin/biome", "check"));
  runTests();
} else count.failed += 1;

if (count.skipped > 0) process.stdout.write(`${count.skipped} skipped\n`);
process.stdout.write(`${count.passed} passed, ${count.failed} failed\n`);
process.exitCode = count.failed === 0 ? 0 : 1;
