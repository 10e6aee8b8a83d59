/** Who is signed in. The session's key is in a cookie that scripts cannot read. */

import * as api from "../api/client";

/** The reader's profile, or why there is none. */
type SessionState = "unknown" | "nobody" | "unreachable" | api.Me;

let current = $state<SessionState>("unknown");
/** Whether the session has ended while this page was open, without the reader signing out here. */
let ended = $state(false);

/** All tabs of a browser share one session: a tab that changes it notifies the others. */
const tabs = new BroadcastChannel("warble.session");

export const session = {
  get state(): "unknown" | "nobody" | "unreachable" | "signed in" {
    return typeof current === "string" ? current : "signed in";
  },
  get ended() {
    return ended;
  },
  /** The reader's own profile. Views that are shown only to signed-in people may use it. */
  get me(): api.Me {
    if (typeof current === "string") throw new Error("nobody is signed in");
    return current;
  },
};

let lastId: number | null = null;

/** Reads who is signed in. Also called after a change of the reader's own profile. */
export async function loadSession() {
  try {
    const me = await api.me();
    // Another person must not see what this page has loaded for the last one.
    if (lastId !== null && lastId !== me.id) return location.reload();
    lastId = me.id;
    current = me;
    ended = false;
    api.setExpectedPerson(me.id);
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    if (error.status === 401) showSignedOut();
    else if (typeof current === "string") current = "unreachable";
  }
}

/** Makes the other tabs load the session again. */
export const notifyOtherTabs = () => tabs.postMessage(null);

export async function signIn(key: string) {
  await api.signIn(key);
  notifyOtherTabs();
  await loadSession();
}

/** Signs out. `deleteLocalData` deletes what this device has stored for the reader. */
export async function signOut(deleteLocalData: () => Promise<void>) {
  const { sign_out_url } = await api.signOut();
  notifyOtherTabs();
  await deleteLocalData();
  // The identity provider, if any, ends its own session.
  location.assign(sign_out_url ?? "/");
}

function showSignedOut() {
  ended ||= typeof current !== "string";
  current = "nobody";
}

api.onSignedOut(showSignedOut);
api.onPersonChanged(() => void loadSession());

/** Loads the session again whenever it may have changed: in another tab, or while this one was hidden. */
export function watchSession() {
  tabs.onmessage = () => void loadSession();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void loadSession();
  });
  addEventListener("online", () => {
    if (current === "unreachable") void loadSession();
  });
}
