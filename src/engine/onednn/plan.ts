/** A graph of fixed shapes as steps over one block of memory: which kernel computes each node, in which order of elements. */
import { StriateError } from "../../errors.ts";
import { consumersOf, type Graph, nodesBehind, nodesOf, resultsOf, variablesOf } from "../../graph/graph.ts";
import { constant, type NamedSource, type Node, type Value } from "../../graph/value.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { isForBlocks, isQuickInBlocks, taking } from "./blocks.ts";
import { argument, type Description, type Dnnl, type PostOp, type Primitive, Unimplemented } from "./dnnl.ts";
import { type Chain, chainsOf, type Link } from "./fuse.ts";
import { settle, withoutUnneeded } from "./lifetimes.ts";
import { pass } from "./loops.ts";
import {
  bytesOf,
  type Cell,
  formOf,
  type Home,
  isSameOrder,
  type Order,
  type Region,
  roomOf,
  shapeOf,
  widened,
} from "./memory.ts";
import { layElsewhere } from "./pieces.ts";
import { type Halves, halvesOf, type Stored } from "./precision.ts";
import { Label, located, type Step, type StepOptions, underneath, written } from "./step.ts";
import { bring, nextOf } from "./updates.ts";
import { costOf, type Transform, transformsOf } from "./winograd.ts";

/** Lays out the steps of a node; false where it does not know how. */
export type Rule = (node: Node, plan: Plan) => boolean;
export type Rules = readonly (readonly [{ readonly name: string }, Rule])[];

/** Whether all those that are there are numbers that the library computes with, and at least one of them. */
export const isFloat32 = (...values: readonly (Value | undefined)[]): boolean =>
  values.every((value) => value === undefined || (value.dtype === "float32" && !value.shape.includes(0)));

/** What a step leaves for that of its gradient, which must be of the same precision. */
interface Workspace {
  readonly cell: Cell;
  readonly node: Node;
  readonly precision: Stored;
}

export class Plan {
  readonly dnnl: Dnnl;
  /** How the node that is being laid out is to be computed; a rule that heeds it gives the node's values in it. */
  precision: Stored = "float32";
  readonly #halves: Halves | undefined;
  /** Steps that only constants and unchanging variables decide: made once. */
  readonly prepared: Step[] = [];
  /** Steps of every run up to the last output, then those of the updates. */
  readonly steps: Step[] = [];
  /** How many of the steps the outputs need. */
  readonly untilOutputs: number;
  readonly regions: Region[] = [];
  readonly inputs = new Map<string, Cell>();
  readonly outputs = new Map<string, Cell>();
  /** Where each variable's value is now, row-major. */
  readonly variables = new Map<string, Cell>();
  readonly constants: { readonly cell: Cell; readonly tensor: Tensor }[] = [];
  /** The convolutions that are by Winograd's algorithm, which takes no operand after it. */
  readonly transforms: ReadonlyMap<Node, Transform> = new Map();
  /** What a step leaves for the step of its gradient, by the value it made. */
  readonly workspaces = new Map<Value, Workspace>();
  readonly #cells = new Map<Value, Cell>();
  readonly #later = new Map<Value, () => Cell>();
  readonly #orders = new Map<Region, Map<string, Cell>>();
  readonly #changing: ReadonlySet<string>;
  readonly #isBlocked: boolean;
  readonly #results: ReadonlySet<Value>;
  readonly #consumers: ReadonlyMap<Value, readonly Node[]>;
  readonly #label = new Label();
  #chain: Chain | undefined;
  /** Whether what is being laid out depends on nothing that changes from run to run. */
  isPreparing = false;
  readonly #done = new Set<Node>();
  /** Lays out a node before its turn: what it takes must be there. */
  readonly early: (node: Node) => void;

