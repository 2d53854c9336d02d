/**
 * Files in a browser: paths are URLs, relative to the page, and reading is fetching. There are no folders.
 */
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

const defaultMaximumBytes = 2 ** 31;

/**
 * The bytes of what a URL leads to.
 *
 * @throws StriateError naming the URL when it cannot be fetched or is larger than `maximumBytes` (2 GiB unless given).
 */
export async function readFile(path: string, options: ReadOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  const maximumBytes = options.maximumBytes ?? defaultMaximumBytes;
  const tooLarge = () =>
    new StriateError({
      subject: path,
      found: `more than ${formatBytes(maximumBytes)}`,
      expected: `at most ${formatBytes(maximumBytes)}`,
    });
  let response: Response;
  try {
    response = await fetch(path);
  } catch (cause) {
    throw new StriateError({
      subject: path,
      found: "cannot be fetched",
      mend: "Check the address, the network, and that its server allows this page to read it (CORS)",
      cause,
    });
  }
  if (response.status === 404) throw new StriateError({ subject: path, found: "no such file", mend: "Check the path" });
  if (!response.ok) throw new StriateError({ subject: path, found: `the server answered ${response.status}` });
  if (Number(response.headers.get("content-length") ?? 0) > maximumBytes) throw tooLarge();
  if (response.body === null) return new Uint8Array(await response.arrayBuffer());
  try {
    return await collect(response.body, maximumBytes, tooLarge);
  } catch (cause) {
    if (cause instanceof StriateError) throw cause;
    throw new StriateError({ subject: path, found: "the transfer broke off", mend: "Try again", cause });
  }
}

/**
 * A page has no folders in which a file that someone else named could be kept.
 *
 * @throws StriateError always.
 */
export async function openInside(folder: string, name: string): Promise<InsideFile> {
  throw new StriateError({
    subject: `"${name}" in ${folder}`,
    found: "a file that another one names, in a browser",
    expected: "one file",
    mend: "Export the model with its weights inside",
  });
}

/**
 * A page cannot write files, so this always throws: keep the bytes, or offer them to the user as a download.
 *
 * @throws StriateError always.
 */
export async function writeFileAtomic(path: string, _content: Uint8Array | string): Promise<void> {
  throw new StriateError({
    subject: path,
    found: "a file to write in a browser",
    expected: "bytes",
    mend: "Take the bytes instead, and offer them as a download",
  });
}

/**
 * Folders cannot be listed over HTTP.
 *
 * @throws StriateError always.
 */
export async function listFolder(path: string): Promise<FolderEntry[]> {
  throw new StriateError({
    subject: path,
    found: "a folder to list in a browser",
    expected: "files by their addresses",
    mend: "Name each file",
  });
}

/** Whether a server has something at a URL. */
export const exists = (path: string): Promise<boolean> =>
  fetch(path, { method: "HEAD" }).then(
    (response) => response.ok,
    () => false,
  );

/** Never: a browser knows of no folders. */
export const isFolder = async (_path: string): Promise<boolean> => false;

/** Never: a browser has no folders. */
export const temporaryFolder = async (): Promise<TemporaryFolder> => {
  throw new StriateError({ subject: "temporary files", found: "a browser, which has no folders" });
};

/** The absolute URL of `parts` joined, each relative to those before it and the first to the page. */
export const resolvePath = (...parts: readonly string[]): string => {
  const page = globalThis.location?.href ?? "file:///";
  return parts.reduce(
    (base, part) => new URL(part, base.endsWith("/") || base === page ? base : `${base}/`).href,
    page,
  );
};

/** The URL of something inside a folder. */
export const joinPath = (folder: string, ...names: readonly string[]): string =>
  [folder.replace(/\/+$/, ""), ...names].join("/");

/**
 * The content of a gzip file (RFC 1952) of one member.
 *
 * @throws StriateError naming `subject` when the content is larger than `maximumBytes` (noticed before more than that
 * is held), the file is truncated or damaged, or anything follows the gzip data.
 */
export async function gunzip(
  bytes: Uint8Array,
  { maximumBytes, subject }: GunzipOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const failures = gunzipFailures(subject, maximumBytes);
  try {
    const packed = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
    return await collect(packed.pipeThrough(new DecompressionStream("gzip")), maximumBytes, failures.tooLarge);
  } catch (error) {
    throw failures.describe(error, bytes);
  }
}

/** Every chunk of a stream, one after the other; stops at the first that exceeds the limit. */
async function collect(
  stream: ReadableStream<Uint8Array>,
  maximumBytes: number,
  tooLarge: () => StriateError,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    total += value.length;
    if (total > maximumBytes) {
      await reader.cancel().catch(() => undefined);
      throw tooLarge();
    }
    chunks.push(value);
  }
  const result = new Uint8Array(total);
  let offset = 0;
  for (const chunk of chunks) {
    result.set(chunk, offset);
    offset += chunk.length;
  }
  return result;
}
