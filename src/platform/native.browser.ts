/** In a browser there are no libraries of the system. */
import type { Opened } from "./native-terms.ts";

export const openLibrary = (): Opened => ({ missing: "a browser, which has no libraries of the system" });

/** Nor has it pages to choose from. */
export function inLargePages(): void {}
