/** Requests that are repeated because the server tells of a tweet a moment before it can be read. */

/** The pauses before each repetition. */
export const RETRY_DELAYS_MS = [2000, 4000, 8000, 16_000] as const;

/** Repeats the request while it is needed, after growing pauses, at most four times. */
export async function retryWhile(needed: () => boolean, request: () => Promise<unknown>) {
  for (const delay of RETRY_DELAYS_MS) {
    await new Promise((resolve) => setTimeout(resolve, delay));
    if (!needed()) return;
    await request();
  }
}
