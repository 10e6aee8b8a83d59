/** Who is signed in. The key itself is in no place that a script can read. */

import * as api from "../api/client";

type Session = "unknown" | "nobody" | "unreachable" | api.Me;

let session = $state<Session>("unknown");
/** Whether a session ended that this page has seen, without a word of the reader in this page. */
let ended = $state(false);

/** All tabs of a browser share one session: a tab that changes it tells the others. */
const tabs = new BroadcastChannel("warble.session");

export const who = {
  get state(): "unknown" | "nobody" | "unreachable" | "signed in" {
    return typeof session === "string" ? session : "signed in";
  },
  get ended() {
    return ended;
  },
  /** The reader. Asked only below a view that is shown to somebody signed in. */
  get me(): api.Me {
    if (typeof session === "string") throw new Error("nobody is signed in");
    return session;
  },
};

let before: number | null = null;

/** Asks who is signed in; also after a change of one's own name. */
export async function recognize() {
  try {
    const me = await api.me();
    // What one person has seen is not for the next: the page starts anew.
    if (before !== null && before !== me.id) return location.reload();
    before = me.id;
    session = me;
    ended = false;
    api.actAs(me.id);
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    if (error.status === 401) lose();
    else if (typeof session === "string") session = "unreachable";
  }
}

/** Tells the other tabs that somebody signed in or out. */
export const announce = () => tabs.postMessage(null);

export async function enter(key: string) {
  await api.signIn(key);
  announce();
  await recognize();
}

/** `forget` takes what this device keeps of the reader. */
export async function leave(forget: () => Promise<void>) {
  const { sign_out_url } = await api.signOut();
  announce();
  await forget();
  // The company's account is signed out where it was signed in.
  location.assign(sign_out_url ?? "/");
}

function lose() {
  ended ||= typeof session !== "string";
  session = "nobody";
}

api.onSignedOut(lose);
api.onReplaced(() => void recognize());

/** Asks again whenever somebody else may be signed in: another tab said so, or time has passed. */
export function followSession() {
  tabs.onmessage = () => void recognize();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void recognize();
  });
  addEventListener("online", () => {
    if (session === "unreachable") void recognize();
  });
}
