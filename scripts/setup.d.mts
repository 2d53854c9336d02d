/** The types of what tests use of setup.mjs. */

/** The folder of the checkout. */
export const root: string;

/** Compiles src/ to dist/ where sources have changed since the last time. */
export function ensureBuilt(): void;

/** The path of a Chromium, from CHROMIUM or the search path. */
export function findBrowser(): string | undefined;
