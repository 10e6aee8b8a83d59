/** The one dialog that is open above the page, if any. */

import type { Component } from "svelte";
import type { Person } from "../api/client";
import { enterDialog, leaveDialog } from "./route.svelte";
import type { Tweet } from "./tweets.svelte";

export type Dialog =
  | { kind: "write" }
  | { kind: "reply"; tweet: Tweet }
  | { kind: "pictures"; tweet: Tweet; index: number }
  | { kind: "likers"; tweet: Tweet }
  | { kind: "profile" }
  | { kind: "settings" }
  | { kind: "access" }
  | { kind: "notifications" }
  | { kind: "invite"; person?: Person }
  | { kind: "welcome" }
  | { kind: "erase" }
  | { kind: "shortcuts" }
  /** One that is fetched by the part that opens it. */
  | { kind: "other"; part: Component<any>; props: object }
  | { kind: "about" };

let open = $state.raw<Dialog | null>(null);

export const dialogs = {
  get open() {
    return open;
  },
};

export function show(dialog: Dialog) {
  // One that is open already gives the focus back, so that the next one can return it there.
  document.querySelector<HTMLDialogElement>("dialog[open]")?.close();
  enterDialog();
  open = dialog;
}

/** A dialog tells of its end a moment later: by then another one may be open. */
export function closed(dialog: Dialog | null) {
  if (open !== dialog) return;
  open = null;
  leaveDialog();
}
