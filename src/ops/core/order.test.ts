import { tables } from "../../../test/check/cases/all.ts";
import { testOps } from "../../../test/check/table.ts";

testOps(tables["core/order"]!);
