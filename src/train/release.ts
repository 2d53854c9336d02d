/** Something that holds memory or a thread until it is told to let go. */
interface Held {
  dispose(): Promise<void>;
}

/** Takes something to dispose of later, and gives it back. */
export type Hold = <T extends Held>(held: T) => T;

/**
 * Runs `body`, then disposes of everything that it gave to `hold`. Where the body fails, its error is the one that is
 * thrown, whatever becomes of the disposing.
 */
export async function releasing<Result>(body: (hold: Hold) => Promise<Result>): Promise<Result> {
  const held: Held[] = [];
  const release = () => Promise.all(held.map((each) => each.dispose()));
  const hold: Hold = (each) => {
    held.push(each);
    return each;
  };
  let result: Result;
  try {
    result = await body(hold);
  } catch (error) {
    await release().catch(() => {});
    throw error;
  }
  await release();
  return result;
}
