/**
 * What neither the library nor a loop of ours computes: a node in ONNX Runtime, over the program's memory, or where that
 * lacks the operator, or has little to do, in the operator's own `evaluate`.
 */
import type { InferenceSession } from "onnxruntime-common";
import { type Graph, makeGraph } from "../../graph/graph.ts";
import { apply } from "../../graph/op.ts";
import { constantOf, type Input, inputValue, type Node } from "../../graph/value.ts";
import { encode } from "../../onnx/encode.ts";
import { Resize } from "../../ops/resize.ts";
import { isFloat } from "../../tensor/dtype.ts";
import { sameShape } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { lower } from "../ort/lower.ts";
import type { PlainTensor } from "../protocol.ts";
import type { Cell, Memory } from "./memory.ts";
import type { Plan } from "./plan.ts";
import { workOf } from "./small.ts";

/** Multiply-accumulates, or elements, that `evaluate` is done with in about a millisecond: a session would not be worth its making. */
const little = 1e5;

/** Whole numbers between others, which ONNX Runtime rounds and limits in ways of its own. */
const isRounded = ({ op, attributes, outputs: [y] }: Node): boolean =>
  op.name === Resize.name && attributes.mode !== "nearest" && !isFloat(y.dtype);

/** A node that runs elsewhere. */
export class Piece {
  readonly #node: Node;
  readonly #inputs: readonly (Cell | undefined)[];
  readonly #outputs: readonly Cell[];
  #session: InferenceSession | undefined;

  constructor(node: Node, inputs: readonly (Cell | undefined)[], outputs: readonly Cell[]) {
    this.#node = node;
    this.#inputs = inputs;
    this.#outputs = outputs;
  }

  get operator(): string {
    return this.#node.op.name;
  }

  /** The engine whose way of computing it is taken. */
  get engine(): "ort" | "reference" {
    return this.#session ? "ort" : "reference";
  }

  /** Has it run in ONNX Runtime where that is worth it, is there, and takes it. */
  async open(threads: number): Promise<void> {
    if (workOf(this.#node) < little || isRounded(this.#node)) return;
    try {
      const { createSession } = await import("../ort/session.ts");
      // Threads that wait by spinning would take the cores from the library's.
      const extra = { session: { intra_op: { allow_spinning: "0" } } };
      this.#session = await createSession(encode(lower(this.#graph())), threads, { extra });
    } catch {
      // It lacks the operator for these types, or cannot be loaded: `evaluate` takes any.
    }
  }

  /** The node alone: constants stay, as they may be settings, and the other operands are inputs. */
  #graph(): Graph {
    const inputs = new Map<number, Input>();
    const operands = this.#node.inputs.map((value, index) => {
      if (!value || constantOf(value)) return value;
      inputs.set(index, inputValue(`x${index}`, value));
      return inputs.get(index);
    });
    const results = apply(this.#node.op, operands, this.#node.attributes);
    return makeGraph([...inputs.values()], new Map(results.map((value, index) => [`y${index}`, value])));
  }

  make(memory: Memory): () => unknown {
    const from = this.#inputs.map((cell) => cell && { cell, view: memory.view(cell) });
    const to = this.#outputs.map(memory.view.bind(memory));
    const operands = () => from.map((each) => each && new Tensor(each.cell.dtype, each.cell.shape, each.view()));
    const put = (results: readonly PlainTensor[]) =>
      results.forEach(({ data }, index) => {
        (to[index]!() as Float32Array).set(data as Float32Array);
      });
    const evaluate = () => put(this.#node.op.evaluate(operands(), this.#node.attributes));
    const ran = async (session: InferenceSession) => {
      const results = await this.#ran(session, operands()).catch(() => undefined);
      if (results) return put(results);
      await this.close();
      evaluate();
    };
    return () => (this.#session ? ran(this.#session) : evaluate());
  }

  /** What the session gives; nothing where its numbers are other ones than the node's: it lays some operators out otherwise. */
  async #ran(session: InferenceSession, operands: readonly (Tensor | undefined)[]) {
    const { runSession, toPlain, toRuntime } = await import("../ort/session.ts");
    const feeds = session.inputNames.map((name) => [name, toRuntime(operands[Number(name.slice(1))]!)] as const);
    const given = await runSession(session, Object.fromEntries(feeds));
    const results = this.#outputs.map((_, index) => toPlain(given[`y${index}`]!));
    const isAsSaid = this.#outputs.every(({ dtype, shape }, index) => {
      const result = results[index]!;
      return result.dtype === dtype && sameShape(result.shape, shape);
    });
    return isAsSaid ? results : undefined;
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.release();
  }
}

/** Lays out a node for which there is no rule. */
export function layElsewhere(plan: Plan, node: Node): void {
  const inputs = node.inputs.map((input) => input && plan.ordered(input, "plain"));
  const outputs = node.outputs.map((_, index) => plan.output(node, index, "plain"));
  const piece = new Piece(node, inputs, outputs);
  const cells = [...inputs.filter((input) => input !== undefined), ...outputs];
  plan.step(cells, (memory) => piece.make(memory), { writes: outputs, piece });
}

/** What of a plan runs elsewhere, what is made once included. */
export const piecesOf = ({ prepared, steps }: Pick<Plan, "prepared" | "steps">): readonly Piece[] =>
  [...prepared, ...steps].flatMap(({ piece }) => piece ?? []);
