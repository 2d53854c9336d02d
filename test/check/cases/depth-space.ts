import { DepthToSpace, SpaceToDepth } from "../../../src/ops/depth-space.ts";
import { moving, type OpCase, row } from "../case.ts";
import { integer } from "../draw.ts";

const maps = ["batch", 8, "height", 3] as const;
const dimensions = { height: 2 };

export const depthSpaceCases: readonly OpCase[] = [
  ...["DCR", "CRD"].map((mode) =>
    row(DepthToSpace, mode, [moving(maps)], { attributes: { blocksize: 2, mode }, dimensions }),
  ),
  row(DepthToSpace, "blocks of three", [moving([1, 9, 2, 1])], { attributes: { blocksize: 3 } }),
  row(SpaceToDepth, "blocks of two", [moving(["batch", 3, "height", 6])], { attributes: { blocksize: 2 }, dimensions }),
  row(SpaceToDepth, "blocks of one", [moving(maps)], { attributes: { blocksize: 1 }, dimensions }),
  ...(["uint8", "int32", "bool"] as const).flatMap((dtype) => {
    const whole = { shape: [2, 4, 2, 2], dtype, draw: integer(0, dtype === "bool" ? 1 : 9) };
    return [DepthToSpace, SpaceToDepth].map((op) => row(op, dtype, [whole], { attributes: { blocksize: 2 } }));
  }),
];
