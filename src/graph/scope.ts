/** Where the graph is being built: the path of layers whose functions are running. Tracing is synchronous. */
const path: string[] = [];

export const currentScope = (): string => path.join(".");

/** Runs `body` with `name` added to the path, so that the nodes it makes carry it. An empty name adds nothing. */
export function withinScope<T>(name: string, body: () => T): T {
  if (name === "") return body();
  path.push(name);
  try {
    return body();
  } finally {
    path.pop();
  }
}

/** Runs `body` as if at exactly this path: for rewriting nodes without losing where they came from. */
export function atScope<T>(scope: string, body: () => T): T {
  const saved = path.splice(0, path.length, ...(scope === "" ? [] : [scope]));
  try {
    return body();
  } finally {
    path.splice(0, path.length, ...saved);
  }
}
