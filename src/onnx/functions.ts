/** Our own operators in files: calls of functions that hold their compositions, so that any runtime runs them. */
import { create, toBinary } from "@bufbuild/protobuf";
import { StriateError } from "../errors.ts";
import { nodesBehind } from "../graph/graph.ts";
import { type Op, striateDomain } from "../graph/op.ts";
import { constantOf, type Node, type Value } from "../graph/value.ts";
import { operators } from "../ops/registry.ts";
import { type FunctionProto, FunctionProtoSchema, type NodeProto } from "./generated/onnx_pb.ts";
import { domainOf } from "./parts.ts";
import { constantProto, copyProto, nodeProto, operatorSets, writtenAttributes } from "./write.ts";

/**
 * The functions of a file that is being written. A composition is made for its operands' shapes, so that one operator may
 * be several functions: `SliceDropout`, `SliceDropout_2` and so on, by which names it is known when the file is read.
 */
export class FunctionTable {
  readonly protos: FunctionProto[] = [];
  readonly #names = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  /** What a node calls its operator: its name, or that of the function with its composition. */
  typeOf(node: Node): string {
    const { name, domain } = node.op;
    if (domain !== striateDomain) return name;
    const body = this.#bodyOf(node);
    const key = `${name} ${new TextDecoder("latin1").decode(toBinary(FunctionProtoSchema, body))}`;
    const known = this.#names.get(key);
    if (known) return known;
    const count = (this.#counts.get(name) ?? 0) + 1;
    const unique = count === 1 ? name : `${name}_${count}`;
    this.#counts.set(name, count);
    this.#names.set(key, unique);
    body.name = unique;
    this.protos.push(body);
    return unique;
  }

  #bodyOf(node: Node): FunctionProto {
    const results = node.op.composition?.(node.inputs, node.attributes);
    if (!results) throw new StriateError({ subject: node.op.name, found: "no form in ONNX's operators" });
    const input = node.inputs.map((_, index) => `x${index}`);
    const names = new Map<Value, string>();
    node.inputs.forEach((value, index) => {
      if (value && !names.has(value)) names.set(value, input[index]!);
    });
    const nodes = nodesBehind(results, new Set(names.keys()));
    const constants: NodeProto[] = [];
    for (const value of [...nodes.flatMap((each) => each.inputs), ...results]) {
      const tensor = constantOf(value);
      if (!value || !tensor || names.has(value)) continue;
      names.set(value, `c${constants.length}`);
      constants.push(constantProto(tensor, names.get(value)!));
    }
    nodes.forEach((each, index) => {
      for (const [place, value] of each.outputs.entries()) names.set(value, `v${index}.${place}`);
    });
    const used = new Set<Value>([
      ...results,
      ...nodes.flatMap((each) => each.inputs.filter((value) => value !== undefined)),
    ]);
    const body = nodes.map((each, index) =>
      nodeProto({ name: `${each.op.name}_${index}`, node: each, type: this.typeOf(each), names, used }),
    );
    const output = results.map((_, index) => `y${index}`);
    return create(FunctionProtoSchema, {
      domain: striateDomain,
      input,
      output,
      attribute: writtenAttributes(node).map(([name]) => name),
      node: [...constants, ...body, ...results.map((value, index) => copyProto(names.get(value)!, output[index]!))],
      opsetImport: operatorSets([striateDomain]),
    });
  }
}

/** The operator of a node of a file, by its name or, for our own, by that of one of its functions. */
export function operatorOf(node: Pick<NodeProto, "domain" | "opType">): Op | undefined {
  const domain = domainOf(node);
  const name = domain === striateDomain ? node.opType.replace(/_\d+$/, "") : node.opType;
  return operators.get(`${domain}:${name}`);
}
