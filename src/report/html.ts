/** One-file HTML: text that is escaped unless it says it is markup, and a page that loads nothing. */

/** Text that is HTML already. Made by `html` and `markup`, and by nothing else. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** What may stand in a template: text and numbers are escaped, markup is kept, lists are joined, the rest is left out. */
export type Insertion = Markup | string | number | false | null | undefined | readonly Insertion[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as HTML that shows exactly it, in an element or in a quoted attribute. */
export const escapeText = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character]!);

/** Declares text to be HTML, as it is. Only for text that we wrote ourselves. */
export const markup = (text: string): Markup => new Markup(text);

function insert(value: Insertion): string {
  if (value instanceof Markup) return value.text;
  if (typeof value === "string") return escapeText(value);
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) return value.map(insert).join("");
  return "";
}

/**
 * Markup from a template whose insertions are escaped unless they are markup themselves.
 *
 * @example
 * import { html } from "./html.ts";
 *
 * console.assert(html`<b>${"1 < 2"}</b>`.text === "<b>1 &lt; 2</b>");
 */
export function html(pieces: TemplateStringsArray, ...insertions: readonly Insertion[]): Markup {
  let text = pieces[0]!;
  for (const [index, value] of insertions.entries()) text += insert(value) + pieces[index + 1]!;
  return new Markup(text);
}

/** A part of a page, numbered and linked to from the list of contents. */
export interface Section {
  /** Its address within the page: letters and hyphens. */
  readonly id: string;
  readonly title: string;
  readonly body: Markup;
}

export interface Page {
  readonly title: string;
  /** A line under the title. */
  readonly subtitle: Insertion;
  /** What stands before the list of contents. */
  readonly lead: Markup;
  readonly sections: readonly Section[];
  readonly footer: Insertion;
  readonly style: string;
}

/** The policy that keeps a page to itself: it may show pictures and styles that it holds, and load nothing. */
const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** A whole HTML document in one file: no scripts, no network, its pictures and styles inside. */
export function page({ title, subtitle, lead, sections, footer, style }: Page): string {
  const contents = sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`);
  const bodies = sections.map(
    ({ id, title, body }, index) => html`
<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title"><span class="number" aria-hidden="true">${index + 1}</span>${title}</h2>
${body}
</section>`,
  );
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${markup(style)}</style>
</head>
<body>
<header><h1>${title}</h1><p class="subtitle">${subtitle}</p></header>
<main>
${lead}
<nav aria-label="Contents"><ol>${contents}</ol></nav>
${bodies}
</main>
<footer>${footer}</footer>
</body>
</html>
`.text;
}
