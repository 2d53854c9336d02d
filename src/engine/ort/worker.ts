/** The thread in which ONNX Runtime runs: it holds sessions and their variables, and feeds updates back. */
import type { InferenceSession, Tensor as RuntimeTensor } from "onnxruntime-common";
import { StriateError } from "../../errors.ts";
import { nextName } from "../../onnx/names.ts";
import { Moved } from "../../platform/calls.ts";
import { serve } from "../../platform/worker.ts";
import type { RunTime } from "../profile.ts";
import type { AboutAnswer, OpenRequest, PlainTensors, ReportAnswer, RunAnswer, RunRequest } from "../protocol.ts";
import { SessionProfile } from "./profile.ts";
import { createSession, runSession, toPlain, toRuntime, version } from "./session.ts";

type RuntimeTensors = Map<string, RuntimeTensor>;

interface Session {
  readonly session: InferenceSession;
  readonly request: Omit<OpenRequest, "model">;
  variables: RuntimeTensors;
  /** What can be taken back: variables before the last run. */
  previous: RuntimeTensors;
  readonly profile: SessionProfile | undefined;
  /** After a run that did not count, no update is made until variables are written. */
  halted: boolean;
}

const sessions = new Map<number, Session>();

const toRuntimeAll = (tensors: PlainTensors): RuntimeTensors =>
  new Map(Object.entries(tensors).map(([name, tensor]) => [name, toRuntime(tensor)]));

const allFinite = (tensor: RuntimeTensor): boolean => (tensor.data as Float32Array).every(Number.isFinite);

function sessionOf(program: number): Session {
  const session = sessions.get(program);
  if (!session) throw new StriateError({ subject: "program", found: "a program that was disposed of" });
  return session;
}

/** Frees a session, and the file of its profile. */
async function release(program: number): Promise<void> {
  const held = sessions.get(program);
  sessions.delete(program);
  await held?.session.release();
  await held?.profile?.remove();
}

serve({
  about: (): AboutAnswer => ({ version, auto: "float32" }),

  async open({ model, ...request }: OpenRequest): Promise<void> {
    const profile = request.profile ? await SessionProfile.start() : undefined;
    const session = await createSession(model, request.threads, profile?.options);
    const none: RuntimeTensors = new Map();
    await release(request.program);
    sessions.set(request.program, { session, request, profile, variables: none, previous: none, halted: false });
  },

  async run({ program, feeds, lent }: RunRequest): Promise<Moved> {
    const held = sessionOf(program);
    const { outputs, updates, finite, irreversible } = held.request;
    const inputs: Record<string, RuntimeTensor> = Object.fromEntries(held.variables);
    for (const name in feeds) inputs[name] = toRuntime(feeds[name]!);
    const results = await runSession(held.session, inputs);
    held.profile?.ran(held.session);
    if (!held.halted) {
      held.halted = !finite.every((name) => allFinite(results[name]!));
      if (!held.halted) held.previous = new Map([...held.variables].filter(([name]) => !irreversible.includes(name)));
      const next = held.halted ? held.previous : updates.map((name) => [name, results[nextName(name)]!] as const);
      held.variables = new Map([...held.variables, ...next]);
    }
    const asked = Object.fromEntries(outputs.map((name) => [name, toPlain(results[name]!)]));
    return new Moved({ outputs: asked, lent } satisfies RunAnswer, lent);
  },

  read({ program, names }: { program: number; names?: readonly string[] }): PlainTensors {
    const { variables } = sessionOf(program);
    return Object.fromEntries((names ?? [...variables.keys()]).map((name) => [name, toPlain(variables.get(name)!)]));
  },

  write({ program, variables }: { program: number; variables: PlainTensors }): void {
    const held = sessionOf(program);
    held.variables = new Map([...held.variables, ...toRuntimeAll(variables)]);
    held.previous = new Map();
    held.halted = false;
  },

  report({ program }: { program: number }): ReportAnswer {
    sessionOf(program);
    return { precision: "float32", elsewhere: {} };
  },

  /** Waits for what was asked before, and frees everything: a thread that ends while the runtime works ends the process. */
  async close(): Promise<void> {
    for (const program of [...sessions.keys()]) await release(program);
  },

  revert({ program }: { program: number }): void {
    const held = sessionOf(program);
    held.variables = new Map([...held.variables, ...held.previous]);
  },

  async profile({ program }: { program: number }): Promise<readonly RunTime[]> {
    const { profile, session } = sessionOf(program);
    return (await profile?.runs(session)) ?? [];
  },

  dispose: ({ program }: { program: number }) => release(program),
});
