/** Who is signed in. The key itself is in no place that a script can read. */

import * as api from "../api/client";

type Session = "unknown" | "nobody" | "unreachable" | api.Profile;

let session = $state<Session>("unknown");

export const who = {
  get state(): "unknown" | "nobody" | "unreachable" | "signed in" {
    return typeof session === "string" ? session : "signed in";
  },
  /** The reader. Asked only below a view that is shown to somebody signed in. */
  get me(): api.Profile {
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
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    session =
      error.status === 401 ? "nobody" : typeof session === "string" ? "unreachable" : session;
  }
}

export async function enter(key: string) {
  await api.signIn(key);
  await recognize();
}

/** `forget` takes what this device keeps of the reader. */
export async function leave(forget: () => void) {
  await api.signOut();
  forget();
  location.assign("/");
}

api.onSignedOut(() => {
  session = "nobody";
});
