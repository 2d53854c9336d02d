/** JSON as the headers of files have it, read strictly: what other readers take for different things is refused. */
import { StriateError } from "../errors.ts";

export type HeaderValue = string | number | readonly HeaderValue[] | HeaderObject;
export type HeaderObject = ReadonlyMap<string, HeaderValue>;

/** How deep objects and lists may nest. */
const deepest = 8;

/**
 * The object that a text says. Every name may come once in its object and none is `__proto__`; numbers are whole, from
 * 0 to 2^53 - 1, in digits alone; after the object come spaces at most.
 * @param subject what to call the file in errors
 * @throws StriateError naming the field at fault
 */
export function parseHeader(text: string, subject: string): HeaderObject {
  const reader = new HeaderReader(text, subject);
  if (text[0] !== "{") throw reader.refuse("", `a header that begins with ${reader.next()}`, '"{"');
  const header = reader.object("", 0);
  reader.skip();
  if (reader.at < text.length) throw reader.refuse("", `${reader.next()} after the header`, "spaces alone");
  return header;
}

class HeaderReader {
  readonly #text: string;
  readonly #subject: string;
  at = 0;

  constructor(text: string, subject: string) {
    this.#text = text;
    this.#subject = subject;
  }

  refuse(field: string, found: string, expected: string, cause?: unknown): StriateError {
    const subject = field === "" ? this.#subject : `${this.#subject}, ${field}`;
    return new StriateError({ subject, found, expected, cause });
  }

  skip(): void {
    while (/^[ \t\n\r]$/.test(this.#text.charAt(this.at))) this.at++;
  }

  /** What stands next, for messages. */
  next(): string {
    return this.at < this.#text.length ? JSON.stringify(this.#text.slice(this.at, this.at + 10)) : "nothing";
  }

  #takes(sign: string): boolean {
    this.skip();
    if (this.#text[this.at] !== sign) return false;
    this.at++;
    return true;
  }

  #expect(sign: string, field: string): void {
    if (!this.#takes(sign)) throw this.refuse(field, this.next(), `"${sign}"`);
  }

  #value(field: string, depth: number): HeaderValue {
    this.skip();
    const first = this.#text[this.at] ?? "";
    if (first === '"') return this.#string(field);
    if (/[-+.\dIN]/.test(first)) return this.#number(field);
    if (depth >= deepest) throw this.refuse(field, `more than ${deepest} objects and lists in each other`, "fewer");
    if (first === "{") return this.object(field, depth + 1);
    if (first === "[") return this.#list(field, depth + 1);
    throw this.refuse(field, this.next(), "a text, a whole number, a list or an object");
  }

  object(field: string, depth: number): HeaderObject {
    this.#expect("{", field);
    const members = new Map<string, HeaderValue>();
    if (this.#takes("}")) return members;
    do {
      this.skip();
      if (this.#text[this.at] !== '"') throw this.refuse(field, this.next(), "a name in double quotes");
      const name = this.#string(field);
      const place = field === "" ? JSON.stringify(name) : `${field}, ${JSON.stringify(name)}`;
      if (name === "__proto__") throw this.refuse(field, "a field named __proto__", "another name");
      if (members.has(name)) throw this.refuse(place, "the same name twice", "every field once");
      this.#expect(":", place);
      members.set(name, this.#value(place, depth));
    } while (this.#takes(","));
    this.#expect("}", field);
    return members;
  }

  #list(field: string, depth: number): readonly HeaderValue[] {
    this.#expect("[", field);
    const items: HeaderValue[] = [];
    if (this.#takes("]")) return items;
    do items.push(this.#value(`${field}[${items.length}]`, depth));
    while (this.#takes(","));
    this.#expect("]", field);
    return items;
  }

  #string(field: string): string {
    const start = this.at;
    for (this.at++; this.#text[this.at] !== '"'; this.at++) {
      if (this.at >= this.#text.length) throw this.refuse(field, "a text without its end", "a closing quote");
      if (this.#text[this.at] === "\\") this.at++;
    }
    this.at++;
    let text: string;
    try {
      text = JSON.parse(this.#text.slice(start, this.at));
    } catch (cause) {
      throw this.refuse(field, "a text that is not JSON's", "printable characters and JSON's escapes", cause);
    }
    if (/\p{Surrogate}/u.test(text)) throw this.refuse(field, "half of a surrogate pair", "whole characters");
    return text;
  }

  #number(field: string): number {
    const [written] = /^[^\s,\]}]*/.exec(this.#text.slice(this.at, this.at + 40))!;
    const value = Number(written);
    if (!/^(0|[1-9]\d*)$/.test(written) || !Number.isSafeInteger(value))
      throw this.refuse(field, written, "a whole number from 0 to 2^53 - 1, in digits alone");
    this.at += written.length;
    return value;
  }
}
