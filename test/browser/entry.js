// The page's program: Striate as a bundler takes it from the built package.
import * as striate from "striate";
import { trainLines } from "./page.ts";

globalThis.findings = trainLines(striate);
