/** The name of the output of an encoded graph that holds a variable's next value. */
export const nextName = (variable: string): string => `next:${variable}`;

/**
 * The layer that a node belongs to, from the node's name. PyTorch writes a path of modules, those in containers with the
 * container's name: "/layer1/layer1.0/conv1/Conv" is in the layer that it calls layer1.0.conv1.
 */
export function layerOf(node: string): string {
  const path = node.split("/").slice(0, -1).filter(Boolean);
  return path.filter((module, index) => !path[index + 1]?.startsWith(`${module}.`)).join(".");
}
