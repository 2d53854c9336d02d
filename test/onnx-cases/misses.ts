/** The standard's cases that an engine fails, each with the reason. A test keeps the list true. */
export const misses: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  reference: {},
  ort: {},
};
