import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile as readRaw, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StriateError } from "../errors.ts";
import * as browser from "./files.browser.ts";
import * as files from "./files.ts";

const { exists, formatBytes, isFolder, joinPath, listFolder, readFile, resolvePath, writeFileAtomic } = files;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "striate-files-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const sentence = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no error",
    (error) => (error instanceof StriateError ? error.message : `not a StriateError: ${error}`),
  );

test("both twins have the same exports", () => {
  expect(Object.keys(browser).sort()).toEqual(Object.keys(files).sort());
});

describe("readFile", () => {
  test("gives the bytes, in a plain Uint8Array", async () => {
    const path = join(folder, "plain.bin");
    await writeFile(path, Uint8Array.of(1, 2, 3));
    const bytes = await readFile(path);
    expect(bytes.constructor).toBe(Uint8Array);
    expect(Array.from(bytes)).toEqual([1, 2, 3]);
  });

  test("says what is wrong with a path", async () => {
    const missing = join(folder, "missing.png");
    expect(await sentence(readFile(missing))).toBe(`${missing}: no such file. Check the path.`);
    expect(await sentence(readFile("missing.png"))).toBe(
      `missing.png: no such file. Check the path; the current folder is ${process.cwd()}.`,
    );
    expect(await sentence(readFile(folder))).toBe(`${folder}: found a folder; expected a file.`);
    const path = join(folder, "a.txt");
    await writeFile(path, "0123456789");
    expect(await sentence(readFile(join(path, "b")))).toBe(`${join(path, "b")}: no such file. Check the path.`);
    expect(await sentence(readFile(path, { maximumBytes: 9 }))).toBe(
      `${path}: found 10 bytes; expected at most 9 bytes.`,
    );
    expect((await readFile(path, { maximumBytes: 10 })).length).toBe(10);
    expect(await sentence(readFile("a\0b"))).toContain("cannot be read (ERR_INVALID_ARG_VALUE)");
  });

  test.skipIf(process.getuid?.() === 0)("says when a file may not be read", async () => {
    const path = join(folder, "secret.txt");
    await writeFile(path, "x");
    await chmod(path, 0);
    expect(await sentence(readFile(path))).toBe(`${path}: may not be read. Check its permissions.`);
  });

  test("reads a pipe, and stops where it exceeds the limit", async () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const feed = () => writeFile(pipe, "hello").catch(() => undefined);
    expect(new TextDecoder().decode((await Promise.all([readFile(pipe), feed()]))[0])).toBe("hello");
    const [message] = await Promise.all([sentence(readFile(pipe, { maximumBytes: 4 })), feed()]);
    expect(message).toBe(`${pipe}: found more; expected at most 4 bytes.`);
  });
});

describe("writeFileAtomic", () => {
  test("makes folders, writes bytes and text, replaces, and leaves nothing else", async () => {
    const path = join(folder, "new", "deep", "out.txt");
    await writeFileAtomic(path, "first");
    await writeFileAtomic(path, new TextEncoder().encode("second"));
    expect(await readRaw(path, "utf8")).toBe("second");
    expect(await readdir(join(folder, "new", "deep"))).toEqual(["out.txt"]);
  });

  test("removes its temporary file when it fails, and says why", async () => {
    const parent = join(folder, "failing");
    const target = join(parent, "taken");
    await mkdir(target, { recursive: true });
    expect(await sentence(writeFileAtomic(target, "x"))).toBe(`${target}: found a folder; expected a file.`);
    const path = join(folder, "file-in-the-way");
    await writeFile(path, "x");
    expect(await sentence(writeFileAtomic(join(path, "out"), "x"))).toBe(
      `${join(path, "out")}: found part of this path is a file; expected folders only.`,
    );
    const long = join(parent, "x".repeat(300));
    expect(await sentence(writeFileAtomic(long, "x"))).toBe(`${long}: cannot be written (ENAMETOOLONG).`);
    expect(await readdir(parent)).toEqual(["taken"]);
  });

  test("follows a symbolic link and writes to a device without replacing it", async () => {
    const target = join(folder, "target.txt");
    await writeFile(target, "old");
    await symlink(target, join(folder, "link.txt"));
    await writeFileAtomic(join(folder, "link.txt"), "new");
    expect(await readRaw(target, "utf8")).toBe("new");
    await writeFileAtomic("/dev/null", "x");
    expect(await isFolder("/dev/null")).toBe(false);
    expect((await readRaw("/dev/null")).length).toBe(0);
  });
});

describe("folders", () => {
  test("are listed sorted, links as what they lead to", async () => {
    const path = join(folder, "listed");
    await mkdir(join(path, "b"), { recursive: true });
    await writeFile(join(path, "c.png"), "");
    await writeFile(join(path, "B.png"), "");
    await symlink(join(path, "b"), join(path, "a"));
    await symlink(join(path, "nowhere"), join(path, "broken"));
    const entries = await listFolder(path);
    expect(entries.map(({ name, isFolder }) => [name, isFolder])).toEqual([
      ["B.png", false],
      ["a", true],
      ["b", true],
      ["c.png", false],
    ]);
    expect(entries[0]!.path).toBe(join(path, "B.png"));
  });

  test("are told from files and from nothing", async () => {
    const file = join(folder, "f");
    await writeFile(file, "");
    expect([await exists(file), await isFolder(file)]).toEqual([true, false]);
    expect([await exists(folder), await isFolder(folder)]).toEqual([true, true]);
    expect([await exists(join(folder, "no")), await isFolder(join(folder, "no"))]).toEqual([false, false]);
    expect(await sentence(listFolder(file))).toBe(`${file}: found a file; expected a folder.`);
    const missing = join(folder, "no");
    expect(await sentence(listFolder(missing))).toBe(`${missing}: no such folder. Check the path.`);
  });

  test("paths are joined as they are and resolved to absolute ones", () => {
    expect(joinPath("data/mnist/", "a.gz")).toBe(join("data", "mnist", "a.gz"));
    expect(resolvePath("data", "a")).toBe(join(process.cwd(), "data", "a"));
  });
});

