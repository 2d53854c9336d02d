/** Resize in ONNX Runtime: its own kernel only where it repeats elements; its other modes differ from the standard in places. */
import { attributesOf } from "../../graph/op.ts";
import { fixedShape, type Node, type Value } from "../../graph/value.ts";
import { onlyRepeats, Resize, ResizeGradient, resizeByMatrices } from "../../ops/resize.ts";

const resizeRule = (inputs: readonly (Value | undefined)[], node: Node): readonly Value[] | undefined => {
  const attributes = attributesOf(node, Resize, ResizeGradient);
  const x = inputs[0]!;
  if (attributes.coordinate_transformation_mode === "tf_crop_and_resize" || onlyRepeats(inputs, attributes))
    return undefined;
  if (x.dtype !== "float32" || !fixedShape({ dtype: x.dtype, shape: x.shape.slice(1) })) return undefined;
  const resized = resizeByMatrices(inputs, attributes);
  return resized && [resized];
};

export const resizeRules = [[Resize, resizeRule]] as const;
