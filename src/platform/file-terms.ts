/** What the two homes of files, Node's (files.ts) and the browser's (files.browser.ts), have in common. */
import { StriateError } from "../errors.ts";

export interface ReadOptions {
  /** The largest file that is read, in bytes. */
  readonly maximumBytes?: number;
}

export interface GunzipOptions {
  /** The most bytes that may come out. */
  readonly maximumBytes: number;
  /** The file's name, for messages. */
  readonly subject: string;
}

export interface TemporaryFolder {
  readonly path: string;
  /** Removes it with everything in it. */
  readonly remove: () => Promise<void>;
}

/** Something in a folder. */
export interface FolderEntry {
  readonly name: string;
  /** The folder's path and the name. */
  readonly path: string;
  readonly isFolder: boolean;
}

/** An open file of which parts are read. */
export interface InsideFile {
  /** @throws StriateError when the file ends before the range does */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A number of bytes as people read it: `9.7 MB`. */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let amount = bytes;
  while (amount >= 1000 && unit < units.length - 1) {
    amount /= 1000;
    unit++;
  }
  return `${unit === 0 ? amount : Number(amount.toPrecision(3))} ${bytes === 1 ? "byte" : units[unit]}`;
}

/** Whether bytes begin as a gzip file does. */
export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** The ways in which a gzip file can be wrong, in the same words on both platforms. */
export function gunzipFailures(subject: string, maximumBytes: number) {
  const limit = formatBytes(maximumBytes);
  const tooLarge = () =>
    new StriateError({ subject, found: `gzip data that unpacks to more than ${limit}`, expected: `at most ${limit}` });
  const truncated = (cause?: unknown) =>
    new StriateError({ subject, found: "truncated gzip", expected: "the whole file", mend: "Fetch it again", cause });
  const trailing = (cause?: unknown) =>
    new StriateError({ subject, found: "other bytes after the gzip data", expected: "nothing after it", cause });

  /** Every engine has its own words for what went wrong, and browsers nothing but words. */
  function describe(error: unknown, bytes: Uint8Array): StriateError {
    if (error instanceof StriateError) return error;
    const words = error instanceof Error ? error.message : String(error);
    if (/truncated|unexpected end|without reaching/i.test(words)) return truncated(error);
    if (/junk|trailing|extra bytes|after the end/i.test(words)) return trailing(error);
    // zlib: after the last member it looks for the header of another one.
    if (/incorrect header check/i.test(words) && isGzip(bytes)) return trailing(error);
    const found = isGzip(bytes) ? `damaged gzip data (${words})` : "no gzip file";
    return new StriateError({ subject, found, expected: "a gzip file", mend: "Fetch it again", cause: error });
  }
  return { tooLarge, trailing, describe };
}
