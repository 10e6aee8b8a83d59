/** Mentions and hashtags in a draft. */

import type { NewTweet } from "../api/client";

/** A mentioned person. `start` is in UTF-16 units, as in a text field. */
export interface Mention {
  userId: number;
  name: string;
  start: number;
  /** Whether several people have this name. */
  shared: boolean;
}

/** The beginning of a name or a hashtag, right before the caret. */
export interface Token {
  kind: "person" | "tag";
  /** The position of its @ or #. */
  start: number;
  query: string;
}

// Where a mention and a hashtag may begin: as in services/tweets/entities.py.
const PERSON = /(?<![\p{L}\p{M}\p{N}_@/.])@((?:[^\s@#][^\s@]*(?: [^\s@]*)?)?)$/u;
const TAG = /(?<![\p{L}\p{M}\p{N}_/)&#])#([\p{L}\p{M}\p{N}_]*)$/u;
const AT = /(?<![\p{L}\p{M}\p{N}_@/.])@(?=\S)/gu;
const WORD = /^[\p{L}\p{M}\p{N}_]/u;

export function tokenAt(text: string, caret: number): Token | null {
  const before = text.slice(0, caret);
  const tag = TAG.exec(before);
  if (tag) return { kind: "tag", start: tag.index, query: tag[1]! };
  const person = PERSON.exec(before);
  return person && { kind: "person", start: person.index, query: person[1]! };
}

/** The mentions after an edit. A mention whose own text was changed is removed. */
export function moveMentions(mentions: readonly Mention[], from: string, to: string): Mention[] {
  let same = 0;
  const shortest = Math.min(from.length, to.length);
  while (same < shortest && from[same] === to[same]) same++;
  let tail = 0;
  while (tail < shortest - same && from.at(-1 - tail) === to.at(-1 - tail)) tail++;
  return mentions
    .map((mention) =>
      mention.start >= from.length - tail
        ? { ...mention, start: mention.start + to.length - from.length }
        : mention,
    )
    .filter((mention) => isStillThere(mention, to));
}

function isStillThere({ name, start }: Mention, text: string): boolean {
  const written = `@${name}`;
  return text.startsWith(written, start) && !WORD.test(text.slice(start + written.length));
}

/**
 * The mentions for the API; undefined if the API should find them in the text. The API takes all mentions
 * from the client or finds all itself, so mentions typed by hand are lost if a chosen name is shared.
 */
export function mentionsForApi(mentions: readonly Mention[], text: string): NewTweet["mentions"] {
  const content = text.trim();
  const cut = text.length - text.trimStart().length;
  const starts = new Set(mentions.map(({ start }) => start - cut));
  const typed = [...content.matchAll(AT)].some(({ index }) => !starts.has(index));
  if (mentions.length === 0 || (typed && !mentions.some(({ shared }) => shared))) return undefined;
  return mentions.map(({ userId, name, start }) => ({
    user_id: userId,
    start: codePoints(content.slice(0, start - cut)),
    length: 1 + codePoints(name),
  }));
}

const codePoints = (text: string) => Array.from(text).length;
