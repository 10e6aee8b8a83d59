/** Short messages at the edge of the screen. */

export interface Notice {
  id: number;
  text: string;
  bad: boolean;
  /** Where it leads. */
  link: Link | null;
}

interface Link {
  href: string;
  label: string;
}

const SHOWN_MS = 6000;
/** There must be time to read the link, and to reach it. */
const LINK_SHOWN_MS = 12_000;

let last = 0;
let all = $state<Notice[]>([]);

export const notices = {
  get all() {
    return all;
  },
};

export function tell(text: string, bad = false, link: Link | null = null) {
  const id = ++last;
  all = [...all.filter((notice) => notice.text !== text), { id, text, bad, link }].slice(-3);
  setTimeout(() => dismiss(id), link ? LINK_SHOWN_MS : SHOWN_MS);
}

export function dismiss(id: number) {
  all = all.filter((notice) => notice.id !== id);
}