describe.each([
  ["Node", files.gunzip],
  ["browser", browser.gunzip],
])("gunzip (%s)", (_, gunzip) => {
  const content = new TextEncoder().encode("hello world ".repeat(1000));
  const packed = new Uint8Array(gzipSync(content));
  const options = { maximumBytes: content.length, subject: "x.gz" };
  const joined = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => Array.from(part)));

  test("gives the content, up to the limit", async () => {
    expect(await gunzip(packed, options)).toEqual(content);
    expect((await gunzip(new Uint8Array(gzipSync("")), options)).length).toBe(0);
    expect(await sentence(gunzip(packed, { ...options, maximumBytes: content.length - 1 }))).toBe(
      "x.gz: found gzip data that unpacks to more than 12 kB; expected at most 12 kB.",
    );
  });

  test("refuses a bomb without unpacking it", async () => {
    const bomb = new Uint8Array(gzipSync(new Uint8Array(200_000_000), { level: 9 }));
    const before = process.memoryUsage().arrayBuffers;
    expect(await sentence(gunzip(bomb, { maximumBytes: 1_000_000, subject: "bomb.gz" }))).toBe(
      "bomb.gz: found gzip data that unpacks to more than 1 MB; expected at most 1 MB.",
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50_000_000);
  });

  test("says when it is truncated, wherever that is", async () => {
    for (const length of [0, 5, 30, packed.length - 8, packed.length - 1])
      expect(await sentence(gunzip(packed.subarray(0, length), options))).toBe(
        "x.gz: found truncated gzip; expected the whole file. Fetch it again.",
      );
  });

  test("says when something follows, when it is damaged, and when it is no gzip", async () => {
    const trailing = "x.gz: found other bytes after the gzip data; expected nothing after it.";
    expect(await sentence(gunzip(joined(packed, new TextEncoder().encode("junk")), options))).toBe(trailing);
    const damaged = packed.slice();
    damaged[damaged.length - 6]! ^= 1;
    expect(await sentence(gunzip(damaged, options))).toBe(
      "x.gz: found damaged gzip data (incorrect data check); expected a gzip file. Fetch it again.",
    );
    expect(await sentence(gunzip(content, options))).toBe(
      "x.gz: found no gzip file; expected a gzip file. Fetch it again.",
    );
  });
});

test("in Node, gzip of several members is one content, and zeros after it are refused", async () => {
  const [one, two] = [gzipSync("one"), gzipSync("two")];
  const options = { maximumBytes: 100, subject: "x.gz" };
  expect(new TextDecoder().decode(await files.gunzip(Buffer.concat([one, two]), options))).toBe("onetwo");
  expect(await sentence(files.gunzip(Buffer.concat([one, Buffer.alloc(4)]), options))).toBe(
    "x.gz: found other bytes after the gzip data; expected nothing after it.",
  );
});

describe("the browser's files", () => {
  test("are fetched, within the limit", async () => {
    const url = "data:application/octet-stream;base64,AQID";
    expect(Array.from(await browser.readFile(url))).toEqual([1, 2, 3]);
    expect(await sentence(browser.readFile(url, { maximumBytes: 2 }))).toBe(
      `${url}: found more than 2 bytes; expected at most 2 bytes.`,
    );
    expect(await sentence(browser.readFile("nonsense:x"))).toBe(
      "nonsense:x: cannot be fetched. Check the address, the network, and that its server allows this page to read it (CORS).",
    );
  });

  test("cannot be written or listed", async () => {
    expect(await sentence(browser.writeFileAtomic("out.onnx", ""))).toBe(
      "out.onnx: found a file to write in a browser; expected bytes. Take the bytes instead, and offer them as a download.",
    );
    expect(await sentence(browser.listFolder("data"))).toBe(
      "data: found a folder to list in a browser; expected files by their addresses. Name each file.",
    );
    expect(await browser.isFolder("data")).toBe(false);
    expect(browser.joinPath("https://a.b/data/", "c.gz")).toBe("https://a.b/data/c.gz");
    expect(browser.resolvePath("https://a.b/data", "c.gz")).toBe("https://a.b/data/c.gz");
  });
});

test("a temporary folder is new, and goes with everything in it", async () => {
  const [one, other] = [await files.temporaryFolder(), await files.temporaryFolder()];
  expect(one.path).not.toBe(other.path);
  await writeFile(join(one.path, "a.txt"), "a");
  await Promise.all([one.remove(), other.remove()]);
  expect(await exists(one.path)).toBe(false);
  expect(await sentence(browser.temporaryFolder())).toBe("temporary files: a browser, which has no folders.");
});

test("byte counts are written as people read them", () => {
  expect([0, 1, 999, 1000, 9_653_766, 2 ** 31].map(formatBytes)).toEqual([
    "0 bytes",
    "1 byte",
    "999 bytes",
    "1 kB",
    "9.65 MB",
    "2.15 GB",
  ]);
});
