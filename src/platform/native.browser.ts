/** In a browser there are no libraries of the system. */
import type { Opened } from "./native-terms.ts";

export const openLibrary = (): Opened => ({ missing: "Node: a browser has no native libraries" });
