/** The threads that the reader follows or has muted, and the people whose tweets the reader is notified of. */

import { SvelteMap } from "svelte/reactivity";
import { ApiError } from "../api/client";
import * as api from "../api/notifications";
import type { MenuItem } from "../components/Menu.svelte";
import { notificationTexts } from "../text/notificationTexts";
import { errorText } from "../text/errorTextLookup.svelte";
import { showToast } from "./toasts.svelte";
import { isSending, sendLatest } from "./optimistic";

const MUTE = "M8.3 6.2A6 6 0 0 1 18 11v4M6 10.5v6L4.5 18H15M10 20.5a2.2 2.2 0 0 0 4 0M4 4l16 16";
const MENTION =
  "M12 15.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM15.5 8.5v4.8a2.3 2.3 0 0 0 4.5 0V12a8 8 0 1 0-3.2 6.4";

/** By the id of the thread's first tweet. */
const threads = new SvelteMap<number, api.ThreadState>();
const watched = new SvelteMap<number, boolean>();

interface InThread {
  root_id: number;
}

/** Loads whether the reader follows or has muted the thread, for the menu of a tweet. */
export async function loadThreadState({ root_id: root }: InThread) {
  const before = threads.get(root);
  try {
    const state = await api.threadState(root);
    // The response may be older than what the reader has chosen meanwhile.
    if (threads.get(root) === before) threads.set(root, state);
  } catch (error) {
    // The menu then offers to follow and to mute. Repeating either of them changes nothing.
    if (!(error instanceof ApiError)) throw error;
  }
}

export function threadActions({ root_id: root }: InThread): MenuItem[] {
  const state = threads.get(root) ?? "none";
  const text = notificationTexts();
  const item = (label: string, icon: NonNullable<MenuItem["icon"]>, wanted: api.ThreadState) => ({
    label,
    icon,
    onSelect: () => setThread(root, wanted),
  });
  const follow =
    state === "followed"
      ? item(text.unfollowThread, "bell", "none")
      : item(text.followThread, "bell", "followed");
  if (!isMuted(state)) return [follow, item(text.muteThread, MUTE, "muted")];
  return [
    follow,
    item(text.unmuteThread, MUTE, "none"),
    state === "muted"
      ? item(text.muteMentions, MENTION, "silent")
      : item(text.unmuteMentions, MENTION, "muted"),
  ];
}

const isMuted = (state: api.ThreadState) => state === "muted" || state === "silent";

/** Returns whether the API accepted it. */
export async function setThread(
  root: number,
  wanted: api.ThreadState,
  before = threads.get(root) ?? "none",
): Promise<boolean> {
  const text = notificationTexts();
  threads.set(root, wanted);
  try {
    // Following a thread unmutes it, and muting unfollows it.
    if (isMuted(wanted)) await api.muteThread(root, wanted === "silent");
    else if (wanted === "none" && isMuted(before)) await api.unmuteThread(root);
    else await api.setThreadFollow(root, wanted === "followed");
    const { threadMuted: muted, threadSilent: silent, threadFollowed: followed } = text;
    const none = isMuted(before) ? text.threadUnmuted : text.threadUnfollowed;
    showToast({ muted, silent, followed, none }[wanted]);
    return true;
  } catch (error) {
    threads.set(root, before);
    showToast(errorText(error), true);
    return false;
  }
}

export const isWatched = (id: number) => watched.get(id) ?? false;

export async function loadWatched(id: number) {
  const before = watched.get(id);
  try {
    const on = await api.isWatched(id);
    if (watched.get(id) === before && !isSending(`watch ${id}`)) watched.set(id, on);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

export const toggleWatch = (id: number) => setWatch(id, !isWatched(id));

/** Returns whether the API accepted it. */
export async function setWatch(id: number, wanted: boolean): Promise<boolean> {
  let accepted = true;
  watched.set(id, wanted);
  await sendLatest(
    `watch ${id}`,
    () => isWatched(id),
    (on) => api.setWatch(id, on),
    (known, error) => {
      accepted = false;
      watched.set(id, known);
      showToast(errorText(error), true);
    },
  );
  return accepted;
}
