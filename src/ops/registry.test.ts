import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { tables } from "../../test/check/cases/all.ts";
import { testOps } from "../../test/check/table.ts";

for (const [k, t] of Object.entries(tables)) describe(k, () => testOps(t));