  constructor(
    dnnl: Dnnl,
    graph: Graph,
    rules: ReadonlyMap<object, Rule>,
    precision: Stored,
    irreversible: ReadonlySet<string> = new Set(),
  ) {
    this.dnnl = dnnl;
    this.#isBlocked = precision === "float32" && dnnl.hasLongVectors() && isQuickInBlocks(graph);
    this.#halves = precision === "bfloat16" ? halvesOf(graph) : undefined;
    this.#changing = new Set(graph.updates.map(({ variable }) => variable.source.name));
    this.#results = new Set(resultsOf(graph));
    this.#consumers = consumersOf(graph);
    for (const input of graph.inputs) this.inputs.set(input.source.name, this.#leaf(input, "kept"));
    for (const variable of variablesOf(graph)) {
      const { name } = variable.source;
      const home = !this.#changing.has(name) ? "kept" : irreversible.has(name) ? "only" : "now";
      this.variables.set(name, this.#leaf(variable, home, name));
    }
    if (this.#isBlocked) this.transforms = transformsOf(graph, (node, transform) => costOf(dnnl, node, transform));
    const chains = chainsOf(graph, taking(dnnl, this.#isBlocked, this.transforms));
    const inChains = new Set([...chains.values()].flatMap(({ head, rest }) => [head, ...rest]));
    const alone = (node: Node) => {
      if (this.#done.has(node)) return;
      this.#done.add(node);
      this.#label.set(node);
      if (!this.#by(rules.get(node.op), node)) layElsewhere(this, node);
    };
    const visit = (node: Node) => {
      const chain = chains.get(node);
      const operands = chain ? [chain.head, ...chain.rest].flatMap(({ inputs }) => inputs) : node.inputs;
      const isInside = (value: Value) =>
        chain?.rest.some((each) => each !== node && each.outputs.includes(value)) ||
        chain?.head.outputs.includes(value);
      this.isPreparing =
        !(inChains.has(node) && !chain) &&
        operands.every(
          (value) => !value || isInside(value) || (this.isKnown(value) && this.isFixed(this.#place(value))),
        );
      lay(node, chain);
      this.isPreparing = false;
    };
    const lay = (node: Node, chain: Chain | undefined) => {
      if (!chain) {
        if (!inChains.has(node)) alone(node);
        return;
      }
      const { head, rest } = chain;
      this.#label.set(head, ...rest);
      this.#chain = chain;
      const isDone = this.#by(rules.get(head.op), head);
      this.#chain = undefined;
      if (!isDone) for (const each of [head, ...rest]) alone(each);
    };
    this.early = (node) => this.#label.within(() => visit(node));
    const ofOutputs = nodesBehind(graph.outputs.values());
    for (const node of ofOutputs) visit(node);
    for (const [name, value] of graph.outputs) this.outputs.set(name, this.ordered(value, "plain"));
    this.untilOutputs = this.steps.length;
    const seen = new Set(ofOutputs);
    for (const node of nodesOf(graph)) if (!seen.has(node)) visit(node);
    const laid = graph.updates.map(({ variable: { source }, next }) => {
      this.#label.update(source.name);
      return [source.name, nextOf(this, next)] as const;
    });
    for (const [name, next] of laid) {
      this.#label.update(name);
      bring(this, name, next);
    }
    this.untilOutputs = withoutUnneeded(this);
    settle(this, this.#changing.size > 0);
  }

  /** By a rule: in bfloat16 where that is wanted and the library has it so, otherwise in float32. */
  #by(rule: Rule | undefined, node: Node): boolean {
    const before = this.precision;
    const wanted: Stored[] = this.#halves?.nodes.has(node) ? ["bfloat16", "float32"] : ["float32"];
    const isDone = wanted.some((precision) => {
      this.precision = precision;
      return this.#label.tried(() => byRule(rule, node, this));
    });
    this.precision = before;
    return isDone;
  }

  /** Bytes with a place of their own. */
  region(bytes: number, home: Home = "arena", variable?: string): Region {
    const region: Region = {
      home: home === "arena" && this.isPreparing ? "kept" : home,
      bytes: Math.max(1, bytes),
      ...(variable !== undefined && home !== "kept" && { variable }),
      first: Number.POSITIVE_INFINITY,
      last: -1,
      offset: 0,
    };
    this.regions.push(region);
    return region;
  }

  #leaf(value: Value, home: Home, variable?: string): Cell {
    const shape = shapeOf(value);
    const cell: Cell = {
      dtype: value.dtype,
      shape,
      order: "plain",
      region: this.region(bytesOf(value.dtype, shape), home, variable),
    };
    this.#cells.set(value, cell);
    return cell;
  }

  isKnown = (value: Value): boolean => value.source.kind !== "node" || this.#cells.has(value);
  isUsed = (value: Value | undefined): boolean =>
    value !== undefined && (this.#results.has(value) || this.#consumers.has(value));

  isResult = (value: Value): boolean => this.#results.has(value);

  /** The nodes that take a value. */
  consumers = (value: Value): readonly Node[] => this.#consumers.get(value) ?? [];

  /** Where a value is, in whichever order: as it is, or converted once. */
  cell(value: Value, precision: Stored = "float32"): Cell {
    const cell = this.#place(value);
    return this.inOrder(cell, cell.order === "blocked" ? "channelsLast" : cell.order, precision);
  }

  /** The same, in blocks of channels too if it lies so: for kernels that need no strides. */
  anywhere(value: Value, precision: Stored = "float32"): Cell {
    const cell = this.#place(value);
    return this.inOrder(cell, cell.order, precision);
  }

  /** The order in which the library is quickest with maps of this shape. */
  orderOf(shape: readonly (number | string)[], precision = this.precision): Order {
    return this.#isBlocked && precision === "float32" && isForBlocks(shape) ? "blocked" : "channelsLast";
  }

  /** How a value is stored. */
  storedAs = (value: Value): Stored => this.#place(value).precision ?? "float32";

  #place(value: Value): Cell {
    const known = this.#cells.get(value) ?? this.#later.get(value)?.();
    if (known) {
      this.#cells.set(value, known);
      return known;
    }
    if (value.source.kind !== "constant")
      throw new StriateError({
        subject: "oneDNN",
        found: `nothing for "${(value.source as NamedSource).name ?? "a value"}"`,
      });
    const cell = this.#leaf(value, "kept");
    this.constants.push({ cell, tensor: value.source.tensor });
    return cell;
  }

  /** A constant of the plan's own. */
  constant(tensor: Tensor): Cell {
    return this.cell(constant(tensor));
  }

  /** A value with its elements in this order and precision: as it is, or reordered and converted once. */
  ordered(value: Value, order: Order, precision: Stored = "float32"): Cell {
    return this.inOrder(this.#place(value), order, precision);
  }

  inOrder(cell: Cell, order: Order, precision: Stored = cell.precision ?? "float32"): Cell {
    if ((cell.precision ?? "float32") === precision) {
      if (cell.order === order) return cell;
      if (isSameOrder(cell.order, order, cell.shape)) return { ...cell, order };
    }
    const region = () => this.#like(cell, roomOf(cell.dtype, cell.shape, order, precision));
    return this.#once(cell, `${order} ${precision}`, () => {
      const to = { ...cell, order, precision, region: region() };
      this.#copied(widened(cell), widened(to));
      return to;
    });
  }

  /** Fills a tensor with another's elements, for good where those do not change. */
  #copied(from: Cell, to: Cell): Cell {
    const prepared = this.isFixed(from);
    if (from.dtype !== "float32") {
      pass(this, to, [from], { text: "x0", prepared });
      return to;
    }
    const primitive = this.dnnl.reorder(
      from.description ?? this.dnnl.describe(formOf(from)),
      to.description ?? this.dnnl.describe(formOf(to)),
    );
    const both = [[argument.source, from] as const, [argument.result, to] as const];
    this.run(primitive, both, { prepared });
    return to;
  }

  /** A tensor in a form of the library's choice, made once for every run (or for good, of what does not change). */
  packed(cell: Cell, description: Description): Cell {
    const from = { description: cell.description ?? this.dnnl.describe(formOf(cell)), start: cell.start ?? 0 };
    if (this.dnnl.isSame(description, from.description)) return cell;
    const known = [...(this.#orders.get(cell.region)?.values() ?? [])].find(
      (other) =>
        other.from?.start === from.start &&
        this.dnnl.isSame(other.from.description, from.description) &&
        this.dnnl.isSame(other.description!, description),
    );
    if (known) return known;
    const region = () => this.#like(cell, this.dnnl.bytesOf(description));
    const key = `packed ${this.#orders.get(cell.region)?.size ?? 0}`;
    return this.#once(cell, key, () => this.#copied(cell, { ...cell, start: 0, description, from, region: region() }));
  }

  #once(cell: Cell, key: string, make: () => Cell): Cell {
    const made = this.#orders.get(cell.region) ?? new Map<string, Cell>();
    this.#orders.set(cell.region, made);
    const shaped = `${key} ${formatShape(cell.shape)}`;
    const found = made.get(shaped) ?? this.#label.within(make, "Reorder");
    made.set(shaped, found);
    return found;
  }

  /** Whether a tensor is the same in every run. */
  isFixed = ({ region }: Cell): boolean =>
    region.home === "kept" && ![...this.inputs.values()].some((input) => input.region === region);
  #like = (cell: Cell, bytes: number): Region => this.region(bytes, this.isFixed(cell) ? "kept" : "arena");

  /** The same for its primitive, and the operands that the primitive then takes. */
  following(node: Node, order: Order): { readonly postOps: PostOp[]; readonly operands: (readonly [number, Cell])[] } {
    const rank = node.outputs[0]!.shape.length;
    const postOps: PostOp[] = [];
    const operands: (readonly [number, Cell])[] = [];
    for (const link of this.links(node)) {
      if (link.kind === "binary") {
        const isFull = link.operand.shape.length === rank && sameShape(link.operand.shape, node.outputs[0]!.shape);
        const stored = this.precision === "bfloat16" ? this.storedAs(link.operand) : "float32";
        const ordered = isFull ? this.ordered(link.operand, order, stored) : this.ordered(link.operand, "plain");
        const cell = widened(ordered, rank);
        operands.push([this.dnnl.firstPostOp * (postOps.length + 1) + argument.second, cell]);
        postOps.push({ kind: "binary", algorithm: link.algorithm, form: formOf(cell) });
      } else postOps.push(link);
    }
    return { postOps, operands };
  }

  /** What follows a node in the same pass. */
  links = (node: Node): readonly Link[] => (this.#chain?.head === node ? this.#chain.links : []);
  isFollowed = (node: Node): boolean => this.#chain?.head === node;

  /** The first output of a node, or of what follows it in the same pass. */
  #result = (node: Node): Value => (this.#chain?.head === node ? this.#chain.rest.at(-1)! : node).outputs[0]!;

  /** How the result of a product is stored: in float32 where something needs it so. */
  resultPrecision = (node: Node): Stored =>
    this.precision === "bfloat16" && this.#halves?.values.has(this.#result(node)) ? "bfloat16" : "float32";

  /** A new place for one of a node's outputs, or for what follows it in the same pass. */
  output(node: Node, index: number, order: Order, precision: Stored = "float32"): Cell {
    const value = index === 0 ? this.#result(node) : node.outputs[index]!;
    const [shape, { dtype }] = [shapeOf(value), value];
    const region = this.region(roomOf(dtype, shape, order, precision));
    const cell: Cell = { dtype, precision, shape, order, region };
    this.#cells.set(value, cell);
    return cell;
  }

  /** Says that a value lies where another does. */
  alias(value: Value, cell: Cell): void {
    this.#cells.set(value, cell);
  }

  /** Says how a value gets a place of its own, if anything asks for it. */
  later(value: Value, make: () => Cell): void {
    this.#later.set(value, make);
  }

  temporary(description: Description): Cell {
    return {
      dtype: "uint8",
      shape: [this.dnnl.bytesOf(description)],
      order: "plain",
      description,
      region: this.region(this.dnnl.bytesOf(description)),
    };
  }

  /** A step that runs a primitive, which may write its result over some of its arguments. */
  run(
    primitive: Primitive,
    arguments_: readonly (readonly [number, Cell])[],
    { prepared = false, over = [] }: { readonly prepared?: boolean; readonly over?: readonly number[] } = {},
  ): void {
    const all = [...arguments_];
    if (primitive.scratchpad) all.push([argument.scratchpad, this.temporary(primitive.scratchpad)]);
    const name = `${this.#label.name} ${all.map(([, cell]) => formatShape(cell.shape)).join(", ")}`;
    this.step(
      all.map(([, cell]) => cell),
      (memory) => this.dnnl.bound(name, primitive, new Map(all.map(([index, cell]) => [index, memory.handle(cell)]))),
      { prepared, writes: written(all), over: underneath(all, over) },
    );
  }

  /** A step of our own: it writes all that it touches, unless it is said. */
  step(cells: readonly Cell[], make: Step["make"], options: StepOptions = {}): void {
    const { prepared = false, writes = cells, over = [], piece } = options;
    const [touches, written, under] = [cells, writes, over].map((each) => each.map(({ region }) => region));
    const step: Step = { kind: this.#label.take(), touches: touches!, writes: written!, over: under!, piece, make };
    (prepared || this.isPreparing ? this.prepared : this.steps).push(step);
  }
}

/** Lays out a node by a rule: false where it does not apply, or where the library refuses. */
export function byRule(rule: Rule | undefined, node: Node, plan: Plan): boolean {
  try {
    return rule?.(node, plan) ?? false;
  } catch (error) {
    if (error instanceof Unimplemented) return false;
    throw located(error, node);
  }
}
