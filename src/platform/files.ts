/**
 * Files in Node. The browser's twin is files.browser.ts: the same exports over URLs.
 */
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, lstat, mkdir, mkdtemp, open, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createGunzip } from "node:zlib";
import { StriateError } from "../errors.ts";
import {
  type FolderEntry,
  formatBytes,
  type GunzipOptions,
  gunzipFailures,
  type InsideFile,
  type ReadOptions,
  type TemporaryFolder,
} from "./file-terms.ts";

export {
  type FolderEntry,
  formatBytes,
  type GunzipOptions,
  type InsideFile,
  isGzip,
  type ReadOptions,
  type TemporaryFolder,
} from "./file-terms.ts";

/** The most bytes of a file that are read unless told otherwise: 2 GiB. */
const defaultMaximumBytes = 2 ** 31;

/**
 * The bytes of a file.
 *
 * @throws StriateError naming the path when there is no such file, it is a folder, it may not be read, or it is larger
 * than `maximumBytes` (2 GiB unless given).
 */
export async function readFile(path: string, options: ReadOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  const maximumBytes = options.maximumBytes ?? defaultMaximumBytes;
  try {
    const { size, isFolder, isRegular } = await describe(path);
    if (isFolder) throw folderForFile(path);
    if (size > maximumBytes) throw tooLarge(path, formatBytes(size), maximumBytes);
    const handle = await open(path, "r");
    try {
      return isRegular ? await readWhole(handle, size) : await readStream(handle, path, maximumBytes);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(path, error, "read");
  }
}

async function describe(path: string) {
  const facts = await stat(path);
  return { size: facts.size, isFolder: facts.isDirectory(), isRegular: facts.isFile() };
}

/** So many bytes of a regular file, as it is now: fewer when it has shrunk since, never more. */
async function readWhole(handle: FileHandle, size: number, start = 0): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await handle.read(bytes, filled, Math.min(size - filled, 2 ** 30), start + filled);
    if (bytesRead === 0) return bytes.slice(0, filled);
    filled += bytesRead;
  }
  return bytes;
}

/** A pipe or device, whose length is known only at its end. */
async function readStream(handle: FileHandle, path: string, maximumBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of handle.createReadStream({ autoClose: false }) as AsyncIterable<Uint8Array>) {
    total += chunk.length;
    if (total > maximumBytes) throw tooLarge(path, "more", maximumBytes);
    chunks.push(chunk);
  }
  return concatenate(chunks, total);
}

/**
 * A file that someone else named, opened only if it lies inside a folder: `name` is relative, its parts separated by
 * `/`. Links of any kind are refused: symbolic ones on the way or at the end, and files with a second name elsewhere.
 *
 * @throws StriateError naming the folder and the name
 */
export async function openInside(folder: string, name: string): Promise<InsideFile> {
  const subject = `"${name}" in ${folder}`;
  const refuse = (found: string, expected: string) => new StriateError({ subject, found, expected });
  const parts = name.split("/");
  const isPlain = (part: string) => part !== "" && part !== "." && part !== ".." && !/[\\:\0]/.test(part);
  if (!parts.every(isPlain)) throw refuse("a name that may lead out of the folder", "a relative path of plain names");
  try {
    let path = await realpath(folder);
    for (const [index, part] of parts.entries()) {
      path = join(path, part);
      const facts = await lstat(path);
      if (facts.isSymbolicLink()) throw refuse("a symbolic link", "a file of its own");
      if (index < parts.length - 1 && !facts.isDirectory())
        throw refuse("part of the path that is no folder", "folders");
    }
    // What was looked at may have been replaced since: what was opened is looked at again. A pipe would wait for a writer.
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const facts = await handle.stat();
      if (!facts.isFile()) throw refuse("no regular file", "a file");
      if (facts.nlink > 1) throw refuse("a file with a second name (a hard link)", "a file of its own");
      const now = await stat(path);
      if ((await realpath(path)) !== path || now.ino !== facts.ino || now.dev !== facts.dev)
        throw refuse("a path that changed while it was opened", "one that stays");
      return insideFile(handle, facts.size, subject);
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    throw fileError(join(folder, name), error, "read");
  }
}

const insideFile = (handle: FileHandle, size: number, subject: string): InsideFile => ({
  read: async (offset, length) => {
    const bytes = offset + length <= size ? await readWhole(handle, length, offset) : new Uint8Array();
    if (bytes.length === length) return bytes;
    throw new StriateError({
      subject,
      found: `${size} bytes`,
      expected: `${offset + length}, for ${length} from ${offset} on`,
    });
  },
  close: () => handle.close(),
});

/**
 * Writes a file so that it is either there whole or not at all: to a temporary file in the same folder, flushed to the
 * disk, then renamed over `path`. Folders on the way are made. A symbolic link is followed; a device is written to.
 *
 * @throws StriateError naming the path when it is a folder or cannot be written; nothing is left behind.
 */
