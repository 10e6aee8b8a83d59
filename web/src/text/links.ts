/** Finds the web addresses in a tweet's text. */

import { LinkifyIt } from "linkify-it";

export interface Part {
  text: string;
  /** The address that the part links to; null for plain text. */
  href: string | null;
}

const linkify = new LinkifyIt({ urlAuth: true });

// linkify-it ends an address at white space and punctuation of any script, but not at characters
// that are not visible: of these, word separators and directional marks are no part of an address.
const INVISIBLE = /[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

// `linkify.match` finds no address that follows a letter, but Chinese and Japanese are written
// without spaces: "詳細はhttps://a.example". So the schemes are searched for here.
const SCHEME = /\bhttps?:/gi;

/** Splits a text into plain parts and http(s) addresses. */
export function parts(text: string): Part[] {
  const searched = text.replace(INVISIBLE, " ");
  const found: Part[] = [];
  let end = 0;
  for (const { 0: scheme, index } of searched.matchAll(SCHEME)) {
    if (index < end) continue;
    const host = index + scheme.length;
    const length = linkify.testSchemaAt(searched, scheme, host);
    const href = text.slice(index, host + length);
    if (length === 0 || !isSafe(href)) continue;
    if (index > end) found.push({ text: text.slice(end, index), href: null });
    found.push({ text: href.replace(/^https?:\/\//i, ""), href });
    end = index + href.length;
  }
  if (end < text.length) found.push({ text: text.slice(end), href: null });
  return found;
}

/** Credentials make an address look like one of another host: `https://bank.example@a.example`. */
function isSafe(address: string): boolean {
  return URL.canParse(address) && new URL(address).username === "";
}

/** The text without blank lines at its ends and with at most one blank line between lines. */
export function foldBlankLines(text: string): string {
  return text
    .trimEnd()
    .replace(/^(?:[^\S\n]*\n)+/, "")
    .replace(/\n(?:[^\S\n]*\n){2,}/g, "\n\n");
}
