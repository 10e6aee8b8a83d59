/** Which dialog is open above the page. There is one at most. */

import type { Component } from "svelte";
import type { Person } from "../api/client";
import { enterDialog, leaveDialog } from "./route.svelte";
import type { Tweet } from "./tweetCache.svelte";

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
  /** A dialog whose component is fetched by the code that opens it. */
  | { kind: "other"; component: Component<any>; props: object }
  | { kind: "about" };

let open = $state.raw<Dialog | null>(null);

export const dialogs = {
  get open() {
    return open;
  },
};

export function openDialog(dialog: Dialog) {
  // Closing the last dialog first returns the focus to the page, where the new one will return it too.
  document.querySelector<HTMLDialogElement>("dialog[open]")?.close();
  enterDialog();
  open = dialog;
}

/** The browser reports a closed dialog a moment later, when another one may be open already. */
export function onDialogClosed(dialog: Dialog | null) {
  if (open !== dialog) return;
  open = null;
  leaveDialog();
}
