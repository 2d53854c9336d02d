import { expect, test } from "vitest";
import { html, markup, page } from "./html.ts";

const hostile = `<script>alert("1")</script>' onerror='x & y`;

test("html escapes text in elements and attributes, keeps markup, joins lists and leaves out nothing-values", () => {
  expect(html`<b title="${hostile}">${hostile}</b>`.text).toBe(
    '<b title="&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39; onerror=&#39;x &amp; y">' +
      "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39; onerror=&#39;x &amp; y</b>",
  );
  expect(html`${html`<i>${"<"}</i>`}${markup("<hr>")}`.text).toBe("<i>&lt;</i><hr>");
  expect(html`${[1, "<", [html`<p>`]]}${null}${undefined}${false}${0}`.text).toBe("1&lt;<p>0");
});

test("an object with the shape of markup is not taken for it", () => {
  const forged = JSON.parse('{"text":"<script>"}');
  expect(html`${forged}`.text).toBe("");
});

test("a page numbers and lists its sections, and forbids itself the network", () => {
  const text = page({
    title: hostile,
    subtitle: "",
    lead: html``,
    sections: [{ id: "one", title: "First & last", body: html`<p>body</p>` }],
    footer: "",
    style: "p { color: red }",
  });
  expect(text).toMatch(/^<!doctype html>\n<html lang="en">/);
  expect(text).not.toContain("<script");
  expect(text).toContain(`content="default-src &#39;none&#39;; img-src data:`);
  expect(text).toContain('<a href="#one">First &amp; last</a>');
  expect(text).toContain('<span class="number" aria-hidden="true">1</span>First &amp; last</h2>');
});
