/** A tweet's text cut into plain parts and addresses. */

export interface Part {
  text: string;
  /** Where it leads; null for plain text. */
  href: string | null;
}

const ADDRESS = /\bhttps?:\/\/[^\s<>"'«»“”]+/giu;
const CLOSING: Record<string, string> = { ")": "(", "]": "[", "}": "{" };

/** The end of a sentence is not the end of an address; a bracket that was opened within it is. */
function trimmed(address: string): string {
  for (;;) {
    const last = address.at(-1) ?? "";
    const opening = CLOSING[last];
    const unpaired =
      opening !== undefined && address.split(opening).length < address.split(last).length;
    if (!unpaired && !/[.,:;!?…'"*_~]/u.test(last)) return address;
    address = address.slice(0, -1);
  }
}

export function parts(text: string): Part[] {
  const found: Part[] = [];
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    if (!URL.canParse(address)) continue;
    if (match.index > at) found.push({ text: text.slice(at, match.index), href: null });
    found.push({ text: address.replace(/^https?:\/\//i, ""), href: address });
    at = match.index + address.length;
  }
  if (at < text.length) found.push({ text: text.slice(at), href: null });
  return found;
}
