/** The name of the output of an encoded graph that holds a variable's next value. */
export const nextName = (variable: string): string => `next:${variable}`;
