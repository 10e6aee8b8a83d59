/** Toasts: short messages at the edge of the screen, which disappear after some seconds. */

export interface Toast {
  id: number;
  text: string;
  isError: boolean;
  link: Link | null;
  undoable: Undoable | null;
}

/** A change that is not sent yet and can still be undone. */
interface Undoable {
  undo: () => void;
  /** Sends the change. Called when the toast disappears. */
  commit: () => Promise<void>;
}

interface Link {
  href: string;
  label: string;
}

const SHOWN_MS = 6000;
/** Long enough to read the link or the button, and to reach it. */
const WITH_ACTION_SHOWN_MS = 12_000;
const MAX_TOASTS = 3;

let lastId = 0;
let all = $state<Toast[]>([]);

export const toasts = {
  get all() {
    return all;
  },
};

export function showToast(
  text: string,
  isError = false,
  link: Link | null = null,
  undoable: Undoable | null = null,
) {
  const id = ++lastId;
  for (const toast of all) if (toast.text === text) void dismiss(toast.id);
  for (const toast of all.slice(0, 1 - MAX_TOASTS)) void dismiss(toast.id);
  all = [...all, { id, text, isError, link, undoable }];
  setTimeout(() => void dismiss(id), link || undoable ? WITH_ACTION_SHOWN_MS : SHOWN_MS);
}

function remove(id: number): Toast | undefined {
  const removed = all.find((toast) => toast.id === id);
  all = all.filter((toast) => toast !== removed);
  return removed;
}

export const dismiss = async (id: number) => remove(id)?.undoable?.commit();
export const undo = (id: number) => remove(id)?.undoable?.undo();

/** Sends all changes that could still be undone. */
export const commitUndoable = () =>
  Promise.all(all.filter((toast) => toast.undoable).map((toast) => dismiss(toast.id)));

// The last event that browsers promise before a page is closed or discarded.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) void commitUndoable();
});
