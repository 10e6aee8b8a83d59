/** Short messages at the edge of the screen. */

export interface Notice {
  id: number;
  text: string;
  bad: boolean;
}

const SHOWN_MS = 6000;

let last = 0;
let all = $state<Notice[]>([]);

export const notices = {
  get all() {
    return all;
  },
};

export function tell(text: string, bad = false) {
  const id = ++last;
  all = [...all.filter((notice) => notice.text !== text), { id, text, bad }].slice(-3);
  setTimeout(() => dismiss(id), SHOWN_MS);
}

export function dismiss(id: number) {
  all = all.filter((notice) => notice.id !== id);
}
