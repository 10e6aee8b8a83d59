/** Changes that show at once and are sent behind: a like, a follow. */

const sending = new Set<string>();

/** `done` is called after each change that the server has accepted. */
export const settling = { done: (_key: string, _on: boolean) => {} };

export const isSettling = (key: string) => sending.has(key);

/**
 * Sends what is wanted, and once more if that has changed meanwhile: however fast somebody clicks,
 * one call is under way at a time and the last click wins.
 *
 * `refused` is called with what the server still has when it refuses.
 */
export async function settle(
  key: string,
  wanted: () => boolean,
  send: (on: boolean) => Promise<unknown>,
  refused: (known: boolean, error: unknown) => void,
) {
  if (sending.has(key)) return;
  sending.add(key);
  let known = !wanted();
  try {
    while (wanted() !== known) {
      const on = wanted();
      await send(on);
      known = on;
      settling.done(key, on);
    }
  } catch (error) {
    refused(known, error);
  } finally {
    sending.delete(key);
  }
}
