import { expect, test } from "vitest";
import { tables } from "../../test/check/cases/all.ts";
import { testOps } from "../../test/check/table.ts";
import { StriateError } from "../errors.ts";
import { apply } from "../graph/op.ts";
import { inputValue } from "../graph/value.ts";
import { DepthToSpace, pixelShuffle, SpaceToDepth } from "./depth-space.ts";

testOps(tables["depth-space"]!);

const value = (...shape: readonly (number | string)[]) => inputValue("x", { dtype: "float32", shape });

test("maps whose size has a name come back to it", () => {
  const maps = value("batch", 4, "height", "width");
  const large = apply(DepthToSpace, [maps], { blocksize: 2 })[0]!;
  expect(large.shape).toEqual(["batch", 1, "2*(height)", "2*(width)"]);
  expect(apply(SpaceToDepth, [large], { blocksize: 2 })[0]!.shape).toEqual(maps.shape);
  const small = apply(SpaceToDepth, [maps], { blocksize: 3 })[0]!;
  expect(small.shape).toEqual(["batch", 36, "(height)/3", "(width)/3"]);
  expect(apply(DepthToSpace, [small], { blocksize: 3 })[0]!.shape).toEqual(maps.shape);
});

test("sub-pixel shuffling takes maps whose size has a name", () => {
  expect(pixelShuffle(value("batch", 9, "height", 4), 3).shape).toEqual(["batch", 1, "3*(height)", 12]);
});

test.each([
  [
    "blocks of 0",
    () => apply(DepthToSpace, [value(1, 4, 2, 2)], { blocksize: 0 }),
    "DepthToSpace: found blocks of 0 in maps of 1x4x2x2; expected a length above 0",
  ],
  ["no block", () => apply(SpaceToDepth, [value(1, 4, 2, 2)], {}), "SpaceToDepth: found blocks of undefined in maps"],
  ["one axis", () => apply(SpaceToDepth, [value(1, 4, 2)], { blocksize: 2 }), "SpaceToDepth: found blocks of 2"],
  [
    "parts of channels",
    () => apply(DepthToSpace, [value(1, 6, 2, 2)], { blocksize: 2 }),
    "DepthToSpace: found 6 channels, mode DCR; expected a multiple of 4, and DCR or CRD.",
  ],
  [
    "an unknown mode",
    () => apply(DepthToSpace, [value(1, 4, 2, 2)], { blocksize: 2, mode: "RGB" }),
    "DepthToSpace: found 4 channels, mode RGB",
  ],
  [
    "parts of blocks",
    () => apply(SpaceToDepth, [value(1, 1, 4, 3)], { blocksize: 2 }),
    "SpaceToDepth: found blocks of 2 in maps of 1x1x4x3; expected whole blocks.",
  ],
])("%s are refused", (_, attempt, sentence) => {
  expect(attempt).toThrow(StriateError);
  expect(attempt).toThrow(sentence);
});