export async function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  try {
    const existing = await describe(path).catch(() => undefined);
    if (existing?.isFolder) throw folderForFile(path);
    if (existing !== undefined && !existing.isRegular) return await writeTo(path, "w", content, false);
    const target = existing === undefined ? resolve(path) : await realpath(path);
    const folder = dirname(target);
    await mkdir(folder, { recursive: true });
    const temporary = join(folder, `.striate-${randomUUID()}.tmp`);
    try {
      await writeTo(temporary, "wx", content, true);
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await flushFolder(folder);
  } catch (error) {
    throw fileError(path, error, "written");
  }
}

async function writeTo(path: string, flags: string, content: Uint8Array | string, flush: boolean): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.writeFile(content);
    if (flush) await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the rename itself durable where the system can; Windows cannot open a folder. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/**
 * What is directly inside a folder, sorted by name (by code unit, so alike on every machine). Symbolic links count as
 * what they lead to; those that lead nowhere are left out.
 *
 * @throws StriateError naming the path when there is no such folder, it is a file, or it may not be read.
 */
export async function listFolder(path: string): Promise<FolderEntry[]> {
  try {
    const entries: FolderEntry[] = [];
    for (const entry of await readdir(path, { withFileTypes: true })) {
      const full = join(path, entry.name);
      const facts = entry.isSymbolicLink() ? await stat(full).catch(() => undefined) : entry;
      if (facts !== undefined) entries.push({ name: entry.name, path: full, isFolder: facts.isDirectory() });
    }
    return entries.sort((left, right) => (left.name < right.name ? -1 : 1));
  } catch (error) {
    if (codeOf(error) === "ENOTDIR" && (await exists(path)))
      throw new StriateError({ subject: path, found: "a file", expected: "a folder", cause: error });
    throw fileError(path, error, "listed", "folder");
  }
}

/** Whether there is anything at a path: a file, a folder, a device. */
export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Whether there is a folder at a path. */
export const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );

/** A new folder of the system's for temporary files. */
export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), "striate-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** The absolute path of `parts` joined, each relative to those before it and the first to the current folder. */
export const resolvePath = (...parts: readonly string[]): string => resolve(...parts);

/** The path of something inside a folder, relative where the folder's is, as messages should show it. */
export const joinPath = (folder: string, ...names: readonly string[]): string => join(folder, ...names);

/**
 * The content of a gzip file (RFC 1952), of one member or several.
 *
 * @throws StriateError naming `subject` when the content is larger than `maximumBytes` (noticed before more than that
 * is held), the file is truncated or damaged, or anything follows the gzip data.
 */
export async function gunzip(
  bytes: Uint8Array,
  { maximumBytes, subject }: GunzipOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = createGunzip({ chunkSize: 1 << 20 });
  const chunks: Uint8Array[] = [];
  let total = 0;
  const failures = gunzipFailures(subject, maximumBytes);
  try {
    stream.end(bytes);
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      total += chunk.length;
      if (total > maximumBytes) throw failures.tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    throw failures.describe(error, bytes);
  }
  // zlib stops without a word at zero bytes after the last member.
  if (stream.bytesWritten !== bytes.length) throw failures.trailing();
  return concatenate(chunks, total);
}

function concatenate(chunks: readonly Uint8Array[], total: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(total);
  let offset = 0;
  for (const chunk of chunks) {
    result.set(chunk, offset);
    offset += chunk.length;
  }
  return result;
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error ? String(error.code) : undefined;

const folderForFile = (path: string): StriateError =>
  new StriateError({ subject: path, found: "a folder", expected: "a file" });

const tooLarge = (path: string, size: string, maximumBytes: number): StriateError =>
  new StriateError({ subject: path, found: size, expected: `at most ${formatBytes(maximumBytes)}` });

/** The system's error codes in words. `deed` completes "it cannot be …". */
function fileError(path: string, error: unknown, deed: string, kind: "file" | "folder" = "file"): StriateError {
  if (error instanceof StriateError) return error;
  const code = codeOf(error);
  const complaint = { subject: path, cause: error };
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      if (deed === "written")
        return new StriateError({ ...complaint, found: "part of this path is a file", expected: "folders only" });
      return new StriateError({
        ...complaint,
        found: `no such ${kind}`,
        mend: resolve(path) === path ? "Check the path" : `Check the path; the current folder is ${resolve()}`,
      });
    case "EISDIR":
      return folderForFile(path);
    case "EEXIST":
      return new StriateError({ ...complaint, found: "part of this path is a file", expected: "folders only" });
    case "EACCES":
    case "EPERM":
      return new StriateError({ ...complaint, found: `may not be ${deed}`, mend: "Check its permissions" });
    case "EROFS":
      return new StriateError({ ...complaint, found: "on a disk that is read-only", mend: "Write somewhere else" });
    case "ENOSPC":
    case "EDQUOT":
      return new StriateError({ ...complaint, found: "no room left on the disk", mend: "Free some and try again" });
    default:
      return new StriateError({
        ...complaint,
        found: `cannot be ${deed} (${code ?? (error instanceof Error ? error.message : String(error))})`,
      });
  }
}
