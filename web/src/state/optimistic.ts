/** Optimistic changes, such as a like or a follow: the page shows them at once and sends them afterwards. */

const sending = new Set<string>();

type Listener = (key: string, on: boolean) => void;
let listener: Listener | null = null;

/** Calls `accepted` after each change that the server has accepted; null ends that. */
export function onAccepted(accepted: Listener | null) {
  listener = accepted;
}

/** Whether a change of `key` is being sent. */
export const isSending = (key: string) => sending.has(key);

/**
 * Sends the wanted state, and sends again if it has changed meanwhile. However fast somebody clicks,
 * one request is sent at a time, and the last click wins.
 *
 * `onRefused` is called with the state that the server still has if the server refuses the change.
 */
export async function sendLatest(
  key: string,
  wanted: () => boolean,
  send: (on: boolean) => Promise<unknown>,
  onRefused: (known: boolean, error: unknown) => void,
) {
  if (sending.has(key)) return;
  sending.add(key);
  let known = !wanted();
  try {
    while (wanted() !== known) {
      const on = wanted();
      await send(on);
      known = on;
      listener?.(key, on);
    }
  } catch (error) {
    onRefused(known, error);
  } finally {
    sending.delete(key);
  }
}
