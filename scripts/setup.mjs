/** What the scripts share: an installation and a build that are made when needed and cost next to nothing when not. */
import { spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import * as files from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } =
  files;

/** The folder of the checkout. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const cache = join(root, ".cache");
const dist = join(root, "dist");
const stamp = join(dist, ".build");

/** Something that cannot be set up: its message is all that is said. */
export class SetupError extends Error {}

/** Runs the body of a script; a failed set-up is one message and exit code 1. */
export async function script(body) {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

/** Runs a command without a word; when it fails, everything it said is in the error, and then the advice. */
function quietly(command, commandArguments, advice = "") {
  const { status, error, stdout, stderr } = spawnSync(command, commandArguments, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 2 ** 20,
  });
  if (status === 0) return;
  const said = [stdout, stderr, error?.message].filter(Boolean).join("").trimEnd();
  throw new SetupError(`${said}\n${advice}`);
}

/** Runs a command in view. @returns whether it succeeded */
export function openly(command, commandArguments, environment = {}) {
  const env = { ...process.env, ...environment };
  return spawnSync(command, commandArguments, { cwd: root, stdio: "inherit", env }).status === 0;
}

/** The path of a program that a package of ours brings, to be run with this Node. */
export const packaged = (path) => join(root, "node_modules", path);

const sleep = (milliseconds) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Runs `body` while no other process runs one under the same name. */
function alone(name, body) {
  mkdirSync(cache, { recursive: true });
  const lock = join(cache, `${name}.lock`);
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (isAbandoned(lock)) rmSync(lock, { force: true });
    else sleep(50);
  }
  try {
    return body();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Whether the process that made a lock has ended without removing it. */
function isAbandoned(lock) {
  const holder = Number(readIfThere(lock));
  if (holder > 0) return !isRunning(holder);
  const made = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
  return Date.now() - made > 10_000;
}

function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

const isInstalled = () => existsSync(join(root, "node_modules", ".package-lock.json"));

/** Installs the dependencies where there are none. */
export function ensureInstalled() {
  if (isInstalled()) return;
  alone("install", () => {
    if (isInstalled()) return;
    const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
    quietly("npm", ["ci", ...quiet], "The dependencies could not be installed (npm ci).");
  });
}

/** The files below a folder, as paths from it. */
const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
    .sort();

/** Names what a build is made from: it changes with every source file's time and size. */
function fingerprint() {
  const sources = filesBelow(join(root, "src"))
    .filter((file) => !file.endsWith(".test.ts"))
    .map((file) => join("src", file));
  const hash = createHash("sha256");
  for (const file of ["package.json", "tsconfig.json", "tsconfig.build.json", ...sources]) {
    const { mtimeMs, size } = statSync(join(root, file));
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest("hex");
}

const isBuilt = () => readIfThere(stamp) === fingerprint();

/**
 * Compiles src/ to dist/ where sources have changed since the last time. Files are replaced one by one, each whole, so
 * that a program that runs from dist/ meanwhile never finds one missing.
 */
export function ensureBuilt() {
  ensureInstalled();
  if (isBuilt()) return;
  alone("build", () => {
    if (isBuilt()) return;
    const made = fingerprint();
    const fresh = join(cache, `build-${randomUUID()}`);
    try {
      const compile = [packaged("typescript/bin/tsc"), "-p", "tsconfig.build.json", "--outDir", fresh];
      quietly(process.execPath, compile, "The build failed: mend the errors above and run it again.");
      chmodSync(join(fresh, "cli", "main.js"), 0o755);
      install(fresh);
      writeFileSync(`${stamp}-new`, made);
      renameSync(`${stamp}-new`, stamp);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  });
}

function install(fresh) {
  const files = filesBelow(fresh);
  for (const file of files) {
    mkdirSync(dirname(join(dist, file)), { recursive: true });
    renameSync(join(fresh, file), join(dist, file));
  }
  const wanted = new Set(files);
  for (const file of filesBelow(dist))
    if (!wanted.has(file) && !file.startsWith(".build")) rmSync(join(dist, file), { force: true });
}

const browserNames = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The path of a Chromium, from CHROMIUM or the search path. */
export function findBrowser() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const candidates = browserNames.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [process.env.CHROMIUM, ...candidates].find((path) => path && isExecutable(path));
}

function isExecutable(path) {
  try {
    files.accessSync(path, files.constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether any test asks for a browser. */
const needsBrowser = () =>
  ["src", "test"].some((folder) =>
    filesBelow(join(root, folder)).some(
      (file) => file.endsWith(".ts") && readFileSync(join(root, folder, file), "utf8").includes("playwright-core"),
    ),
  );

/** Installs a package of Debian's, where this is Debian and we may. @returns whether it is there */
function installPackage(name, purpose) {
  const isDebian = existsSync("/etc/debian_version") && process.getuid?.() === 0;
  if (!isDebian) return false;
  process.stdout.write(`Installing Debian's ${name} ${purpose}\n`);
  const environment = { DEBIAN_FRONTEND: "noninteractive" };
  const install = ["install", "-y", "--no-install-recommends", "-qq", name];
  return openly("apt-get", ["update", "-qq"], environment) && openly("apt-get", install, environment);
}

/** Debian's Chromium, where a test needs a browser and there is none. @returns what is missing, in words, or nothing */
export function ensureBrowser() {
  if (!needsBrowser() || findBrowser()) return undefined;
  if (installPackage("chromium", "for the browser tests")) return undefined;
  return "Browser tests need Chromium: install it (Debian: apt-get install chromium) or set CHROMIUM to its path.";
}

const nativeFolders = [
  "/usr/lib",
  "/usr/local/lib",
  "/opt/homebrew/lib",
  ...(process.env.LD_LIBRARY_PATH ?? "").split(":"),
];

/** Debian's oneDNN, where there is none. @returns what is missing, in words, or nothing */
export function ensureNative() {
  const names = nativeFolders
    .flatMap((folder) => [folder, join(folder, `${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`)])
    .flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []));
  if (names.some((name) => /^libdnnl\./.test(name))) return undefined;
  if (["libdnnl2", "libdnnl3.6"].some((name) => installPackage(name, "for the tests of the native engine")))
    return undefined;
  return "The native engine's tests need oneDNN (Debian 12: apt-get install libdnnl2); without it they are left out.";
}
