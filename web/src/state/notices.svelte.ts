/** Short messages at the edge of the screen. */

export interface Notice {
  id: number;
  text: string;
  bad: boolean;
  /** Where it leads. */
  link: Link | null;
  offer: Offer | null;
}

/** What may still be undone. */
interface Offer {
  undo: () => void;
  /** Called when it can no longer be undone, because the notice is gone. */
  settle: () => Promise<void>;
}

interface Link {
  href: string;
  label: string;
}

const SHOWN_MS = 6000;
/** There must be time to read the link or the button, and to reach it. */
const LINK_SHOWN_MS = 12_000;

let last = 0;
let all = $state<Notice[]>([]);

export const notices = {
  get all() {
    return all;
  },
};

export function tell(
  text: string,
  bad = false,
  link: Link | null = null,
  offer: Offer | null = null,
) {
  const id = ++last;
  for (const notice of all) if (notice.text === text) void dismiss(notice.id);
  for (const notice of all.slice(0, -2)) void dismiss(notice.id);
  all = [...all, { id, text, bad, link, offer }];
  setTimeout(() => void dismiss(id), link || offer ? LINK_SHOWN_MS : SHOWN_MS);
}

function take(id: number): Notice | undefined {
  const taken = all.find((notice) => notice.id === id);
  all = all.filter((notice) => notice !== taken);
  return taken;
}

export const dismiss = async (id: number) => take(id)?.offer?.settle();
export const undo = (id: number) => take(id)?.offer?.undo();

/** Ends all that may still be undone. */
export const settleOffers = () =>
  Promise.all(all.filter((it) => it.offer).map((it) => dismiss(it.id)));

// The last event that browsers promise before a page is closed, or discarded in the background.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) void settleOffers();
});
