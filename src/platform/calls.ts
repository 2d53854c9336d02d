/** Calls between threads: numbered requests, answers, and errors that keep what they complain of. */
import { type Complaint, StriateError } from "../errors.ts";

export type Post = (message: unknown, transfer: ArrayBuffer[]) => void;

/** A handler's result, with buffers in it that move instead of being copied. */
export class Moved {
  readonly result: unknown;
  readonly transfer: ArrayBuffer[];

  constructor(result: unknown, transfer: ArrayBuffer[]) {
    this.result = result;
    this.transfer = transfer;
  }
}

/** What a worker can be asked, by name: each takes one argument and gives one result. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>;

interface Request {
  readonly call: number;
  readonly method: string;
  readonly argument: unknown;
}

interface Answer {
  readonly call: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string; readonly complaint?: Complaint };
}

interface Line {
  readonly post: Post;
  /** Told when the first call begins and when the last one ends. */
  readonly busy: (isBusy: boolean) => void;
  readonly stop: () => Promise<void>;
}

/** The near end of a worker. */
export class Peer {
  readonly #line: Line;
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  #calls = 0;
  #failure: Error | undefined;

  constructor(line: Line) {
    this.#line = line;
  }

  /** Calls a handler of the worker. Buffers listed in `transfer` move there and are empty here afterwards. */
  call(method: string, argument: unknown, transfer: ArrayBuffer[] = []): Promise<unknown> {
    if (this.#failure) return Promise.reject(this.#failure);
    const call = this.#calls++;
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) this.#line.busy(true);
      this.#waiting.set(call, { resolve, reject });
      try {
        this.#line.post({ call, method, argument } satisfies Request, transfer);
      } catch (error) {
        this.receive({ call, error: { message: String(error) } });
      }
    });
  }

  receive({ call, result, error }: Answer): void {
    const waiting = this.#waiting.get(call);
    this.#waiting.delete(call);
    if (this.#waiting.size === 0) this.#line.busy(false);
    if (!error) waiting?.resolve(result);
    else waiting?.reject(error.complaint ? new StriateError(error.complaint) : new Error(error.message));
  }

  /** Why every call fails from now on, where that is so. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Every waiting and later call fails with this error. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }

  async stop(): Promise<void> {
    this.fail(new Error("the worker was stopped"));
    await this.#line.stop();
  }
}

/**
 * Inside a worker: what answers messages, one after the other in the order they came.
 * @param before what each waits for
 */
export function answering(
  handlers: Handlers,
  post: Post,
  before: () => Promise<void> | undefined = () => undefined,
): (message: unknown) => void {
  let last: Promise<void> = Promise.resolve();
  return (message) => {
    last = last.then(before).then(() => answer(handlers, message as Request, post));
  };
}

/**
 * A peer in the calling thread: for what is done sooner than a message would arrive elsewhere. However many calls follow
 * one another, timers and events have their turn between them.
 */
export function near(handlers: Handlers): Peer {
  const peer = new Peer({ post: (message) => ask(message), busy: () => {}, stop: async () => {} });
  const ask = answering(handlers, (message) => peer.receive(message as Answer), turns());
  return peer;
}

/** How many milliseconds promises may follow one another: timers and events wait until there are none. */
const longestTurn = 10;

/** Has a task run after those that wait already: browsers have no `setImmediate`, and `setTimeout` waits longer. */
const afterOthers: (task: () => void) => unknown = globalThis.setImmediate ?? globalThis.setTimeout;

/** What is to be awaited between pieces of work: once they have taken long, the turn of all that waits. */
function turns(): () => Promise<void> | undefined {
  let turn: { readonly began: number; readonly next: Promise<void> } | undefined;
  return () => {
    turn ??= {
      began: performance.now(),
      next: new Promise((resolve) => {
        afterOthers(() => {
          turn = undefined;
          resolve();
        });
      }),
    };
    return performance.now() - turn.began < longestTurn ? undefined : turn.next;
  };
}

/** Runs the handler that a message asks for and posts its result or its error. */
async function answer(handlers: Handlers, { call, method, argument }: Request, post: Post): Promise<void> {
  try {
    const given = await handlers[method]!(argument as never);
    const { result, transfer } = given instanceof Moved ? given : new Moved(given, []);
    post({ call, result } satisfies Answer, transfer);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const complaint = error instanceof StriateError ? { ...error.complaint, cause: undefined } : undefined;
    post({ call, error: { message: text, complaint } } satisfies Answer, []);
  }
}
